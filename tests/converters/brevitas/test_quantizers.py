"""Brevitas' integer quantizers, each of them and drawn together: weights, activations, biases."""

import warnings

import brevitas.nn as qnn
import brevitas.quant as bq
import pytest
import torch
from brevitas.inject.enum import BitWidthImplType, FloatToIntImplType, RestrictValueType, ScalingImplType
from brevitas.quant import scaled_int, shifted_scaled_int
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.brevitas import convert
from torch import nn

from intsim.errors import ConversionError
from tests.converters.brevitas.agreed import agreed_but_for_doubts
from tests.converters.brevitas.modules import calibrated

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TENSOR = {"return_quant_tensor": True}


def kinds(part):
    """Brevitas' complete integer quantizers of a part, with one scale or one per channel."""
    modules = bq, scaled_int, shifted_scaled_int
    found = {name: getattr(module, name) for module in modules for name in dir(module)}
    whole = ("Int", "Uint8", "ShiftedUint8", "SignedBinary", "SignedTernary")
    other = ("IntBias", "IntQuant")
    return {
        name: kind
        for name, kind in found.items()
        if name.startswith(whole)
        and part in name
        and name not in other
        and "Group" not in name
        and not name.endswith(("MinMaxInit", "MaxInit", "1d", "HQO"))
    }


WEIGHTS, ACTIVATIONS, BIASES = kinds("Weight"), kinds("Act"), kinds("Bias")
SHIFTED_HQO = [
    shifted_scaled_int.ShiftedUint8WeightPerTensorFloatHQO,
    shifted_scaled_int.ShiftedUint8WeightPerChannelFloatHQO,
]


def image():
    return qnn.QuantIdentity(bit_width=6, **TENSOR)


def test_the_quantizers_are_many():
    assert (len(WEIGHTS), len(ACTIVATIONS), len(BIASES)) == (18, 16, 6)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name):
    layer = qnn.QuantLinear(10, 6, weight_quant=WEIGHTS[name])
    agreed_but_for_doubts(*calibrated(image(), layer, qnn.QuantIdentity(**TENSOR), shape=(10,)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    act = qnn.QuantIdentity(act_quant=ACTIVATIONS[name], **TENSOR)
    layers = (
        image(),
        qnn.QuantConv2d(2, 4, 3),
        act,
        qnn.QuantConv2d(4, 3, 2, bias_quant=bq.Int16Bias),
    )
    agreed_but_for_doubts(*calibrated(*layers, qnn.QuantReLU(**TENSOR), shape=(2, 6, 6)))


@pytest.mark.parametrize("bits", [None, 5, 12])
@pytest.mark.parametrize("name", BIASES)
def test_biases(name, bits):
    """In the sum where their scale is the sum's; reals elsewhere."""
    options = {} if bits is None else {"bias_bit_width": bits}
    layer = qnn.QuantLinear(10, 6, bias_quant=BIASES[name], **options)
    network = agreed_but_for_doubts(*calibrated(image(), layer, qnn.QuantIdentity(**TENSOR), shape=(10,)))
    assert bool(network.node("1").op.bias.any()) == ("Internal" not in name)


def test_channels_with_scales_that_batches_gave():
    act = qnn.QuantIdentity(act_quant=bq.Int8ActPerTensorFloatBatchQuant1d, **TENSOR)
    agreed_but_for_doubts(*calibrated(image(), qnn.QuantConv1d(3, 4, 3), act, shape=(3, 9)))


@pytest.mark.parametrize("kind", SHIFTED_HQO)
def test_zero_points_between_integers_are_refused(kind):
    layer = qnn.QuantLinear(10, 6, weight_quant=kind)
    module, images = calibrated(image(), layer, qnn.QuantIdentity(**TENSOR), shape=(10,))
    with pytest.raises(ConversionError, match=r"^1: weight zero point must be a whole number, not "):
        convert(module, torch.from_numpy(images[:2]))


@pytest.mark.parametrize(
    "kind", [bq.Fp8e4m3WeightPerTensorFloat, bq.Fp8e5m2OCPWeightPerChannelFloat, bq.MXFloat8e4m3Weight]
)
def test_float_weights_are_refused(kind):
    layer = qnn.QuantLinear(32, 6, weight_quant=kind)
    module, images = calibrated(image(), layer, qnn.QuantIdentity(**TENSOR), shape=(32,))
    with pytest.raises(ConversionError, match=r"^1: weights must have an integer quantizer, not "):
        convert(module, torch.from_numpy(images[:2]))


@pytest.mark.parametrize("kind", [bq.Fp8e4m3ActPerTensorFloat, bq.MXInt8Act])
def test_float_and_grouped_activations_are_refused(kind):
    options = {"group_dim": 1} if kind is bq.MXInt8Act else {}
    act = qnn.QuantIdentity(act_quant=kind, **options, **TENSOR)
    module, images = calibrated(image(), qnn.QuantLinear(32, 32), act, shape=(32,))
    with pytest.raises(ConversionError, match=r"^2: quantizer .* is unknown. \[A1\]"):
        convert(module, torch.from_numpy(images[:2]))


class Learned:
    """Options that make a parameter of what is a constant elsewhere."""

    def __init__(self, draw):
        self.draw = draw

    def quantizer(self, prefix, kind):
        """Options of a quantizer, by prefix of its layer's arguments."""
        if "Const" in kind.__name__:
            return {}
        options = {
            "bit_width": self.draw(st.integers(2, 8)),
            "float_to_int_impl_type": self.draw(
                st.sampled_from([FloatToIntImplType.ROUND, FloatToIntImplType.FLOOR, FloatToIntImplType.CEIL])
            ),
        }
        if self.draw(st.booleans()):
            options["bit_width_impl_type"] = BitWidthImplType.PARAMETER
        if "Shifted" not in kind.__name__ and self.draw(st.booleans()):
            options["narrow_range"] = self.draw(st.booleans())
        if "Float" in kind.__name__ and self.draw(st.booleans()):
            options["restrict_scaling_type"] = self.draw(
                st.sampled_from([RestrictValueType.POWER_OF_TWO, RestrictValueType.LOG_FP])
            )
        return {f"{prefix}{key}": value for key, value in options.items()}


@st.composite
def drawn(draw):
    """A chain of layers and the shape of a sample."""
    learned = Learned(draw)
    acts = st.sampled_from(
        [
            bq.Int8ActPerTensorFloat,
            bq.Uint8ActPerTensorFloat,
            shifted_scaled_int.ShiftedUint8ActPerTensorFloat,
            bq.SignedBinaryActPerTensorConst,
            bq.SignedTernaryActPerTensorConst,
        ]
    )
    weight = draw(
        st.sampled_from(
            [
                bq.Int8WeightPerTensorFloat,
                bq.Int8WeightPerChannelFloat,
                shifted_scaled_int.ShiftedUint8WeightPerTensorFloat,
                bq.SignedBinaryWeightPerTensorConst,
                bq.SignedTernaryWeightPerTensorConst,
                scaled_int.Int8AccumulatorAwareWeightQuant,
            ]
        )
    )
    act = draw(acts)
    scaling = draw(st.sampled_from([ScalingImplType.PARAMETER_FROM_STATS, ScalingImplType.STATS]))
    options = {"weight_quant": weight, "bias": draw(st.booleans())}
    if scaling is ScalingImplType.PARAMETER_FROM_STATS and weight.__name__.startswith("Int8Weight"):
        options["weight_scaling_impl_type"] = scaling
    if "Aware" not in weight.__name__:
        options |= learned.quantizer("weight_", weight)
    else:
        options["weight_accumulator_bit_width"] = draw(st.integers(12, 20))
    if options["bias"]:
        options["bias_quant"] = draw(st.sampled_from([None, *BIASES.values()]))
    inner = {"act_quant": act, **learned.quantizer("", act)}
    norm = draw(st.booleans())
    kind = draw(st.sampled_from(["linear", "conv", "depthwise", "line", "transposed"]))
    groups = {"groups": 2} if draw(st.booleans()) else {}
    layer, normed, shape = {
        "linear": lambda: (qnn.QuantLinear(8, 6, **options), nn.BatchNorm1d(6), (8,)),
        "conv": lambda: (
            qnn.QuantConv2d(4, 6, 3, padding=1, **groups, **options),
            nn.BatchNorm2d(6),
            (4, 5, 4),
        ),
        "depthwise": lambda: (qnn.QuantConv2d(3, 6, 2, groups=3, **options), nn.BatchNorm2d(6), (3, 5, 4)),
        "line": lambda: (
            qnn.QuantConv1d(4, 6, 3, dilation=2, **groups, **options),
            nn.BatchNorm1d(6),
            (4, 7),
        ),
        "transposed": lambda: (
            qnn.QuantConvTranspose2d(4, 6, 2, stride=2, **options),
            nn.BatchNorm2d(6),
            (4, 3, 4),
        ),
    }[kind]()
    layers = [image(), qnn.QuantIdentity(**inner, **TENSOR), layer, *([normed] if norm else [])]
    return [*layers, qnn.QuantReLU(bit_width=draw(st.integers(2, 8)), **TENSOR)], shape


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_drawn_together(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers, shape = data.draw(drawn())
        module, images = calibrated(*layers, shape=shape, seed=data.draw(st.integers(0, 100)))
        agreed_but_for_doubts(module, images)


@pytest.mark.sweep
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_many_drawn_together(data):
    test_drawn_together.hypothesis.inner_test(data)
