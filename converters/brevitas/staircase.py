"""Brevitas' own quantizers as staircases: from which sum on a code is reached.

Rules
-----
T1. A quantizer's module is run as it stands, on float32 probes, behind the functions before it. Where these
    never fall (rules F1 and F2 of `functions`), bisection over all finite float32 numbers finds, for every
    code above the lowest, the least float32 that reaches it.
T2. A sum n reaches the code if its exact real, slope * n + offset, rounded once to float32 (nearest, ties
    to even), reaches that float32. This is a comparison with the middle of two neighbouring floats, and is
    decided in fractions.
T3. Where the slope is negative, thresholds are on -n; where it is 0, all sums have one code.
T4. Behind a function with slack (F4) a step has a first and a last float32: the least that could reach the
    code, and the least that must. They are found by the same bisection, with slack added and taken away.
T5. Behind a valley (F3) there are two staircases: one of the floats from its bottom on, and one of those
    below it, in which the number counts with the other sign. The code is the sum of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from intsim_converters.brevitas.affine import Affine, Inverse, Span
from intsim_converters.staircase import least

Array = np.ndarray[Any, Any]
Codes = Callable[[Array, int], Array]
"""From probes (points, channels) of float32, and the side that slack is taken on (1, 0 or -1), to codes
(points, channels) of int64."""

NEVER = 1 << 61
"""A threshold that no sum reaches; its negative is one that every sum reaches."""
MOST_CODES = 1 << 12
_LARGEST = np.float32(np.finfo(np.float32).max)
LEAST = np.array([-_LARGEST])
"""The least finite float32."""

Reals = tuple[tuple[Fraction, ...], ...]


class TooManyCodesError(ValueError):
    """A quantizer has more codes than a table of thresholds should hold."""


@dataclass(frozen=True)
class FloatSteps:
    """A quantizer's steps (rules T1 and T4).

    lowest, highest : codes
    at : (highest - lowest, channels) float32, the least that reaches lowest + 1, lowest + 2, ...
    first, last : the same shape: the least that could reach it, and the least that must; at itself where
        there is no slack
    """

    lowest: int
    highest: int
    at: Array
    first: Array
    last: Array


def float_steps(codes: Codes, channels: int, *, start: Array = LEAST, slack: bool = False) -> FloatSteps:
    """Rule T1, for a quantizer of `channels` scales (1: the same for all channels).

    Parameters
    ----------
    start : the least float32 that is looked at, one or one per channel
    slack : whether rule T4 asks for more than one bisection
    """
    probes = np.stack([np.broadcast_to(end, (channels,)) for end in (start, -LEAST)])
    ends = codes(probes, 0)
    lowest, highest = int(ends.min()), int(ends.max())
    if (ends != ends[:, :1]).any() or lowest > highest:
        raise ValueError("a quantizer's codes must rise, and be the same in all channels")
    if slack and any((codes(probes, side) != ends).any() for side in (1, -1)):
        raise ValueError("the first or the last code's step is where the activation ends; no bits are sure")
    if highest - lowest > MOST_CODES:
        raise TooManyCodesError(f"codes must be at most {MOST_CODES} apart, not {lowest} to {highest}")
    wanted = np.arange(lowest + 1, highest + 1)[:, None]
    shape = (highest - lowest, channels)
    below, reached = (np.broadcast_to(_order(end), shape) for end in probes)

    def steps(side: int) -> Array:
        return _float(least(below, reached, lambda order: codes(_float(order), side) >= wanted))

    at = steps(0)
    if not slack:
        return FloatSteps(lowest, highest, at, at, at)
    return FloatSteps(lowest, highest, at, np.minimum(at, steps(1)), np.maximum(at, steps(-1)))


def least_float(holds: Callable[[Array], Array]) -> Array:
    """The least finite float32 for which `holds`, which stays true from there on and is so at the end."""
    return _float(least(_order(LEAST), _order(-LEAST), lambda order: holds(_float(order))))


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

    affine : what the sum stands for, with the other sign below a valley's bottom
    sign : (channels,) 1 or -1: what the sum is multiplied with
    at : (steps, channels) int64: the least signed sum that reaches each code
    first, last : per step and channel, the least reals that could reach it, and that must
    """

    affine: Affine
    sign: Array
    at: Array
    first: Reals
    last: Reals


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
    first = tuple(tuple(real for real, _ in row) for row in limits)
    if steps.first is steps.at:
        return IntegerSteps(affine, sign, at, first, first)
    ends = (
        tuple(tuple(_middle(value)[0] for value in row) for row in end) for end in (steps.first, steps.last)
    )
    return IntegerSteps(affine, sign, at, *ends)


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
