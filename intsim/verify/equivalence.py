"""`equivalence`: are two requantizations the same function on every reachable accumulator?

Rules
-----
E1. The accumulators of a channel are all integers of its proved range. Two requantizations are equal on it
    if every one of them becomes the same integer, or traps in both; formats alone make no difference.
E2. By enumeration every accumulator goes through both. By bisection, where every step of both is proved
    monotone on the range, only the ends of the stretches on which both are constant do; both ways give the
    same counts and the same values.
E3. Enumeration is taken where it is asked for or a node has at most `AT_ONCE` accumulators, or where
    bisection is not proved; bisection elsewhere.
E4. Of the accumulators that differ all are counted; the lowest is told, with both codes, and the largest
    difference of two codes with the lowest accumulator that has it.
E5. Where int64 does not hold every step, at most `BY_HAND` accumulators of a channel go through Python
    ints one by one; more are not decided, and neither is what is no function of the accumulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from intsim.arithmetic import Interval, Requantization
from intsim.verify.equivalence_enumerate import enumerate_pairs
from intsim.verify.equivalence_evaluate import Function, no_function, of_channel
from intsim.verify.equivalence_findings import ChannelComparison
from intsim.verify.equivalence_monotone import compare_stretches, not_monotone
from intsim.verify.equivalence_ranges import channel_ranges

AT_ONCE = 1 << 28
BY_HAND = 1 << 22
Progress = Callable[[int, int], None]

SAME, ENUMERATION, BISECTION, UNDECIDED = "same steps", "enumeration", "bisection", "not decided"


@dataclass(frozen=True)
class RuleComparison:
    """Two requantizations over the ranges of all channels.

    channels : one entry per channel
    """

    channels: tuple[ChannelComparison, ...]

    @property
    def equal(self) -> bool:
        """Whether every channel is decided, and equal."""
        return all(entry.equal for entry in self.channels)

    @property
    def differing(self) -> int:
        return sum(entry.differing for entry in self.channels)

    @property
    def total(self) -> int:
        """Accumulators of all channels."""
        return sum(entry.total for entry in self.channels)

    @property
    def undecided(self) -> str:
        """Why a channel is not decided; empty where all are."""
        return next((entry.undecided for entry in self.channels if entry.undecided), "")

    @property
    def methods(self) -> tuple[str, ...]:
        """How the channels were decided, each way once."""
        return tuple(dict.fromkeys(entry.method for entry in self.channels))


def compare_rules(
    a: Requantization,
    b: Requantization,
    interval: Interval,
    *,
    enumerate_all: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> RuleComparison:
    """Compare two requantizations on every accumulator of a range (rules E1 to E5).

    Parameters
    ----------
    a, b : per tensor, or with as many channels as the other and the interval have
    interval : the proved range, per tensor or per channel
    enumerate_all : every accumulator goes through both, however many there are
    threads : of the enumeration; all cores if absent
    progress : called with accumulators done and to be done

    Raises
    ------
    ValueError
        The numbers of channels do not agree.

    Examples
    --------
    >>> from intsim.arithmetic import Rounding, ShiftRight
    >>> up, even = (
    ...     Requantization((ShiftRight(bits=1, rounding=r),)) for r in (Rounding.HALF_UP, Rounding.HALF_EVEN)
    ... )
    >>> found = compare_rules(up, even, Interval(-8, 7)).channels[0]
    >>> found.differing, found.first, found.a, found.b
    (4, -7, -3, -4)
    """
    ranges = channel_ranges(interval, a, b)
    compared = [_begin(a, b, channel, *ends) for channel, ends in enumerate(ranges)]
    open_ = [entry for entry in compared if isinstance(entry, _Open)]
    total = sum(entry.interval.max - entry.interval.min + 1 for entry in open_)
    settled: dict[int, ChannelComparison] = {}
    waiting: list[_Open] = []
    for entry in open_:
        found = None if enumerate_all or total <= AT_ONCE else _by_bisection(entry)
        if found is None and not entry.narrow and entry.total > BY_HAND:
            why = f"int64 does not hold every step, and {entry.total} accumulators are too many for Python"
            found = replace(_blank(entry.channel, entry.interval), method=UNDECIDED, undecided=why)
        if found is None:
            waiting.append(entry)
        else:
            settled[entry.channel] = found
    pairs = [(entry.channel, entry.a, entry.b) for entry in waiting]
    for found in enumerate_pairs(pairs, threads, progress):
        settled[found.channel] = replace(found, method=ENUMERATION)
    return RuleComparison(tuple(settled[e.channel] if isinstance(e, _Open) else e for e in compared))


@dataclass(frozen=True)
class _Open:
    """A channel whose comparison is still to be made."""

    channel: int
    interval: Interval
    a: Function
    b: Function

    @property
    def total(self) -> int:
        return self.interval.max - self.interval.min + 1

    @property
    def narrow(self) -> bool:
        return self.a.narrow and self.b.narrow


def _begin(a: Requantization, b: Requantization, channel: int, lo: int, hi: int) -> _Open | ChannelComparison:
    interval = Interval(lo, hi)
    mine, theirs = of_channel(a, channel), of_channel(b, channel)
    blank = _blank(channel, interval)
    if mine == theirs:
        return replace(blank, method=SAME)
    why = no_function(mine, interval) or no_function(theirs, interval)
    if why:
        return replace(blank, method=UNDECIDED, undecided=why)
    return _Open(channel, interval, Function(mine, interval), Function(theirs, interval))


def _blank(channel: int, interval: Interval) -> ChannelComparison:
    return ChannelComparison(channel, interval.min, interval.max, interval.max - interval.min + 1)


def _by_bisection(entry: _Open) -> ChannelComparison | None:
    """None where bisection is not proved."""
    if any(not_monotone(function.rule, entry.interval) for function in (entry.a, entry.b)):
        return None
    found = compare_stretches(entry.channel, entry.a, entry.b)
    return None if found is None else replace(found, method=BISECTION)
