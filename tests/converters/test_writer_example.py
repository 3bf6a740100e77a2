"""A hand-written PyTorch loop exports with the writer; the README has one of numpy alone."""

import doctest
import sys

import pytest


def test_a_torch_loop(tmp_path, monkeypatch):
    """A convolution, a pooling and a dense layer, trained with quantized weights.

    The loop is any loop; what matters is that weights are rounded on the way (straight-through), so that
    the network that is trained is the one that is exported:

    >>> import numpy as np, torch
    >>> from sklearn.datasets import load_digits
    >>> from torch.nn import functional as F
    >>> pixels, labels = load_digits(return_X_y=True)
    >>> images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8)
    >>> _ = torch.manual_seed(1)
    >>> conv, fc = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.Linear(8 * 4 * 4, 10)
    >>> def rounded(weight, levels):
    ...     scale = weight.detach().abs().max() / levels
    ...     return weight + (torch.round(weight / scale) * scale - weight).detach(), scale.item()
    >>> adam = torch.optim.Adam([*conv.parameters(), *fc.parameters()], lr=0.01)
    >>> for step in range(60):
    ...     w1, s1 = rounded(conv.weight, 7)
    ...     w2, s2 = rounded(fc.weight, 7)
    ...     hidden = F.max_pool2d(F.relu(F.conv2d(images / 16, w1, conv.bias, padding=1)), 2)
    ...     loss = F.cross_entropy(F.linear(hidden.flatten(1), w2, fc.bias), torch.tensor(labels))
    ...     adam.zero_grad()
    ...     loss.backward()
    ...     _ = adam.step()

    Integers: 4-bit weights, 5-bit pixels, 6-bit activations. Axes go from PyTorch's N C H W to H W C:

    >>> from intsim_converters.writer import NetworkWriter, multiplier_and_shift
    >>> integers = lambda reals, scale: np.rint(reals.detach().numpy() / scale).astype(int)
    >>> scale = hidden.max().item() / 63
    >>> q1 = integers(w1, s1).transpose(0, 2, 3, 1)
    >>> q2 = integers(w2, s2).reshape(10, 8, 4, 4).transpose(0, 2, 3, 1).reshape(10, 128)
    >>> c1, c2 = integers(conv.bias, s1 / 16), integers(fc.bias, s2 * scale)
    >>> multiplier, shift = multiplier_and_shift(s1 / 16 / scale, bits=15)
    >>> w = NetworkWriter(source="digits in PyTorch", writer="my loop")
    >>> x = w.input("image", (8, 8, 1), "uint5", scale=1 / 16)
    >>> a = w.conv2d("conv", x, q1, weight_format="int4", bias=c1, padding=1, accumulator={"format": "int16"})
    >>> q = w.requantize("relu", a, multiplier=multiplier, shift=shift, rounding="half_up", format="uint6")
    >>> p = w.reshape("flat", w.max_pool2d("pool", q, 2, stride=2), (128,))
    >>> w.output(w.dense("scores", p, q2, weight_format="int4", bias=c2))
    >>> w.save("torch.h5")

    The same integers by PyTorch, in float64, where every one of them is exact:

    >>> def real(integers):
    ...     return torch.tensor(np.asarray(integers), dtype=torch.float64)
    >>> sums = F.conv2d(images.double(), real(q1.transpose(0, 3, 1, 2)), real(c1), padding=1)
    >>> codes = torch.floor((sums * int(multiplier) + 2 ** (shift - 1)) / 2**shift).clamp(0, 63)
    >>> flat = F.max_pool2d(codes, 2).permute(0, 2, 3, 1).reshape(-1, 128)
    >>> wanted = (flat @ real(q2).T + real(c2)).numpy()

    >>> import intsim
    >>> scores = intsim.run(intsim.load("torch.h5"), pixels.reshape(-1, 8, 8, 1).astype(int)).output
    >>> bool((scores == wanted).all()), bool((scores.argmax(1) == labels).mean() > 0.9)
    (True, True)
    """
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestFinder(recurse=False).find(test_a_torch_loop, module=sys.modules[__name__])
    assert len(found) == 1
    assert doctest.DocTestRunner().run(found[0]).failed == 0
