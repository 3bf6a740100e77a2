"""Sums of exact values: exact ones, and ones with a sticky bit that every rounding takes for exact.

Rules
-----
S1. NaN makes a sum NaN, and so do infinities of both signs; infinities of one sign make it that infinity.
S2. `total` is a sum of integers: where it is zero, it is plus zero.
S3. `sum_to_round` adds as IEEE 754 does before it rounds: -0 comes only from (-0) + (-0). What lies far
    below the larger operand becomes a sticky bit: such a sum is no exact value, but it lies between the
    same two neighbours, and on the same side of their middle, in every format of at most 53 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.exact import assemble, longest, negate, subtract
from intsim.record import Array

_WIDEST = 62  # bits of an int64 sum
_HELD = 61  # bits of the larger operand once it is shifted up, in `sum_to_round`
_JUSTIFIED = 54  # the longest operand for which rule S3 leaves the sticky bit below every rounding's view


def stack(values: Sequence[Dyadic]) -> Dyadic:
    """Values of shapes that broadcast, side by side along a new last axis."""
    shape = np.broadcast_shapes(*(value.shape for value in values))
    names = ("negative", "significand", "exponent", "kind")
    return Dyadic(
        *(
            np.stack([np.broadcast_to(getattr(value, name), shape) for value in values], axis=-1)
            for name in names
        )
    )


def zeros(shape: tuple[int, ...]) -> Dyadic:
    """Plus zeros."""
    return Dyadic.of_integers(np.zeros(shape, np.int64))


def specials(values: Dyadic) -> tuple[Array, Array, Array]:
    """Rule S1 along the last axis: which sums are infinite, which of these are negative, which are NaN."""
    infinite = values.kind == Kind.INFINITE
    plus, minus = (infinite & ~values.negative).any(axis=-1), (infinite & values.negative).any(axis=-1)
    return plus | minus, minus, (values.kind == Kind.NAN).any(axis=-1) | (plus & minus)


def magnitude(integers: Array) -> Array:
    """Absolute values; numpy makes a bare int of a single Python int."""
    return np.asarray(np.abs(integers), dtype=integers.dtype)


def total(values: Dyadic) -> Dyadic:
    """The exact sums along the last axis (rules S1, S2): int64 where that is proved to fit, else Python ints.

    Notes
    -----
    Every term is shifted to the smallest exponent of its own sum. The longest shifted term, and a bit for
    every doubling of the number of terms, bound the sums.
    """
    active = values.finite & ~values.zero
    none = np.iinfo(np.int64).max
    low = np.where(active, values.exponent, none).min(axis=-1, initial=none)
    low = np.where(active.any(axis=-1), low, 0)
    shift = np.where(active, values.exponent - low[..., None], 0)
    signed = values.signed
    if longest(values.significand, shift) > _WIDEST:
        signed, shift = signed.astype(object), shift.astype(object)
    return of_sums(add_integers(signed << shift), low, values)


def add_integers(terms: Array) -> Array:
    """Sums along the last axis: int64 where lengths prove that it fits, else Python ints."""
    if longest(terms) + terms.shape[-1].bit_length() > _WIDEST:
        terms = terms.astype(object)
    return np.asarray(terms.sum(axis=-1), dtype=terms.dtype)


def of_sums(found: Array, exponent: Array, terms: Dyadic) -> Dyadic:
    """Sums that integers were found for, as values; the terms say which are infinite or NaN."""
    infinite, below, nan = specials(terms)
    negative = np.where(infinite, below, np.asarray(found < 0, dtype=bool))
    return assemble(negative, magnitude(found), exponent, infinite, nan)


def sum_to_round(a: Dyadic, b: Dyadic) -> Dyadic:
    """a + b, for rounding and nothing else (rule S3).

    Notes
    -----
    Both significands are justified to the longer one's length. The operand of the larger exponent is shifted
    up by at most the 61 bits that are left; by what is missing, the other is shifted down, and its last bit
    set if anything was lost. No intermediate exceeds 62 bits. Longer operands are added as Python ints.
    """
    length = max(longest(a.significand), longest(b.significand))
    if length > _JUSTIFIED:
        return subtract(a, negate(b))
    (low, low_power), (high, high_power) = _ordered(a, b, length)
    apart = high_power - low_power
    up = np.minimum(apart, _HELD - length)
    down = np.minimum(apart - up, 62)
    lost = (np.abs(low) >> down << down) != np.abs(low)
    near = np.sign(low) * ((np.abs(low) >> down) | lost)
    found = (high << up) + near
    zero_sign = a.negative & b.negative
    return _ieee(a, b, found, high_power - up, zero_sign)


def _ordered(a: Dyadic, b: Dyadic, length: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Signed significands of one length and their exponents; the smaller exponent first. Zeros are below."""
    integers, powers = [], []
    for value, other in ((a, b), (b, a)):
        up = np.where(value.zero, 0, length - bit_length(value.significand))
        integers.append(value.signed << up)
        powers.append(np.where(value.zero, other.exponent - length, value.exponent - up))
    below = powers[0] <= powers[1]
    low = np.where(below, integers[0], integers[1]), np.where(below, powers[0], powers[1])
    high = np.where(below, integers[1], integers[0]), np.where(below, powers[1], powers[0])
    return low, high


def _ieee(a: Dyadic, b: Dyadic, found: Array, exponent: Array, zero_sign: Array) -> Dyadic:
    pair = stack((a, b))
    infinite, below, nan = specials(pair)
    negative = np.where(found == 0, zero_sign, found < 0)
    return assemble(np.where(infinite, below, negative), magnitude(found), exponent, infinite, nan)
