"""Registers between blocks, value by value: rules R1 to R7 of `arithmetic.blocks.register`, compiled.

A value is wide: (negative, high, low, exponent, kind), as in `kernels.block_float`.

`state` is int64 (4, places). A float register has a column for each of its parts: sign, size, exponent, kind;
a tree one for each value. A word has its high and low half in the first column. An exact register holds what
is above zero in its first row, 64 bits to a place, and what is below zero in its second. What was infinite
or NaN is noted in the fourth row of words and exact registers: plus, minus, neither, and asked again.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels import block_wide as wide
from intsim.kernels.block_float import add, add_exact, signed
from intsim.kernels.block_round import AGAIN, FINITE, INFINITE, NAN, NOUGHT, ONE, cut_wide, round_wide
from intsim.kernels.block_rule import (
    BITS,
    COUNT,
    ENTER_FLOAT,
    ENTERING,
    EXACT,
    FLOAT,
    HELD_FLOAT,
    INTERLEAVED,
    LIMBS_FROM,
    OVERFLOW,
    PARTS,
    PLACES,
    REGISTER,
    SATURATES,
    TRAPS,
    TREE,
    WORD,
    WORD_CUT,
    WRAPS,
)
from intsim.kernels.block_wide import at, length, stays_apart
from intsim.kernels.jit import compiled

_SEEN = 3


@compiled
def clear(state: Any) -> None:
    """Plus zero in all registers."""
    stays_apart()
    for row in range(state.shape[0]):
        for place in range(state.shape[1]):
            state[row, place] = 0


@compiled
def part_of(index: int, rule: int) -> Any:
    """The part that adds value `index` (rule R5)."""
    parts, count = at(rule, PARTS), at(rule, COUNT)
    if at(rule, INTERLEAVED):
        return index % parts
    return index // ((count + parts - 1) // parts)


@compiled
def parts_of(rule: int) -> Any:
    """How many parts have values."""
    if at(rule, INTERLEAVED):
        return min(at(rule, COUNT), at(rule, PARTS))
    return part_of(at(rule, COUNT) - 1, rule) + 1


@compiled
def put(state: Any, place: int, value: Any) -> None:
    """What a float register holds."""
    for row in range(4):
        state[row, place] = value[row]


@compiled
def enter(value: Any, index: int, rule: int, state: Any) -> None:
    """Value `index` enters the register."""
    stays_apart()
    negative, high, low, exponent, kind = value
    if at(rule, REGISTER) != FLOAT:
        if kind != FINITE:
            place = negative if kind == INFINITE else kind
            state[_SEEN, place] = 1
        elif at(rule, REGISTER) == EXACT:
            _add_limbs(state, negative, high, low, exponent - at(rule, LIMBS_FROM))
        else:
            _add_word(state, value, rule)
        return
    single = at(rule, TREE) and at(rule, PARTS) == 1
    if at(rule, ENTERING):
        size, exponent, kind = round_wide(negative, high, low, exponent, kind, rule + ENTER_FLOAT)
        high, low = NOUGHT, size
    if single:
        size, exponent, kind = round_wide(negative, high, low, exponent, kind, rule + HELD_FLOAT)
        put(state, index, (negative, size, exponent, kind))
        return
    place = part_of(index, rule)
    held = (state[0, place], state[1, place], state[2, place], state[3, place])
    if at(rule, ENTERING):
        put(state, place, add(held, (negative, low, exponent, kind), rule + HELD_FLOAT))
    else:
        put(state, place, add_exact(held, (negative, high, low, exponent, kind), rule + HELD_FLOAT, ONE))


@compiled
def result(rule: int, state: Any) -> Any:
    """What the registers hold at the end, as a wide value."""
    stays_apart()
    if at(rule, REGISTER) == FLOAT:
        single = at(rule, TREE) and at(rule, PARTS) == 1
        left = at(rule, COUNT) if single else parts_of(rule)
        if at(rule, TREE):
            _add_pairs(state, left, rule + HELD_FLOAT)
        else:
            _add_chain(state, left, rule + HELD_FLOAT)
        return state[0, 0], NOUGHT, state[1, 0], state[2, 0], state[3, 0]
    plus, minus = state[_SEEN, 0], state[_SEEN, 1]
    if state[_SEEN, AGAIN]:
        return NOUGHT, NOUGHT, NOUGHT, NOUGHT, AGAIN
    if state[_SEEN, NAN] or (plus and minus):
        return NOUGHT, NOUGHT, NOUGHT, NOUGHT, NAN
    if plus | minus:
        return minus, NOUGHT, NOUGHT, NOUGHT, INFINITE
    if at(rule, REGISTER) == WORD:
        sign = ONE if state[0, 0] < 0 else NOUGHT
        high, low = signed(state[0, 0], state[1, 0], sign)
        return sign, high, low, -at(rule, PLACES), FINITE
    return _from_limbs(state, at(rule, LIMBS_FROM))


@compiled
def _add_chain(state: Any, left: int, soft: int) -> None:
    stays_apart()
    held = (state[0, 0], state[1, 0], state[2, 0], state[3, 0])
    for place in range(1, left):
        held = add(held, (state[0, place], state[1, place], state[2, place], state[3, place]), soft)
    put(state, NOUGHT, held)


@compiled
def _add_pairs(state: Any, left: int, soft: int) -> None:
    """Rule R6."""
    stays_apart()
    while left > 1:
        for place in range(left // 2):
            a, b = 2 * place, 2 * place + 1
            first = (state[0, a], state[1, a], state[2, a], state[3, a])
            put(state, place, add(first, (state[0, b], state[1, b], state[2, b], state[3, b]), soft))
        if left % 2:
            last = left - 1
            put(state, left // 2, (state[0, last], state[1, last], state[2, last], state[3, last]))
        left = (left + 1) // 2


@compiled
def _add_word(state: Any, value: Any, rule: int) -> None:
    """Rule R3. A value that is shifted beyond 128 bits keeps its low ones, and its sign tells where it is."""
    stays_apart()
    negative, high, low, exponent, _ = value
    bits = at(rule, BITS)
    shift = exponent + at(rule, PLACES)
    long = (64 + length(high) if high else length(low)) + shift > 124
    zero = high | low == 0
    if shift < 0:
        high, low = cut_wide(negative, high, low, -shift, rule + WORD_CUT)
    elif shift > 127 or zero:
        high, low = NOUGHT, NOUGHT
    else:
        high, low = wide.shift_left(high, low, shift)
    far = long and not zero
    high, low = signed(high, low, negative)
    high, low = wide.add(state[0, 0], state[1, 0], high, low)
    top_high, top = wide.shift_left(0, 1, bits - 1)
    # Bits from the sign on: all 0 or all 1 where the sum fits.
    sign_high, sign_low = signed_shift(high, low, bits - 1)
    fits = sign_high == sign_low and (sign_low == 0 or sign_low == -1) and not far
    if fits:
        state[0, 0], state[1, 0] = high, low
        return
    if at(rule, OVERFLOW) == TRAPS:
        state[_SEEN, AGAIN] = 1
    elif at(rule, OVERFLOW) == SATURATES:
        below = negative if far else (1 if high < 0 else 0)
        if below:
            state[0, 0], state[1, 0] = wide.add(~top_high, ~top, 0, 1)
        else:
            state[0, 0], state[1, 0] = wide.add(top_high, top, -1, -1)
    elif at(rule, OVERFLOW) == WRAPS:
        high, low = wide.shift_left(high, low, 128 - bits)
        state[0, 0], state[1, 0] = signed_shift(high, low, 128 - bits)


@compiled
def signed_shift(high: int, low: int, bits: int) -> Any:
    """Two's complement, shifted to the right by 0 to 127 bits; the sign comes in."""
    if high < 0:
        high, low = wide.shift_right(~high, ~low, bits)
        return ~high, ~low
    return wide.shift_right(high, low, bits)


@compiled
def _add_limbs(state: Any, negative: int, high: int, low: int, shift: int) -> None:
    """Add a size, shifted up, to the row of its sign."""
    stays_apart()
    if high | low == 0:
        return
    place, bits = shift >> 6, shift & 63
    rest = wide.shift_right(high, low, 64 - bits)[0] if bits else 0
    high, low = wide.shift_left(high, low, bits)
    carry, state[negative, place] = wide.add(0, state[negative, place], 0, low)
    carry, state[negative, place + 1] = _carried(state[negative, place + 1], high, carry)
    carry, state[negative, place + 2] = _carried(state[negative, place + 2], rest, carry)
    place += 3
    while carry:
        carry, state[negative, place] = wide.add(0, state[negative, place], 0, carry)
        place += 1


@compiled
def _carried(limb: int, more: int, carry: int) -> Any:
    """The carry and the low half of a sum of limbs."""
    high, low = wide.add(0, limb, 0, more)
    return wide.add(high, low, 0, carry)


@compiled
def _from_limbs(state: Any, lowest: int) -> Any:
    """The difference of both rows: beyond 64 bits the last says whether there is more below."""
    stays_apart()
    top = state.shape[1] - 1
    while top >= 0 and state[0, top] == state[1, top]:
        top -= 1
    if top < 0:
        return NOUGHT, NOUGHT, NOUGHT, NOUGHT, FINITE
    less = state[0, top] < state[1, top]
    apart = (state[0, top] ^ state[1, top]) < 0  # limbs have no sign: the one with the top bit is larger
    sign = ONE if less != apart else NOUGHT
    borrow = NOUGHT
    for place in range(top + 1):
        borrow, state[sign, place] = _less(state[sign, place], state[1 - sign, place], borrow)
    while top > 0 and state[sign, top] == 0:
        top -= 1
    if top == 0:
        return sign, NOUGHT, state[sign, 0], lowest, FINITE
    high, low, some = state[sign, top], state[sign, top - 1], 0
    exponent = lowest + 64 * (top - 1)
    if top > 1:
        up = 64 - length(high)
        high, low = wide.shift_left(high, low, up)
        more, rest = wide.shift_left(0, state[sign, top - 2], up)
        low, some, exponent = low | more, rest, exponent - up
        for place in range(top - 2):
            some |= state[sign, place]
    some |= low & 255
    high, low = wide.shift_right(high, low, 8)
    return sign, high, low | (1 if some else 0), exponent + 8, FINITE


@compiled
def _less(limb: int, less: int, borrow: int) -> Any:
    """The borrow and the low half of a difference of limbs."""
    high, low = wide.add(0, limb, -1, ~less)
    high, low = wide.add(high, low, 0, 1)
    high, low = wide.add(high, low, -1 if borrow else 0, -borrow)
    return 1 if high < 0 else 0, low
