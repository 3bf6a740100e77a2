"""The named requantizations of other tools: `DIALECTS`, by name."""

from intsim.arithmetic.dialects import dyadic, float32, pow2, tflite, thresholds, tosa, xnnpack
from intsim.arithmetic.dialects.base import (
    Dialect,
    ratio_float32,
    ratio_float32_product,
    ratio_float64,
)
from intsim.arithmetic.dialects.float32 import bias_in_sums
from intsim.arithmetic.dialects.tflite import double_rounding_by, quantize_multiplier, single_rounding_by
from intsim.arithmetic.dialects.thresholds import thresholds_from_reals, thresholds_of
from intsim.arithmetic.dialects.xnnpack import xnnpack_add_multipliers, xnnpack_convert_multiplier

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for room in (tflite, float32, xnnpack, tosa, pow2, dyadic, thresholds)
    for dialect in room.DIALECTS
}
"""Every dialect by name."""

__all__ = [
    "DIALECTS",
    "Dialect",
    "bias_in_sums",
    "double_rounding_by",
    "quantize_multiplier",
    "ratio_float32",
    "ratio_float32_product",
    "ratio_float64",
    "single_rounding_by",
    "thresholds_from_reals",
    "thresholds_of",
    "xnnpack_add_multipliers",
    "xnnpack_convert_multiplier",
]
