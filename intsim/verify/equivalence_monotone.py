"""Monotone requantizations: where they are proved to be, and the stretches on which they are constant.

Rules
-----
M1. A step is monotone, up or down, if its integer or float operations are: all are but STOCHASTIC
    rounding, a table whose reached entries are not sorted, a slice whose upper bits change, and a register
    that wraps or traps on a value it can be given. Monotone steps make a monotone function.
M2. A monotone function that is the same at both ends of a stretch is constant on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import (
    AnyStep,
    Interval,
    Overflow,
    Requantization,
    Rounding,
    ShiftRight,
    Slice,
    Table,
)
from intsim.formats import IntFormat
from intsim.record import Array
from intsim.verify.equivalence_evaluate import Codes, Function
from intsim.verify.equivalence_findings import ChannelComparison, found_in

MOST_STRETCHES = 1 << 21
_ROOM = IntFormat(62)  # where a sum of two ends, less one, fits int64


def not_monotone(rule: Requantization, interval: Interval) -> str | None:
    """Why a requantization of one channel is not proved monotone on a range; None where it is (rule M1)."""
    for number, step in enumerate(rule.steps):
        why = _step_not_monotone(step, interval)
        if why is None:
            interval = step.map_interval(interval)
            if step.into is not None:
                why = _overflows(interval, step.into.format, step.into.overflow)
                interval = interval.fit(step.into.format, step.into.overflow)
        if why is not None:
            return f"step {number} ({type(step).__name__}) {why}"
    why = _overflows(interval, rule.format, rule.overflow)
    return None if why is None else f"the code's register {why}"


def _overflows(interval: Interval, format: IntFormat, overflow: Overflow) -> str | None:
    if overflow is Overflow.SATURATE or interval.within(format):
        return None
    return f"is given {interval}, which {format} {overflow.name.lower()} does not hold"


def _step_not_monotone(step: AnyStep, interval: Interval) -> str | None:
    if isinstance(step, ShiftRight) and step.rounding is Rounding.STOCHASTIC:
        return "draws per element"
    if isinstance(step, Table):
        reached = step.entries[interval.min - step.first : interval.max - step.first + 1]
        rises = np.diff(reached.astype(object))
        if (rises < 0).any() and (rises > 0).any():
            return "has entries that rise and fall"
    if isinstance(step, Slice):
        kept = step.hi - step.lo + 1
        sign = 1 << (kept - 1) if step.signed else 0
        ends = [((end >> step.lo) + sign) >> kept for end in (interval.min, interval.max)]
        if ends[0] != ends[1]:
            return "drops bits that change"
    return None


@dataclass(frozen=True)
class Stretches:
    """A range cut where one of two monotone functions changes: first and last value, and the codes there."""

    first: Array
    last: Array
    a: Array
    b: Array


def stretches(a: Function, b: Function) -> Stretches | None:
    """The stretches of two monotone functions' range, ascending; None where there are too many."""
    low, high = a.interval.min, a.interval.max
    narrow = a.narrow and b.narrow and a.interval.within(_ROOM)
    ends = np.array([low, high], dtype=np.int64 if narrow else object)
    codes = _both(a, b, ends)
    # open stretches: rows are first, last, a at first, a at last, b at first, b at last
    rows = np.array(
        [[ends[0]], [ends[1]], *([code[place : place + 1]][0] for code in codes for place in (0, 1))]
    )
    closed: list[Array] = []
    while rows.shape[1]:
        constant = np.asarray((rows[2] == rows[3]) & (rows[4] == rows[5]), dtype=bool)
        closed.append(rows[:, constant])
        rows = rows[:, ~constant]
        if rows.shape[1] + sum(part.shape[1] for part in closed) > MOST_STRETCHES:
            return None
        rows = _halved(rows, a, b)
    all_ = np.concatenate(closed, axis=1)
    all_ = all_[:, np.argsort(all_[0], kind="stable")]
    return _merged(*all_[[0, 1, 2, 4]])


def _merged(first: Array, last: Array, a: Array, b: Array) -> Stretches:
    """Neighbours with the same codes as one stretch."""
    begins = np.concatenate([[True], np.asarray((a[1:] != a[:-1]) | (b[1:] != b[:-1]), dtype=bool)])
    ends = np.concatenate([begins[1:], [True]])
    return Stretches(first[begins], last[ends], a[begins], b[begins])


def _both(a: Function, b: Function, values: Array) -> tuple[Array, Array]:
    """Codes of both; nothing traps, because a monotone function has no register that can."""
    codes = a.slowly(values).codes
    return codes, codes if b is a else b.slowly(values).codes


def _halved(rows: Array, a: Function, b: Function) -> Array:
    if not rows.shape[1]:
        return rows
    middle = rows[0] + ((rows[1] - rows[0]) >> 1)
    a_left, b_left = _both(a, b, middle)
    a_right, b_right = _both(a, b, middle + 1)
    left = np.stack([rows[0], middle, rows[2], a_left, rows[4], b_left])
    right = np.stack([middle + 1, rows[1], a_right, rows[3], b_right, rows[5]])
    return np.concatenate([left, right], axis=1)


def compare_stretches(channel: int, a: Function, b: Function) -> ChannelComparison | None:
    """Compare two monotone functions on every value of their range; None where they change too often."""
    cut = stretches(a, b)
    if cut is None:
        return None
    low, high = a.interval.min, a.interval.max
    blank = ChannelComparison(channel, low, high, high - low + 1)
    counts = cut.last - cut.first + 1
    return found_in(blank, cut.first, Codes(cut.a), Codes(cut.b), counts)
