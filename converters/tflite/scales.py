"""What kernels ask of scales: ratios that a fixed-point multiplier can hold, powers of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from intsim_converters.tflite.libm import c_function
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic.dialects import quantize_multiplier

Array = np.ndarray[Any, Any]

_logf = c_function("logf")


def ratio_below_one(op: Lowering, ratio: Any) -> Array:
    """A ratio that QuantizeMultiplierSmallerThanOneExp takes, as an array; refuses others."""
    value = float(ratio)
    good = math.isfinite(value) and 0 <= value < 1 and quantize_multiplier(value)[1] <= 0
    op.require(
        good, f"ratio of scales must be below 1, not {value:.9g}: the runtime stops there. Rescale the output"
    )
    return np.array([value])


def finite_ratio(op: Lowering, ratio: Any, widest: int) -> Array:
    """A ratio for values of at most this magnitude, as an array; refuses one that leaves 32 bits."""
    value = float(ratio)
    op.require(
        math.isfinite(value) and abs(value) * widest < 2.0**30,
        f"ratio of scales must keep values of up to {widest} within 32 bits, not {value:.9g}:"
        " beyond, the runtime's result is undefined",
    )
    return np.array([value])


def widest(view: TensorView) -> int:
    """The largest magnitude of a code less its zero point."""
    return max(view.format.max - view.zero_point, view.zero_point - view.format.min)


def log2_scale(scale: np.float32) -> int | None:
    """log2 of a scale that is a power of two, as near as the runtime asks; else None.

    References
    ----------
    LiteRT 2.3.0, tflite/kernels/internal/quantization_util.cc (CheckedLog2), all in float32.
    """
    if not scale > 0:
        return None
    inverse = np.float32(1) / np.float32(_logf(np.array([2.0], np.float32))[0])
    power = np.float32(_logf(np.array([scale], np.float32))[0]) * inverse
    nearest = math.copysign(math.floor(abs(float(power)) + 0.5), float(power))
    return int(nearest) if abs(np.float32(power - np.float32(nearest))) < np.float32(1e-3) else None
