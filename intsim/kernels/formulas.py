"""A cheaper formula that equals a requantization on every value that can reach it.

Rules
-----
F1. A formula is one of the float forms of an epilogue (rules G3 to G5): round(value * factor + offset).
F2. The factor is not negative and every operation is monotone, so on the values below zero, and on those
    from zero up, a formula never falls. It equals a monotone requantization on all reachable values if
    it does at the ends of both parts, at every point of the staircase and one before it (rule M2). All
    of these are looked at, in the formula's own arithmetic; where one differs there is no formula.
F3. A fused product and sum of float32 is evaluated in float64, where both are exact as far as the limits
    let anything through: factors are 0 or at least 2**-20, offsets are multiples of 2**-43, and y is
    limited to 2**8. Beyond 2**9 y may be off by its last bit, which the limits take away.
F4. How factor and offsets are found does not matter to F2. The factor is the estimated slope or a float
    beside it; each point says how large an offset must, and the one before it how large it may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.kernels.staircase import Points, Staircase
from intsim.record import Array

NEIGHBOURS = (0, 1, -1, 2, -2, 3, -3, 5, -5)
"""Floats beside the slope that are tried as a factor, counted from it."""

_GRID = 2.0**43
_MOST_SINGLE, _MOST_DOUBLE = 2**8, 2**31 - 1
_REACH = 2.0**-10  # what another factor among the neighbours can move y by, and more
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Formula:
    """Rule F1, per channel.

    parameters : (3, channels) float32 or float64: factor, offset, offset below zero
    pivot : int64 (channels), taken off the value before it becomes a float; float32 only
    centre : added to the rounded y
    low, high : limits of the code
    """

    parameters: Array
    pivot: Array
    centre: int
    low: int
    high: int

    @property
    def real(self) -> np.dtype[Any]:
        """float32, fused, or float64, not fused."""
        return np.dtype(self.parameters.dtype)

    def apply(self, value: Array) -> Array:
        """The codes of int64 values (.., channels), by rules G3 to G5."""
        factor, offset, below = self.parameters.astype(np.float64)
        y = (value - self.pivot).astype(self.real).astype(np.float64) * factor
        y = y + (offset if (offset == below).all() else np.where(value < 0, below, offset))
        y = y.astype(self.real).astype(np.float64)
        y = np.minimum(np.maximum(y, self.low - self.centre), self.high - self.centre)
        return np.asarray(np.rint(y).astype(np.int64) + self.centre)

    def sound(self) -> Array:
        """For each channel, whether rule F3 or, in float64, the form itself lets the formula be used."""
        factor, *offsets = self.parameters.astype(np.float64)
        fine = np.isfinite(self.parameters).all(axis=0) & (factor >= 0)
        if self.real == np.float64:
            return np.asarray(fine & self._reaches(_MOST_DOUBLE) & (self.pivot == 0))
        fine &= ((factor == 0) | (factor >= 2.0**-20)) & self._reaches(_MOST_SINGLE)
        for offset in offsets:
            fine &= (abs(offset) <= 2**8) & (np.rint(offset * _GRID) == offset * _GRID)
        return np.asarray(fine)

    def _reaches(self, most: int) -> bool:
        return max(abs(self.low - self.centre), abs(self.high - self.centre)) <= most


def find(
    stairs: Staircase, real: type[np.floating[Any]], signed: bool = False, pivoted: bool = False
) -> tuple[Formula, Array]:
    """The formula of one form, and for each channel whether it is one (rule F2).

    Parameters
    ----------
    stairs : Staircase
    real : np.float32 (SINGLE and SIGNED) or np.float64 (DOUBLE)
    signed : whether negative values may have another offset
    pivoted : whether a pivot brings y near zero; not together with `signed`
    """
    channels = stairs.lo.size
    low, high = int(stairs.first.min()), int(stairs.last.max())
    centre = int(np.rint(np.median(stairs.offset)))
    pivot = np.zeros(channels, np.int64)
    slope = np.where(stairs.first < stairs.last, np.maximum(stairs.slope, 0), 0)
    if pivoted:
        middle = int(np.rint((low + high) / 2))
        pivot = np.rint((middle - centre) / np.where(slope > 0, slope, 1)).astype(np.int64)
        centre = middle
    pivot = np.where((stairs.lo - pivot >= _INT32.min) & (stairs.hi - pivot <= _INT32.max), pivot, 0)
    formula = Formula(np.zeros((3, channels), real), pivot, centre, low, high)
    found, hopeless = np.zeros(channels, bool), np.zeros(channels, bool)
    if not formula._reaches(_MOST_DOUBLE if real is np.float64 else _MOST_SINGLE):
        return formula, found
    for steps in NEIGHBOURS:
        rest = np.flatnonzero(~found & ~hopeless)
        if not rest.size:
            break
        factor = _neighbour(slope[rest].astype(real), steps)
        points = stairs.least.of(rest), stairs.most.of(rest)
        offsets, room = _offsets(*points, factor, pivot[rest], formula, signed)
        if steps == 0:
            hopeless[rest] = room < -_REACH
        possible = room >= 0
        if not possible.any():
            continue
        rest, tried = rest[possible], np.stack([factor, *offsets])[:, possible]
        formula.parameters[:, rest] = tried
        points = stairs.least.of(rest), stairs.most.of(rest)
        found[rest] = _agree(Formula(tried, pivot[rest], centre, low, high), *points)
    return formula, found


def literal(stairs: Staircase) -> tuple[Formula, Array]:
    """As `find` for float32, without search: the slope alone, which is what a float32 Scale does."""
    zero = int(np.rint(np.median(stairs.offset)))
    constant = stairs.first == stairs.last
    factor = np.where(constant, 0, np.maximum(stairs.slope, 0))
    offset = np.where(constant, stairs.first - zero, 0)
    parameters = np.stack([factor, offset, offset]).astype(np.float32)
    low, high = int(stairs.first.min()), int(stairs.last.max())
    formula = Formula(parameters, np.zeros(constant.size, np.int64), zero, low, high)
    return formula, holds(formula, stairs)


def jump(stairs: Staircase, real: type[np.floating[Any]], pivoted: bool = False) -> tuple[Formula, Array]:
    """As `find`, for channels with two codes, as a sign after a sum has them.

    The value that reaches the higher code, and the one before it, become the codes themselves; all others
    are beyond the limits.

    Parameters
    ----------
    pivoted : whether that value is the pivot; float32 only
    """
    low, high = int(stairs.first.min()), int(stairs.last.max())
    centre = int(np.rint((low + high) / 2))
    point = np.where(stairs.reached, stairs.points, stairs.lo).max(axis=0, initial=int(np.min(stairs.lo)))
    inside = (stairs.lo - point >= _INT32.min) & (stairs.hi - point <= _INT32.max)
    pivot = np.where(pivoted & inside, point, 0)
    factor = stairs.last - stairs.first
    offset = stairs.last - centre - factor * (point - pivot)
    formula = Formula(np.stack([factor, offset, offset]).astype(real), pivot, centre, low, high)
    return formula, holds(formula, stairs)


def holds(formula: Formula, stairs: Staircase) -> Array:
    """For each channel, whether the formula equals the staircase on its whole range (rule F2)."""
    return _agree(formula, stairs.least, stairs.most)


def _agree(formula: Formula, least: Points, most: Points) -> Array:
    enough = (formula.apply(least.value) >= least.code).all(axis=0)
    not_more = (formula.apply(most.value) <= most.code).all(axis=0)
    return np.asarray(enough & not_more & formula.sound())


def _neighbour(values: Array, steps: int) -> Array:
    """The float that many steps away from each positive one; 0 stays 0."""
    whole: Any = np.int32 if values.dtype == np.float32 else np.int64
    moved = (values.view(whole) + whole(steps)).view(values.dtype)
    return np.where(values > 2.0**-100, moved, values)


def _offsets(
    least: Points, most: Points, factor: Array, pivot: Array, formula: Formula, signed: bool
) -> tuple[list[Array], Array]:
    """Rule F4: offset and offset below zero in the middle of what the points allow, and how much that is.

    Where it is negative, no offset serves all points.
    """
    wanted = [
        points.code - formula.centre + half - (points.value - pivot) * factor.astype(np.float64)
        for points, half in ((least, -0.5), (most, 0.5))
    ]
    at_least = np.where(least.code > formula.low, wanted[0], -np.inf)
    at_most = np.where(most.code < formula.high, wanted[1], np.inf)
    offsets, room = [], np.full(factor.size, np.inf)
    for negative in (False, True) if signed else (None,):
        low, high = (
            np.where((points.value < 0) == negative, wanted, edge) if signed else wanted
            for points, wanted, edge in ((least, at_least, -np.inf), (most, at_most, np.inf))
        )
        low, high = low.max(axis=0), high.min(axis=0)
        room = np.minimum(room, high - low)
        low = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high - 0.5, -0.25))
        high = np.where(np.isfinite(high), high, low + 0.5)
        offsets.append((np.rint((low + high) / 2 * _GRID) / _GRID).astype(factor.dtype))
    return [offsets[0], offsets[-1]], room
