"""Activation functions in front of quantizers: torch's float32 within its slack, codes equal or in doubt."""

import brevitas.nn as qnn
import brevitas.quant as bq
import numpy as np
import pytest
import torch
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat
from intsim_converters.brevitas import convert, doubts
from intsim_converters.brevitas.convert import convert_with_meaning
from intsim_converters.brevitas.functions import CALLED, KNOWN, Form, function_of
from intsim_converters.brevitas.quantizers import read_quantizer
from torch import nn

from intsim.errors import ConversionError
from tests.converters.brevitas.agree import brevitas_integers, channels_last, codes, run_all
from tests.converters.brevitas.exact import true_sums
from tests.converters.brevitas.modules import calibrated, seen

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TENSOR = {"return_quant_tensor": True}

MODULES = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Hardtanh(-0.5, 0.7),
    nn.Hardsigmoid(),
    nn.LeakyReLU(0.1),
    nn.PReLU(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.ELU(0.7, inplace=True),
    nn.SELU(),
    nn.CELU(1.3),
    nn.Softplus(),
    nn.Softsign(),
    nn.LogSigmoid(),
    nn.SiLU(inplace=True),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.Hardswish(),
    nn.Mish(),
]


def close(module, example, trace, found, name):
    """Codes of one quantizer: equal, but for sums in doubt, which are few. How many differ."""
    (doubt,) = [entry for entry in doubts(module, example) if entry.node == name] or [None]
    wrong = trace[name] != channels_last(found[name])
    if wrong.any():
        assert doubt is not None
        sums = trace[{"2": "1", "1": "0"}[name]]
        assert doubt.holds(sums)[wrong].all()
    assert doubt is None or doubt.sums < max(doubt.of / 50, 20)
    return int(wrong.sum())


@pytest.mark.parametrize("bits", [6])
@pytest.mark.parametrize("function", MODULES, ids=repr)
def test_behind_sums(function, bits):
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.image = qnn.QuantIdentity(**TENSOR)
            self.sums = qnn.QuantLinear(12, 8, bias=True)
            self.function = function
            self.codes = qnn.QuantIdentity(bit_width=bits, **TENSOR)

        def forward(self, x):
            return self.codes(self.function(self.sums(self.image(x))))

    torch.manual_seed(1)
    module, images = seen(Chain(), (12,))
    example = torch.from_numpy(images[:2])
    found, _ = brevitas_integers(module, images)
    network = convert(module, example)
    trace = run_all(network, images).trace
    assert np.array_equal(trace["sums"], found["sums"])
    wrong = trace["codes"] != found["codes"]
    doubt = {entry.node: entry for entry in doubts(module, example)}["codes"]
    assert doubt.holds(trace["sums"])[wrong].all()
    assert doubt.sums < doubt.of / 50
    assert wrong.mean() < 0.01
    assert len(np.unique(trace["codes"])) > 5


@pytest.mark.parametrize("function", MODULES, ids=repr)
def test_behind_codes(function):
    """All 256 of them; a valley is a table there."""
    layers = qnn.QuantIdentity(**TENSOR), function, qnn.QuantIdentity(bit_width=6, **TENSOR)
    module, images = calibrated(*layers, shape=(16,))
    example = torch.from_numpy(images[:2])
    scale = float(module[0].act_quant.scale())
    images = (np.arange(-128, 128, dtype=np.float32) * scale).reshape(16, 16)
    found, _ = brevitas_integers(module, images)
    network = convert(module, example)
    trace = run_all(network, images).trace
    assert len(np.unique(trace["0"])) > 250
    wrong = trace["2"] != found["2"]
    (doubt,) = doubts(module, example) or [None]
    assert not wrong.any() or doubt.holds(trace["0"])[wrong].all()
    assert doubt is None or doubt.sums < 16
    valley = function_of("", function).form is Form.VALLEY
    assert network.node("2").op.name == ("lookup" if valley else "requantize")


@pytest.mark.parametrize("function", MODULES, ids=repr)
def test_slack_holds_what_torch_gives(function):
    """Float32 against float64, within a tensor and at its end, where torch computes otherwise."""
    known = function_of("", function)
    x = torch.randn(20011, generator=torch.Generator().manual_seed(3)) * 6
    with torch.no_grad():
        wide = function.double()(x.double())
        function.float()
        alone = torch.cat([known(x[i : i + 1]) for i in range(2000)])
        if known.form is Form.EXACT:
            assert torch.equal(alone, known(x)[:2000])
        for given, true in ((known(x), wide), (alone, wide[:2000])):
            if known.form is Form.EXACT:
                order = x[: len(given)].argsort()
                assert (given[order].diff() >= 0).all()
                continue
            slack = (known(x, 1)[: len(given)].double() - given.double()).abs()
            assert ((given.double() - true).abs() <= slack / 2 + 1e-30).all()


@pytest.mark.parametrize("function", [nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU()], ids=repr)
def test_slack_is_what_doubts_tell(function):
    """Sums so fine that several are within one step's slack; every float of them is exact."""
    fixed = {"restrict_scaling_type": "power_of_two", **TENSOR}
    layers = (
        qnn.QuantIdentity(bit_width=12, **fixed),
        qnn.QuantLinear(2, 1, bias=False, weight_bit_width=10, weight_restrict_scaling_type="power_of_two"),
        function,
        qnn.QuantIdentity(bit_width=6, **TENSOR),
    )
    module, images = calibrated(*layers, shape=(2,))
    example = torch.from_numpy(images[:2])
    network, meaning, _ = convert_with_meaning(module, example, {})
    (doubt,) = doubts(module, example)
    (slope,) = meaning["1"].affine.scales()
    quantizer = read_quantizer("3", module[3].act_quant, (function_of("2", function),), 1)
    around = np.arange(-300, 300)
    near = [n + around for runs in doubt.runs for run in runs for n in run]
    sums = np.unique(np.clip(np.concatenate(near), -(2**21), 2**21))[:, None]
    reals = (sums * float(slope)).astype(np.float32)
    most, least = (quantizer.codes(reals, side) for side in (1, -1))
    unsure = doubt.holds(sums)
    assert unsure[most != least].all()
    assert (most != least).any()
    given = {node.name: node for node in network.nodes}
    codes = sum(
        given[name].op.reference(sums)[0] for name in ("3", "3.rising", "3.falling") if _reads(given, name)
    )
    assert np.array_equal(codes[~unsure], least[~unsure])


def _reads(given, name):
    return name in given and given[name].inputs == ("1",)


def test_a_valley_under_zero_is_no_part_of_unsigned_codes():
    layers = qnn.QuantIdentity(**TENSOR), qnn.QuantLinear(12, 8), qnn.QuantHardSwish(bit_width=5, **TENSOR)
    module, images = calibrated(*layers, shape=(12,))
    network = convert(module, torch.from_numpy(images[:2]))
    assert [node.op.name for node in network.nodes] == ["quantize", "dense", "requantize"]
    with torch.no_grad():
        found = codes(module[2].act_quant, module(torch.from_numpy(images)))
    assert np.array_equal(run_all(network, images).trace["2"], found)


def test_two_sides_of_a_valley_are_added():
    layers = qnn.QuantIdentity(**TENSOR), qnn.QuantLinear(12, 8), nn.SiLU(), qnn.QuantIdentity(**TENSOR)
    module, images = calibrated(*layers, shape=(12,))
    network = convert(module, torch.from_numpy(images[:2]))
    names = ["quantize", "dense", "requantize", "requantize", "add"]
    assert [node.op.name for node in network.nodes] == names
    assert [node.name for node in network.nodes][2:] == ["3.rising", "3.falling", "3"]


@pytest.mark.parametrize("kind", [qnn.QuantSigmoid, qnn.QuantTanh, qnn.QuantHardTanh, qnn.QuantHardSwish])
@pytest.mark.parametrize("bits", [3, 8])
def test_layers_of_brevitas(kind, bits):
    options = {"min_val": -1.0, "max_val": 1.0} if kind is qnn.QuantHardTanh else {}
    layer = kind(bit_width=bits, **options, **TENSOR)
    layers = qnn.QuantIdentity(**TENSOR), qnn.QuantConv2d(2, 3, 3), layer
    module, images = calibrated(*layers, shape=(2, 6, 6))
    example = torch.from_numpy(images[:2])
    found, _ = brevitas_integers(module, images)
    assert close(module, example, run_all(convert(module, example), images).trace, found, "2") <= 3


def test_a_layer_of_brevitas_without_quantizer():
    """Only its function counts."""
    plain = qnn.QuantSigmoid(act_quant=None)
    layers = qnn.QuantIdentity(**TENSOR), qnn.QuantLinear(8, 6), plain, qnn.QuantIdentity(**TENSOR)
    module, images = calibrated(*layers, shape=(8,))
    network = convert(module, torch.from_numpy(images[:2]))
    found, _ = brevitas_integers(module, images)
    assert (run_all(network, images).trace["3"] != found["3"]).sum() <= 1


class Called(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.image, self.codes = qnn.QuantIdentity(**TENSOR), qnn.QuantIdentity(bit_width=6, **TENSOR)
        self.call = call

    def forward(self, x):
        return self.codes(self.call(self.image(x)))


CALLS = [
    lambda x: nn.functional.leaky_relu(x, 0.25),
    lambda x: nn.functional.hardtanh(x, -0.3, 0.4),
    lambda x: nn.functional.relu6(x),
    lambda x: nn.functional.gelu(x, approximate="tanh"),
    lambda x: nn.functional.softplus(x, beta=2),
    lambda x: torch.clamp(x.value, -0.5),
    lambda x: x.value.clamp(max=0.5),
    lambda x: torch.tanh(x),
    lambda x: x.value.sigmoid(),
]


@pytest.mark.parametrize("call", CALLS)
def test_functions(call):
    module, images = seen(Called(call), (40,))
    found, _ = brevitas_integers(module, images)
    network = convert(module, torch.from_numpy(images[:2]))
    assert np.array_equal(run_all(network, images).trace["codes"], found["codes"])


def test_every_function_has_its_module():
    kinds = {type(module) for module in MODULES}
    assert kinds == set(KNOWN)
    assert {made for made in CALLED.values() if isinstance(made, type)} <= kinds


class Relus(nn.Module):
    def __init__(self, first, steps):
        super().__init__()
        self.first, self.conv, self.norm = first, qnn.QuantConv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3)
        self.last, self.steps = qnn.QuantIdentity(bit_width=6, **TENSOR), steps

    def forward(self, x):
        return self.last(self.steps(self, self.first(x)))


@pytest.mark.parametrize("kind", [bq.Int8ActPerTensorFloat, ShiftedUint8ActPerTensorFloat])
@pytest.mark.parametrize(
    "steps",
    [
        lambda m, x: m.conv(nn.functional.relu(x)),
        lambda m, x: torch.relu(m.conv(x)) + torch.relu(m.conv(x)),
        lambda m, x: m.norm(torch.relu(x)),
        lambda m, x: torch.cat([torch.relu(x), torch.relu(x)], 2),
    ],
)
def test_relus_that_no_quantizer_follows(kind, steps):
    """On the integers themselves."""
    first = nn.Sequential(qnn.QuantIdentity(**TENSOR), qnn.QuantIdentity(act_quant=kind, **TENSOR))
    module, images = seen(Relus(first, steps), (3, 5, 4))
    network = convert(module, torch.from_numpy(images[:2]))
    with true_sums():
        found, _ = brevitas_integers(module, images)
    trace = run_all(network, images).trace
    assert np.array_equal(trace["last"], channels_last(found["last"]))
    assert "clamp" in [node.op.name for node in network.nodes]


REFUSED = {
    "two": (
        lambda x: torch.tanh(nn.functional.silu(x)),
        "codes: must have a quantizer between SiLU and Tanh. [F5]",
    ),
    "a falling slope": (
        lambda x: nn.functional.leaky_relu(x, -0.1),
        "leaky_relu: slope must not be negative, as -0.1. [F1]",
    ),
    "a limit from data": (
        lambda x: torch.clamp(x.value, max=x.value),
        "clamp: the function's limits must be numbers",
    ),
    "a falling alpha": (lambda x: nn.functional.elu(x, -1.0), "elu: alpha must be above 0, not -1.0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, message = REFUSED[name]
    module, images = seen(Called(call), (40,))
    with pytest.raises(ConversionError) as caught:
        convert(module, torch.from_numpy(images[:2]))
    assert str(caught.value).startswith(message)


def test_slopes_of_channels_are_refused():
    layers = qnn.QuantIdentity(**TENSOR), nn.PReLU(4), qnn.QuantIdentity(**TENSOR)
    module, images = calibrated(*layers, shape=(4,))
    with pytest.raises(ConversionError, match=r"^1: prelu must have one slope"):
        convert(module, torch.from_numpy(images[:2]))


def test_bits_behind_a_valley_are_refused():
    layers = (
        qnn.QuantIdentity(**TENSOR),
        nn.SiLU(),
        qnn.QuantIdentity(act_quant=bq.SignedBinaryActPerTensorConst),
    )
    module, images = calibrated(*layers, shape=(4,))
    with pytest.raises(ConversionError, match=r"^2: "):
        convert(module, torch.from_numpy(images[:2]))
