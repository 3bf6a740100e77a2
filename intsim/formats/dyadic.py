"""`Dyadic`: exact values of low-bit formats, as a sign, an integer significand and a power of two.

Rules
-----
V1. A finite value is (-1)**negative * significand * 2**exponent, with significand >= 0. Nothing in it is
    rounded, and no float takes part.
V2. A zero has significand 0 and keeps its sign. Its exponent says nothing.
V3. An infinity has a sign, a NaN has none; the significand of both is 0.
V4. Significands are int64, below 2**62, or Python ints in an object array where they are longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any, Self

import numpy as np

from intsim.errors import InputError, SpecError
from intsim.record import Array


class Kind(IntEnum):
    """What a value is. A code that stands for nothing is NaN: not a number."""

    FINITE = 0
    INFINITE = 1
    NAN = 2


@dataclass(frozen=True, eq=False)
class Dyadic:
    """Arrays of one shape: an exact value per element (rules V1 to V4).

    negative : bool
    significand : int64, or Python ints
    exponent : int64
    kind : uint8, of `Kind`

    Examples
    --------
    >>> Dyadic.of_integers([3, -5], exponent=-1).fractions()
    [Fraction(3, 2), Fraction(-5, 2)]
    """

    negative: Array
    significand: Array
    exponent: Array
    kind: Array

    @classmethod
    def of_integers(cls, values: Any, exponent: Any = 0) -> Self:
        """The values ``values * 2**exponent``; integers of any dtype, exponents that broadcast to them."""
        integers = np.asarray(values)
        if integers.dtype.kind not in "iuO":
            raise InputError(f"values must be integers, not {integers.dtype}")
        negative = np.asarray(integers < 0, dtype=bool)
        small = integers.size == 0 or -(2**62) < integers.min() <= integers.max() < 2**62
        integers = integers.astype(np.int64 if small else object)
        return cls(
            negative,
            np.asarray(np.abs(integers)),
            np.broadcast_to(np.asarray(exponent, np.int64), integers.shape),
            np.zeros(integers.shape, np.uint8),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.negative.shape)

    @property
    def size(self) -> int:
        return self.negative.size

    @property
    def finite(self) -> Array:
        return np.asarray(self.kind == Kind.FINITE)

    @property
    def zero(self) -> Array:
        return np.asarray((self.significand == 0) & self.finite, dtype=bool)

    @property
    def signed(self) -> Array:
        """The significand with its sign: what V1 multiplies with the power of two."""
        return np.asarray(np.where(self.negative, -self.significand, self.significand))

    def each(self, change: Any) -> Self:
        """The same values, `change` applied to each of the arrays: indexing, reshaping, repeating."""
        return type(self)(*map(change, (self.negative, self.significand, self.exponent, self.kind)))

    def __getitem__(self, place: Any) -> Self:
        return self.each(lambda array: np.asarray(array[place]))

    def reshape(self, *shape: int) -> Self:
        return self.each(lambda array: array.reshape(shape))

    def magnitude(self) -> Self:
        """The values without their signs."""
        return type(self)(np.zeros(self.shape, bool), self.significand, self.exponent, self.kind)

    def integers(self, exponent: int) -> Array:
        """The values as integer multiples of ``2**exponent``: int64, or Python ints where they do not fit.

        Raises
        ------
        InputError
            A value is infinite, NaN, or no such multiple.
        """
        if not self.finite.all():
            raise InputError(f"values must be finite to be integers, not {self.shown(~self.finite)}")
        shift = np.where(self.zero, 0, self.exponent - exponent)
        length = bit_length(self.significand) + np.maximum(shift, 0)
        whole = self.signed
        if length.size and int(length.max()) > 62:
            whole, shift = whole.astype(object), shift.astype(object)
        down = np.minimum(np.maximum(-shift, 0), 62) if shift.dtype != object else np.maximum(-shift, 0)
        inside = np.asarray((whole >> down) << np.maximum(shift, 0))
        lost = np.asarray(((whole >> down) << down) != whole, dtype=bool)
        if lost.any():
            raise InputError(f"values must be multiples of 2**{exponent}, not {self.shown(lost)}")
        return inside

    def fractions(self) -> list[Fraction]:
        """Every value in C order, as Python fractions; all must be finite."""
        powers = zip(self.signed.ravel(), self.exponent.ravel(), strict=True)
        if not self.finite.all():
            raise InputError(f"values must be finite to be fractions, not {self.shown(~self.finite)}")
        return [Fraction(int(s)) * Fraction(2) ** int(e) for s, e in powers]

    def floats(self) -> Array:
        """The values as float64, exactly; only for people and for files of other tools.

        Raises
        ------
        SpecError
            A value is not a float64.
        """
        found = np.empty(self.shape, np.float64)
        arrays = (self.negative, self.significand, self.exponent, self.kind)
        flat = zip(*(array.ravel() for array in arrays), strict=True)
        found.reshape(-1)[:] = [_float(bool(n), int(s), int(e), Kind(k)) for n, s, e, k in flat]
        return found

    def shown(self, where: Array) -> str:
        """The first value at which `where` holds, and its place, for a message."""
        place = tuple(int(i) for i in np.argwhere(where)[0])
        sign, kind = "-" if self.negative[place] else "", Kind(int(self.kind[place]))
        if kind is not Kind.FINITE:
            value = f"{sign}infinity" if kind is Kind.INFINITE else "NaN"
        else:
            value = sign + _written(int(self.significand[place]), int(self.exponent[place]))
        return f"{value} at {place}" if place else value


def bit_length(value: Array) -> Array:
    """Bits of nonnegative integers, by comparisons and shifts: 0 of 0, 1 of 1, 2 of 2 and 3.

    A float logarithm is wrong just below powers of two.
    """
    if value.dtype == object:
        return np.asarray(np.frompyfunc(lambda entry: int(entry).bit_length(), 1, 1)(value), dtype=np.int64)
    rest = value.astype(np.uint64)
    length = np.zeros(value.shape, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        large = rest >= np.uint64(1 << step)
        length += step * large
        rest = np.where(large, rest >> np.uint64(step), rest)
    return length + (rest > 0)


def _written(significand: int, exponent: int) -> str:
    """A value as a fraction; as an odd significand and a power, where it is very large or small."""
    if significand == 0:
        return "0"
    down = (significand & -significand).bit_length() - 1
    significand, exponent = significand >> down, exponent + down
    if abs(exponent) > 64:
        return f"{significand} * 2**{exponent}"
    return str(Fraction(significand) * Fraction(2) ** exponent)


def _float(negative: bool, significand: int, exponent: int, kind: Kind) -> float:
    if kind is Kind.NAN:
        return float("nan")
    if kind is Kind.INFINITE:
        return float("-inf") if negative else float("inf")
    value = Fraction(significand) * Fraction(2) ** exponent
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if found in (float("inf"),) or Fraction(found) != value:
        raise SpecError(f"values must be float64, not {significand} * 2**{exponent}")
    return -found if negative else found
