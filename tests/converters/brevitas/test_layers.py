"""Layer by layer, against Brevitas with true sums: what the networks for the digits do not have."""

import brevitas.nn as qnn
import brevitas.quant as bq
import numpy as np
import pytest
import torch
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat, ShiftedUint8WeightPerTensorFloat
from intsim_converters.brevitas import convert
from torch import nn

from intsim import Accumulator, Rounding, run
from intsim.formats import Bipolar, IntFormat, Ternary
from tests.converters.brevitas.agree import channels_last, run_all
from tests.converters.brevitas.agreed import agreed
from tests.converters.brevitas.exact import true_sums
from tests.converters.brevitas.modules import calibrated, seen

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TENSOR = {"return_quant_tensor": True}


def image(**options):
    return qnn.QuantIdentity(**{"bit_width": 6, **TENSOR, **options})


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"padding": "same", "dilation": 2}, (4, 7, 6)),
        ({"padding": "same", "stride": 2}, (4, 7, 6)),
        ({"padding": (2, 0), "stride": (1, 3)}, (4, 7, 6)),
        ({"padding": "valid", "groups": 2}, (4, 7, 6)),
        ({"padding": 1, "groups": 4}, (4, 5, 5)),
        ({"padding": 1, "bias": False}, (4, 5, 5)),
        ({"padding": 1, "weight_quant": ShiftedUint8WeightPerTensorFloat}, (4, 5, 5)),
        ({"padding": 1, "weight_quant": bq.SignedBinaryWeightPerTensorConst}, (4, 5, 5)),
        ({"padding": 1, "weight_quant": bq.SignedTernaryWeightPerTensorConst}, (4, 5, 5)),
    ],
)
def test_convolutions(options, shape):
    layer = qnn.QuantConv2d(4, 8, 3, **options)
    agreed(*calibrated(image(), layer, qnn.QuantReLU(bit_width=5, **TENSOR), shape=shape))


@pytest.mark.parametrize(
    "options", [{"padding": "same", "stride": 2}, {"padding": 2, "dilation": 2}, {"groups": 2}]
)
def test_lines(options):
    layer = qnn.QuantConv1d(4, 6, 3, **options)
    agreed(*calibrated(image(), layer, qnn.QuantIdentity(bit_width=7, **TENSOR), shape=(4, 9)))


def test_a_zero_point_within():
    """Padding then adds nothing: it is the zero point."""
    shifted = qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, **TENSOR)
    layers = (
        image(),
        qnn.QuantConv2d(3, 5, 3),
        shifted,
        qnn.QuantConv2d(5, 4, 3, padding=1),
        qnn.QuantReLU(**TENSOR),
    )
    network = agreed(*calibrated(*layers, shape=(3, 6, 6)))
    assert network.node("3").op.input_zero_point > 0


def test_scales_of_channels():
    """A depthwise layer takes them; what mixes channels does not."""
    wide = {"per_channel_broadcastable_shape": (1, 6, 1, 1), "scaling_per_output_channel": True}
    activation = qnn.QuantReLU(bit_width=5, scaling_stats_permute_dims=(1, 0, 2, 3), **wide, **TENSOR)
    depthwise = qnn.QuantConv2d(6, 6, 3, groups=6, bias=False)
    layers = image(), qnn.QuantConv2d(2, 6, 3), activation, depthwise, qnn.QuantReLU(bit_width=6, **TENSOR)
    network = agreed(*calibrated(*layers, shape=(2, 8, 8)))
    assert network.specs["2"].quantization.scale.size == 6


@pytest.mark.parametrize("factors", [[1.5, -0.7, 0.0, -2.0], [0.3, 0.3, 1.0, 2.0]])
def test_batch_norms_turn_and_vanish(factors):
    norm = nn.BatchNorm2d(4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(factors))
        norm.bias.copy_(torch.tensor([0.1, 0.2, 0.4, -0.3]))
    layers = image(), qnn.QuantConv2d(3, 4, 3), norm, qnn.QuantReLU(bit_width=4, **TENSOR)
    agreed(*calibrated(*layers, shape=(3, 6, 6)))


def test_two_batch_norms_and_one_on_codes():
    layers = image(), nn.BatchNorm1d(9), qnn.QuantIdentity(bit_width=5, **TENSOR), qnn.QuantLinear(9, 7)
    more = nn.BatchNorm1d(7), nn.BatchNorm1d(7, affine=False), qnn.QuantIdentity(bit_width=6, **TENSOR)
    agreed(*calibrated(*layers, *more, shape=(9,)))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d(2, dilation=2),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(2),
        qnn.TruncAvgPool2d(2, bit_width=6),
        qnn.TruncAvgPool2d(3, stride=1, bit_width=5, float_to_int_impl_type="floor"),
        qnn.TruncAdaptiveAvgPool2d(1, bit_width=6),
    ],
    ids=repr,
)
def test_poolings(pool):
    layers = image(), qnn.QuantConv2d(3, 4, 3), qnn.QuantReLU(bit_width=5, **TENSOR), pool
    agreed(*calibrated(*layers, qnn.QuantIdentity(bit_width=7, **TENSOR), shape=(3, 8, 8)))


def test_a_maximum_of_sums():
    layers = image(), qnn.QuantConv2d(3, 4, 3), nn.MaxPool2d(2), qnn.QuantReLU(bit_width=5, **TENSOR)
    agreed(*calibrated(*layers, shape=(3, 8, 8)))


class Adder(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.image = image()
        self.left = qnn.QuantConv2d(3, 4, 1)
        self.right = qnn.QuantConv2d(3, 4, 1)
        self.sum = qnn.QuantEltwiseAdd(**options, **TENSOR)

    def forward(self, x):
        x = self.image(x)
        return self.sum(self.left(x), self.right(x))


def test_a_layer_that_adds():
    module, images = seen(Adder(), (3, 4, 4))
    network = convert(module, torch.from_numpy(images[:2]))
    with true_sums(), torch.no_grad():
        value = module(torch.from_numpy(images))
    codes = torch.round(value.value / value.scale).numpy()
    trace = run_all(network, images).trace
    assert np.array_equal(trace["sum.output_quant"], channels_last(codes))
    assert network.specs["sum"].format == IntFormat(9)


def test_low_bit_formats_are_named():
    one = qnn.QuantLinear(6, 5, weight_quant=bq.SignedBinaryWeightPerTensorConst)
    sign = qnn.QuantIdentity(act_quant=bq.SignedBinaryActPerTensorConst, **TENSOR)
    three = qnn.QuantLinear(5, 4, bias=False, weight_quant=bq.SignedTernaryWeightPerTensorConst)
    trit = qnn.QuantIdentity(act_quant=bq.SignedTernaryActPerTensorConst, **TENSOR)
    network = agreed(*calibrated(image(), one, sign, three, trit, shape=(6,)))
    assert network.node("1").op.weight_format == Bipolar()
    assert network.specs["2"].format == Bipolar()
    assert network.node("3").op.weight_format == Ternary()
    assert network.specs["4"].format == Ternary()


@pytest.mark.parametrize("rounding", ["round", "floor", "ceil"])
def test_a_shift_where_it_is_the_same_function(rounding):
    fixed = {"bit_width": 6, "restrict_scaling_type": "power_of_two", **TENSOR}
    weights = {"weight_restrict_scaling_type": "power_of_two", "bias": False}
    activation = qnn.QuantReLU(float_to_int_impl_type=rounding, **fixed)
    network = agreed(*calibrated(image(**fixed), qnn.QuantLinear(8, 5, **weights), activation, shape=(8,)))
    (shift, limits) = network.node("2").op.requantization.steps
    assert (type(shift).__name__, type(limits).__name__) == ("ShiftRight", "Clamp")
    wanted = {"round": Rounding.HALF_EVEN, "floor": Rounding.FLOOR, "ceil": Rounding.CEIL}
    assert shift.rounding == wanted[rounding]


def test_the_bias_of_the_last_layer():
    """In the sum; and behind the register where a width was promised."""
    linear = qnn.QuantLinear(8, 5, bias=True, bias_quant=bq.Int32Bias, **TENSOR)
    module, images = calibrated(image(), linear, shape=(8,))
    network = agreed(module, images)
    assert network.outputs == ("1",)
    assert network.node("1").op.bias.any()

    given = {"1": Accumulator(IntFormat(20))}
    promised = convert(module, torch.from_numpy(images[:2]), accumulators=given)
    assert promised.outputs == ("1.bias",)
    assert not promised.node("1").op.bias.any()
    assert np.array_equal(run_all(promised, images).output, run_all(network, images).output)


@pytest.mark.parametrize("quantizer", [bq.SignedBinaryActPerTensorConst, bq.SignedTernaryActPerTensorConst])
def test_an_input_of_bits_or_trits(quantizer):
    """Every float32: the least ones, both zeros, infinities."""
    first = qnn.QuantIdentity(act_quant=quantizer, **TENSOR)
    module, _ = calibrated(first, shape=(6,))
    least = np.float32(2.0**-149)
    values = np.array(
        [0.0, -0.0, least, -least, 0.5, -0.5, 0.51, -0.51, np.inf, -np.inf, 3e38, -3e38], np.float32
    )
    images = values.reshape(2, 6)
    network = agreed(module, images)
    assert np.array_equal(run(network, images).output, run_all(network, images).output)
