"""From a program to the stages of `kernels.fixed`, where it has no more and int32 holds what it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Interval
from intsim.formats import IntFormat
from intsim.kernels.program import CODES, Program
from intsim.record import Array

_INT32, _INT64 = IntFormat(32), IntFormat(64)


@dataclass(frozen=True)
class Fixed:
    """The arrays that `fixed_rows` takes."""

    scalars: Array
    integers: Array


def fixed(program: Program, interval: Interval) -> Fixed | None:
    """The program as stages, for values of `interval`; None where it is more than that.

    It must be, in this order and each at most once but the last: Add, ShiftLeft, Multiply, ShiftRight,
    ShiftRight, Add, Clamp. All but Multiply and the second ShiftRight must be the same for all channels.
    """
    reader = _Reader(program)
    before = reader.take("ADD", 1)[0]
    left = reader.take("SHIFT_LEFT", 1)[0].astype(object)
    factor = reader.take("MULTIPLY", 1, neutral=1)[0].astype(object) << left
    first, second = reader.take("SHIFT_RIGHT", 3), reader.take("SHIFT_RIGHT", 3)
    if not _uniform(*first) and not second.any():
        first, second = second, first
    after = reader.take("ADD", 1)[0]
    low, high = _INT64.min, _INT64.max
    while reader.next == "CLAMP":
        limits = reader.take("CLAMP", 2)
        if not _uniform(*limits):
            return None
        low, high = (min(max(end, int(limits[0, 0])), int(limits[1, 0])) for end in (low, high))
    if reader.next is not None or not _uniform(before, *first, after):
        return None
    scalars = [int(before[0]), *(int(row[0]) for row in first), int(after[0])]
    if not _holds(interval, scalars, factor, second):
        return None
    scalars += [max(low, _INT32.min), min(high, _INT32.max)]
    integers = np.stack([factor.astype(np.int32), *second.astype(np.int32)])
    return Fixed(np.array(scalars, np.int64), np.ascontiguousarray(integers))


class _Reader:
    """Reads a program step by step."""

    def __init__(self, program: Program) -> None:
        self.program, self.place = program, 0

    @property
    def next(self) -> str | None:
        """The next step's code."""
        codes = self.program.codes
        return None if self.place == codes.size else CODES[codes[self.place]]

    def take(self, code: str, rows: int, neutral: int = 0) -> Array:
        """The rows of the next step if it is of this code and has no more of them, else neutral ones."""
        integers = np.full((rows, self.program.width), neutral, np.int64)
        if self.next == code and not self.program.integers[self.place, rows:].any():
            integers = self.program.integers[self.place, :rows]
            self.place += 1
        return integers


def _uniform(*rows: Any) -> bool:
    return all((row == row[0]).all() for row in rows)


def _holds(interval: Interval, scalars: list[int], factor: Array, second: Array) -> bool:
    """Whether int32 holds the operands of the product, and everything after the first shift."""
    before, bits, below, above, after = scalars
    operands = Interval(interval.min + before, interval.max + before)
    met = [interval, operands, Interval(min(factor), max(factor)), Interval(after, after)]
    for row in second:
        met.append(Interval(int(row.min()), int(row.max())))
    ends = [end * entry for end in (operands.min, operands.max) for entry in set(factor.tolist())]
    shifted = [(end + (below if end < 0 else above)) >> bits for end in ends]
    largest = max(map(abs, shifted)) + (1 << int(second[0].max())) + abs(after)
    return all(entry.within(_INT32) for entry in (*met, Interval(-largest, largest)))
