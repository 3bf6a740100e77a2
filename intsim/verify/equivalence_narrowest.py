"""The narrowest multiplier and shift that make a requantization's codes on every reachable accumulator.

Rules
-----
M1. A requantization is read as offsets, a scaling, and what comes after. The scaling is a run of left
    shifts, products and one right shift, or one float `Scale`; it is replaced by one product with a
    multiplier of at least 0 and one right shift of 0 to 62 bits, into no register. The shift rounds as the
    scaling did, and further right shifts stay, as do offsets and limits; or, where a rounding is chosen,
    the one shift has that rounding and takes the place of further ones too. The zero point that a `Scale`
    adds before it rounds is added after the shift.
M2. The requantization must be monotone on the range (`equivalence_monotone`). Each stretch with one code
    then asks two things of multiplier / 2**shift: its first accumulator must not fall below that code, its
    last one not go above it. Each is one inequality between exact fractions; together they leave an
    interval of ratios, every one of which is right and no other.
M3. The least shift with a multiple of 2**-shift in that interval, and the least such multiple, have the
    fewest bits of multiplier: a larger shift needs a larger multiplier. Bits are those of the unsigned
    multiplier.
M4. A requantization that is per tensor gets one multiplier for the ranges of all channels.
M5. Registers that wrap or trap after the scaling must hold what they get, as they do in the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Interval,
    Multiply,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
)
from intsim.verify.equivalence_evaluate import Function, no_function, of_channel
from intsim.verify.equivalence_inverse import before, boundary
from intsim.verify.equivalence_monotone import not_monotone, stretches
from intsim.verify.equivalence_ranges import channel_ranges

MOST_SHIFT = 62
_SCALING = (ShiftLeft, Multiply, ShiftRight, Scale)


@dataclass(frozen=True)
class Narrowest:
    """The narrowest multiplier of one channel.

    lo, hi : the range of the accumulator
    multiplier, shift : the code is that of round(accumulator * multiplier / 2**shift); None where there is
        none
    missing : why there is none
    """

    channel: int
    lo: int
    hi: int
    multiplier: int | None = None
    shift: int | None = None
    missing: str = ""

    @property
    def bits(self) -> int | None:
        """Of the unsigned multiplier."""
        return None if self.multiplier is None else self.multiplier.bit_length()


def narrowest(
    rule: Requantization, interval: Interval, rounding: Rounding | None = None
) -> tuple[Narrowest, ...]:
    """The narrowest multiplier and shift of every channel (rules M1 to M5).

    Parameters
    ----------
    rule : Requantization
    interval : the proved range of its input, per tensor or per channel
    rounding : of the one right shift, but for STOCHASTIC; absent: as the rule does, shift by shift

    Examples
    --------
    >>> rule = Requantization((Multiply(multipliers=1431655765), ShiftRight(bits=32)))
    >>> narrowest(rule, Interval(0, 100))
    (Narrowest(channel=0, lo=0, hi=100, multiplier=85, shift=8, missing=''),)
    """
    ranges = channel_ranges(interval, rule)
    if rule.channels() == 1:
        return (_channel(rule, 0, ranges, rounding),)
    return tuple(_channel(rule, channel, [ends], rounding) for channel, ends in enumerate(ranges))


def _channel(
    rule: Requantization, channel: int, ranges: Sequence[tuple[int, int]], rounding: Rounding | None
) -> Narrowest:
    """One channel over all of some ranges."""
    ends = min(lo for lo, _ in ranges), max(hi for _, hi in ranges)
    ratios = _Ratios()
    try:
        for lo, hi in dict.fromkeys(ranges):
            _meet(ratios, of_channel(rule, channel), Interval(lo, hi), rounding)
        return Narrowest(channel, *ends, *ratios.simplest())
    except _NoneThereError as error:
        return Narrowest(channel, *ends, missing=str(error))


def with_multipliers(
    rule: Requantization, found: Sequence[Narrowest], rounding: Rounding | None = None
) -> Requantization:
    """The requantization with its scaling replaced by what `narrowest` found, asked the same way.

    Raises
    ------
    ValueError
        A channel has none.
    """
    if any(entry.multiplier is None for entry in found):
        raise ValueError("every channel must have a multiplier")
    parts = _split(rule, rounding)
    multipliers, shifts = (
        np.array([getattr(entry, name) for entry in found], dtype=object) for name in ("multiplier", "shift")
    )
    scaling = (Multiply(multipliers=multipliers), ShiftRight(bits=shifts, rounding=parts.rounding))
    return rule.replace(steps=(*parts.head, *scaling, *parts.tail))


class _NoneThereError(Exception):
    """There is no multiplier, for the reason given."""


Steps = tuple[AnyStep, ...]


@dataclass(frozen=True)
class _Parts:
    """What is before the scaling, what is after it, and how the right shift in its place rounds."""

    head: Steps
    tail: Steps
    rounding: Rounding


def _split(rule: Requantization, rounding: Rounding | None) -> _Parts:
    """Rule M1."""
    begin = next((place for place, step in enumerate(rule.steps) if isinstance(step, _SCALING)), None)
    if begin is None:
        raise _NoneThereError("it does not scale")
    end = begin
    own = Rounding.FLOOR
    while end < len(rule.steps) and isinstance(rule.steps[end], _SCALING):
        step = rule.steps[end]
        end += 1
        if isinstance(step, (ShiftRight, Scale)):
            own = step.rounding
            if rounding is None:
                break
    head, scaling, tail = rule.steps[:begin], rule.steps[begin:end], rule.steps[end:]
    if not all(isinstance(step, Add) for step in head):
        raise _NoneThereError("it does more than add before it scales")
    if isinstance(scaling[-1], Scale):
        tail = (*_added_by(scaling[-1]), *tail)
    if any(isinstance(step, Scale) for step in (*scaling[:-1], *(scaling[-1:] if len(scaling) > 1 else ()))):
        raise _NoneThereError("it scales by floats more than once, or by integers too")
    if not all(isinstance(step, (Add, Clamp, ShiftRight)) for step in tail):
        raise _NoneThereError("it does more than add, shift right and clamp after it scales")
    return _Parts(head, tail, own if rounding is None else rounding)


def _added_by(scale: Scale) -> tuple[Add, ...]:
    """The zero point that a float scaling adds before it rounds, added to its result."""
    if scale.before is not None and scale.before.any():
        raise _NoneThereError("it adds a real bias")
    if scale.after is None:
        return ()
    values = scale.after.reshape(-1).tolist()
    if any(value != int(value) for value in values):
        raise _NoneThereError("it adds a fraction before it rounds")
    return (Add(values=np.array([int(value) for value in values]).reshape(scale.after.shape)),)


@dataclass
class _Ratios:
    """All ratios of at least 0 that meet the inequalities so far; `above` and `below` leave out the ends."""

    low: Fraction = Fraction(0)
    above: bool = False
    high: Fraction | None = None
    below: bool = False

    def at_least(self, end: Fraction, strictly: bool) -> None:
        if (end, strictly) > (self.low, self.above):
            self.low, self.above = end, strictly

    def at_most(self, end: Fraction, strictly: bool) -> None:
        if self.high is None or (end, not strictly) < (self.high, not self.below):
            self.high, self.below = end, strictly

    def reach(self, value: int, end: Fraction, strictly: bool) -> None:
        """value * ratio >= end, or > end."""
        if value > 0:
            self.at_least(end / value, strictly)
        elif value < 0:
            self.at_most(end / value, strictly)
        elif end > 0 or (strictly and end == 0):
            raise _NoneThereError("no product of 0 makes the code of 0")

    def stay(self, value: int, end: Fraction, strictly: bool) -> None:
        """value * ratio <= end, or < end."""
        self.reach(-value, -end, strictly)

    def simplest(self) -> tuple[int, int]:
        """Multiplier and shift (rule M3)."""
        for shift in range(MOST_SHIFT + 1):
            scaled = self.low * 2**shift
            multiplier = math.floor(scaled) + 1 if self.above else math.ceil(scaled)
            ratio = Fraction(multiplier, 2**shift)
            if self.high is None or ratio < self.high or (ratio == self.high and not self.below):
                return multiplier, shift
        raise _NoneThereError(f"no multiplier with a shift of at most {MOST_SHIFT} makes every code")


def _meet(ratios: _Ratios, rule: Requantization, interval: Interval, rounding: Rounding | None) -> None:
    """Leave the ratios that make every code of a range (rule M2)."""
    parts = _split(rule, rounding)
    why = no_function(rule, interval) or not_monotone(rule, interval)
    if why:
        raise _NoneThereError(why)
    function = Function(rule, interval)
    cut = stretches(function, function)
    if cut is None:
        raise _NoneThereError("it has too many codes")
    offset = sum(int(step.values) for step in parts.head if isinstance(step, Add))
    for first, last, code in zip(cut.first.tolist(), cut.last.tolist(), cut.a.tolist(), strict=True):
        low, high = before(rule, parts.tail, code)
        if low is not None:
            ratios.reach(first + offset, *boundary(low, parts.rounding))
        if high is not None:
            end, excluded = boundary(high + 1, parts.rounding)
            ratios.stay(last + offset, end, not excluded)
