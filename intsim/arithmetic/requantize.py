"""`Requantization`: how a sum becomes an output code, as a list of integer steps.

Each step maps integers to integers; its parameters are per tensor (one value) or per channel (one per
index of the last axis). After a step, `into` names the register that holds its result, because real
hardware has one there: it wraps, saturates or traps. Without `into` the result is held exactly.

The steps are monotone wherever their parameters are not negative, so an interval is mapped exactly by
its ends; `Thresholds`, `Table` and `Slice` say how theirs is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np

from intsim.arithmetic.interval import Interval
from intsim.arithmetic.overflow import Overflow, Register, fit
from intsim.arithmetic.rounding import Rounding, round_real, round_shift
from intsim.formats import IntFormat
from intsim.record import Array, FloatArray, IntArray, Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Step(Record):
    """One step of a requantization."""

    into: Register | None = field("the register that holds the result; absent: exact", default=None)

    def apply(self, value: Array) -> Array:
        """The step on int64 or object values whose last axis is the channels."""
        result = self.exact(value)
        if self.into is not None:
            result = fit(result, self.into.format, self.into.overflow)
        return result

    def exact(self, value: Array) -> Array:
        """The step's result before any register."""
        raise NotImplementedError

    def bounds(self, interval: Interval) -> tuple[Interval, Interval]:
        """What the step yields for `interval`, and the hull of what it meets on the way."""
        met = self.map_interval(interval)
        result = met if self.into is None else met.fit(self.into.format, self.into.overflow)
        return result, Interval.join((interval.hull(), met.hull(), result.hull())).hull()

    def map_interval(self, interval: Interval) -> Interval:
        """The exact range of `exact` over `interval`, by its two ends: the step is monotone."""
        ends = [
            self.exact(np.atleast_1d(np.asarray(end, dtype=object))) for end in (interval.lo, interval.hi)
        ]
        lo, hi = np.minimum(*ends), np.maximum(*ends)
        if lo.size == 1 and not isinstance(interval.lo, np.ndarray):
            return Interval(int(lo[0]), int(hi[0]))
        return Interval(lo, hi)

    def channels(self) -> int:
        """How many channels the parameters are given for; 1 where they are per tensor."""
        return 1


@dataclass(frozen=True, eq=False, repr=False)
class Add(Step):
    """value + values: a bias, a zero point, a rounding constant."""

    values: IntArray = field("what is added, per tensor or per channel", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from _parameter("values", self.values)

    def exact(self, value: Array) -> Array:
        return value + _like(self.values, value)

    def channels(self) -> int:
        return int(self.values.size)


@dataclass(frozen=True, eq=False, repr=False)
class ShiftLeft(Step):
    """value * 2**bits."""

    bits: IntArray = field("bits to the left, 0 to 62, per tensor or per channel", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from _parameter("bits", self.bits, 0, 62)

    def exact(self, value: Array) -> Array:
        return value << _like(self.bits, value)

    def channels(self) -> int:
        return int(self.bits.size)


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Step):
    """value * multipliers."""

    multipliers: IntArray = field("integers, per tensor or per channel", default=1)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from _parameter("multipliers", self.multipliers)

    def exact(self, value: Array) -> Array:
        return value * _like(self.multipliers, value)

    def channels(self) -> int:
        return int(self.multipliers.size)


@dataclass(frozen=True, eq=False, repr=False)
class ShiftRight(Step):
    """value / 2**bits, rounded to an integer."""

    bits: IntArray = field("bits to the right, 0 to 62, per tensor or per channel", default=0)
    rounding: Rounding = field("where the remainder goes", default=Rounding.FLOOR)
    seed: int = field("of STOCHASTIC, 0 to 2**64 - 1", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from _parameter("bits", self.bits, 0, 62)
        if not 0 <= self.seed < 2**64:
            yield "seed", f"must be 0 to 2**64 - 1, not {self.seed}"

    def exact(self, value: Array) -> Array:
        return np.asarray(round_shift(value, _like(self.bits, value), self.rounding, self.seed))

    def map_interval(self, interval: Interval) -> Interval:
        if self.rounding is not Rounding.STOCHASTIC:
            return super().map_interval(interval)
        down = self.replace(rounding=Rounding.FLOOR).map_interval(interval)
        up = self.replace(rounding=Rounding.CEIL).map_interval(interval)
        return Interval(down.lo, up.hi)

    def channels(self) -> int:
        return int(self.bits.size)


@dataclass(frozen=True, eq=False, repr=False)
class Clamp(Step):
    """The nearest value from lo to hi: an activation's limits."""

    lo: IntArray = field("lower limit, per tensor or per channel", default=0)
    hi: IntArray = field("upper limit, per tensor or per channel", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from _parameter("lo", self.lo)
        yield from _parameter("hi", self.hi)
        if 1 not in (self.lo.size, self.hi.size) and self.lo.size != self.hi.size:
            yield "hi", f"must have as many values as lo ({self.lo.size}), not {self.hi.size}"
        elif (self.lo > self.hi).any():
            yield "hi", "must not be below lo"

    def exact(self, value: Array) -> Array:
        return np.minimum(np.maximum(value, _like(self.lo, value)), _like(self.hi, value))

    def channels(self) -> int:
        return int(max(self.lo.size, self.hi.size))


@dataclass(frozen=True, eq=False, repr=False)
class Scale(Step):
    """round((float(value) + before) * factors + after), each operation rounded in IEEE arithmetic.

    Where a runtime requantizes in floating point, this is its arithmetic: every operation is float32
    or float64 round-to-nearest-even, as `factors` is, with no fused multiply-add. `after` is the zero
    point of runtimes that add it before they round.
    """

    factors: FloatArray = field(
        "float32 or float64, per tensor or per channel; the dtype is the arithmetic's",
        default=np.float64(1),
    )
    rounding: Rounding = field("of the product to an integer", default=Rounding.HALF_EVEN)
    before: FloatArray | None = field("added before the product; the dtype of factors", default=None)
    after: FloatArray | None = field("added before the rounding; the dtype of factors", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        for name in ("factors", "before", "after"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.ndim > 1 or values.size == 0:
                yield name, f"must be one value or a list, not of shape {values.shape}"
            elif not np.isfinite(values).all():
                yield name, "must be finite"
            elif values.dtype != self.factors.dtype:
                yield name, f"must be {self.factors.dtype} as factors is, not {values.dtype}"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC"

    def exact(self, value: Array) -> Array:
        real = _to_float(value, self.factors.dtype)
        if self.before is not None:
            real = real + self.before
        real = real * self.factors
        if self.after is not None:
            real = real + self.after
        rounded = round_real(real, self.rounding)
        if value.dtype == object:
            return np.array([int(entry) for entry in rounded.flat], dtype=object).reshape(rounded.shape)
        return rounded.astype(np.int64)

    def channels(self) -> int:
        return max(int(p.size) for p in (self.factors, self.before, self.after) if p is not None)


class Compare(Enum):
    """Which side of a threshold counts."""

    AT_LEAST = "value >= threshold"
    ABOVE = "value > threshold"

    def __repr__(self) -> str:
        return f"Compare.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Thresholds(Step):
    """How many thresholds the value has reached (FINN's MultiThreshold; staircase activations)."""

    values: IntArray = field(
        "ascending thresholds: a list for all channels, or one row per channel", default=(0,)
    )
    compare: Compare = field("whether reaching the threshold counts", default=Compare.AT_LEAST)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.values.ndim not in (1, 2) or self.values.size == 0:
            yield "values", f"must be a list or one row per channel, not of shape {self.values.shape}"
        elif (self.values[..., 1:] < self.values[..., :-1]).any():
            yield "values", "must ascend"

    def exact(self, value: Array) -> Array:
        rows = self.values if value.dtype != object else self.values.astype(object)
        side: Literal["left", "right"] = "right" if self.compare is Compare.AT_LEAST else "left"
        if self.channels() == 1:
            return np.asarray(np.searchsorted(rows.reshape(-1), value, side)).astype(value.dtype)
        wide = np.broadcast_to(value, np.broadcast_shapes(value.shape, rows.shape[:1]))
        found = [np.searchsorted(row, wide[..., channel], side) for channel, row in enumerate(rows)]
        return np.stack(found, axis=-1).astype(value.dtype)

    def channels(self) -> int:
        return int(self.values.shape[0]) if self.values.ndim == 2 else 1


@dataclass(frozen=True, eq=False, repr=False)
class Table(Step):
    """entries[value - first]. A value outside the table is refused: clamp before it."""

    entries: IntArray = field("what each value becomes", default=(0,))
    first: int = field("the value of the first entry", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.entries.ndim != 1 or self.entries.size == 0:
            yield "entries", f"must be a list, not of shape {self.entries.shape}"

    def exact(self, value: Array) -> Array:
        index = value - self.first
        if index.size and not 0 <= int(index.min()) <= int(index.max()) < self.entries.size:
            raise IndexError(
                f"table holds {self.first} to {self.first + self.entries.size - 1},"
                f" not {int(value.min())} to {int(value.max())}"
            )
        return np.asarray(self.entries[index.astype(np.int64)]).astype(value.dtype)

    def map_interval(self, interval: Interval) -> Interval:
        """The extremes of the entries that the interval reaches."""
        low, high = interval.min - self.first, interval.max - self.first
        if not 0 <= low <= high < self.entries.size:
            raise IndexError(
                f"table holds {self.first} to {self.first + self.entries.size - 1}, not {interval}"
            )
        reached = self.entries[low : high + 1]
        return Interval(int(reached.min()), int(reached.max()))


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Step):
    """Bits hi down to lo of the two's complement value, as hardware wires them out."""

    hi: int = field("highest bit kept", default=7)
    lo: int = field("lowest bit kept", default=0)
    signed: bool = field("whether bit hi is the sign of the result", default=True)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.lo <= self.hi <= 62:
            yield "hi", f"must be lo ({self.lo}) to 62, not {self.hi}"

    def exact(self, value: Array) -> Array:
        kept = IntFormat(self.hi - self.lo + 1, self.signed)
        return np.asarray(fit(value >> self.lo, kept, Overflow.WRAP))

    def map_interval(self, interval: Interval) -> Interval:
        """Monotone while the bits above hi do not change, else every code of the slice."""
        kept = IntFormat(self.hi - self.lo + 1, self.signed)
        shifted = Interval(interval.min >> self.lo, interval.max >> self.lo)
        sign = (1 << (kept.bits - 1)) if self.signed else 0
        same_turn = (shifted.min + sign) >> kept.bits == (shifted.max + sign) >> kept.bits
        if not same_turn:
            return Interval.of_format(kept)
        return super().map_interval(interval.hull())


AnyStep = Add | ShiftLeft | Multiply | ShiftRight | Clamp | Scale | Thresholds | Table | Slice


@dataclass(frozen=True, eq=False, repr=False)
class Requantization(Record):
    """A list of steps from a sum to a code, and the register the code is held in.

    Examples
    --------
    TFLite's double rounding of a sum by 0.25, with zero point -3, to int8:

    >>> rule = Requantization(
    ...     (
    ...         Multiply(multipliers=2**30),
    ...         ShiftRight(bits=31, rounding=Rounding.HALF_UP),
    ...         ShiftRight(bits=1, rounding=Rounding.HALF_AWAY),
    ...         Add(values=-3),
    ...         Clamp(lo=-128, hi=127),
    ...     ),
    ...     IntFormat(8),
    ... )
    >>> rule.apply(np.array([10, -10, 2000]))
    array([  0,  -6, 127])
    """

    steps: tuple[AnyStep, ...] = field("applied in order")
    format: IntFormat = field("of the code", default=IntFormat(8))
    overflow: Overflow = field("what the code's register does with the rest", default=Overflow.SATURATE)

    def check(self) -> Iterator[tuple[str, str]]:
        sizes = {step.channels() for step in self.steps} - {1}
        if len(sizes) > 1:
            yield "steps", f"must agree on the number of channels, not {sorted(sizes)}"

    def channels(self) -> int:
        """How many channels the steps are given for; 1 where all are per tensor."""
        return max((step.channels() for step in self.steps), default=1)

    def apply(self, value: Array) -> Array:
        """Codes for sums, of the sums' kind (int64 or object) and shape; last axis = channels."""
        for step in self.steps:
            value = step.apply(value)
        return np.asarray(fit(value, self.format, self.overflow))

    def bounds(self, interval: Interval) -> tuple[Interval, Interval]:
        """The exact range of the codes, and the hull of every value on the way."""
        met = interval.hull()
        for step in self.steps:
            interval, hull = step.bounds(interval)
            met = Interval.join((met, hull))
        codes = interval.fit(self.format, self.overflow)
        return codes, Interval.join((met, interval.hull(), codes.hull()))


def _parameter(
    name: str, values: Array, low: int | None = None, high: int | None = None
) -> Iterator[tuple[str, str]]:
    if values.ndim > 1 or values.size == 0:
        yield name, f"must be one value or a list, not of shape {values.shape}"
    elif (low is not None and values.min() < low) or (high is not None and values.max() > high):
        wrong = values.min() if low is not None and values.min() < low else values.max()
        yield name, f"must be {low} to {high}, not {wrong}"


def _like(parameter: Array, value: Array) -> Array:
    """A parameter of the kind (int64 or Python int) that the value is of."""
    return parameter.astype(object) if value.dtype == object else parameter


def _to_float(value: Array, dtype: np.dtype[Any]) -> Array:
    """int64 or Python ints to float, rounded once to nearest even."""
    if value.dtype == object:
        if value.size and not -(2**63) <= int(value.min()) <= int(value.max()) < 2**63:
            raise OverflowError("a float step takes values of at most 64 bits")
        value = value.astype(np.int64)
    return value.astype(dtype)
