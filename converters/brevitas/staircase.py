"""Brevitas' own quantizers as staircases: from which sum on a code is reached.

Rules
-----
T1. A quantizer's module is run as it stands, on float32 probes. It never falls (its parts are checked to be
    of kinds that never do), so bisection over all finite float32 numbers finds, for every code above the
    lowest, the least float32 that reaches it.
T2. A sum n reaches the code if its exact real, slope * n + offset, rounded once to float32 (nearest, ties
    to even), reaches that float32. This is a comparison with the middle of two neighbouring floats, and is
    decided in fractions.
T3. Where the slope is negative, thresholds are on -n; where it is 0, all sums have one code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from intsim_converters.brevitas.affine import Affine, Inverse, Span

Array = np.ndarray[Any, Any]
Codes = Callable[[Array], Array]
"""From probes (points, channels) of float32 to codes (points, channels) of int64."""

NEVER = 1 << 61
"""A threshold that no sum reaches; its negative is one that every sum reaches."""
MOST_CODES = 1 << 12
_LARGEST = np.float32(np.finfo(np.float32).max)


class TooManyCodesError(ValueError):
    """A quantizer has more codes than a table of thresholds should hold."""


@dataclass(frozen=True)
class FloatSteps:
    """A quantizer's steps (rule T1).

    lowest, highest : codes
    at : (highest - lowest, channels) float32, the least that reaches lowest + 1, lowest + 2, ...
    """

    lowest: int
    highest: int
    at: Array


def float_steps(codes: Codes, channels: int) -> FloatSteps:
    """Rule T1, for a quantizer of `channels` scales (1: the same for all channels)."""
    ends = codes(np.array([[-_LARGEST], [_LARGEST]], np.float32).repeat(channels, axis=1))
    lowest, highest = int(ends.min()), int(ends.max())
    if (ends != ends[:, :1]).any() or lowest > highest:
        raise ValueError("a quantizer's codes must rise, and be the same in all channels")
    if highest - lowest > MOST_CODES:
        raise TooManyCodesError(f"codes must be at most {MOST_CODES} apart, not {lowest} to {highest}")
    wanted = np.arange(lowest + 1, highest + 1)[:, None]
    shape = (highest - lowest, channels)
    below, reached = np.full(shape, _order(-_LARGEST)), np.full(shape, _order(_LARGEST))
    while (reached - below > 1).any():
        middle = (below + reached) // 2
        up = codes(_float(middle)) >= wanted
        reached, below = np.where(up, middle, reached), np.where(up, below, middle)
    return FloatSteps(lowest, highest, _float(reached))


def _order(value: Any) -> Array:
    """float32 as integers in the order of the floats; neighbours differ by 1, and both zeros are 0."""
    bits = np.asarray(value, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _float(order: Array) -> Array:
    bits = np.where(order < 0, -order | 0x80000000, order).astype(np.uint32)
    return bits.view(np.float32)


def before(value: Array) -> Array:
    """The float32 below each."""
    return _float(_order(value) - 1)


@dataclass(frozen=True)
class IntegerSteps:
    """Thresholds on integers (rules T2 and T3).

    sign : (channels,) 1 or -1: what the sum is multiplied with
    at : (steps, channels) int64: the least signed sum that reaches each code
    real : per step and channel, the real that at stands for
    """

    sign: Array
    at: Array
    real: tuple[tuple[Fraction, ...], ...]


def integer_steps(steps: FloatSteps, affine: Affine) -> IntegerSteps:
    """Rules T2 and T3. Raises UndecidedError."""
    channels = max(steps.at.shape[1], affine.channels)
    wide = affine.spread(channels)
    limits = [[_middle(value) for value in row] for row in steps.at]
    sign = np.array([-1 if slope.sign < 0 else 1 for slope in wide.slope])
    at = np.empty((len(limits), channels), np.int64)
    for c, (slope, offset) in enumerate(zip(wide.slope, wide.offset, strict=True)):
        column = [row[c % len(row)] for row in limits]
        at[:, c] = [_threshold(real, reached, slope, offset) for real, reached in column]
    return IntegerSteps(sign, at, tuple(tuple(real for real, _ in row) for row in limits))


def _middle(value: np.float32) -> tuple[Fraction, bool]:
    """The least real that is rounded to this float32, and whether it is itself."""
    last = before(np.asarray(value))
    middle = (Fraction(float(value)) + Fraction(float(last))) / 2
    return middle, int(_order(value)) % 2 == 0


def _threshold(real: Fraction, reached: bool, slope: Span, offset: Span) -> int:
    """The least n, or -n where the slope is negative, that reaches a real."""
    if slope.sign == 0:
        above = (Span.of(real) - offset).sign
        return -NEVER if above < 0 or (above == 0 and reached) else NEVER
    size = slope if slope.sign > 0 else -slope
    return min(max(Inverse(size, offset).least_integer(real, reached), -NEVER), NEVER)


def same_rows(at: Array, sign: Array) -> bool:
    """Whether all channels have the same steps."""
    return bool((at == at[:, :1]).all() and (sign == sign[0]).all())
