"""Float32 against fixed-point requantization: every accumulator that each layer of resnet8 reaches."""

import pytest
from intsim_converters.tflite import CONVERTER

from intsim.verify.equivalence import SAME
from intsim.verify.equivalence_networks import Options, compare_with_dialect
from tests.verify.layers import check_layers, layers
from tests.zoo.folder import zoo

ZOO = zoo("tflite")

DIFFERING = {
    "conv2d": (2_404, 5_320_336),
    "conv2d_1": (3_137, 15_705_081),
    "conv2d_2": (2_905, 18_450_031),
    "conv2d_3": (5_711, 38_825_567),
    "conv2d_4": (6_069, 74_491_907),
    "conv2d_5": (5_897, 6_287_567),
    "conv2d_6": (11_124, 149_604_484),
    "conv2d_7": (11_881, 282_134_104),
    "conv2d_8": (11_797, 21_041_644),
    "dense": (1_760, 5_058_955),
}
"""Per layer: accumulators that become another code, and all of them, summed over the channels."""


def test_every_accumulator_of_every_layer():
    """617 million; `check_layers` counts those that differ once more with the oracle."""
    counts = check_layers(ZOO / "mlperf_tiny_resnet8.tflite")
    assert list(counts.values()) == list(DIFFERING.values())
    for layer, name in zip(DIFFERING, counts, strict=True):
        assert f"{layer}/BiasAdd" in name


@pytest.mark.parametrize(
    ("conversion", "dialect"),
    [("xnnpack", "f32-rne-zp-after"), ("tflm", "tflite-double"), ("single-rounding", "tflite-single")],
)
def test_scales_in_the_network_make_the_converter_s_own_steps(conversion, dialect):
    """The annotations of the sums hold the ratios of scales to the last bit.

    LiteRT multiplies the scales of its dense layer, which has one for all channels, in float32 first.
    """
    made = CONVERTER.convert(ZOO / "mlperf_tiny_resnet8.tflite", dialect=conversion)
    for node in compare_with_dialect(made, dialect, Options(only=layers(made))):
        if conversion != "single-rounding" or "dense" not in node.name:
            assert node.compared.methods == (SAME,)
