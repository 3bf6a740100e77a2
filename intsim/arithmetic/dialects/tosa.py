"""TOSA's RESCALE: an integer multiplier and one right shift of 2 to 62.

A shift above 31 of `tosa-scale32-double` adds 2**30 with the sign of the sum, which is the high product
rounded half up and then a shift rounded half away from zero; below, it is one shift rounded half up.

References
----------
TOSA 1.0 specification, apply_scale_32 and apply_scale_16 (behaviour as tosa-tools 2026.8.0 runs it); LLVM:
mlir/lib/Dialect/Tosa/Utils/QuantUtils.cpp (how a real ratio becomes multiplier and shift).
"""

from __future__ import annotations

import math

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, positive_ratios
from intsim.arithmetic.requantize import AnyStep, Multiply, ShiftRight
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.record import Array

LEAST_SHIFT, MOST_SHIFT = 2, 62


def scale_multiplier(ratio: float, bits: int) -> tuple[int, int]:
    """A real ratio as (multiplier, shift): ratio ~ multiplier * 2**-shift.

    Parameters
    ----------
    ratio : positive
    bits : 31 or 15, of the multiplier

    Raises
    ------
    SpecError
        The shift would be below 2: the ratio is too large.

    Examples
    --------
    >>> scale_multiplier(0.75, 31), scale_multiplier(0.75, 15)
    ((1610612736, 31), (24576, 15))
    """
    mantissa, exponent = math.frexp(ratio)
    multiplier = math.floor(mantissa * 2**bits + 0.5)
    if multiplier == 2**bits:
        multiplier //= 2
        exponent += 1
    shift = bits - exponent
    if shift < LEAST_SHIFT:
        raise SpecError(f"ratio of scales must be below 2**{bits - LEAST_SHIFT} for TOSA, not {ratio}")
    if shift > MOST_SHIFT:  # such a ratio keeps fewer bits of its multiplier
        multiplier >>= min(31, shift - MOST_SHIFT)
        shift = MOST_SHIFT
    return multiplier, shift


def _pairs(ratios: Array, bits: int) -> tuple[Array, Array]:
    pairs = [scale_multiplier(float(ratio), bits) for ratio in positive_ratios(ratios, "TOSA")]
    return np.array([m for m, _ in pairs]), np.array([s for _, s in pairs])


def scale32(ratios: Array) -> tuple[AnyStep, ...]:
    """apply_scale_32 with single rounding."""
    return scale_by(*_pairs(ratios, 31))


def scale16(ratios: Array) -> tuple[AnyStep, ...]:
    """apply_scale_16."""
    return scale_by(*_pairs(ratios, 15))


def scale32_double(ratios: Array) -> tuple[AnyStep, ...]:
    """apply_scale_32 with double rounding."""
    return scale_by(*_pairs(ratios, 31), double=True)


def scale_by(multipliers: Array, shifts: Array, double: bool = False) -> tuple[AnyStep, ...]:
    """The steps of a RESCALE whose multipliers and shifts are given.

    Raises
    ------
    SpecError
        A shift out of 2 to 62, or a negative multiplier.
    """
    multipliers, shifts = np.atleast_1d(multipliers), np.atleast_1d(shifts)
    if shifts.min() < LEAST_SHIFT or shifts.max() > MOST_SHIFT:
        raise SpecError(f"shift must be 2 to 62 for TOSA, not {shifts.min()} to {shifts.max()}")
    if multipliers.min() < 0:
        raise SpecError(f"multiplier must not be negative for TOSA, not {multipliers.min()}")
    if not double:
        return Multiply(multipliers=multipliers), ShiftRight(bits=shifts, rounding=Rounding.HALF_UP)
    return (
        Multiply(multipliers=multipliers),
        ShiftRight(bits=np.minimum(shifts, 31), rounding=Rounding.HALF_UP),
        ShiftRight(bits=np.maximum(shifts - 31, 0), rounding=Rounding.HALF_AWAY),
    )


_SOURCE = "TOSA 1.0 RESCALE as tosa-tools 2026.8.0 runs it; LLVM mlir/lib/Dialect/Tosa/Utils/QuantUtils.cpp"

DIALECTS = (
    Dialect("tosa-scale32", "31-bit multiplier; one right shift half up", _SOURCE, scale32),
    Dialect(
        "tosa-scale32-double",
        "31-bit multiplier; above 31 bits of shift, high product half up and the rest half away from zero",
        _SOURCE,
        scale32_double,
    ),
    Dialect("tosa-scale16", "15-bit multiplier of a 48-bit sum; one right shift half up", _SOURCE, scale16),
)
