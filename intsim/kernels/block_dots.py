"""Dot products of rows of blocks by any accumulator, pair by pair: `arithmetic.blocks.block_dot`, compiled.

Rules
-----
I1. Rows with a NaN are NaN, those with an infinity are left to the reference. So is a pair for which 128 bits
    are too few, or a trap is met: its row of `again` is set.
I2. A term is one product of significands with exponents of their own, or the sum of several integers on the
    grid of their rows. Sums beyond int64 are made on 128 bits, where nothing is aligned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from intsim.kernels.block_float import multiply, signed
from intsim.kernels.block_register import clear, enter, part_of, result
from intsim.kernels.block_round import AGAIN, FINITE, INFINITE, NAN, NOUGHT, ONE, code_of, round_wide
from intsim.kernels.block_rule import (
    AFTER,
    ALIGNED,
    AS_TERM,
    CODES,
    GROUP,
    HELD_FLOAT,
    JOINED,
    OUTER,
    OUTER_FLOAT,
    OUTPUT,
    OUTPUT_FLOAT,
    SINGLE,
    SIZE,
    STEP,
    TERMS,
    TRAPPING,
    WIDE,
)
from intsim.kernels.block_terms import LOWEST, NOTHING, align, fill, fuse, scaled, sum_of, wide_sum_of
from intsim.kernels.block_wide import at, length, stays_apart, trailing
from intsim.kernels.isa.micro import address
from intsim.kernels.jit import compiled
from intsim.record import Array


class Side(NamedTuple):
    """Rows of one side.

    values : int32 or int64 (rows, K): significands, or integers on the grid of their row
    exponents : int32 (rows, K) of significands, (rows, 1) of a grid
    scales : int64 (rows, blocks, 3), SIGNED, SIZED and RAISED: sign, size and exponent
    kinds : uint8 (rows)
    outer : int64 (4, rows), or (4, 0)
    """

    values: Array
    exponents: Array
    scales: Array
    kinds: Array
    outer: Array


@compiled
def spans(significands: Any, exponents: Any, lows: Any) -> int:
    """The last place of every row, int32 (rows, 1), and the bits that the widest row then needs."""
    most = 0
    for i in range(significands.shape[0]):
        low, high = 1 << 20, -(1 << 20)
        for k in range(significands.shape[1]):
            size = abs(np.int64(significands[i, k]))
            if size:
                low = min(low, exponents[i, k] + trailing(size))
                high = max(high, exponents[i, k] + length(size))
        lows[i, 0] = low if high >= low else 0
        most = max(most, high - low)
    return most


@compiled
def on_grid(significands: Any, exponents: Any, lows: Any, integers: Any) -> None:
    """Elements as multiples of the last place of their row."""
    for i in range(significands.shape[0]):
        for k in range(significands.shape[1]):
            up = np.int64(exponents[i, k]) - lows[i, 0]
            value = np.int64(significands[i, k])
            integers[i, k] = (value >> min(max(-up, 0), 63)) << min(max(up, 0), 63)


@compiled
def dot_rows(
    a: Any,
    b: Any,
    begin: int,
    end: int,
    numbers: Any,
    wanted: Any,
    terms: Any,
    state: Any,
    out: Any,
    words: Any,
    again: Any,
) -> None:
    """out[i, j] = the code of a[i] . b[j], for rows begin to end of `a` and all of `b`.

    Parameters
    ----------
    a, b : Side
    numbers : int64, `Rule.array` of `kernels.block_rule`
    wanted : uint8 (rows of a, rows of b), 1 for the pairs to make; of no size for all
    terms, state : scratch; see `kernels.block_terms` and `kernels.block_register`
    out : unsigned (rows of a, rows of b), or of no size
    words : int64 (rows of a, rows of b, 4), high and low half, sign and kind; or of no size
    again : uint8 (rows of a)
    """
    rule = address(numbers)
    for i in range(begin, end):
        x, x_exponents, x_scales = a.values[i], a.exponents[i], a.scales[i]
        for j in range(b.values.shape[0]):
            kind = max(a.kinds[i], b.kinds[j])
            if kind == INFINITE or (wanted.size and not wanted[i, j]):
                continue
            value = (NOUGHT, NOUGHT, NOUGHT, NOUGHT, NAN)
            if kind == NAN and at(rule, TRAPPING):
                again[i] = 1
            if kind == FINITE:
                clear(state)
                y, y_exponents, y_scales = b.values[j], b.exponents[j], b.scales[j]
                if at(rule, ALIGNED):
                    fill(x, x_exponents, x_scales, y, y_exponents, y_scales, rule, terms)
                    add_groups(x_scales, y_scales, rule, terms, state)
                else:
                    add_terms(x, x_exponents, x_scales, y, y_exponents, y_scales, rule, state)
                value = result(rule, state)
            if value[4] == AGAIN:
                again[i] = 1
            elif words.size:
                words[i, j, 0], words[i, j, 1], words[i, j, 2], words[i, j, 3] = (
                    value[1],
                    value[2],
                    value[0],
                    value[4],
                )
            else:
                found = _finished(value, a.outer, b.outer, i, j, rule)
                if found < 0:
                    again[i] = 1
                out[i, j] = found


@compiled
def _finished(value: Any, a: Any, b: Any, i: int, j: int, rule: int) -> int:
    """Rules K6 and K7: the code; below 0 where the reference must be asked."""
    stays_apart()
    sign, high, low, exponent, kind = value
    soft = rule + HELD_FLOAT
    if at(rule, OUTPUT):
        soft = rule + OUTPUT_FLOAT
        low, exponent, kind = round_wide(sign, high, low, exponent, kind, soft)
    if at(rule, OUTER):
        soft = rule + OUTER_FLOAT
        factor = outer_scale(a, b, i, j, soft)
        sign, low, exponent, kind = multiply((sign, low, exponent, kind), factor, soft)
    return -1 if kind == AGAIN else code_of(sign, low, exponent, kind, soft, rule + CODES)


@compiled
def outer_scale(a: Any, b: Any, i: int, j: int, soft: int) -> Any:
    """The product of the scales of the whole; where one side has none, the other's as it is."""
    stays_apart()
    if a.shape[1] == 0:
        return b[0, j], b[1, j], b[2, j], b[3, j]
    first = (a[0, i], a[1, i], a[2, i], a[3, i])
    if b.shape[1] == 0:
        return first
    return multiply(first, (b[0, j], b[1, j], b[2, j], b[3, j]), soft)


@compiled
def add_terms(
    x: Any, x_exponents: Any, x_scales: Any, y: Any, y_exponents: Any, y_scales: Any, rule: int, state: Any
) -> None:
    """Rules K1, K3 to K5 without an alignment: term by term into the register."""
    stays_apart()
    size, index = at(rule, SIZE), NOUGHT
    step = min(at(rule, STEP), size) if at(rule, STEP) else size
    for block in range(x_scales.shape[0]):
        p, q = x_scales[block], y_scales[block]
        last = min(block * size + size, x.size)
        for first in range(block * size, last, step):
            end, k = min(first + step, last), first if at(rule, SINGLE) else 0
            if at(rule, WIDE):
                high, low = wide_sum_of(x, y, first, end)
            else:
                low = sum_of(x, y, first, end)
                high = low >> 63
            sign = ONE if high < 0 else NOUGHT
            high, low = signed(high, low, sign)
            exponent = np.int64(x_exponents[k]) + y_exponents[k]
            value = scaled((sign, high, low, exponent, FINITE), p, q, rule)
            enter(value, index, rule, state)
            index += 1


@compiled
def add_groups(x_scales: Any, y_scales: Any, rule: int, terms: Any, state: Any) -> None:
    """Groups of terms (rule G1), one after another."""
    stays_apart()
    size, total, group = at(rule, SIZE), at(rule, TERMS), at(rule, GROUP)
    step = min(at(rule, STEP), size) if at(rule, STEP) else size
    each = (size + step - 1) // step
    span = each if at(rule, AFTER) or group == 0 else total
    group = group if group else each
    fused, index = at(rule, AS_TERM) | at(rule, JOINED), NOUGHT
    for block in range((total + span - 1) // span):
        stop = min(block * span + span, total)
        for first in range(block * span, stop, group):
            last = min(first + group, stop)
            if fused:
                fuse(terms, first, last, part_of(index, rule), rule, state)
            else:
                sign, high, low, exponent, kind, _ = align(terms, first, last, NOTHING, LOWEST, rule)
                value = (sign, high, low, exponent, kind)
                if at(rule, AFTER):
                    value = scaled(value, x_scales[block], y_scales[block], rule)
                enter(value, index, rule, state)
            index += 1
