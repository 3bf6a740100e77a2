"""Rows of blocks as exact integers: cut into limbs of 7 bits, multiplied by int8 kernels, rounded once.

Rules
-----
L1. A row is integers on a grid of its own: every element times its scale is a multiple of the row's last
    place. `most` is the largest of them, or -1 where 62 bits may be too few.
L2. An integer is the sum of digit d times 128**d. All digits are -64 to 63, but a single one, and the last,
    which hold what is left: with `REACH` as the largest integer no digit is beyond -64 to 64.
L3. Planes of a row are its digits, and sums of two of them (-128 to 127) where three products of sums and
    digits stand for four of digits (Karatsuba and Ofman 1962).
L4. A dot product is the sum over products of planes of sums times constants, modulo 2**64: exact where K and
    the rows' `most` prove that it is below 2**62. Elsewhere it is two such sums, the upper one counting
    2**28, each below 2**62. Sums of at most 2**16 products of bytes fit int32, moved ones as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.block_decode import FAR
from intsim.kernels.block_dots import outer_scale
from intsim.kernels.block_float import multiply as multiply_floats
from intsim.kernels.block_float import signed
from intsim.kernels.block_round import (
    FINITE,
    FLUSH,
    MANTISSA,
    NAN,
    NOUGHT,
    ONE,
    TINY,
    code_of,
    round_kept,
    round_wide,
    unpacked,
)
from intsim.kernels.block_rule import CODES, OUTER, OUTER_FLOAT, OUTPUT_FLOAT
from intsim.kernels.block_wide import add, at, shift_left, stays_apart
from intsim.kernels.gemm import multiply
from intsim.kernels.isa.micro import address, begin_tiles, end_tiles
from intsim.kernels.jit import compiled

_ALIGNED = 62
"""Bits of an aligned integer."""


@compiled
def align_rows(
    significands: Any,
    exponents: Any,
    scales: Any,
    scale_exponents: Any,
    signs: Any,
    size: int,
    longest: int,
    integers: Any,
    lows: Any,
    most: Any,
) -> None:
    """Rule L1.

    Parameters
    ----------
    significands, exponents : int32 (rows, K), plain (rule D1 of `kernels.block_decode`)
    scales, scale_exponents, signs : int64 (rows, blocks), plain
    size : elements of a block
    longest : bits of the longest significand times the longest scale
    integers : int64 (rows, K)
    lows, most : int64 (rows)
    """
    taps = significands.shape[1]
    for i in range(significands.shape[0]):
        low, high = FAR, -FAR
        for block in range(scales.shape[1]):
            first, last = np.int32(FAR), np.int32(-FAR)
            for k in range(block * size, min(block * size + size, taps)):
                exponent = exponents[i, k]
                first = min(first, exponent)
                last = max(last, exponent if exponent != FAR else np.int32(-FAR))
            if last > -FAR and scales[i, block]:
                low = min(low, first + scale_exponents[i, block])
                high = max(high, last + scale_exponents[i, block])
        lows[i], most[i] = (low, 0) if high >= low else (0, 0)
        wide = high - low + longest > _ALIGNED
        largest: Any = np.int64(0)
        for block in range(scales.shape[1]):
            factor = -scales[i, block] if signs[i, block] else scales[i, block]
            up = scale_exponents[i, block] - lows[i]
            factor = 0 if wide else factor
            for k in range(block * size, min(block * size + size, taps)):
                value = np.int64(significands[i, k]) * factor
                value <<= min(max(exponents[i, k] + up, 0), 63)  # zeros are FAR
                integers[i, k] = value
                largest = max(largest, abs(value))
        most[i] = -1 if wide else largest


@compiled
def split_rows(integers: Any, digits: int, sums: int, moved: int, planes: Any) -> None:
    """Rules L2 and L3.

    Parameters
    ----------
    integers : int64 (rows, K)
    digits : 1 to 4
    sums : whether sums of two digits follow the digits
    moved : added to everything
    planes : uint8 or int16 (planes, at least rows, at least K); what is beyond K is left as it is
    """
    keep = planes.dtype.type
    for i in range(integers.shape[0]):
        row = integers[i]
        for digit in range(digits):
            plane = planes[digit, i]
            for k in range(row.size):
                value = row[k]
                low = ((value + 64) & 127) - 64
                if digit + 1 == digits:
                    low = value
                row[k] = (value - low) >> 7
                plane[k] = keep(low + moved)
        place = digits
        for first in range(digits if sums else 0):
            for second in range(first + 1, digits):
                one, other, plane = planes[first, i], planes[second, i], planes[place, i]
                for k in range(row.size):
                    plane[k] = keep(np.int64(one[k]) + np.int64(other[k]) - moved)
                place += 1


@compiled
def multiply_planes(
    kernel: Any,
    x: Any,
    rows: int,
    w: Any,
    table: Any,
    start: Any,
    single: bool,
    offsets: Any,
    layout: Any,
    sums: Any,
    lows: Any,
    columns: Any,
    kinds: Any,
    column_kinds: Any,
    outer: Any,
    column_outer: Any,
    numbers: Any,
    held: Any,
    top: int,
    left: int,
    out: Any,
) -> None:
    """The codes of a tile: rows of `x` by the columns of `w`, from out[top, left] on.

    Parameters
    ----------
    kernel, offsets, layout : see `kernels.gemm.multiply`
    x : uint8 or int16 (planes, rows, pitch), rows up to a whole block of the kernel
    rows : how many
    w : int8 (planes and pieces of K, bytes), packed
    table : int64 (products, 5): plane of x, byte in its rows, place in w, constants of both sums (rule L4)
    single : whether the first sums are the dot products
    start : int64 (2, columns): what the moved operands take off both sums
    sums : int32 scratch (products, rows, columns and 16 more)
    lows, columns : int64, the exponents of the rows' and the columns' last places
    kinds, column_kinds : uint8; NaN is looked at
    outer, column_outer : scales of the whole, int64 (4, rows) or (4, 0)
    numbers : `Rule.array` of `kernels.block_rule`
    held : int64 scratch (6, columns)
    """
    rule = address(numbers)
    begin_tiles(kernel)
    for p in range(table.shape[0]):
        plane, offset, place = table[p, 0], table[p, 1], table[p, 2]
        first = address(x) + plane * x.strides[0] + offset
        multiply(kernel, first, x.strides[1], rows, w[place : place + 1], offsets, layout, sums[p])
    end_tiles(kernel)
    count = columns.size
    soft, last = rule + OUTPUT_FLOAT, rule + OUTPUT_FLOAT
    if at(rule, OUTER):
        last = rule + OUTER_FLOAT
    codes = (at(rule + CODES, 0), at(rule + CODES, 1), at(rule + CODES, 2))
    plain = single and at(soft, TINY) == 0
    nans = False
    for j in range(count):
        nans |= column_kinds[j] == NAN
    for i in range(rows):
        line = out[top + i, left : left + count]
        add_up(sums, i, table, start, held)
        if kinds[i] == NAN:
            for j in range(count):
                line[j] = codes[1]
        elif plain and not at(rule, OUTER):
            _code_line(held[0], lows[i], columns, unpacked(soft), codes, line)
        else:
            if plain:
                _round_line(held[0], lows[i], columns, unpacked(soft), held[2], held[3], held[4], held[5])
            else:
                _round_double(held, lows[i], columns, soft)
            if at(rule, OUTER):
                scale_line(held[2], held[3], held[4], held[5], outer, column_outer, i, NOUGHT, last)
            for j in range(count):
                line[j] = code_of(held[2, j], held[3, j], held[4, j], held[5, j], last, codes)
        for j in range(count if nans else 0):
            if column_kinds[j] == NAN:
                line[j] = codes[1]


@compiled
def add_up(sums: Any, i: int, table: Any, start: Any, held: Any) -> None:
    """Rule L4 for row `i`: both sums, into held[0] and held[1]."""
    low, high, count = held[0], held[1], held.shape[1]
    first, p = start[0], 0
    for j in range(count):
        high[j] = start[1, j]
    while p + 3 <= table.shape[0]:
        one, two, three = sums[p, i], sums[p + 1, i], sums[p + 2, i]
        x, y, z = table[p, 3], table[p + 1, 3], table[p + 2, 3]
        for j in range(count):
            low[j] = first[j] + np.int64(one[j]) * x + np.int64(two[j]) * y + np.int64(three[j]) * z
        first, p = low, p + 3
    while p < table.shape[0]:
        row, constant = sums[p, i], table[p, 3]
        for j in range(count):
            low[j] = first[j] + np.int64(row[j]) * constant
        first, p = low, p + 1
    for p in range(table.shape[0]):
        row, upper = sums[p, i], table[p, 4]
        for j in range(count if upper else 0):
            high[j] += np.int64(row[j]) * upper


@compiled
def _code_line(total: Any, exponent: int, columns: Any, soft: Any, codes: Any, line: Any) -> None:
    """The codes of sums below 2**62."""
    stays_apart()
    for j in range(columns.size):
        value = total[j]
        sign = 1 if value < 0 else 0
        size, unit, kind = round_kept(sign, abs(value), exponent + columns[j], soft)
        line[j] = code_of(sign, size, unit, kind, soft, codes)


@compiled
def _round_line(
    total: Any, exponent: int, columns: Any, soft: Any, signs: Any, sizes: Any, units: Any, kinds: Any
) -> None:
    """Sums below 2**62 as values of a float."""
    stays_apart()
    for j in range(columns.size):
        value = total[j]
        sign = 1 if value < 0 else 0
        size, unit, kind = round_kept(sign, abs(value), exponent + columns[j], soft)
        signs[j], sizes[j], units[j], kinds[j] = sign, size, unit, kind


@compiled
def _round_double(held: Any, exponent: int, columns: Any, soft: int) -> None:
    """Two sums, of which the second counts 2**28, as values of a float."""
    stays_apart()
    for j in range(columns.size):
        upper, lower = held[1, j], held[0, j]
        sign = ONE if upper < 0 else NOUGHT
        high, low = shift_left(NOUGHT, -upper if sign else upper, 28)
        high, low = signed(high, low, sign)
        high, low = add(high, low, lower >> 63, lower)
        sign = ONE if high < 0 else NOUGHT
        high, low = signed(high, low, sign)
        size, unit, kind = round_wide(sign, high, low, exponent + columns[j], FINITE, soft)
        held[2, j], held[3, j], held[4, j], held[5, j] = sign, size, unit, kind


@compiled
def scale_line(
    signs: Any, sizes: Any, exponents: Any, kinds: Any, a: Any, b: Any, i: int, left: int, soft: int
) -> None:
    """Values times the scales of the whole (rule K7): in vectors, where nothing is special.

    a, b, i, left : scales as `kernels.block_dots.Side` has them, the row of `a`, the first one of `b`
    """
    stays_apart()
    plain = b.shape[1] > 0 and a.shape[1] > 0 and at(soft, TINY) == 0 and at(soft, FLUSH) == 0
    plain = plain and at(soft, MANTISSA) < 30 and a[1, i] < 1 << 31 and a[3, i] == FINITE
    if plain:
        end, scale = left + signs.size, (a[0, i], a[1, i], a[2, i])
        below, factors, raised = b[0, left:end], b[1, left:end], b[2, left:end]
        strange = kinds_of(scale, below, factors, raised, b[3, left:end], unpacked(soft))
        for j in range(signs.size):
            strange |= kinds[j] | (sizes[j] >> 31)
        if strange == 0:
            _scale_plain(scale, below, factors, raised, signs, sizes, exponents, kinds, unpacked(soft))
            return
    for j in range(signs.size):
        factor = outer_scale(a, b, i, left + j, soft)
        found = multiply_floats((signs[j], sizes[j], exponents[j], kinds[j]), factor, soft)
        signs[j], sizes[j], exponents[j], kinds[j] = found


@compiled
def kinds_of(scale: Any, below: Any, factors: Any, raised: Any, kinds: Any, soft: Any) -> Any:
    """Not 0 where a product of scales is not finite, or one of them is longer than 31 bits."""
    strange = np.int64(0)
    for j in range(below.size):
        size = scale[1] * (factors[j] & 0x7FFFFFFF)
        _, _, kind = round_kept(scale[0] ^ below[j], size, scale[2] + raised[j], soft)
        strange |= (factors[j] >> 31) | kinds[j] | kind
    return strange


@compiled
def _scale_plain(
    scale: Any,
    below: Any,
    factors: Any,
    raised: Any,
    signs: Any,
    sizes: Any,
    units: Any,
    kinds: Any,
    soft: Any,
) -> None:
    """Products with products of scales; all are finite, and of at most 31 bits."""
    stays_apart()
    for j in range(signs.size):
        sign = scale[0] ^ below[j]
        factor, unit, _ = round_kept(sign, scale[1] * factors[j], scale[2] + raised[j], soft)
        signs[j] ^= sign
        product, last, kind = round_kept(signs[j], sizes[j] * factor, units[j] + unit, soft)
        sizes[j], units[j], kinds[j] = product, last, kind
