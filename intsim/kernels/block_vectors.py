"""Steps of block accumulators for many columns at once: loops without branches, which vectors take.

Rules
-----
V1. A value is a sign, a size below 2**54 and an exponent, an array of int64 each. Whatever is infinite, NaN
    or longer sets its place of `strange`, and means nothing from then on.
V2. Floats are tuples (`kernels.block_round.unpacked`) that keep subnormal results and operands.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.block_round import EMIN, FLOORED, cut, round_kept
from intsim.kernels.block_terms import LOWEST
from intsim.kernels.block_wide import at, length, stays_apart
from intsim.kernels.jit import compiled

_HELD, _NARROW, _SIZE = 61, 61, 54
"""Bits of the larger operand of a sum, of a sum of terms, and of what is added."""


@compiled
def add_products(x: Any, y: Any, first: int, last: int, left: int, total: Any) -> None:
    """total[j] = the sum of x[k] * y[k, left + j] for k from `first` to `last`."""
    stays_apart()
    for j in range(total.size):
        total[j] = 0
    k = first
    while k + 4 <= last:
        p, q, r, s = np.int64(x[k]), np.int64(x[k + 1]), np.int64(x[k + 2]), np.int64(x[k + 3])
        a, b = y[k, left : left + total.size], y[k + 1, left : left + total.size]
        c, d = y[k + 2, left : left + total.size], y[k + 3, left : left + total.size]
        for j in range(total.size):
            total[j] += p * np.int64(a[j]) + q * np.int64(b[j]) + r * np.int64(c[j]) + s * np.int64(d[j])
        k += 4
    while k < last:
        p, a = np.int64(x[k]), y[k, left : left + total.size]
        for j in range(total.size):
            total[j] += p * np.int64(a[j])
        k += 1


@compiled
def scale_rounded(
    scale: Any,
    factors: Any,
    raised: Any,
    negative: Any,
    first: bool,
    soft: Any,
    signs: Any,
    sizes: Any,
    exponents: Any,
    strange: Any,
) -> None:
    """Rule K4 in a float: (value * a) * b where `first`, else value * (a * b); a is the row's scale."""
    stays_apart()
    for j in range(signs.size):
        size, unit, kind = round_kept(signs[j], sizes[j], exponents[j], soft)
        if first:
            sign = signs[j] ^ scale[0]
            size, unit, more = round_kept(sign, size * scale[1], unit + scale[2], soft)
            factor, up, last = factors[j], raised[j], 0
        else:
            sign, both = signs[j], scale[0] ^ negative[j]
            factor, up, more = round_kept(both, scale[1] * factors[j], scale[2] + raised[j], soft)
        sign = signs[j] ^ scale[0] ^ negative[j]
        size, unit, last = round_kept(sign, size * factor, unit + up, soft)
        signs[j], sizes[j], exponents[j] = sign, size, unit
        strange[j] |= kind | more | last


@compiled
def round_values(soft: Any, signs: Any, sizes: Any, exponents: Any, strange: Any) -> None:
    """Every value, rounded to a float."""
    stays_apart()
    for j in range(signs.size):
        size, unit, kind = round_kept(signs[j], sizes[j], exponents[j], soft)
        sizes[j], exponents[j] = size, unit
        strange[j] |= kind


@compiled
def add_values(
    held: Any, signs: Any, sizes: Any, exponents: Any, soft: Any, fused: int, strange: Any
) -> None:
    """held[:, j] += the value at j, rounded once (`kernels.block_float.add_exact`).

    held : int64 (3, columns), sign, size and exponent
    """
    stays_apart()
    held_signs, held_sizes, held_exponents = held[0], held[1], held[2]
    floored = at(soft, FLOORED)
    for j in range(signs.size):
        a_sign, a, a_power = held_signs[j], held_sizes[j], held_exponents[j]
        b_sign, b, b_power = signs[j], sizes[j], exponents[j]
        strange[j] |= b >> _SIZE
        a_power = a_power if a > 0 else b_power
        b_power = b_power if b > 0 else a_power
        above = a_power >= b_power
        high, low = (a if above else b), (b if above else a)
        high_sign, low_sign = (a_sign if above else b_sign), (b_sign if above else a_sign)
        apart = abs(a_power - b_power)
        power = max(a_power, b_power)
        up = min(apart, _HELD - length(high))
        down = min(apart - up, 63)
        near = low >> down
        near |= 1 if low & ((1 << down) - 1) else 0
        high <<= up
        total = (-high if high_sign else high) + (-near if low_sign else near)
        zero = (a_sign & b_sign) | (floored & (a_sign | b_sign))
        sign = (zero & fused) if total == 0 else (1 if total < 0 else 0)
        size, unit, kind = round_kept(sign, abs(total), power - up, soft)
        held_signs[j], held_sizes[j], held_exponents[j] = sign, size, unit
        strange[j] |= kind


@compiled
def align_values(
    values: Any,
    powers: Any,
    owns: Any,
    count: int,
    held: Any,
    held_own: Any,
    longest: int,
    fraction: int,
    rounding: Any,
    signs: Any,
    sizes: Any,
    units: Any,
    largest: Any,
    strange: Any,
) -> None:
    """Rule G4 for `count` rows of terms, and for what is held where `held_own` is above LOWEST.

    Parameters
    ----------
    values, powers, owns : int64 (terms, columns): integers, their exponents, and those they are aligned by
    held, held_own : int64 (3, columns) and (columns)
    longest : bits of the longest term

    Notes
    -----
    The sums are signs, sizes and units; `largest` is the largest exponent of each column.
    """
    stays_apart()
    reach = signs
    for j in range(signs.size):
        largest[j] = held_own[j]
        top = held[2, j] + length(held[1, j])
        reach[j] = top if held_own[j] > LOWEST else LOWEST
    for k in range(count):
        power, own = powers[k], owns[k]
        for j in range(signs.size):
            largest[j] = max(largest[j], own[j])
            top = power[j] + longest
            reach[j] = max(reach[j], top if own[j] > LOWEST else LOWEST)
    room = _NARROW - length(count + 1)
    for j in range(signs.size):
        units[j] = largest[j] - fraction
        strange[j] |= 1 if (reach[j] - units[j] > room) & (largest[j] > LOWEST) else 0
        sizes[j] = 0
    for k in range(count):
        value, power = values[k], powers[k]
        for j in range(signs.size):
            shift = units[j] - power[j]
            sign = 1 if value[j] < 0 else 0
            size = cut(sign, abs(value[j]), max(shift, 0), rounding) << min(max(-shift, 0), 63)
            sizes[j] += -size if sign else size
    for j in range(signs.size):
        shift = units[j] - held[2, j]
        size = held[1, j] if held_own[j] > LOWEST else 0
        size = cut(held[0, j], size, max(shift, 0), rounding) << min(max(-shift, 0), 63)
        total = sizes[j] + (-size if held[0, j] else size)
        signs[j] = 1 if total < 0 else 0
        sizes[j] = abs(total)


@compiled
def own_exponents(held: Any, leading: int, soft: Any, own: Any) -> None:
    """What floats are aligned by (rule G2); LOWEST where they are zero."""
    stays_apart()
    emin = at(soft, EMIN)
    for j in range(own.size):
        top = held[2, j] + length(held[1, j]) - 1
        top = top if leading else max(top, emin)
        own[j] = top if held[1, j] > 0 else LOWEST


@compiled
def join_values(
    held: Any,
    own: Any,
    largest: Any,
    drop_sum: int,
    drop_held: int,
    sum_bits: int,
    held_bits: int,
    rounding: Any,
    signs: Any,
    sizes: Any,
    exponents: Any,
) -> None:
    """Rules J1 to J3: both sides, cut where they lie."""
    stays_apart()
    for j in range(signs.size):
        top = max(largest[j], own[j])
        size = 0 if top - largest[j] >= drop_sum else sizes[j]
        unit = top - sum_bits
        cuts = exponents[j] < unit
        down = unit - exponents[j] if cuts else 0
        sizes[j] = cut(signs[j], size, down, rounding)
        exponents[j] = unit if cuts else exponents[j]
        size = 0 if top - own[j] >= drop_held else held[1, j]
        unit = top - held_bits
        cuts = held[2, j] < unit
        down = unit - held[2, j] if cuts else 0
        held[1, j] = cut(held[0, j], size, down, rounding)
        held[2, j] = unit if cuts else held[2, j]
