"""`Interval`: the exact range of a tensor, as Python ints, per tensor or per channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from intsim.arithmetic.overflow import Overflow
from intsim.formats import Discrete, IntFormat
from intsim.record import Array

if TYPE_CHECKING:
    from intsim.arithmetic.register_ranges import RegisterRange


@dataclass(frozen=True)
class Interval:
    """All integers from `lo` to `hi`, both included.

    `lo` and `hi` are Python ints; or 1-D object arrays of Python ints, one per index of the tensor's last
    axis (its channels); or arrays of a sample's shape, one per element.
    """

    lo: Any
    hi: Any

    @classmethod
    def of_format(cls, format: Discrete) -> Interval:
        return cls(format.min, format.max)

    @classmethod
    def join(cls, intervals: Iterable[Interval]) -> Interval:
        """The smallest interval that contains all of them."""
        first, *others = intervals
        lo, hi = first.lo, first.hi
        for other in others:
            lo, hi = _least(lo, other.lo), _most(hi, other.hi)
        return cls(lo, hi)

    @property
    def min(self) -> int:
        """The smallest integer over all channels."""
        return int(self.lo.min()) if isinstance(self.lo, np.ndarray) else int(self.lo)

    @property
    def max(self) -> int:
        """The largest integer over all channels."""
        return int(self.hi.max()) if isinstance(self.hi, np.ndarray) else int(self.hi)

    @property
    def rank(self) -> int:
        """0: one interval for all elements; 1: one per channel; more: one per element."""
        return max(np.ndim(self.lo), np.ndim(self.hi))

    def rows(self) -> Iterator[Interval]:
        """The intervals of the last axis, for every index of the axes before it."""
        if self.rank < 2:
            yield self
            return
        lo, hi = np.broadcast_arrays(self.lo, self.hi)
        for index in np.ndindex(lo.shape[:-1]):
            yield Interval(lo[index], hi[index])

    def by_channel(self) -> Interval:
        """One interval per channel, where there is one per element."""
        if self.rank < 2:
            return self
        lo, hi = np.broadcast_arrays(self.lo, self.hi)
        leading = tuple(range(lo.ndim - 1))
        return Interval.of_arrays(lo.min(axis=leading), hi.max(axis=leading))

    def hull(self) -> Interval:
        """One interval for all channels."""
        return Interval(self.min, self.max)

    def within(self, format: Discrete) -> bool:
        """Whether every value fits `format`."""
        return format.holds(self.min, self.max)

    def fit(self, format: IntFormat, overflow: Overflow) -> Interval:
        """What a register of `format` can hold after a value of this interval is written to it."""
        if overflow is not Overflow.WRAP:  # a trap lets nothing through that a saturation would have changed
            return self.clamp(format.min, format.max)
        lo, hi = np.broadcast_arrays(np.asarray(self.lo, dtype=object), np.asarray(self.hi, dtype=object))
        outside = (lo < format.min) | (hi > format.max)
        return Interval.of_arrays(np.where(outside, format.min, lo), np.where(outside, format.max, hi))

    def clamp(self, low: int, high: int) -> Interval:
        """What the interval's values become when each goes to the nearest one from `low` to `high`."""
        return Interval(_least(_most(self.lo, low), high), _least(_most(self.hi, low), high))

    @classmethod
    def of_arrays(cls, lo: Array, hi: Array) -> Interval:
        """From arrays of integers of any dtype."""
        if np.ndim(lo) == 0 and np.ndim(hi) == 0:
            return cls(int(lo), int(hi))
        return cls(np.asarray(lo).astype(object), np.asarray(hi).astype(object))

    def contains(self, values: Array) -> bool:
        """Whether every value (channels along the last axis) is inside."""
        wide = values.astype(object)
        return bool(np.all((wide >= self.lo) & (wide <= self.hi)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interval):
            return NotImplemented
        return bool(np.all(self.lo == other.lo) and np.all(self.hi == other.hi))

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"[{self.min}, {self.max}]"


@dataclass(frozen=True)
class Bounds:
    """What an op's values can be, given what its inputs can be.

    outputs : per output, the range it holds
    partial : hull of every value that the reference meets: operands, products, partial sums, shifted
        values, the outputs too. Where it fits int64, the reference runs on int64.
    reach : for ops that accumulate, every partial sum in any order, tile or tree, before any register
    final : for ops that accumulate, the exact final sum before the register
    registers : for ops that accumulate, what each of their registers can meet, outermost first
    spacing : for ops that accumulate, an integer that all differences of a channel's final sums are multiples
        of: 2 where bits are multiplied, whose sums are all odd or all even
    """

    outputs: tuple[Interval, ...]
    partial: Interval
    reach: Interval | None = None
    final: Interval | None = None
    registers: tuple[RegisterRange, ...] = ()
    spacing: int = 1


def _least(a: Any, b: Any) -> Any:
    return np.minimum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else min(a, b)


def _most(a: Any, b: Any) -> Any:
    return np.maximum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else max(a, b)
