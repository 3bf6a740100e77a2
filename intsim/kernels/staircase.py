"""A requantization over a proved range, as a staircase: for each code the least value that reaches it.

Rules
-----
M1. A requantization is monotone, never falling, if every step of it is: no multiplier or factor is
    negative, there are no tables, no slices and no draws, and no register wraps or traps a value that
    the proved range lets into it.
M2. A monotone function on the integers from lo to hi is known wholly from the code of lo, the code of hi
    and, for every code between, the least value that reaches it. Two monotone functions that agree on
    lo, on hi, on every such value and on the one before it agree on all values from lo to hi.
M3. The least values are found with the requantization's steps on int64, which the bounds prove to hold
    every value on the way (rules P1 and P2 of `kernels.steps` for right shifts, else the steps
    themselves). An estimate in floats only says where to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Interval,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
    Thresholds,
    fit,
)
from intsim.kernels.program import right_shift, unfit
from intsim.record import Array

MOST_CODES, MOST_POINTS = 1024, 1 << 17
"""Codes beyond which nobody wants to look at each of them, for several channels."""

_SHIFTED = {Rounding.FLOOR: -0.5, Rounding.CEIL: 0.5}


@dataclass(frozen=True)
class Points:
    """Values that must become `code` at least, or at most; both (points, channels)."""

    value: Array
    code: Array

    def of(self, channels: Array) -> Points:
        """Those of some channels."""
        if channels.size == self.value.shape[1]:
            return self
        return Points(self.value[:, channels], self.code[:, channels])


@dataclass(frozen=True)
class Staircase:
    """A monotone function per channel (rule M2); all arrays are int64.

    lo, hi : (channels) the range
    first, last : (channels) the codes of lo and hi
    codes : (codes, 1) the codes above the lowest one
    points : (codes, channels) the least value that reaches each; where a channel's range does not go
        from below the code to it, lo + 1
    reached : (codes, channels) bool, whether it does
    slope, offset : (channels) float64, an estimate of the function: slope * value + offset, to nearest
    """

    lo: Array
    hi: Array
    first: Array
    last: Array
    codes: Array
    points: Array
    reached: Array
    slope: Array
    offset: Array

    def of(self, channels: Array) -> Staircase:
        """The staircase of some channels."""
        per_channel = (part[channels] for part in (self.lo, self.hi, self.first, self.last))
        points, reached = self.points[:, channels], self.reached[:, channels]
        slope, offset = self.slope[channels], self.offset[channels]
        lo, hi, first, last = per_channel
        return Staircase(lo, hi, first, last, self.codes, points, reached, slope, offset)

    @cached_property
    def least(self) -> Points:
        """What decides that a monotone function reaches each code: every point, and the ends."""
        ends, codes = self._ends
        value = np.where(self.reached, self.points, self.lo)
        code = np.where(self.reached, self.codes, self.first)
        return Points(np.concatenate([value, ends]), np.concatenate([code, codes]))

    @cached_property
    def most(self) -> Points:
        """What decides that it does not exceed one: just before every point, and the ends."""
        ends, codes = self._ends
        value = np.where(self.reached, self.points - 1, self.lo)
        code = np.where(self.reached, self.codes - 1, self.first)
        return Points(np.concatenate([value, ends]), np.concatenate([code, codes]))

    @cached_property
    def _ends(self) -> tuple[Array, Array]:
        """lo, -1, 0 and hi where they are in the range, with their codes; (4, channels)."""
        inner = [np.minimum(np.maximum(end, self.lo), self.hi) for end in (-1, 0)]
        below = [(self.reached & (self.points <= end)).sum(axis=0) for end in inner]
        codes = [self.first, *(self.first + count for count in below), self.last]
        return np.stack([self.lo, *inner, self.hi]), np.stack(codes)

    @property
    def values(self) -> int:
        """How many pairs of a channel and a value of it there are."""
        return int((self.hi - self.lo + 1).sum())


def staircase(requantization: Requantization, interval: Interval) -> Staircase | str:
    """The staircase over `interval`, per channel of the requantization; or why there is none."""
    reason = falls(requantization, interval)
    if reason is not None:
        return reason
    if requantization.channels() == 1:
        interval = interval.hull()  # one function for all channels
    lo, hi = _ends(interval, requantization.channels())
    first, last = codes_of(requantization, np.stack([lo, hi]))
    count = int(last.max()) - int(first.min())
    if count > MOST_CODES and count * lo.size > MOST_POINTS:
        return f"codes are in [{first.min()}, {last.max()}] in {lo.size} channels, too many to look at"
    slope, offset = estimate(requantization, lo.size)
    codes = np.arange(int(first.min()) + 1, int(last.max()) + 1)[:, None]
    reached = (codes > first) & (codes <= last)
    early = _early(requantization) * np.where((codes > offset) | (not _away(requantization)), 1, -1)
    guess = (codes - 0.5 - offset - early) / np.where(slope > 0, slope, 1)
    points = _search(requantization, codes, reached, guess, lo, hi)
    return Staircase(lo, hi, first, last, codes, points, reached, slope, offset)


def codes_of(requantization: Requantization, value: Array) -> Array:
    """The codes of int64 values (.., channels), where `unfit` finds nothing against it and no register
    wraps: what the reference gives, in fewer passes."""
    for step in requantization.steps:
        if isinstance(step, ShiftRight):
            bits, below, above, odd = right_shift(step)
            added = above if (below == above).all() else np.where(value < 0, below, above)
            added = added + odd * ((value >> bits) & 1) if odd.any() else added
            value = (value + added) >> bits
            value = value if step.into is None else fit(value, step.into.format, step.into.overflow)
        else:
            value = step.apply(value)
    return np.asarray(fit(value, requantization.format, requantization.overflow))


def falls(requantization: Requantization, interval: Interval) -> str | None:
    """Why rule M1, or int64, does not hold over `interval`; None where both do."""
    reason = unfit(requantization, interval)
    if reason is not None:
        return reason
    for step in requantization.steps:
        if not _rises(step):
            return f"{type(step).__name__} is not monotone"
        interval = step.map_interval(interval)
        if step.into is not None:
            if step.into.overflow is not Overflow.SATURATE and not interval.within(step.into.format):
                return f"a register of {step.into} can overflow"
            interval = interval.fit(step.into.format, step.into.overflow)
    if requantization.overflow is not Overflow.SATURATE and not interval.within(requantization.format):
        return "the code's register can overflow"
    return None


def _rises(step: AnyStep) -> bool:
    if isinstance(step, Multiply):
        return bool((step.multipliers >= 0).all())
    if isinstance(step, Scale):
        return bool((step.factors >= 0).all())
    if isinstance(step, ShiftRight):
        return step.rounding is not Rounding.STOCHASTIC
    return isinstance(step, Add | ShiftLeft | Clamp | Thresholds)


def estimate(requantization: Requantization, channels: int) -> tuple[Array, Array]:
    """About slope * value + offset, before it goes to the nearest integer; limits are left out."""
    slope, offset = np.ones(channels), np.zeros(channels)
    for step in requantization.steps:
        if isinstance(step, Add):
            offset = offset + step.values
        elif isinstance(step, ShiftLeft):
            slope, offset = (entry * 2.0**step.bits for entry in (slope, offset))
        elif isinstance(step, Multiply):
            slope, offset = (entry * step.multipliers for entry in (slope, offset))
        elif isinstance(step, ShiftRight):
            slope, offset = (entry * 2.0**-step.bits for entry in (slope, offset))
            offset = offset + _SHIFTED.get(step.rounding, 0.0)
        elif isinstance(step, Scale):
            factors, before, after = (
                0.0 if part is None else part.astype(np.float64)
                for part in (step.factors, step.before, step.after)
            )
            slope, offset = slope * factors, (offset + before) * factors + after
            offset = offset + _SHIFTED.get(step.rounding, 0.0)
    return slope, offset


def _early(requantization: Requantization) -> Array:
    """How much sooner a code is reached where the value was rounded up before the last right shift."""
    shifts = [step for step in requantization.steps if isinstance(step, ShiftRight)]
    return np.asarray(0.5 * 2.0 ** -shifts[-1].bits if len(shifts) > 1 else 0.0)


def _away(requantization: Requantization) -> bool:
    """Whether the last right shift sends ties away from zero: a negative code is then reached later."""
    shifts = [step for step in requantization.steps if isinstance(step, ShiftRight)]
    return bool(shifts) and shifts[-1].rounding is Rounding.HALF_AWAY


def _search(
    requantization: Requantization, codes: Array, reached: Array, guess: Array, lo: Array, hi: Array
) -> Array:
    """Rule M3: the code of `below` is below, that of `points` is not, until nothing lies between."""
    near = np.minimum(np.maximum(np.ceil(guess), lo + 1.0), hi).astype(np.int64)
    near = np.maximum(near, lo)  # a range of one value
    below = np.broadcast_to(lo, reached.shape)
    points = np.where(reached, hi, lo + 1)
    strides = iter((1, 1, 16))
    while (points - below > 1).any():
        up = codes_of(requantization, near) >= codes
        points, below = (
            np.where(up & reached, np.minimum(near, points), points),
            np.where(up, below, np.maximum(near, below)),
        )
        stride = next(strides, None)
        half = below + (points - below) // 2
        near = half if stride is None else np.where(up, points - stride, below + stride)
        near = np.where((near > below) & (near < points), near, half)
    return points


def _ends(interval: Interval, channels: int) -> tuple[Array, Array]:
    lo, hi = (
        np.broadcast_to(np.asarray(end, dtype=object).astype(np.int64).ravel(), (channels,))
        for end in (interval.lo, interval.hi)
    )
    return np.ascontiguousarray(lo), np.ascontiguousarray(hi)
