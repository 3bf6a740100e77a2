"""Quotients that need rounding, and steps of floating-point hardware, by integers alone.

Rules
-----
Q1. A quotient is cut to at least 26 bits, and one bit is put below them that says whether anything is
    missing. Rounded to a format of at most 24 bits it gives what the exact quotient gives.
Q2. Divisors have significands of at most 36 bits. Dividends longer than 62 bits are first cut to 62, the last
    of which says whether anything is missing: half-way quotients end well above it.
Q3. Zero and infinity follow IEEE 754: x / 0 is an infinity, 0 / 0 and infinity / infinity are NaN.
Q4. A step of floating-point hardware is the exact result, rounded once to the format: `multiply_in`,
    `subtract_in`, `divide_in`. They round to nearest even and overflow to infinity.
"""

from __future__ import annotations

import numpy as np

from intsim.arithmetic.encode import round_to
from intsim.errors import SpecError
from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.exact import assemble, longest, multiply, subtract
from intsim.formats.minifloat import Minifloat

_DIVISOR = 36  # bits: 62 - 36 are the bits that a quotient has at least


def divide(a: Dyadic, b: Dyadic) -> Dyadic:
    """The quotients, as good as exact for rounding to 24 bits (rules Q1 to Q3).

    Raises
    ------
    SpecError
        A divisor is longer than 36 bits.
    """
    a = _cut(a)
    x, y = np.broadcast_arrays(a.significand, b.significand)
    if longest(y) > _DIVISOR:
        raise SpecError(f"divisors must have at most {_DIVISOR} bits, not {longest(y)}")
    y = y.astype(np.int64)
    up = 62 - bit_length(x)
    divisor = np.where(y == 0, 1, y)
    whole, rest = np.divmod(x << up, divisor)
    significand = (whole << 1) | (rest > 0)
    infinite_a, infinite_b = a.kind == Kind.INFINITE, b.kind == Kind.INFINITE
    nan = (a.kind == Kind.NAN) | (b.kind == Kind.NAN) | (a.zero & b.zero) | (infinite_a & infinite_b)
    infinite = infinite_a | (b.zero & ~a.zero)
    significand = np.where(infinite_b | a.zero, 0, significand)
    return assemble(a.negative ^ b.negative, significand, a.exponent - b.exponent - up - 1, infinite, nan)


def _cut(value: Dyadic) -> Dyadic:
    """Significands of at most 62 bits, the last of which says whether bits below it are gone (rule Q2)."""
    if value.significand.dtype != object:
        return value
    down = np.maximum(bit_length(value.significand) - 62, 0)
    kept = np.asarray(value.significand >> down.astype(object))
    gone = np.asarray((kept << down.astype(object)) != value.significand, dtype=bool)
    significand = kept.astype(np.int64) | gone
    return Dyadic(value.negative, significand, value.exponent + down, value.kind)


def multiply_in(format: Minifloat, a: Dyadic, b: Dyadic) -> Dyadic:
    """Rule Q4: the product as the format's hardware gives it."""
    return round_to(format, multiply(a, b))


def subtract_in(format: Minifloat, a: Dyadic, b: Dyadic) -> Dyadic:
    """Rule Q4: the difference as the format's hardware gives it."""
    return round_to(format, subtract(a, b))


def divide_in(format: Minifloat, a: Dyadic, b: Dyadic) -> Dyadic:
    """Rule Q4: the quotient as the format's hardware gives it; formats of at most 24 bits of precision."""
    if format.precision > 24:
        raise SpecError(f"format must have at most 24 bits of precision, not {format.precision}")
    return round_to(format, divide(a, b))
