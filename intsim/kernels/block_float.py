"""Floats of blocks' registers: `SoftFloat.add`, `add_exact` and `multiply` on int64, and on 128 bits.

A value is (negative, size, exponent, kind); a wide one (negative, high, low, exponent, kind), its size below
2**122. Those of a float are below 2**53.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels import block_wide as wide
from intsim.kernels.block_round import (
    EMIN,
    FINITE,
    FLOORED,
    FLUSH,
    INFINITE,
    NAN,
    NOUGHT,
    OF_INFINITY,
    ONE,
    round_size,
    round_wide,
)
from intsim.kernels.block_wide import at, length, stays_apart
from intsim.kernels.jit import compiled

_HELD = 61
"""Bits of the larger operand once it is shifted up: what the other then loses is below every rounding."""

_WIDE = 124


@compiled
def operand(size: int, exponent: int, soft: int) -> int:
    """The size of an operand: 0 where a subnormal one counts as zero."""
    if at(soft, FLUSH) and exponent + length(size) - 1 < at(soft, EMIN):
        return 0
    return size


@compiled
def kind_of_sum(negative: int, kind: int, other_negative: int, other: int, soft: int) -> Any:
    """Sign and kind of a sum with something that is not finite."""
    found = max(kind, other)
    if found == INFINITE:
        if kind == other and negative != other_negative:
            return NOUGHT, NAN
        return negative if kind == INFINITE else other_negative, at(soft, OF_INFINITY)
    return NOUGHT, found


@compiled
def add(a: Any, b: Any, soft: int) -> Any:
    """The sum of two values of floats, rounded once."""
    size, other = operand(a[1], a[2], soft), operand(b[1], b[2], soft)
    return _add_narrow((a[0], size, a[2], a[3]), (b[0], other, b[2], b[3]), soft, ONE)


@compiled
def add_exact(held: Any, value: Any, soft: int, fused: int) -> Any:
    """The sum of a float and of a wide value that is of no format, rounded once.

    fused : 1 for `SoftFloat.add_exact`; 0 for a plain sum that is then rounded: its zero is plus zero, and
        no operand counts as zero
    """
    negative, high, low, exponent, kind = value
    size = operand(held[1], held[2], soft) if fused else held[1]
    if (high == 0 and 0 <= low < 1 << 54) | (kind | held[3] != FINITE):
        return _add_narrow((held[0], size, held[2], held[3]), (negative, low, exponent, kind), soft, fused)
    return _add_wide((held[0], size, held[2]), value, soft, fused)


@compiled
def _zero(negative: int, other_negative: int, soft: int, fused: int) -> Any:
    """A sum that is exactly zero (rule D3 of `soft_float`)."""
    sign = (negative & other_negative) | (at(soft, FLOORED) & (negative | other_negative))
    return sign & fused, NOUGHT, NOUGHT, FINITE


@compiled
def _add_narrow(a: Any, b: Any, soft: int, fused: int) -> Any:
    """Operands below 2**54."""
    stays_apart()
    negative, size, exponent, kind = a
    other_negative, other, other_exponent, other_kind = b
    if kind | other_kind:
        sign, found = kind_of_sum(negative, kind, other_negative, other_kind, soft)
        return sign, NOUGHT, NOUGHT, found
    if size == 0 or other == 0:
        exponent = exponent if size else other_exponent
        total = (-size if negative else size) + (-other if other_negative else other)
        if total == 0:
            return _zero(negative, other_negative, soft, fused)
    else:
        if exponent < other_exponent:
            negative, other_negative = other_negative, negative
            size, other = other, size
            exponent, other_exponent = other_exponent, exponent
        apart = exponent - other_exponent
        up = min(apart, _HELD - length(size))
        down = min(apart - up, 63)
        near = other >> down
        near |= 1 if near << down != other else 0
        high = size << up
        exponent -= up
        total = (-high if negative else high) + (-near if other_negative else near)
        if total == 0:
            return _zero(negative, other_negative, soft, fused)
    sign = 1 if total < 0 else 0
    found, unit, kind = round_size(sign, -total if sign else total, exponent, soft)
    return sign, found, unit, kind


@compiled
def _add_wide(held: Any, value: Any, soft: int, fused: int) -> Any:
    """Finite operands, of which the second is not zero."""
    stays_apart()
    negative, size, exponent = held
    other_negative, other_high, other_low, other_exponent, _ = value
    if size == 0:
        found, unit, kind = round_wide(other_negative, other_high, other_low, other_exponent, FINITE, soft)
        return other_negative, found, unit, kind
    high, low = NOUGHT, size
    apart = exponent - other_exponent
    if apart >= 0:
        up = min(apart, _WIDE - length(size))
        high, low = wide.shift_left(high, low, up)
        other_high, other_low = _lowered(other_high, other_low, apart - up)
        exponent -= up
    else:
        up = min(-apart, _WIDE - 64 - length(other_high))
        other_high, other_low = wide.shift_left(other_high, other_low, up)
        high, low = _lowered(high, low, -apart - up)
        exponent = other_exponent - up
    high, low = signed(high, low, negative)
    other_high, other_low = signed(other_high, other_low, other_negative)
    high, low = wide.add(high, low, other_high, other_low)
    if high | low == 0:
        return _zero(negative, other_negative, soft, fused)
    sign = 1 if high < 0 else 0
    high, low = signed(high, low, sign)
    found, unit, kind = round_wide(sign, high, low, exponent, FINITE, soft)
    return sign, found, unit, kind


@compiled
def _lowered(high: int, low: int, bits: int) -> Any:
    """Shifted to the right, the last bit set where anything was lost."""
    down = min(bits, 127)
    kept_high, kept = wide.shift_right(high, low, down)
    back_high, back = wide.shift_left(kept_high, kept, down)
    return kept_high, kept | (1 if (back_high != high) | (back != low) else 0)


@compiled
def signed(high: int, low: int, negative: int) -> Any:
    """Two's complement of a size; or the size of a number below zero."""
    if negative:
        return wide.add(~high, ~low, NOUGHT, ONE)
    return high, low


@compiled
def multiply(a: Any, b: Any, soft: int) -> Any:
    """The product of two values, rounded once; both sizes are below 2**62, and the product below 2**122."""
    stays_apart()
    sign = a[0] ^ b[0]
    size, other = operand(a[1], a[2], soft), operand(b[1], b[2], soft)
    if a[3] | b[3]:
        kind = max(a[3], b[3])
        if kind == INFINITE:
            nothing = (a[3] == FINITE and size == 0) or (b[3] == FINITE and other == 0)
            kind = NAN if nothing else at(soft, OF_INFINITY)
        return sign if kind == INFINITE else NOUGHT, NOUGHT, NOUGHT, kind
    high, low = wide.multiply_add(NOUGHT, NOUGHT, size, other)
    found, unit, kind = round_wide(sign, high, low, a[2] + b[2], FINITE, soft)
    return sign, found, unit, kind
