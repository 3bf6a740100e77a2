"""The dialects of conversion: which runtime's integers a network gets."""

from __future__ import annotations

from intsim.arithmetic.dialects import DIALECTS as ARITHMETIC
from intsim.arithmetic.dialects import Dialect

DIALECTS: dict[str, str] = {
    "litert-ref": (
        "LiteRT 2.3.0 reference kernels (OpResolverType.BUILTIN_REF): double rounding, FULLY_CONNECTED in"
        " float64. Source: LiteRT tflite/kernels/internal/reference, common.cc, quantization_util.cc"
    ),
    "xnnpack": (
        "what LiteRT 2.3.0 runs by default on x86: XNNPACK's float32 requantization with ties to even where"
        " it takes an operator, optimized kernels elsewhere. Source: LiteRT tflite/delegates/xnnpack; XNNPACK"
        " src/qs8-requantization"
    ),
    "tflm": (
        "TensorFlow Lite Micro and CMSIS-NN: double rounding in every operator, FULLY_CONNECTED too."
        " Source: tflite-micro tensorflow/lite/micro/kernels; gemmlowp fixedpoint.h"
    ),
    "single-rounding": (
        "TensorFlow Lite built with TFLITE_SINGLE_ROUNDING=1, as Ethos-U and Vela expect: one rounding shift,"
        " half up. Source: LiteRT tflite/kernels/internal/common.cc"
    ),
}
"""Name -> what it stands for, and where it was read."""

DEFAULT = "litert-ref"


def fixed_point(dialect: str) -> Dialect:
    """How a dialect multiplies a 32-bit value by a ratio of scales, outside of special kernels."""
    return ARITHMETIC["tflite-single" if dialect == "single-rounding" else "tflite-double"]
