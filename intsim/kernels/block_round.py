"""Rounding in dot products of blocks: `SoftFloat.round` and cuts to a unit, on int64 and on 128 bits.

Rules
-----
U1. Signs are kept apart: a size is not below 0. Which neighbour of a size is taken depends on its sign, on
    whether what is cut off is nothing, less than half, half or more, and on whether what is kept is odd.
U2. A value of a float is (size, exponent, kind): size * 2**exponent, the exponent that of its last place as
    the format has it, so that `code_of` has nothing to look for.
U3. A shift by more than all bits is one by all bits: the size is then less than half a unit.
U4. Roundings and floats are addresses of int64; their places are named below.
    A loop that vectors shall take has a tuple in place of an address (`unpacked`): addresses are read anew.
U5. A value that a trap was set for is `AGAIN`, and so is everything that is made of it: the reference is
    asked, which names it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.block_wide import add, at, length, shift_left, shift_right
from intsim.kernels.jit import compiled

_NUMBERS: Any = tuple(np.int64(number) for number in range(4))
NOUGHT, ONE = _NUMBERS[:2]
"""Numbers of a type: numba compiles a function anew for every plain constant that it is given."""

FINITE, INFINITE, NAN, AGAIN = _NUMBERS
"""Kinds: of several the larger one wins. The first three are those of `intsim.formats.dyadic.Kind`."""

NEAREST, UP_PLUS, UP_MINUS, TIE_PLUS, TIE_MINUS, EVEN, ODD, STICKY = range(8)
"""Places of a rounding, 0 or 1 each: whether it is to nearest; else whether sizes above and below zero
go up; whether ties above and below zero do, or those to the even or odd neighbour; whether everything goes to
the odd neighbour."""

(
    MANTISSA,
    EMIN,
    TOP_UNIT,
    TOP_SIZE,
    TOO_LARGE,
    INWARD_PLUS,
    INWARD_MINUS,
    OF_INFINITY,
    TINY,
    FLUSH,
    FLOORED,
) = range(8, 19)
"""Further places of a float, which begins with its rounding: bits of the mantissa, exponent of
the smallest normal value; last place and size of the largest one; the kind of what is beyond it, FINITE for
the largest value; whether values above and below zero stay finite there; the kind of an infinity; what
becomes of tiny results (0 kept, 1 zero if they are tiny before they are rounded, 2 if after); whether
subnormal operands are zero; whether FLOOR rounds."""


@compiled
def goes_up(negative: int, odd: int, half: int, some: int, rounding: Any) -> Any:
    """1 where the neighbour farther from zero is the answer (rule U1).

    Parameters
    ----------
    odd : whether what is kept is
    half, some : the bit below the last place, and whether there is one below that
    """
    plus, minus = at(rounding, TIE_PLUS), at(rounding, TIE_MINUS)
    tied = (minus if negative else plus) | (at(rounding, EVEN) & odd) | (at(rounding, ODD) & (1 - odd))
    plus, minus = at(rounding, UP_PLUS), at(rounding, UP_MINUS)
    directed = (minus if negative else plus) | (at(rounding, STICKY) & (1 - odd))
    return half & (some | tied) if at(rounding, NEAREST) else (half | some) & directed


@compiled
def cut(negative: int, size: int, shift: int, rounding: Any) -> int:
    """A size below 2**62, divided by 2**shift and rounded; shift is not below 0 (rule U3)."""
    down = min(shift, 63)
    before = max(down - 1, 0)
    kept = size >> down
    half = (size >> before) & 1
    some = 1 if size & ((1 << before) - 1) else 0
    up = goes_up(negative, kept & 1, half, some, rounding)
    return kept + (up if down > 0 else 0)


@compiled
def cut_wide(negative: int, high: int, low: int, shift: int, rounding: Any) -> Any:
    """As `cut`, of a size below 2**126."""
    if shift <= 0:
        return high, low
    down = min(shift, 127)
    kept_high, kept = shift_right(high, low, down)
    lost_high, lost = shift_left(high, low, 128 - down)
    half = 1 if lost_high < 0 else 0
    some = 1 if (lost_high & ((1 << 63) - 1)) | lost else 0
    return add(kept_high, kept, NOUGHT, goes_up(negative, kept & 1, half, some, rounding))


@compiled
def round_size(negative: int, size: int, exponent: int, soft: Any) -> Any:
    """A finite value as a float (rule U2); its size is below 2**62.

    Returns
    -------
    size, exponent, kind
    """
    if at(soft, TINY) and size > 0:
        leading = exponent + length(size) - 1
        if at(soft, TINY) == 2:
            down = leading - at(soft, MANTISSA) - exponent
            if down > 0:
                leading += cut(negative, size, down, soft) >> (at(soft, MANTISSA) + 1)
        if leading < at(soft, EMIN):
            size = 0
    return round_kept(negative, size, exponent, soft)


@compiled
def round_kept(negative: int, size: int, exponent: int, soft: Any) -> Any:
    """As `round_size` where subnormal results are kept: without a branch, for vectors."""
    mantissa = at(soft, MANTISSA)
    least = at(soft, EMIN) - mantissa
    unit = max(exponent + length(size) - 1 - mantissa, least)
    unit = unit if size > 0 else least
    shift = unit - exponent
    shift = shift if size > 0 else 0
    found = cut(negative, size, max(shift, 0), soft) << max(-shift, 0)
    carry = found >> (mantissa + 1)
    return limited(negative, found >> carry, unit + carry, soft)


@compiled
def limited(negative: int, size: int, unit: int, soft: Any) -> Any:
    """A rounded size, unless it is beyond the largest (rule D6 of `soft_float`)."""
    top, most = at(soft, TOP_UNIT), at(soft, TOP_SIZE)
    over = (unit > top) | ((unit == top) & (size > most))
    plus, minus, beyond = at(soft, INWARD_PLUS), at(soft, INWARD_MINUS), at(soft, TOO_LARGE)
    kind = FINITE if (minus if negative else plus) else beyond
    kept = most if kind == FINITE else 0
    return kept if over else size, top if over else unit, kind if over else FINITE


@compiled
def round_wide(negative: int, high: int, low: int, exponent: int, kind: int, soft: Any) -> Any:
    """As `round_size`, of a size below 2**126 or of what is not finite.

    Beyond 60 bits the last one says whether anything is below: no rounding to 53 bits looks further.
    """
    if kind != FINITE:
        return NOUGHT, NOUGHT, at(soft, OF_INFINITY) if kind == INFINITE else kind
    if high == 0 and 0 <= low < 1 << 62:
        return round_size(negative, low, exponent, soft)
    down = length(high) + 4
    kept_high, kept = shift_right(high, low, down)
    back_high, back = shift_left(kept_high, kept, down)
    some = 1 if (back_high != high) | (back != low) else 0
    return round_size(negative, kept | some, exponent + down, soft)


@compiled
def code_of(negative: int, size: int, exponent: int, kind: int, soft: Any, codes: Any) -> int:
    """The code of a value of a float (rule U2).

    codes : address of those of infinity and NaN, and of the bit of the sign
    """
    mantissa = at(soft, MANTISSA)
    body = size + ((exponent - at(soft, EMIN) + mantissa) << mantissa)
    body = body if size > 0 else 0
    body = body if kind == FINITE else at(codes, 0)
    nan, bit = at(codes, 1), at(codes, 2)
    sign = bit if negative else 0
    return nan if kind >= NAN else body | sign


@compiled
def unpacked(soft: int) -> Any:
    """A float as a tuple (rule U4)."""
    return (
        at(soft, 0), at(soft, 1), at(soft, 2), at(soft, 3), at(soft, 4), at(soft, 5), at(soft, 6),
        at(soft, 7), at(soft, 8), at(soft, 9), at(soft, 10), at(soft, 11), at(soft, 12), at(soft, 13),
        at(soft, 14), at(soft, 15), at(soft, 16), at(soft, 17), at(soft, 18),
    )  # fmt: skip
