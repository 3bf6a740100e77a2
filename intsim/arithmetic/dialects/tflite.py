"""TensorFlow Lite's fixed-point requantizations, and the float64 one of LiteRT's reference kernel.

A real ratio becomes multiplier * 2**(shift - 31) with the multiplier in [2**30, 2**31), or 0; a shift
above 0 goes left before the product, one below 0 goes right after it.

References
----------
LiteRT 2.3.0: tflite/kernels/internal/quantization_util.cc (QuantizeMultiplier), internal/common.cc and
common.h (MultiplyByQuantizedMultiplier), internal/reference/integer_ops/fully_connected.h; gemmlowp
fixedpoint/fixedpoint.h (SaturatingRoundingDoublingHighMul, RoundingDivideByPOT).
"""

from __future__ import annotations

import math

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, ratio_float64
from intsim.arithmetic.overflow import Overflow, Register
from intsim.arithmetic.requantize import AnyStep, Multiply, Scale, ShiftLeft, ShiftRight
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.record import Array

_INT32 = Register(IntFormat(32), Overflow.WRAP)


def quantize_multiplier(ratio: float, single_rounding: bool = False) -> tuple[int, int]:
    """A real ratio as (multiplier, shift): ratio ~ multiplier * 2**(shift - 31).

    Parameters
    ----------
    ratio : finite; negative only where a kernel allows it (leaky_relu's slope)
    single_rounding : the single-rounding build also caps the shift at 30

    Returns
    -------
    multiplier in [2**30, 2**31) with the ratio's sign, or 0; shift from -31 up.

    Raises
    ------
    SpecError
        `ratio` is not finite.

    Examples
    --------
    >>> quantize_multiplier(0.75)
    (1610612736, 0)
    """
    if not math.isfinite(ratio):
        raise SpecError(f"ratio of scales must be finite, not {ratio}")
    if ratio == 0:
        return 0, 0
    mantissa, shift = math.frexp(ratio)
    scaled = mantissa * 2**31
    multiplier = math.floor(abs(scaled) + 0.5)  # exact: a 53-bit mantissa has room for the half
    multiplier = multiplier if scaled > 0 else -multiplier
    if abs(multiplier) == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if single_rounding and shift > 30:
        return 2**31 - 1, 30
    return multiplier, shift


def quantize_multipliers(ratios: Array, single_rounding: bool = False) -> tuple[Array, Array]:
    """`quantize_multiplier` for each of several ratios: (multipliers, shifts)."""
    pairs = [quantize_multiplier(float(ratio), single_rounding) for ratio in ratios]
    return np.array([m for m, _ in pairs]), np.array([s for _, s in pairs])


def _high_multiply(multipliers: Array, shifts: Array) -> list[AnyStep]:
    """The left shift and the doubling high product that double rounding begins with."""
    left = np.maximum(shifts, 0)
    steps: list[AnyStep] = []
    if left.any():
        steps.append(ShiftLeft(bits=left, into=_INT32))
    return [*steps, Multiply(multipliers=multipliers), ShiftRight(bits=31, rounding=Rounding.HALF_UP)]


def double_rounding_by(
    multipliers: Array, shifts: Array, second: Rounding = Rounding.HALF_AWAY
) -> tuple[AnyStep, ...]:
    """High product rounded half up, then a right shift with the `second` rounding; by integers."""
    right = np.maximum(-shifts, 0)
    steps = _high_multiply(multipliers, shifts)
    if right.any():
        steps.append(ShiftRight(bits=right, rounding=second))
    return tuple(steps)


def single_rounding_by(multipliers: Array, shifts: Array) -> tuple[AnyStep, ...]:
    """One product, one right shift rounded half up; by integers."""
    return Multiply(multipliers=multipliers), ShiftRight(bits=31 - shifts, rounding=Rounding.HALF_UP)


def double_rounding(ratios: Array) -> tuple[AnyStep, ...]:
    """High product rounded half up, then a right shift rounded half away from zero."""
    return double_rounding_by(*quantize_multipliers(ratios))


def neon_rounding(ratios: Array) -> tuple[AnyStep, ...]:
    """High product rounded half up, then a right shift rounded half up."""
    return double_rounding_by(*quantize_multipliers(ratios), second=Rounding.HALF_UP)


def single_rounding(ratios: Array) -> tuple[AnyStep, ...]:
    """One product, one right shift rounded half up."""
    return single_rounding_by(*quantize_multipliers(ratios, single_rounding=True))


def reduced_multiplier(ratios: Array) -> tuple[AnyStep, ...]:
    """A 64-bit sum by a 16-bit multiplier, one right shift rounded half up, kept in 32 bits."""
    multipliers, shifts = quantize_multipliers(ratios)
    if (shifts > 7).any():
        raise SpecError(f"ratio of scales must be below 2**7 for a 64-bit sum, not {ratios.max()}")
    narrow = np.where(multipliers < 0x7FFF0000, (multipliers + 2**15) >> 16, 0x7FFF)
    return (
        Multiply(multipliers=narrow),
        ShiftRight(bits=15 - shifts, rounding=Rounding.HALF_UP, into=_INT32),
    )


def float64_half_away(ratios: Array) -> tuple[AnyStep, ...]:
    """One float64 product, rounded half away from zero."""
    return (Scale(factors=ratios.astype(np.float64), rounding=Rounding.HALF_AWAY),)


DIALECTS = (
    Dialect(
        "tflite-double",
        "31-bit multiplier; high product half up, then right shift half away from zero",
        "LiteRT 2.3.0 default build, TensorFlow Lite Micro, CMSIS-NN default: common.cc,"
        " MultiplyByQuantizedMultiplier; gemmlowp fixedpoint.h",
        double_rounding,
    ),
    Dialect(
        "tflite-single",
        "31-bit multiplier; one right shift half up",
        "LiteRT built with TFLITE_SINGLE_ROUNDING=1, CMSIS_NN_USE_SINGLE_ROUNDING, Ethos-U: common.cc",
        single_rounding,
    ),
    Dialect(
        "tflite-m64",
        "64-bit sum, multiplier reduced to 16 bits; one right shift half up, kept in 32 bits",
        "LiteRT 2.3.0 16x8 kernels: common.cc, MultiplyByQuantizedMultiplier(int64_t)",
        reduced_multiplier,
    ),
    Dialect(
        "tflite-neon",
        "31-bit multiplier; high product half up, then right shift half up",
        "LiteRT 2.3.0 optimized kernels: ARM NEON MultiplyByQuantizedMultiplier4Rows, ruy on x86",
        neon_rounding,
    ),
    Dialect(
        "litert-ref-fc",
        "one float64 product, half away from zero",
        "LiteRT 1.3.0 and later, reference kernel of FULLY_CONNECTED: integer_ops/fully_connected.h",
        float64_half_away,
        ratio_float64,
    ),
)
