"""Requantizations as staircases: the code is how many thresholds the sum has reached.

References
----------
QONNX 1.0.0: custom_op/general/multithreshold.py (MultiThreshold counts value >= threshold); FINN:
transformation/streamline/round_thresholds.py (thresholds of integers are rounded up).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, positive_ratios
from intsim.arithmetic.interval import Interval
from intsim.arithmetic.overflow import Overflow
from intsim.arithmetic.requantize import (
    Add,
    AnyStep,
    Multiply,
    Requantization,
    Scale,
    ShiftRight,
    Slice,
    Table,
    Thresholds,
)
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.record import Array

MOST_THRESHOLDS = 2**16


def thresholds_from_reals(thresholds: Any) -> Thresholds:
    """Thresholds on integers that count as the given real ones do.

    Parameters
    ----------
    thresholds : reals, ascending: a list for all channels, or one row per channel. An integer reaches a
        real threshold exactly when it reaches that threshold rounded up.
    """
    reals = np.asarray(thresholds, np.float64)
    if not np.isfinite(reals).all():
        raise SpecError("thresholds must be finite")
    up = np.array([math.ceil(entry) for entry in reals.flat], dtype=object).reshape(reals.shape)
    return Thresholds(values=up)


def thresholds_of(rule: Requantization, sums: Interval) -> Requantization:
    """A staircase that is the same function as a monotone requantization, for every sum of a range.

    Parameters
    ----------
    rule : whose code never falls as the sum grows, and whose registers hold every value
    sums : the range of the sums, taken for all channels alike

    Raises
    ------
    SpecError
        `rule` is not known to be monotone over the range, or has too many codes.
    """
    low, high = sums.min, sums.max
    codes = _codes(rule, sums.hull())
    steps = np.arange(codes.min + 1, codes.max + 1, dtype=object)[:, None]
    channels = rule.channels()
    # the least sum whose code is at least each step: bisection, all steps and channels at once
    below = np.full((steps.size, channels), low - 1, dtype=object)
    reached = np.full((steps.size, channels), high + 1, dtype=object)
    while (reached - below > 1).any():
        middle = np.minimum(np.maximum((below + reached) // 2, low), high)
        up = rule.apply(middle) >= steps
        open_ = reached - below > 1
        reached, below = np.where(open_ & up, middle, reached), np.where(open_ & ~up, middle, below)
    first = Add(values=codes.min)
    if not steps.size:  # one code for all
        return Requantization((Multiply(multipliers=0), first), rule.format, rule.overflow)
    rows = reached.T if channels > 1 else reached[:, 0]
    return Requantization((Thresholds(values=rows), first), rule.format, rule.overflow)


def _codes(rule: Requantization, sums: Interval) -> Interval:
    """The range of the codes, once it is sure that the rule is monotone."""
    interval: Interval = sums
    for step in rule.steps:
        falls = isinstance(step, Table | Slice)
        falls |= isinstance(step, Multiply) and bool((step.multipliers < 0).any())
        falls |= isinstance(step, Scale) and bool((step.factors < 0).any())
        falls |= isinstance(step, ShiftRight) and step.rounding is Rounding.STOCHASTIC
        met = step.map_interval(interval)
        falls |= step.into is not None and not _keeps(met, step.into.format, step.into.overflow)
        if falls:
            raise SpecError(f"steps must be monotone to become thresholds, not {step!r}")
        interval = met if step.into is None else met.fit(step.into.format, step.into.overflow)
    if not _keeps(interval, rule.format, rule.overflow):
        raise SpecError(f"codes must fit {rule.format} to become thresholds, not {interval}")
    codes = interval.fit(rule.format, rule.overflow).hull()
    if codes.max - codes.min > MOST_THRESHOLDS:
        raise SpecError(f"codes must be at most {MOST_THRESHOLDS} apart, not {codes}")
    return codes


def _keeps(met: Interval, format: IntFormat, overflow: Overflow) -> bool:
    """Whether a register keeps the order of what is written into it."""
    return overflow is Overflow.SATURATE or met.within(format)


@dataclass(frozen=True)
class StaircaseDialect(Dialect):
    """A dialect that knows its thresholds only once it knows its codes."""

    def requantization(
        self,
        ratio: Any,
        *,
        zero_point: Any = 0,
        lo: Any = None,
        hi: Any = None,
        format: IntFormat = IntFormat(8),  # noqa: B008 - frozen
        bias: Any = None,
    ) -> Requantization:
        """See `Dialect.requantization`; limits and zero point are one for all channels."""
        if bias is not None:
            self.biased((), bias)
        ratios = positive_ratios(np.atleast_1d(np.asarray(ratio, np.float64)), self.name)
        lo = format.min if lo is None else int(lo)
        hi = format.max if hi is None else int(hi)
        if not 0 <= hi - lo <= MOST_THRESHOLDS:
            raise SpecError(f"codes must be at most {MOST_THRESHOLDS} apart, not {lo} to {hi}")
        if lo == hi:
            return Requantization((Multiply(multipliers=0), Add(values=lo)), format)
        wanted = [Fraction(2 * (code - int(zero_point)) - 1, 2) for code in range(lo + 1, hi + 1)]
        rows = [[math.ceil(value / Fraction(float(r))) for value in wanted] for r in ratios]
        values = rows[0] if len(rows) == 1 else rows
        return Requantization((Thresholds(values=np.array(values, dtype=object)), Add(values=lo)), format)


def _no_steps(ratios: Array) -> tuple[AnyStep, ...]:
    raise SpecError("multithreshold must be asked for a whole requantization: its steps depend on the codes")


DIALECTS = (
    StaircaseDialect(
        "multithreshold",
        "counts the thresholds that the sum has reached; the exact product half up",
        "QONNX 1.0.0 MultiThreshold; FINN round_thresholds.py",
        _no_steps,
    ),
)
