"""Softmax rows of few codes: exponentials from a table, then what a row's sum decides.

The arithmetic is that of `arithmetic.softmax`; all integers are int64, which holds products of two 32-bit
numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled
from intsim.kernels.steps import goes_up

_ONE = 2**31 - 1
_MOST, _LEAST = 2**31 - 1, -(2**31)


@compiled
def high_product(a: int, b: int) -> int:
    """a * b / 2**31, ties up, saturated to 32 bits."""
    return min(max((a * b + (1 << 30)) >> 31, _LEAST), _MOST)


@compiled
def half_away(value: int, bits: int) -> int:
    """value / 2**bits, ties away from zero."""
    if bits == 0:
        return value
    half = 1 << (bits - 1)
    return (value + (half - 1 if value < 0 else half)) >> bits


@compiled
def one_over(total: int) -> tuple[int, int]:
    """1 / total, a number in Q12.19, as (scale in Q0.31, bits): scale / 2**bits."""
    zeros = 0
    while zeros < 31 and (total << zeros) < 1 << 31:
        zeros += 1
    half = half_away((total << zeros) - (1 << 31) + _ONE, 1)
    x = 1515870810 + high_product(half, -1010580540)
    for _ in range(3):
        error = (1 << 29) - high_product(half, x)
        x += min(max(high_product(x, error) << 2, _LEAST), _MOST)
    return min(max(x << 1, _LEAST), _MOST), 12 - zeros


@compiled
def fixed_rows(
    x: Any, table: Any, terms: Any, limit: int, bits: int, low: int, begin: int, end: int, out: Any
) -> int:
    """Rows begin to end in fixed point; how many have a sum that traps.

    x, out (rows, n); table, int64: exponentials of d = -(size - 1) to 0, -1 where d is not looked at; terms:
    their shares of the sum; limit: the least sum that traps; bits, low: of the format.
    """
    trapped, last, keep = 0, table.size - 1, out.dtype.type
    high = low + (1 << bits) - 1
    for i in range(begin, end):
        row, to = x[i], out[i]
        top = int(row[0])
        for k in range(row.size):
            top = max(top, int(row[k]))
        total = 0
        for k in range(row.size):
            total += terms[int(row[k]) - top + last]
        if total >= limit:
            trapped += 1
            continue
        scale, over = one_over(total)
        for k in range(row.size):
            e = table[int(row[k]) - top + last]
            code = low if e < 0 else half_away(high_product(scale, e), over + 31 - bits) + low
            to[k] = keep(min(max(code, low), high))
    return trapped


@compiled
def summed(row: Any, table: Any) -> tuple[int, Any]:
    """What to add to a row's codes for their places in a float32 table, and the entries' sum in order."""
    top = int(row[0])
    for k in range(row.size):
        top = max(top, int(row[k]))
    shift = table.size - 1 - top
    total = table[int(row[0]) + shift]
    for k in range(1, row.size):
        total = np.float32(total + table[int(row[k]) + shift])
    return shift, total


@compiled
def float_rows(
    x: Any,
    table: Any,
    scale: Any,
    zero_point: int,
    rounding: int,
    ends: Any,
    begin: int,
    end: int,
    out: Any,
) -> None:
    """Rows begin to end in float32: the sum in order, its reciprocal, a product, each rounded once."""
    keep, real = out.dtype.type, np.float32
    for i in range(begin, end):
        row, to = x[i], out[i]
        shift, total = summed(row, table)
        share = real(real(1) / real(total * scale))
        for k in range(row.size):
            value = min(real(table[int(row[k]) + shift] * share), real(1 << 24))
            floor = real(np.floor(value))
            twice = real(real(value - floor) * real(2))
            code = int(floor) + int(goes_up(value, floor, twice, rounding)) + zero_point
            to[k] = keep(min(max(code, ends[0]), ends[1]))


@compiled
def quotient_rows(
    x: Any, table: Any, multiplier: Any, zero_point: int, ends: Any, begin: int, end: int, out: Any
) -> None:
    """Rows begin to end in float32: the sum in order, products and their quotients, each rounded once."""
    keep, real = out.dtype.type, np.float32
    for i in range(begin, end):
        row, to = x[i], out[i]
        shift, total = summed(row, table)
        for k in range(row.size):
            share = real(real(table[int(row[k]) + shift] * multiplier) / total)
            to[k] = keep(min(max(int(np.rint(share)) + zero_point, ends[0]), ends[1]))
