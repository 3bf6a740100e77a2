"""Float32 against fixed-point requantization: every accumulator that each layer of resnet8 reaches."""

from tests.verify.layers import check_layers
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
