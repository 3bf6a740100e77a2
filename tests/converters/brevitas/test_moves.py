"""Elements moved, joined, and computed with one by one: against Brevitas, integer by integer."""

import operator

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.brevitas import convert
from intsim_converters.brevitas.carried import stored_shape
from intsim_converters.brevitas.moving import NoMoveError, moving, run, sources
from torch import nn

from intsim.errors import ConversionError
from tests.converters.brevitas.agree import brevitas_integers, channels_last, differences, run_all
from tests.converters.brevitas.exact import true_sums
from tests.converters.brevitas.modules import seen

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

F = nn.functional
TENSOR = {"return_quant_tensor": True}


def act(bits=6, **options):
    return qnn.QuantIdentity(bit_width=bits, **TENSOR, **options)


class Steps(nn.Module):
    """A forward pass that is given, between quantizers of several kinds."""

    def __init__(self, steps):
        super().__init__()
        self.image, self.other, self.last = act(), act(5), act(7)
        self.positive = qnn.QuantReLU(bit_width=4, **TENSOR)
        self.shifted = act(8, act_quant=ShiftedUint8ActPerTensorFloat)
        self.fixed = act(6, restrict_scaling_type="power_of_two")
        self.finer = act(8, restrict_scaling_type="power_of_two")
        self.conv = qnn.QuantConv2d(4, 6, 1)
        self.steps = steps

    def forward(self, x):
        return self.steps(self, x)


def agreed(steps, shape):
    """The network, once all integers are equal."""
    module, images = seen(Steps(steps), shape)
    network = convert(module, torch.from_numpy(images[:2]))
    with true_sums():
        found, _ = brevitas_integers(module, images)
    assert differences(found, run_all(network, images).trace) == {}
    return network


def ops(network):
    return [node.op.name for node in network.nodes]


MOVES = {
    "permute": (lambda x: x.permute(0, 2, 3, 1), ["transpose"]),
    "transpose": (lambda x: x.transpose(2, 3), ["transpose"]),
    "torch.transpose": (lambda x: torch.transpose(x, 1, 2), ["transpose"]),
    "flatten": (lambda x: torch.flatten(x, 1), ["transpose", "reshape"]),
    "flatten places": (lambda x: x.flatten(2), ["reshape"]),
    "view": (lambda x: x.view(x.shape[0], 2, -1, 4), ["transpose", "reshape", "transpose"]),
    "unsqueeze": (lambda x: x.flatten(1).unsqueeze(1), None),
    "mix channels": (
        lambda x: x.view(x.shape[0], 2, 2, 6, 4).transpose(1, 2).reshape(x.shape[0], 4, 6, 4),
        ["gather"],
    ),
    "chunk": (lambda x: x.chunk(2, 1)[1], ["slice"]),
    "split": (lambda x: torch.split(x, [1, 5], 2)[1], ["slice"]),
    "slices": (lambda x: x[:, 1:, ::2, -3:], ["slice"]),
    "one": (lambda x: x[:, :, 2], None),
    "rows": (lambda x: x[:, :, [3, 0, 0, 5]], ["resize_nearest"]),
    "channels": (lambda x: x[:, [3, 0, 0]], ["gather"]),
    "flip": (lambda x: torch.flip(x, [2]), ["slice"]),
    "roll": (lambda x: torch.roll(x, 1, 3), ["resize_nearest"]),
    "upsample": (lambda x: F.interpolate(x, scale_factor=2), ["resize_nearest"]),
    "upsample to": (lambda x: F.interpolate(x, size=(7, 5), mode="nearest-exact"), ["resize_nearest"]),
    "shuffle": (lambda x: F.pixel_shuffle(x, 2), ["depth_to_space"]),
    "unshuffle": (lambda x: F.pixel_unshuffle(x, 2), ["space_to_depth", "gather"]),
    "pad": (lambda x: F.pad(x, (1, 2, 0, 3)), ["pad"]),
    "pad and cut": (lambda x: F.pad(x, (-1, 2)), ["slice", "pad"]),
    "mirror": (lambda x: F.pad(x, (1, 2, 0, 0), mode="reflect"), ["resize_nearest"]),
    "repeat": (lambda x: x.repeat(1, 1, 2, 1), ["resize_nearest"]),
    "nothing": (lambda x: x.view(x.shape).contiguous(), []),
    "diagonal moves": (
        lambda x: x.view(x.shape[0], 4, 3, 2, 4).transpose(1, 3).reshape(x.shape[0], 2, 12, 4),
        None,
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    """Of codes; and of the network's input, before it is quantized."""
    move, wanted = MOVES[name]
    network = agreed(lambda m, x: m.last(move(m.image(x).value)), (4, 6, 4))
    if wanted is not None:
        assert ops(network) == ["quantize", *wanted, "requantize"]
    if not name.startswith("pad"):
        first = agreed(lambda m, x: m.image(move(x)), (4, 6, 4))
        assert wanted is None or ops(first) == ["quantize", *wanted]


@st.composite
def chains(draw):
    """A shape of a sample, and moves one after another, each drawn for the shape that it meets."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    x, calls = torch.zeros(2, *shape), []
    for _ in range(draw(st.integers(1, 4))):
        call = draw(st.sampled_from([permuted, reshaped, sliced, picked, flipped]))(draw, tuple(x.shape[1:]))
        calls.append(call)
        x = call(x)
    return shape, calls, tuple(x.shape[1:])


def permuted(draw, shape):
    order = draw(st.permutations(range(1, len(shape) + 1)))
    return lambda x: x.permute(0, *order)


def reshaped(draw, shape):
    first = draw(st.sampled_from([n for n in range(1, 13) if np.prod(shape) % n == 0]))
    return lambda x: x.reshape(x.shape[0], first, -1)


def sliced(draw, shape):
    axis = draw(st.integers(0, len(shape) - 1))
    begin = draw(st.integers(0, shape[axis] - 1))
    step = draw(st.integers(1, 2))
    return lambda x: x[(slice(None),) * (axis + 1) + (slice(begin, None, step),)]


def picked(draw, shape):
    axis = draw(st.integers(0, len(shape) - 1))
    places = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=4))
    return lambda x: x[(slice(None),) * (axis + 1) + (places,)]


def flipped(draw, shape):
    axis = draw(st.integers(1, len(shape)))
    return lambda x: x.flip(axis)


@settings(max_examples=60, deadline=None)
@given(chains())
def test_chains_of_moves(drawn):
    """The ops for a move, on the network's layout, against torch on its own."""
    shape, calls, result = drawn

    def call(x):
        for step in calls:
            x = step(x)
        return x

    (index,) = sources(call, (2, *shape))
    assert index.shape == result
    values = torch.randint(-128, 128, (3, *shape))
    ours = run(moving(index, shape), channels_last(values.numpy()).reshape(3, *stored_shape(shape)))
    assert np.array_equal(ours, channels_last(call(values).numpy()).reshape(3, *stored_shape(result)))


QUANTIZED = {
    "view": lambda x: x.view(x.shape[0], 8, 3, 4),
    "permute": lambda x: x.permute(0, 3, 2, 1),
    "flatten": lambda x: torch.flatten(x, 1),
    "pad": lambda x: F.pad(x, (1, 0, 2, 1)),
    "shuffle": lambda x: F.pixel_shuffle(x, 2),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
}


@pytest.mark.parametrize("name", QUANTIZED)
@pytest.mark.parametrize("kind", ["image", "shifted"])
def test_moves_of_quantized_tensors(name, kind):
    """A zero that is padded is the zero point."""
    network = agreed(lambda m, x: m.last(QUANTIZED[name](getattr(m, kind)(m.image(x)))), (4, 6, 4))
    if name == "pad" and kind == "shifted":
        assert network.node("pad").op.value > 0


LAYERS = [
    nn.Flatten(),
    nn.Unflatten(1, (2, 2)),
    nn.PixelShuffle(2),
    nn.PixelUnshuffle(2),
    nn.ChannelShuffle(2),
    nn.Upsample(scale_factor=2),
    nn.UpsamplingNearest2d(size=(5, 9)),
    nn.ZeroPad2d((1, 2, 0, 1)),
    nn.ConstantPad2d(2, 0.0),
    nn.ReflectionPad2d(1),
    nn.ReplicationPad2d((1, 2, 0, 1)),
    nn.CircularPad2d(1),
    qnn.QuantUpsample(scale_factor=3),
    qnn.QuantUpsample(size=(7, 5)),
    qnn.QuantUpsamplingNearest2d(scale_factor=2),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers_that_move(layer):
    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.layer, self.last = act(), layer, act(7)

        def forward(self, x):
            x = self.layer(self.image(x).value if isinstance(layer, nn.Unflatten) else self.image(x))
            return self.last(x.flatten(1, 2) if isinstance(layer, nn.Unflatten) else x)

    module, images = seen(Layers(), (4, 6, 4))
    found, _ = brevitas_integers(module, images)
    assert differences(found, run_all(convert(module, torch.from_numpy(images[:2])), images).trace) == {}


def test_scales_of_channels_move_with_them():
    """A batch norm's factors, which no integer stands for yet."""

    class Norms(Steps):
        def __init__(self, steps):
            super().__init__(steps)
            self.norm = nn.BatchNorm2d(4)

    module, images = seen(Norms(lambda m, x: m.last(m.norm(m.image(x))[:, [2, 0, 0, 3], 1:])), (4, 6, 4))
    with torch.no_grad():
        module.norm.weight.copy_(torch.tensor([1.0, -0.5, 0.25, 2.0]))
    found, _ = brevitas_integers(module, images)
    network = convert(module, torch.from_numpy(images[:2]))
    assert differences(found, run_all(network, images).trace) == {}
    module.steps = lambda m, x: m.last(m.norm(m.image(x)).transpose(1, 2))
    with pytest.raises(ConversionError, match=r"^transpose: scales of channels must stay with them"):
        convert(module, torch.from_numpy(images[:2]))


def twice(m, x):
    """A quantized tensor, and another of the same scale."""
    return x, m.image(-2 * x.value)


COMPUTED = {
    "cat": (lambda m, x: m.last(torch.cat(twice(m, m.image(x)), 1)), "concat"),
    "cat places": (lambda m, x: m.last(torch.cat(twice(m, m.image(x)), dim=-1)), "concat"),
    "cat scales": (
        lambda m, x: m.last(torch.cat([m.image(x).value, m.other(m.image(x)).value], 1)),
        "concat",
    ),
    "cat sums": (lambda m, x: m.last(torch.cat([m.conv(m.image(x)), m.image(x).value], 1)), "concat"),
    "cat powers of two": (
        lambda m, x: m.last(torch.cat([m.fixed(x).value, m.finer(m.fixed(x)).value], 2)),
        "concat",
    ),
    "add": (lambda m, x: m.last(m.image(x) + m.image(x).value.flip(2)), "add"),
    "add powers of two": (lambda m, x: m.last(m.fixed(x).value + m.finer(m.fixed(x)).value), "add"),
    "subtract": (lambda m, x: m.last(operator.sub(*twice(m, m.image(x)))), "sub"),
    "subtract values": (
        lambda m, x: m.last(m.shifted(m.image(x)).value - m.shifted(m.conv(m.image(x))).value[:, :4]),
        "sub",
    ),
    "multiply": (lambda m, x: m.last(m.image(x) * m.other(m.image(x))), "mul"),
    "gate": (lambda m, x: m.last(m.image(x).value * m.positive(torch.sigmoid(m.image(x))).value), "mul"),
    "multiply values": (lambda m, x: m.last(m.image(x).value * m.shifted(m.image(x)).value), "mul"),
    "add a number": (lambda m, x: m.last(0.3 + m.image(x)), None),
    "take from a number": (lambda m, x: m.last(1 - m.image(x).value), None),
    "take a number": (lambda m, x: m.last(m.image(x).value - 0.25), None),
    "times a number": (lambda m, x: m.last(m.image(x) * -1.7), None),
    "over a number": (lambda m, x: m.last(m.image(x).value / 3), None),
    "negative": (lambda m, x: m.last(-m.image(x)), None),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_computed(name):
    steps, wanted = COMPUTED[name]
    network = agreed(steps, (4, 6, 4))
    assert wanted is None or wanted in ops(network)


def test_channels_that_are_joined_keep_their_scales():
    network = agreed(COMPUTED["cat scales"][0], (4, 6, 4))
    assert network.specs["cat"].quantization.scale.size == 8
    network = agreed(COMPUTED["cat powers of two"][0], (4, 6, 4))
    assert network.specs["cat"].quantization.scale.size == 1


def test_samples_that_move_differently():
    def call(x):
        return torch.stack([x[0], x[1].flip(0)])

    with pytest.raises(
        NoMoveError, match="must not move elements from one sample to another, nor differently"
    ):
        sources(call, (2, 3))
    (index,) = sources(lambda x: x.flip(1), (2, 3))
    assert index.tolist() == [2, 1, 0]


REFUSED = {
    "batch": (lambda m, x: m.image(x).flatten(0, 1), "flatten: must keep the batch, not give shape"),
    "samples": (
        lambda m, x: m.last(m.image(x).value.flip(0)),
        "flip: must not move elements from one sample",
    ),
    "roll": (lambda m, x: m.last(torch.roll(m.image(x).value, 1)), "roll: must not move elements from one"),
    "bilinear": (
        lambda m, x: m.last(F.interpolate(m.image(x), scale_factor=2, mode="bilinear")),
        "interpolate: must only move elements",
    ),
    "ones": (lambda m, x: m.last(F.pad(m.image(x), (1, 1), value=1.0)), "pad: must only move elements"),
    "four axes": (
        lambda m, x: m.last(m.image(x).view(x.shape[0], 2, 2, 6, 4)),
        "last: samples must have 1 to 3 axes, not shape (2, 2, 6, 4)",
    ),
    "an input that is padded": (
        lambda m, x: m.image(F.pad(x, (1, 1))),
        "pad: input must be quantized before",
    ),
    "sums that are padded": (
        lambda m, x: m.last(F.pad(m.conv(m.image(x)), (1, 1))),
        "pad: 'conv' must be quantized before it",
    ),
    "joined batches": (
        lambda m, x: torch.cat([m.image(x).value, m.image(x).value]),
        "cat: samples must not be joined",
    ),
    "joined places": (
        lambda m, x: m.last(torch.cat([m.image(x).value, m.other(m.image(x)).value], 2)),
        "cat: tensors must have one scale and zero point",
    ),
    "a scale": (lambda m, x: m.image(x)[1], "getitem: entry 1 of a quantized tensor is not its integers"),
    "broadcast": (
        lambda m, x: m.last(m.image(x).value + m.image(x).value[:, :, :1]),
        "add: shapes must be equal, not (4, 6, 4) and (4, 1, 4)",
    ),
    "a sum after an activation": (
        lambda m, x: m.last(torch.relu(m.conv(m.image(x))) + 1.0),
        "add: must be quantized after its activation",
    ),
    "a negative of a zero point": (
        lambda m, x: m.last(-m.shifted(m.image(x))),
        "neg: Brevitas gives no negative of a tensor with a zero point",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    steps, message = REFUSED[name]
    module, images = seen(Steps(steps), (4, 6, 4))
    with pytest.raises(ConversionError) as caught:
        convert(module, torch.from_numpy(images[:2]))
    assert str(caught.value).startswith(message)
