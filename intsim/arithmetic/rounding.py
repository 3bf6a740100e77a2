"""Rounding: where a value between two integers goes. The one room in which intsim rounds."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from intsim.errors import SpecError
from intsim.record import Array

Integers = Any  # a Python int, or an int64 or object (Python int) array


class Rounding(Enum):
    """The roundings; a name with HALF says where ties go, the others where everything goes.

    Names differ between tools: QONNX and Java call HALF_AWAY "HALF_UP", AMD's DPU calls HALF_UP
    "round half up", NVDLA's AC_RND_INF is HALF_AWAY, IEEE's default is HALF_EVEN.
    """

    FLOOR = "toward minus infinity"
    CEIL = "toward plus infinity"
    TOWARD_ZERO = "toward zero"
    AWAY_FROM_ZERO = "away from zero"
    HALF_UP = "nearest, ties toward plus infinity"
    HALF_DOWN = "nearest, ties toward minus infinity"
    HALF_AWAY = "nearest, ties away from zero"
    HALF_TOWARD_ZERO = "nearest, ties toward zero"
    HALF_EVEN = "nearest, ties to the even neighbour"
    HALF_ODD = "nearest, ties to the odd neighbour"
    STOCHASTIC = "up with probability equal to the fraction: SplitMix64 of seed and element index"

    def __repr__(self) -> str:
        return f"Rounding.{self.name}"


def round_shift(value: Integers, shift: Integers, rounding: Rounding, seed: int = 0) -> Integers:
    """Divide by a power of two and round to an integer.

    Parameters
    ----------
    value : int64 or object array of any shape, or a Python int
    shift : bits to the right, an int or an array broadcastable to `value`; 0 or more, and at most 62
        where `value` is int64
    rounding : Rounding
    seed : of STOCHASTIC, whose draw also depends on the element's place (see `random_bits`)

    Returns
    -------
    Integers of the kind and shape of `value`.

    Raises
    ------
    SpecError
        `shift` out of its range.

    Notes
    -----
    No intermediate exceeds |value| or 2**shift.

    Examples
    --------
    >>> round_shift(-5, 1, Rounding.HALF_UP), round_shift(-5, 1, Rounding.HALF_AWAY)
    (-2, -3)
    """
    limit = 62 if isinstance(value, np.ndarray) and value.dtype != object else None
    low, high = int(np.min(shift)), int(np.max(shift))
    if low < 0 or (limit is not None and high > limit):
        raise SpecError(f"shift must be 0 to {limit or 'any'}, not {low if low < 0 else high}")
    floor = value >> shift
    one = np.asarray(1, dtype=value.dtype) if isinstance(value, np.ndarray) else 1
    modulus = one << shift
    remainder = value - (floor << shift)
    if rounding is Rounding.STOCHASTIC:
        return floor + _as_kind(random_bits(value, shift, seed) < remainder, value)
    return floor + _as_kind(_goes_up(value, floor, remainder, modulus, rounding), value)


def round_divide(value: Integers, divisor: Integers, rounding: Rounding) -> Integers:
    """Divide integers by positive integers and round to an integer.

    Parameters
    ----------
    value : int64 or object array, or a Python int
    divisor : positive integers broadcastable to `value`, below 2**62 where int64
    rounding : Rounding, all but STOCHASTIC

    Raises
    ------
    SpecError
        `divisor` is not positive, or `rounding` is STOCHASTIC.

    Examples
    --------
    >>> round_divide(-7, 2, Rounding.HALF_AWAY), round_divide(-7, 2, Rounding.TOWARD_ZERO)
    (-4, -3)
    """
    if int(np.min(divisor)) < 1:
        raise SpecError(f"divisor must be positive, not {int(np.min(divisor))}")
    if rounding is Rounding.STOCHASTIC:
        raise SpecError("rounding must not be STOCHASTIC in a division")
    floor = value // divisor
    remainder = value - floor * divisor
    return floor + _as_kind(_goes_up(value, floor, remainder, divisor, rounding), value)


def round_real(value: Array, rounding: Rounding) -> Array:
    """Round float32 or float64 values to integral floats of the same dtype, exactly.

    Only where a runtime's own requantization is IEEE float. HALF_AWAY is C's ``round``, HALF_EVEN is
    ``rint`` under the default mode.

    Raises
    ------
    SpecError
        `rounding` is STOCHASTIC.
    """
    if rounding is Rounding.STOCHASTIC:
        raise SpecError("rounding must not be STOCHASTIC on reals")
    inner = np.trunc(value)
    twice = 2 * np.abs(value - inner)  # exact, as value - floor(value) is not just below zero
    negative = np.signbit(value)
    if rounding is Rounding.FLOOR:
        outward = (twice > 0) & negative
    elif rounding is Rounding.CEIL:
        outward = (twice > 0) & ~negative
    elif rounding is Rounding.TOWARD_ZERO:
        outward = np.zeros(value.shape, bool)
    elif rounding is Rounding.AWAY_FROM_ZERO:
        outward = twice > 0
    else:
        odd = np.fmod(inner, 2) != 0
        tie_outward = {
            Rounding.HALF_UP: ~negative,
            Rounding.HALF_DOWN: negative,
            Rounding.HALF_AWAY: True,
            Rounding.HALF_TOWARD_ZERO: False,
            Rounding.HALF_EVEN: odd,
            Rounding.HALF_ODD: ~odd,
        }[rounding]
        outward = (twice > 1) | ((twice == 1) & tie_outward)
    return np.asarray(np.where(outward, inner + np.copysign(1, value), inner), dtype=value.dtype)


def random_bits(value: Integers, shift: Integers, seed: int) -> Integers:
    """The draw of STOCHASTIC: `shift` random bits per element, in [0, 2**shift).

    SplitMix64 (Steele, Lea, Flood 2014) of ``seed + (index + 1) * 0x9E3779B97F4A7C15`` modulo 2**64,
    its top `shift` bits; `index` is the element's place in its own sample (first axis = batch), so a
    sample alone and the same sample in a batch are rounded alike.
    """
    shape = np.shape(value)
    count = int(np.prod(shape[1:])) if shape else 1
    with np.errstate(over="ignore"):
        mixed = np.uint64(seed % 2**64) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    wide = np.broadcast_to(mixed.reshape((1, *shape[1:]) if shape else ()), shape).astype(object)
    drawn = wide >> (64 - np.asarray(shift, dtype=object))
    if isinstance(value, np.ndarray) and value.dtype != object:
        return drawn.astype(np.int64)
    return drawn if isinstance(value, np.ndarray) else int(drawn)


def _goes_up(
    value: Integers, floor: Integers, remainder: Integers, modulus: Integers, rounding: Rounding
) -> Integers:
    """Whether floor + 1 is the answer, given value = floor * modulus + remainder."""
    rest = modulus - remainder  # compare remainder with rest: no doubling, so no overflow
    tie = remainder == rest
    nearest = remainder > rest
    if rounding is Rounding.FLOOR:
        return remainder < 0
    if rounding is Rounding.CEIL:
        return remainder > 0
    if rounding is Rounding.TOWARD_ZERO:
        return (remainder > 0) & (value < 0)
    if rounding is Rounding.AWAY_FROM_ZERO:
        return (remainder > 0) & (value > 0)
    if rounding is Rounding.HALF_UP:
        return nearest | tie
    if rounding is Rounding.HALF_DOWN:
        return nearest
    if rounding is Rounding.HALF_AWAY:
        return nearest | (tie & (value > 0))
    if rounding is Rounding.HALF_TOWARD_ZERO:
        return nearest | (tie & (value < 0))
    odd = (floor & 1) == 1
    if rounding is Rounding.HALF_EVEN:
        return nearest | (tie & odd)
    return nearest | (tie & ~odd if isinstance(odd, np.ndarray) else tie & (not odd))


def _as_kind(flag: Integers, value: Integers) -> Integers:
    """A condition as 0 or 1 of the kind that `value` is of."""
    if isinstance(value, np.ndarray):
        return np.asarray(flag, dtype=bool).astype(np.int64).astype(value.dtype)
    return int(flag)
