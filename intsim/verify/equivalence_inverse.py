"""What a rounding, a register or a limit was given, from what it made: monotone steps taken backwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from intsim.arithmetic import Add, AnyStep, Clamp, Overflow, Register, Requantization, Rounding, ShiftRight

Ends = tuple[int | None, int | None]
"""Both ends of a range of integers; None where it has no end on that side."""


def boundary(code: int, rounding: Rounding) -> tuple[Fraction, bool]:
    """Where real numbers begin to round to `code` or more, and whether that end itself does not."""
    half = Fraction(2 * code - 1, 2)
    away = code <= 0  # the tie below the code is negative, so away from zero is down
    return {
        Rounding.FLOOR: (Fraction(code), False),
        Rounding.CEIL: (Fraction(code - 1), True),
        Rounding.TOWARD_ZERO: (Fraction(code), False) if code >= 1 else (Fraction(code - 1), True),
        Rounding.AWAY_FROM_ZERO: (Fraction(code - 1), True) if code >= 1 else (Fraction(code), False),
        Rounding.HALF_UP: (half, False),
        Rounding.HALF_DOWN: (half, True),
        Rounding.HALF_AWAY: (half, away),
        Rounding.HALF_TOWARD_ZERO: (half, not away),
        Rounding.HALF_EVEN: (half, code % 2 == 1),
        Rounding.HALF_ODD: (half, code % 2 == 0),
    }[rounding]


def before(rule: Requantization, tail: Sequence[AnyStep], code: int) -> Ends:
    """Which results of the scaling become a code; None: no end on that side."""
    ends = _unheld((code, code), Register(rule.format, rule.overflow))
    for step in reversed(tail):
        if step.into is not None:
            ends = _unheld(ends, step.into)
        if isinstance(step, Add):
            ends = _moved(ends, -int(step.values))
        elif isinstance(step, Clamp):
            ends = _unclamped(ends, int(step.lo), int(step.hi))
        elif isinstance(step, ShiftRight):
            ends = _unshifted(ends, int(step.bits), step.rounding)
    return ends


def _unheld(ends: Ends, register: Register) -> Ends:
    """What a register is given, from what it holds (rule M5 of `equivalence_narrowest`)."""
    low, high = register.format.min, register.format.max
    if register.overflow is Overflow.SATURATE:
        return _unclamped(ends, low, high)
    return low if ends[0] is None else max(low, ends[0]), high if ends[1] is None else min(high, ends[1])


def _unclamped(ends: Ends, low: int, high: int) -> Ends:
    return (
        None if ends[0] is None or ends[0] <= low else ends[0],
        None if ends[1] is None or ends[1] >= high else ends[1],
    )


def _unshifted(ends: Ends, bits: int, rounding: Rounding) -> Ends:
    def least(code: int) -> int:
        """The least integer that is shifted and rounded to `code` or more."""
        end, excluded = boundary(code, rounding)
        scaled = end * (1 << bits)
        return math.floor(scaled) + 1 if excluded else math.ceil(scaled)

    return None if ends[0] is None else least(ends[0]), None if ends[1] is None else least(ends[1] + 1) - 1


def _moved(ends: Ends, by: int) -> Ends:
    return None if ends[0] is None else ends[0] + by, None if ends[1] is None else ends[1] + by
