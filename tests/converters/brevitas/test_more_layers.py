"""Layers besides convolutions and dense ones, and every public layer of brevitas.nn: converted or refused."""

import re
from fractions import Fraction
from pathlib import Path

import brevitas.nn as qnn
import brevitas.quant as bq
import numpy as np
import pytest
import torch
from brevitas.quant.shifted_scaled_int import (
    ShiftedUint8ActPerTensorFloat,
    ShiftedUint8WeightGroupQuantFloat,
    ShiftedUint8WeightPerTensorFloat,
)
from intsim_converters.brevitas import convert, doubts
from intsim_converters.brevitas.convert import convert_with_meaning
from intsim_converters.brevitas.lowering import LOWERINGS
from intsim_converters.brevitas.reasons import REASONS
from torch import nn

from intsim import run
from intsim.errors import ConversionError
from intsim.formats import IntFormat
from tests.converters.brevitas.agree import brevitas_integers, run_all
from tests.converters.brevitas.agreed import agreed
from tests.converters.brevitas.exact import true_sums
from tests.converters.brevitas.modules import calibrated, seen

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch and Brevitas say about themselves

TENSOR = {"return_quant_tensor": True}
F = nn.functional


def image(**options):
    return qnn.QuantIdentity(**{"bit_width": 6, **TENSOR, **options})


def last():
    return qnn.QuantIdentity(bit_width=7, **TENSOR)


TRANSPOSED = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": (1, 2), "padding": (0, 2), "dilation": (2, 1), "bias": False},
    {"groups": 2, "stride": 2},
    {"groups": 4, "padding": 1, "weight_bit_width": 4},
    {"weight_quant": bq.Int8WeightPerChannelFloat, "bias_quant": bq.Int32Bias},
    {"weight_quant": ShiftedUint8WeightPerTensorFloat},
    {"weight_quant": bq.SignedTernaryWeightPerTensorConst},
]


@pytest.mark.parametrize("options", TRANSPOSED)
def test_transposed_convolutions(options):
    layer = qnn.QuantConvTranspose2d(4, 8, 3, **options)
    network = agreed(*calibrated(image(), layer, qnn.QuantReLU(bit_width=5, **TENSOR), shape=(4, 5, 4)))
    assert network.node("1").op.name == "transpose_conv2d"


@pytest.mark.parametrize("options", [{}, {"stride": 3, "padding": 1, "output_padding": 2}, {"groups": 2}])
def test_transposed_lines(options):
    layer = qnn.QuantConvTranspose1d(4, 6, 3, **options)
    agreed(*calibrated(image(), layer, last(), shape=(4, 7)))


def test_a_zero_point_before_a_transposed_convolution():
    layer = qnn.QuantConvTranspose2d(3, 4, 3, stride=2)
    first = image(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=8)
    network = agreed(*calibrated(image(), first, layer, last(), shape=(3, 4, 4)))
    assert network.node("2").op.input_zero_point > 0


SCALED = {
    "image": (lambda: qnn.QuantScaleBias(4, bias=True), (4, 5, 3)),
    "integer bias": (lambda: qnn.QuantScaleBias(4, bias=True, bias_quant=bq.Int32Bias), (4, 5, 3)),
    "line": (lambda: qnn.BatchNorm1dToQuantScaleBias(4, weight_bit_width=5), (4, 7)),
    "features": (lambda: qnn.QuantScaleBias(9, bias=True, runtime_shape=(1, -1)), (9,)),
    "norm": (lambda: qnn.BatchNorm2dToQuantScaleBias(4, output_quant=bq.Int8ActPerTensorFloat), (4, 5, 3)),
}


@pytest.mark.parametrize("name", SCALED)
def test_scales_and_biases(name):
    build, shape = SCALED[name]
    layer = build()
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1.5, 2.0, len(layer.weight)))
        layer.bias.copy_(torch.linspace(0.3, -0.4, len(layer.weight)))
    agreed(*calibrated(image(), layer, last(), shape=shape))


@pytest.mark.parametrize("shape", [(5, 8), (3, 5, 8)])
@pytest.mark.parametrize("options", [{"bias": False}, {"bias_quant": bq.Int32Bias, "weight_bit_width": 4}])
def test_features_of_many_places(options, shape):
    dense = qnn.QuantLinear(8, 6, weight_quant=bq.Int8WeightPerTensorFloat, **options)
    agreed(*calibrated(image(), dense, last(), shape=shape))


def test_scales_of_features_of_many_places_are_refused():
    dense = qnn.QuantLinear(8, 6, weight_quant=bq.Int8WeightPerChannelFloat)
    module, images = calibrated(image(), dense, last(), shape=(5, 8))
    with pytest.raises(
        ConversionError, match=r"^1: weights must have one scale and biases be integers where"
    ):
        convert(module, torch.from_numpy(images[:2]))


class Words(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.words = qnn.QuantEmbedding(11, 6, **options)
        self.codes, self.dense = last(), qnn.QuantLinear(30, 4, bias_quant=bq.Int32Bias, **TENSOR)

    def forward(self, x):
        return self.dense(self.codes(self.words(x)).flatten(1))


@pytest.mark.parametrize(
    "options", [{}, {"weight_bit_width": 3, **TENSOR}, {"weight_quant": ShiftedUint8WeightPerTensorFloat}]
)
def test_embeddings(options):
    torch.manual_seed(3)
    module = Words(**options)
    with torch.no_grad():
        module(torch.arange(10).reshape(2, 5))
    module.eval()
    given = torch.randint(0, 11, (7, 5))
    network = convert(module, given[:2])
    (entry,) = network.inputs
    assert network.specs[entry.name].format == IntFormat(32)
    trace = run(network, {entry.name: given.numpy()}, engine="reference", trace=("*",)).trace
    with torch.no_grad(), true_sums():
        codes = module.codes(module.words(given))
        wanted = torch.round(codes.value / codes.scale)
        result = module.dense(codes.flatten(1))
    assert np.array_equal(trace["codes"][:, 0].transpose(0, 2, 1), wanted.numpy())
    assert np.array_equal(trace["dense"], torch.round(result.value / result.scale).numpy())


class Narrow(ShiftedUint8WeightGroupQuantFloat):
    bit_width = 4
    group_size = 8


GROUPS = {
    "mx": (bq.MXInt8Weight, 70, {}),
    "mx, 4 bits": (bq.MXInt8Weight, 64, {"weight_bit_width": 4, "weight_group_size": 16}),
    "float scales and zero points": (Narrow, 32, {}),
    "no bias": (bq.MXInt8Weight, 40, {"bias": False}),
}
FIRST = {"mx": {"act_quant": ShiftedUint8ActPerTensorFloat, "bit_width": 8}}
"""How inputs are quantized, where not as `image` has it."""


@pytest.mark.parametrize("name", GROUPS)
def test_groups(name):
    """Sums are those of Brevitas' integers and scales; so are the codes behind."""
    kind, depth, options = GROUPS[name]
    torch.manual_seed(5)
    layer = qnn.QuantLinear(depth, 6, weight_quant=kind, **{"bias": True, **options})
    with torch.no_grad():  # groups of several sizes
        layer.weight *= 2.0 ** torch.randint(-3, 4, (6, depth))
    first = nn.Sequential(image(), image(**FIRST.get(name, {})))
    module, images = calibrated(first, layer, last(), shape=(depth,))
    example = torch.from_numpy(images[:2])
    network, meaning, _ = convert_with_meaning(module, example, {})
    assert network.node("1").op.name == "group_dense"
    found, _ = brevitas_integers(module, images)
    trace = run_all(network, images).trace
    weight = layer.quant_weight()
    codes = torch.round(weight.value_.double() / weight.scale_.double() + weight.zero_point_)
    exact = ((codes - weight.zero_point_) * weight.scale_.double()).flatten(1)[:, :depth]
    proxy = module[0][1].act_quant
    x = (torch.from_numpy(found["0.1"]).double() - proxy.zero_point()) * proxy.scale().double()
    spans = meaning["1"].affine.slope
    assert all(entry.exact for entry in spans)
    slope = np.array([entry.lo for entry in spans], dtype=object)
    whole = np.frompyfunc(
        Fraction, 1, 1
    )  # products of few bits and a float32 scale: float64 has them exactly
    reals = whole(x.detach().numpy()) @ whole(exact.detach().numpy()).T
    assert (trace["1"].astype(object) * slope == reals).all()
    named = {entry.node: entry for entry in doubts(module, example)}
    wrong = found["2"] != trace["2"]
    assert not wrong.any() or named["2"].holds(trace["1"])[wrong].all()
    if kind is bq.MXInt8Weight and not options.get("bias", True):
        assert network.node("1").op.scale.max() > 1


def test_scales_too_far_apart_are_refused():
    layer = qnn.QuantLinear(64, 6, weight_quant=Narrow, bias=False)
    with torch.no_grad():
        layer.weight[:, :8] *= 2.0**40
        layer.weight[:, 8:16] *= 2.0**-40
    module, images = calibrated(image(), layer, last(), shape=(64,))
    with pytest.raises(
        ConversionError, match=r"^1: sums must fit 64 bits, but those of output \d may need \d+: "
    ):
        convert(module, torch.from_numpy(images[:2]))


def test_groups_of_convolutions_are_refused():
    layer = qnn.QuantConv2d(32, 4, 3, weight_quant=bq.MXInt8Weight)
    module, images = calibrated(image(), layer, last(), shape=(32, 5, 5))
    with pytest.raises(
        ConversionError, match=r"^1: weights must have an integer quantizer, not GroupwiseWeight"
    ):
        convert(module, torch.from_numpy(images[:2]))


class Pooled(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.image, self.last = image(), last()
        self.pool = pool

    def forward(self, x):
        return self.last(self.pool(self.image(x)))


POOLS = {
    "max": (lambda x: F.max_pool2d(x, 3, 2, 1), (3, 8, 6)),
    "max by name": (lambda x: F.max_pool2d(x, kernel_size=2), (3, 8, 6)),
    "max of a line": (lambda x: F.max_pool1d(x, 2), (3, 8)),
    "average": (lambda x: F.avg_pool2d(x.value, (2, 3), count_include_pad=False), (3, 8, 6)),
    "average of a line": (lambda x: F.avg_pool1d(x.value, 4), (3, 8)),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x.value, (2, 3)), (3, 8, 6)),
    "adaptive of a line": (lambda x: F.adaptive_avg_pool1d(x.value, 2), (3, 8)),
    "mean": (lambda x: x.value.mean((2, 3)), (3, 8, 6)),
    "mean that keeps axes": (lambda x: torch.mean(x, dim=[-1, -2], keepdim=True), (3, 8, 6)),
    "mean of a line": (lambda x: x.value.mean(-1), (3, 8)),
    "sum": (lambda x: x.value.sum(dim=(2, 3)), (3, 8, 6)),
    "layer of a line": (nn.AdaptiveAvgPool1d(2), (3, 8)),
    "adaptive maximum": (nn.AdaptiveMaxPool2d((2, 3)), (3, 8, 6)),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), (3, 8, 6)),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools(name):
    pool, shape = POOLS[name]
    agreed(*seen(Pooled(pool), shape))


BAD_POOLS = {
    "one axis": (lambda x: x.value.mean(2), "mean: must be over all places of a channel, not axes 2"),
    "all axes": (lambda x: x.value.mean(), "mean: must be over all places of a channel, not axes None"),
    "channels": (lambda x: x.value.sum(1), "sum_1: must be over all places of a channel, not axes 1"),
    "dropout": (lambda x: F.dropout(x, 0.0), "dropout: training must be False"),
}


@pytest.mark.parametrize("name", BAD_POOLS)
def test_pools_that_are_refused(name):
    pool, message = BAD_POOLS[name]
    module, images = seen(Pooled(pool), (3, 8, 6))
    with pytest.raises(ConversionError) as caught:
        convert(module, torch.from_numpy(images[:2]))
    assert message in str(caught.value)


PUBLIC = [getattr(qnn, name) for name in dir(qnn) if isinstance(getattr(qnn, name), type)]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_public_layer_is_converted_or_refused_with_a_reason(kind):
    assert (kind in LOWERINGS) != (kind in REASONS)


def test_the_readme_names_them_all():
    """Each in one row of its table, the last of which is of what is refused."""
    text = (Path(__file__).parents[3] / "README.md").read_text()
    section = text.split("## From Brevitas")[1].split("## From QONNX")[0]
    converted, refused = section.split("| Refused |")
    names = [
        {word for word in re.findall(r"\w+", part) if hasattr(qnn, word)} for part in (converted, refused)
    ]
    assert names[0] == {kind.__name__ for kind in PUBLIC if kind in LOWERINGS}
    assert names[1] == {kind.__name__ for kind in PUBLIC if kind in REASONS}


UNDONE = {
    qnn.QuantConv3d: (lambda: qnn.QuantConv3d(2, 3, 1), (2, 4, 4, 4), "has feature maps of three axes"),
    qnn.QuantConvTranspose3d: (
        lambda: qnn.QuantConvTranspose3d(2, 3, 1),
        (2, 4, 4, 4),
        "has feature maps of three axes",
    ),
    qnn.QuantLSTM: (lambda: qnn.QuantLSTM(4, 3, batch_first=True), (5, 4), "keeps a state"),
    qnn.QuantRNN: (lambda: qnn.QuantRNN(4, 3, batch_first=True), (5, 4), "keeps a state"),
    qnn.HadamardClassifier: (lambda: qnn.HadamardClassifier(8, 4), (8,), "divides by the norm of each"),
    qnn.ScaleBias: (lambda: qnn.ScaleBias(1, True), (1, 3, 3), "has a float scale"),
    nn.LayerNorm: (lambda: nn.LayerNorm(8), (8,), "divides by the deviation"),
}


@pytest.mark.parametrize("kind", UNDONE, ids=lambda kind: kind.__name__)
def test_layers_that_are_refused(kind):
    build, shape, reason = UNDONE[kind]
    module = nn.Sequential(build()).eval()
    with pytest.raises(ConversionError) as caught:
        convert(module, torch.randn(2, *shape))
    name = f"{kind.__module__}.{kind.__qualname__}"
    assert str(caught.value).startswith(f"0: {name} {reason}")


def test_attention_is_refused():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = qnn.QuantMultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    with pytest.raises(
        ConversionError, match=r"^attention: brevitas.nn.quant_mha.QuantMultiheadAttention has a"
    ):
        convert(Attention().eval(), torch.randn(2, 5, 8))


@pytest.mark.parametrize(
    "build",
    [
        lambda: qnn.QuantCat()([torch.zeros(1, 2), torch.zeros(1, 2)]),
        lambda: qnn.TruncQuantAccumulator(),
        lambda: qnn.ClampQuantAccumulator(),
    ],
)
def test_what_fails_in_brevitas_itself(build):
    """The day it does not, these deserve a lowering."""
    with pytest.raises((AttributeError, TypeError)):
        build()
