"""Exact arithmetic on what integers stand for: per channel, real = slope * n + offset.

Rules
-----
E1. Every number is held between two fractions. What follows from float32 parameters by sums, products and
    quotients is one fraction; a square root is held to 2**-256 of its size.
E2. A comparison that the two fractions do not decide is an `UndecidedError`, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

_ROOT_BITS = 256


class UndecidedError(ArithmeticError):
    """Two numbers are too near to one another to be told apart."""


@dataclass(frozen=True)
class Span:
    """A real number between two fractions (rule E1)."""

    lo: Fraction
    hi: Fraction

    @classmethod
    def of(cls, value: float | Fraction) -> Span:
        exact = Fraction(value)
        return cls(exact, exact)

    @classmethod
    def root(cls, square: Fraction) -> Span:
        """The square root of a positive fraction."""
        scaled = square.numerator * square.denominator << 2 * _ROOT_BITS
        floor = math.isqrt(scaled)
        below = square.denominator << _ROOT_BITS
        return cls(Fraction(floor, below), Fraction(floor + (floor * floor != scaled), below))

    @property
    def exact(self) -> bool:
        return self.lo == self.hi

    @property
    def magnitude(self) -> Fraction:
        """The largest absolute value."""
        return max(abs(self.lo), abs(self.hi))

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        if self.lo > 0 or self.hi < 0 or self.lo == self.hi == 0:
            return (self.lo > 0) - (self.hi < 0)
        raise UndecidedError

    def __add__(self, other: Span) -> Span:
        return Span(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self) -> Span:
        return Span(-self.hi, -self.lo)

    def __sub__(self, other: Span) -> Span:
        return self + -other

    def __mul__(self, other: Span) -> Span:
        if self.exact and other.exact:
            return Span.of(self.lo * other.lo)
        ends = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return Span(min(ends), max(ends))

    def __truediv__(self, other: Span) -> Span:
        if other.sign == 0:
            raise ZeroDivisionError
        return self * Span(1 / other.hi, 1 / other.lo)


Ratio = tuple[int, int]
"""Numerator and positive denominator, not reduced: quick to make, quick to compare."""


@dataclass(frozen=True)
class Inverse:
    """(real - offset) / slope for many reals; the slope is above 0."""

    slope: Span
    offset: Span

    def ends(self, real: Fraction) -> tuple[Ratio, Ratio]:
        """The two fractions that the quotient is between."""
        low = _quotient(real, self.offset.hi, self.slope.hi, self.slope.lo)
        if self.slope.exact and self.offset.exact:
            return low, low
        return low, _quotient(real, self.offset.lo, self.slope.lo, self.slope.hi)

    def least_integer(self, real: Fraction, reached: bool) -> int:
        """The least integer that is at least the quotient; above it, unless `reached` counts."""
        low, high = ((-(-n // d) if reached else n // d + 1) for n, d in self.ends(real))
        if low != high:
            raise UndecidedError
        return low


def _quotient(real: Fraction, offset: Fraction, slope: Fraction, negative: Fraction) -> Ratio:
    """(real - offset) / slope, or over `negative` where that is below 0."""
    above = real.numerator * offset.denominator - offset.numerator * real.denominator
    size = slope if above >= 0 else negative
    return above * size.denominator, real.denominator * offset.denominator * size.numerator


@dataclass(frozen=True)
class Affine:
    """real = slope * n + offset, one pair for all channels, or one per channel."""

    slope: tuple[Span, ...]
    offset: tuple[Span, ...]

    @classmethod
    def scaled(cls, scales: Iterable[Fraction], zero: int = 0) -> Affine:
        """real = scale * (n - zero)."""
        slope = tuple(Span.of(scale) for scale in scales)
        return cls(slope, tuple(Span.of(-zero * entry.lo) for entry in slope))

    @property
    def channels(self) -> int:
        return len(self.slope)

    @property
    def rising(self) -> bool:
        """Whether real grows with n in every channel."""
        return all(slope.sign > 0 for slope in self.slope)

    def __neg__(self) -> Affine:
        """-real."""
        return Affine(tuple(-entry for entry in self.slope), tuple(-entry for entry in self.offset))

    def spread(self, channels: int) -> Affine:
        """The same with one pair for each of `channels`."""
        if self.channels == channels:
            return self
        (slope,), (offset,) = self.slope, self.offset
        return Affine((slope,) * channels, (offset,) * channels)

    def picked(self, channels: Sequence[int]) -> Affine:
        """The pairs of some channels, in an order."""
        return Affine(*(tuple(part[c] for c in channels) for part in (self.slope, self.offset)))

    def then(self, factor: Sequence[Span], more: Sequence[Span]) -> Affine:
        """factor * real + more, per channel."""
        wide = self.spread(len(factor))
        slope = tuple(f * s for f, s in zip(factor, wide.slope, strict=True))
        offset = tuple(f * o + m for f, o, m in zip(factor, wide.offset, more, strict=True))
        return Affine(slope, offset)

    def plus(self, values: Sequence[Fraction]) -> Affine:
        """real + values, one for all channels or one per channel."""
        wide = self.spread(max(self.channels, len(values)))
        added = values if len(values) == wide.channels else tuple(values) * wide.channels
        return Affine(wide.slope, tuple(o + Span.of(v) for o, v in zip(wide.offset, added, strict=True)))

    def scales(self) -> tuple[Fraction, ...] | None:
        """The slopes, where each is one positive fraction."""
        if all(entry.exact and entry.lo > 0 for entry in self.slope):
            return tuple(entry.lo for entry in self.slope)
        return None

    def zeros(self) -> tuple[Fraction, ...] | None:
        """The n of each channel that stands for 0, where slope and offset are one fraction each."""
        if self.scales() is None or not all(entry.exact for entry in self.offset):
            return None
        return tuple(-o.lo / s.lo for s, o in zip(self.slope, self.offset, strict=True))
