"""From a `Requantization` to the program that `run_steps` runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Compare,
    Interval,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
    Slice,
    Table,
    Thresholds,
)
from intsim.formats import IntFormat
from intsim.record import Array

# the codes of `kernels.steps`, said again so that a plan needs no numba; a test compares the two
CODES = (
    "ADD",
    "SHIFT_LEFT",
    "MULTIPLY",
    "SHIFT_RIGHT",
    "CLAMP",
    "SINGLE",
    "DOUBLE",
    "THRESHOLDS",
    "TABLE",
    "WRAP",
    "TRAP",
)
ROUNDINGS = (
    Rounding.FLOOR,
    Rounding.CEIL,
    Rounding.TOWARD_ZERO,
    Rounding.AWAY_FROM_ZERO,
    Rounding.HALF_UP,
    Rounding.HALF_DOWN,
    Rounding.HALF_AWAY,
    Rounding.HALF_TOWARD_ZERO,
    Rounding.HALF_EVEN,
    Rounding.HALF_ODD,
)
_WIDTH = 256  # the least width of a row: long enough for vectors, short enough for the nearest cache
_INT64 = IntFormat(64)


@dataclass(frozen=True)
class Program:
    """The arrays that `run_steps` takes; `integers`, `singles` and `doubles` are as wide as a row."""

    codes: Array
    scalars: Array
    integers: Array
    singles: Array
    doubles: Array
    pool: Array

    @property
    def width(self) -> int:
        """Elements in a row; a multiple of the channels."""
        return int(self.integers.shape[2])

    def arrays(self) -> tuple[Array, ...]:
        """In the order of `run_steps`' parameters."""
        return self.codes, self.scalars, self.integers, self.singles, self.doubles, self.pool


@dataclass
class _Step:
    code: str
    scalars: tuple[int, int] = (0, 0)
    integers: tuple[Any, ...] = ()
    reals: tuple[Any, ...] = ()


@dataclass
class _Writer:
    """Collects steps; parameters are kept as they are until the width is known."""

    steps: list[_Step] = field(default_factory=list)
    pool: list[Array] = field(default_factory=list)

    def add(self, code: str, *integers: Any, scalars: tuple[int, int] = (0, 0)) -> None:
        self.steps.append(_Step(code, scalars, integers))

    def keep(self, values: Array) -> int:
        """Put values into the pool; their place."""
        place = sum(entry.size for entry in self.pool)
        self.pool.append(np.ascontiguousarray(values, dtype=np.int64).ravel())
        return place

    def hold(self, format: IntFormat, overflow: Overflow, interval: Interval | None = None) -> None:
        """Write a value of `interval` into a register; of uint64 only the low side can matter."""
        if interval is not None and interval.within(format):
            return
        low, high = max(format.min, _INT64.min), min(format.max, _INT64.max)
        if overflow is Overflow.WRAP and format.bits < 64:
            sign = 1 << (format.bits - 1) if format.signed else 0
            self.add("WRAP", scalars=((1 << format.bits) - 1, sign))
        elif overflow is Overflow.SATURATE and format != _INT64:
            self.add("CLAMP", low, high)
        elif overflow is Overflow.TRAP and format != _INT64:
            self.add("TRAP", low, high)


def unfit(requantization: Requantization, interval: Interval) -> str | None:
    """Why no program is exact for values of `interval`; None where one is (rule P1)."""
    for step in requantization.steps:
        if isinstance(step, ShiftRight):
            if step.rounding is Rounding.STOCHASTIC:
                return "STOCHASTIC rounding draws per element"
            room = 1 << int(step.bits.max())
            if not _INT64.holds(interval.min - room, interval.max + room):
                return f"{interval} before a right shift leaves int64 no room to round"
        interval, met = step.bounds(interval)
        if not met.within(_INT64):
            return f"values on the way can be in {met}, beyond int64"
    return None


def program(requantization: Requantization, interval: Interval) -> Program:
    """The program of a requantization for values of `interval`; whether it may be used is `unfit`'s say.

    Registers that nothing can overflow are left out.
    """
    writer = _Writer()
    for step in requantization.steps:
        _write(writer, step)
        interval = step.map_interval(interval)
        if step.into is not None:
            writer.hold(step.into.format, step.into.overflow, interval)
            interval = interval.fit(step.into.format, step.into.overflow)
    writer.hold(requantization.format, requantization.overflow, interval)
    channels = requantization.channels()
    return _pack(writer, channels * -(-_WIDTH // channels))


def _write(writer: _Writer, step: AnyStep) -> None:
    if isinstance(step, Add):
        writer.add("ADD", step.values)
    elif isinstance(step, ShiftLeft):
        writer.add("SHIFT_LEFT", step.bits)
    elif isinstance(step, Multiply):
        writer.add("MULTIPLY", step.multipliers)
    elif isinstance(step, ShiftRight):
        writer.add("SHIFT_RIGHT", *right_shift(step))
    elif isinstance(step, Clamp):
        writer.add("CLAMP", step.lo, step.hi)
    elif isinstance(step, Scale):
        _write_scale(writer, step)
    elif isinstance(step, Thresholds):
        rows = np.atleast_2d(step.values)
        first = writer.keep(rows) + np.arange(rows.shape[0]) * rows.shape[1]
        strictly = int(step.compare is Compare.ABOVE)
        writer.add("THRESHOLDS", first, scalars=(rows.shape[1], strictly))
    elif isinstance(step, Table):
        writer.add("TABLE", scalars=(writer.keep(step.entries), step.first))
    elif isinstance(step, Slice):
        writer.add("SHIFT_RIGHT", step.lo, 0, 0, 0)
        writer.hold(IntFormat(step.hi - step.lo + 1, step.signed), Overflow.WRAP)


def right_shift(step: ShiftRight) -> tuple[Array, Array, Array, Array]:
    """Rule P2: bits, what is added below zero, what from zero up, what if the lowest kept bit is set."""
    some = (step.bits > 0).astype(np.int64)
    modulus = np.int64(1) << step.bits
    half, most, none = modulus >> 1, modulus - 1, np.zeros_like(modulus)
    below = half - some  # a tie stays
    added = {
        Rounding.FLOOR: (none, none, none),
        Rounding.CEIL: (most, most, none),
        Rounding.TOWARD_ZERO: (most, none, none),
        Rounding.AWAY_FROM_ZERO: (none, most, none),
        Rounding.HALF_UP: (half, half, none),
        Rounding.HALF_DOWN: (below, below, none),
        Rounding.HALF_AWAY: (below, half, none),
        Rounding.HALF_TOWARD_ZERO: (half, below, none),
        Rounding.HALF_EVEN: (below, below, some),
        Rounding.HALF_ODD: (half, half, -some),
    }
    return (step.bits, *added[step.rounding])


def _write_scale(writer: _Writer, step: Scale) -> None:
    before, after = (np.zeros(1) if p is None else p for p in (step.before, step.after))
    added = (step.before is not None) + 2 * (step.after is not None)
    code = "SINGLE" if step.factors.dtype == np.float32 else "DOUBLE"
    writer.steps.append(
        _Step(code, (ROUNDINGS.index(step.rounding), added), reals=(step.factors, before, after))
    )


def _pack(writer: _Writer, width: int) -> Program:
    count = len(writer.steps)
    scalars = np.zeros((count, 2), np.int64)
    integers = np.zeros((count, 4, width), np.int64)
    singles, doubles = np.zeros((count, 3, width), np.float32), np.zeros((count, 3, width), np.float64)
    for index, step in enumerate(writer.steps):
        scalars[index] = step.scalars
        for place, values in enumerate(step.integers):
            integers[index, place] = _spread(values, width)
        reals = singles if step.code == "SINGLE" else doubles
        for place, values in enumerate(step.reals):
            reals[index, place] = _spread(values, width)
    codes = np.array([CODES.index(step.code) for step in writer.steps], np.int64)
    pool = np.concatenate([*writer.pool, np.zeros(1, np.int64)])
    return Program(codes, scalars, integers, singles, doubles, pool)


def _spread(values: Any, width: int) -> Array:
    """Parameters of one tensor or of every channel, repeated over a row."""
    flat = np.asarray(values).ravel()
    return np.tile(flat, width // flat.size)
