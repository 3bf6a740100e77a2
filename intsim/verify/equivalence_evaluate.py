"""One channel of a requantization as a function of the accumulator, evaluated on many values at once.

Rules
-----
V1. A function is given if the code depends on the accumulator alone and every value of the range has one:
    no STOCHASTIC rounding, no table that is too short, no float beyond its range.
V2. A register that traps gives no code; which values trap is told apart from the codes.
V3. Values run through the compiled program where `kernels.program.unfit` proves it exact and the codes
    fit int64; else through the reference, on int64 or on Python ints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import AnyStep, Interval, Overflow, Requantization, Rounding, ShiftRight, Table, fit
from intsim.formats import IntFormat
from intsim.kernels.program import Program, program, unfit
from intsim.record import Array

_INT64 = IntFormat(64)


@dataclass(frozen=True)
class Codes:
    """What came out of some accumulators.

    codes : int64 or object; where a register trapped, any value
    trapped : which ones trapped; None where none did
    """

    codes: Array
    trapped: Array | None = None


def of_channel(rule: Requantization, channel: int) -> Requantization:
    """The requantization of one channel, all parameters plain numbers."""
    return rule.replace(steps=tuple(_step_of_channel(step, channel) for step in rule.steps))


def _step_of_channel(step: AnyStep, channel: int) -> AnyStep:
    if isinstance(step, Table):
        return step
    changes: dict[str, Any] = {}
    for name, value in vars(step).items():
        if not isinstance(value, np.ndarray):
            continue
        if name == "values" and type(step).__name__ == "Thresholds":
            changes[name] = value if value.ndim == 1 else value[channel if value.shape[0] > 1 else 0]
        else:
            changes[name] = value.reshape(-1)[channel if value.size > 1 else 0]
    return step.replace(**changes)


def no_function(rule: Requantization, interval: Interval) -> str | None:
    """Why the requantization is no function on `interval` (rule V1); None where it is one."""
    if any(isinstance(step, ShiftRight) and step.rounding is Rounding.STOCHASTIC for step in rule.steps):
        return "STOCHASTIC rounding draws per element"
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            rule.bounds(interval)
    except (IndexError, OverflowError, ValueError) as error:
        return str(error)
    return None


class Function:
    """One channel of a requantization on the accumulators of a range (rules V1 to V3).

    Parameters
    ----------
    rule : of one channel, as `of_channel` gives it
    interval : the range, of which `no_function` has nothing to say
    """

    def __init__(self, rule: Requantization, interval: Interval) -> None:
        self.rule, self.interval = rule, interval
        _, met = rule.bounds(interval)  # the codes are in it too
        self.narrow = met.within(_INT64)
        self.compiled = self.narrow and unfit(rule, interval) is None
        self._program: Program | None = program(rule, interval) if self.compiled else None

    def __call__(self, values: Array) -> Codes:
        """Codes of accumulators (int64, or Python ints in an object array), as fast as is exact."""
        if self._program is None or values.dtype == object:
            return self.slowly(values)
        from intsim.kernels.steps import run_steps

        codes = values.copy()
        if run_steps(codes, *self._program.arrays()):
            return self.slowly(values)
        return Codes(codes)

    def slowly(self, values: Array) -> Codes:
        """Codes by the reference, step by step."""
        values = values if self.narrow else values.astype(object)
        trapped = np.zeros(values.shape, bool)
        for step in self.rule.steps:
            values = step.exact(values)
            if step.into is not None:
                values = _hold(values, step.into.format, step.into.overflow, trapped)
        values = _hold(values, self.rule.format, self.rule.overflow, trapped)
        return Codes(values, trapped if trapped.any() else None)


def _hold(values: Array, format: IntFormat, overflow: Overflow, trapped: Array) -> Array:
    """A register; what traps is marked, and goes on as the nearest value (rule V2)."""
    if overflow is Overflow.TRAP:
        trapped |= np.asarray(format.outside(values), dtype=bool)
        overflow = Overflow.SATURATE
    return np.asarray(fit(values, format, overflow))


def accumulators(first: int, last: int, narrow: bool) -> Array:
    """All values from `first` to `last`, as int64 or as Python ints."""
    if narrow:
        return np.arange(first, last + 1, dtype=np.int64)
    return np.array(range(first, last + 1), dtype=object)
