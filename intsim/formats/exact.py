"""Products and differences of exact values: nothing is rounded, significands grow where they must.

Rules
-----
X1. Infinities and NaN follow IEEE 754: zero times infinity and infinity minus infinity are NaN.
X2. The sign of a product is that of both signs, also where it is zero. A difference that is zero is plus
    zero, unless it is (-0) - (+0).
"""

from __future__ import annotations

import numpy as np

from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.record import Array

_WIDEST = 62  # bits of a significand in int64 (rule V4)


def multiply(a: Dyadic, b: Dyadic) -> Dyadic:
    """The exact products, element by element."""
    x, y = a.significand, b.significand
    if longest(x) + longest(y) > _WIDEST:
        x, y = x.astype(object), y.astype(object)
    infinite = (a.kind == Kind.INFINITE) | (b.kind == Kind.INFINITE)
    nan = (a.kind == Kind.NAN) | (b.kind == Kind.NAN) | (infinite & (a.zero | b.zero))
    return assemble(a.negative ^ b.negative, x * y, a.exponent + b.exponent, infinite, nan)


def subtract(a: Dyadic, b: Dyadic) -> Dyadic:
    """The exact differences, element by element."""
    low = np.minimum(np.where(a.zero, b.exponent, a.exponent), np.where(b.zero, a.exponent, b.exponent))
    up_a, up_b = (np.where(v.zero | ~v.finite, 0, v.exponent - low) for v in (a, b))
    x, y = a.signed, b.signed
    reach = max(longest(x, up_a), longest(y, up_b))
    if reach >= _WIDEST:
        x, y, up_a, up_b = (array.astype(object) for array in (x, y, up_a, up_b))
    difference = np.asarray((x << up_a) - (y << up_b))
    below = np.asarray(difference < 0, dtype=bool)
    zero = np.asarray(difference == 0, dtype=bool)
    infinite_a, infinite_b = a.kind == Kind.INFINITE, b.kind == Kind.INFINITE
    nan = (a.kind == Kind.NAN) | (b.kind == Kind.NAN)
    nan = nan | (infinite_a & infinite_b & (a.negative == b.negative))
    negative = np.where(zero, a.negative & ~b.negative, below)
    negative = np.where(infinite_a, a.negative, np.where(infinite_b, ~b.negative, negative))
    return assemble(negative, np.abs(difference), low, infinite_a | infinite_b, nan)


def add(a: Dyadic, b: Dyadic) -> Dyadic:
    """The exact sums, element by element."""
    return subtract(a, negate(b))


def longest(significand: Array, shift: Array | int = 0) -> int:
    """Bits of the longest significand once it is shifted left; 0 of none."""
    size = np.abs(significand)
    return int((bit_length(size) + shift).max()) if size.size else 0


def assemble(negative: Array, significand: Array, exponent: Array, infinite: Array, nan: Array) -> Dyadic:
    """A Dyadic of its arrays; what is infinite or NaN has no significand (rule V3)."""
    kind = np.where(nan, Kind.NAN, np.where(infinite, Kind.INFINITE, Kind.FINITE)).astype(np.uint8)
    finite = kind == Kind.FINITE
    significand = np.asarray(np.where(finite, significand, 0))
    if significand.dtype == object and longest(significand) <= _WIDEST:
        significand = significand.astype(np.int64)
    return Dyadic(
        np.asarray(negative & ~nan, dtype=bool),
        significand,
        np.broadcast_to(np.asarray(exponent, np.int64), finite.shape),
        kind,
    )


def negate(value: Dyadic) -> Dyadic:
    """The values with the other sign; a NaN has none."""
    return Dyadic(~value.negative & (value.kind != Kind.NAN), value.significand, value.exponent, value.kind)
