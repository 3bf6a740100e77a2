"""Dot products of blocks whose register is a float, many columns at once.

Rules
-----
W1. What `kernels.block_dots` makes of a pair is made of a row and all columns of a tile, step by step. Where
    a column meets what `kernels.block_vectors` does not hold, its place in `again` is set.
W2. Terms are below 2**62, and what enters the register below 2**54; scales are multiplied in a float only
    where nothing is aligned before.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from intsim.kernels import block_vectors as each
from intsim.kernels.block_limbs import scale_line
from intsim.kernels.block_register import part_of, parts_of
from intsim.kernels.block_round import FINITE, INFINITE, NAN, NOUGHT, ONE, code_of, unpacked
from intsim.kernels.block_rule import (
    AFTER,
    ALIGNED,
    ALIGNING,
    AS_TERM,
    CODES,
    DROP_HELD,
    DROP_SUM,
    ENTER_FLOAT,
    ENTERING,
    FACTORS,
    FRACTION,
    GROUP,
    HELD_BITS,
    HELD_FLOAT,
    JOINED,
    JOINING,
    LEADING,
    LONGEST,
    OUTER,
    OUTER_FLOAT,
    OUTPUT,
    OUTPUT_FLOAT,
    SCALE_FLOAT,
    SCALING,
    SINGLE,
    SIZE,
    STEP,
    SUM_BITS,
    TERMS,
    TREE,
)
from intsim.kernels.block_terms import LOWEST
from intsim.kernels.block_wide import at, length, stays_apart
from intsim.kernels.isa.micro import address
from intsim.kernels.jit import compiled
from intsim.record import Array

_VALUES = 16
"""Rows of `work` before what the registers hold: three for each part."""


class Columns(NamedTuple):
    """Rows of the other side, as columns.

    values : int32 or int64 (K, columns)
    exponents : int64 (K, columns) of significands, (1, columns) of a grid
    scales : int64 (blocks, 3, columns): sign, size and exponent
    kinds : uint8 (columns)
    outer : int64 (4, columns), or (4, 0)
    """

    values: Array
    exponents: Array
    scales: Array
    kinds: Array
    outer: Array


@compiled
def column_rows(
    a: Any, b: Any, begin: int, end: int, numbers: Any, here: Any, terms: Any, out: Any, again: Any
) -> None:
    """out[i, j] = the code of a[i] . b[:, j], for rows begin to end of `a` and all columns.

    Parameters
    ----------
    a : `kernels.block_dots.Side`
    b : Columns
    numbers : int64, `Rule.array` of `kernels.block_rule`
    here : int64 scratch (16 and 3 for each part, columns of a tile, not more than there are)
    terms : int64 scratch (3, terms of a group, columns of a tile)
    out : unsigned (rows of a, columns)
    again : uint8 (rows of a, columns), set where a column is left to `kernels.block_dots`
    """
    rule = address(numbers)
    soft = HELD_FLOAT
    soft = OUTPUT_FLOAT if at(rule, OUTPUT) else soft
    soft = rule + (OUTER_FLOAT if at(rule, OUTER) else soft)
    codes = (at(rule + CODES, 0), at(rule + CODES, 1), at(rule + CODES, 2))
    columns, count = b.kinds.size, here.shape[1]
    for i in range(begin, end):
        x, x_exponents, x_scales = a.values[i], a.exponents[i], a.scales[i]
        for place in range(0, columns, count):
            left = min(place, columns - count)
            line, kinds = out[i, left : left + count], b.kinds[left : left + count]
            missing = again[i, left : left + count]
            if a.kinds[i] == FINITE:
                for row in range(here.shape[0]):
                    for j in range(count):
                        here[row, j] = 0
                if at(rule, ALIGNED):
                    _groups(x, x_exponents, x_scales, b, left, rule, here, terms)
                else:
                    _terms(x, x_exponents, x_scales, b, left, rule, here)
                _combine(rule, here)
                if at(rule, OUTPUT):
                    held = here[_VALUES:]
                    each.round_values(unpacked(rule + OUTPUT_FLOAT), held[0], held[1], held[2], here[0])
                if at(rule, OUTER):
                    kind, held = here[1], here[_VALUES:]
                    for j in range(count):
                        kind[j] = 0
                    scale_line(held[0], held[1], held[2], kind, a.outer, b.outer, i, left, soft)
                    for j in range(count):
                        here[0, j] |= kind[j]
                signs, sizes, exponents = here[_VALUES], here[_VALUES + 1], here[_VALUES + 2]
                _code_line(signs, sizes, exponents, unpacked(soft), codes, line)
            for j in range(count):
                kind = max(a.kinds[i], kinds[j])
                if kind == NAN:
                    line[j] = codes[1]
                elif kind != INFINITE:
                    missing[j] = 1 if here[0, j] else 0


@compiled
def _code_line(signs: Any, sizes: Any, exponents: Any, soft: Any, codes: Any, line: Any) -> None:
    stays_apart()
    for j in range(line.size):
        line[j] = code_of(signs[j], sizes[j], exponents[j], FINITE, soft, codes)


@compiled
def _enter(
    index: int, scales: Any, left: int, block: int, scale: Any, after: int, rule: int, work: Any
) -> None:
    """The values in work[2:5] enter the register; first times the scales, where these come now."""
    stays_apart()
    strange, signs, sizes, exponents = work[0], work[2], work[3], work[4]
    soft = unpacked(rule + HELD_FLOAT)
    if after:
        end = left + strange.size
        negative, factors, raised = (
            scales[block, 0, left:end],
            scales[block, 1, left:end],
            scales[block, 2, left:end],
        )
        if at(rule, SCALING):
            first = at(rule, SCALING) == 1
            in_float = unpacked(rule + SCALE_FLOAT)
            each.scale_rounded(
                scale, factors, raised, negative, first, in_float, signs, sizes, exponents, strange
            )
        else:
            for j in range(signs.size):
                signs[j] ^= scale[0] ^ negative[j]
                sizes[j] *= scale[1] * factors[j]
                exponents[j] += scale[2] + raised[j]
    if at(rule, ENTERING):
        each.round_values(unpacked(rule + ENTER_FLOAT), signs, sizes, exponents, strange)
    place = _VALUES + 3 * part_of(index, rule)
    each.add_values(work[place : place + 3], signs, sizes, exponents, soft, ONE, strange)


@compiled
def _terms(x: Any, x_exponents: Any, x_scales: Any, b: Any, left: int, rule: int, work: Any) -> None:
    """Rules K1, K3 to K5 without an alignment."""
    stays_apart()
    size, index = at(rule, SIZE), NOUGHT
    step = min(at(rule, STEP), size) if at(rule, STEP) else size
    count = work.shape[1]
    total, signs, sizes, exponents = work[1], work[2], work[3], work[4]
    for block in range(x_scales.shape[0]):
        last = min(block * size + size, x.size)
        scale = (x_scales[block, 0], x_scales[block, 1], x_scales[block, 2])
        for first in range(block * size, last, step):
            k = first if at(rule, SINGLE) else 0
            each.add_products(x, b.values, first, min(first + step, last), left, total)
            own = b.exponents[k, left : left + count]
            power = np.int64(x_exponents[k])
            for j in range(count):
                signs[j] = 1 if total[j] < 0 else 0
                sizes[j], exponents[j] = abs(total[j]), power + own[j]
            _enter(index, b.scales, left, block, scale, ONE, rule, work)
            index += 1


@compiled
def _groups(
    x: Any, x_exponents: Any, x_scales: Any, b: Any, left: int, rule: int, work: Any, terms: Any
) -> None:
    """Groups of terms (rule G1), one after another."""
    stays_apart()
    size, total, group = at(rule, SIZE), at(rule, TERMS), at(rule, GROUP)
    step = min(at(rule, STEP), size) if at(rule, STEP) else size
    apart = (size + step - 1) // step
    after = at(rule, AFTER)
    span = apart if after or group == 0 else total
    group = group if group else apart
    index = NOUGHT
    for piece in range((total + span - 1) // span):
        stop = min(piece * span + span, total)
        scale = (
            (x_scales[piece, 0], x_scales[piece, 1], x_scales[piece, 2]) if after else (NOUGHT, ONE, NOUGHT)
        )
        for first in range(piece * span, stop, group):
            last = min(first + group, stop)
            for term in range(first, last):
                block = term // apart
                k = block * size + (term - block * apart) * step
                end = min(k + step, min(block * size + size, x.size))
                _term(x, x_exponents, x_scales, b, left, rule, k, end, block, term - first, work, terms)
            _align(last - first, rule, work, terms, part_of(index, rule))
            if at(rule, AS_TERM) == 0 and at(rule, JOINED) == 0:
                _enter(index, b.scales, left, piece, scale, after, rule, work)
            index += 1


@compiled
def _term(
    x: Any,
    x_exponents: Any,
    x_scales: Any,
    b: Any,
    left: int,
    rule: int,
    k: int,
    end: int,
    block: int,
    place: int,
    work: Any,
    terms: Any,
) -> None:
    """Term `place` of a group: products from k to `end`, times their scales where these come now."""
    stays_apart()
    values, powers, owns = terms[0, place], terms[1, place], terms[2, place]
    right = left + values.size
    each.add_products(x, b.values, k, end, left, values)
    single = at(rule, SINGLE)
    grid = k if single else 0
    own, power = b.exponents[grid, left:right], np.int64(x_exponents[grid])
    above, leading = at(rule, FACTORS), at(rule, LEADING)
    if at(rule, AFTER):
        for j in range(values.size):
            powers[j] = power + own[j]
            owns[j] = powers[j] + above if single else above
    else:
        sign, size, up = x_scales[block, 0], x_scales[block, 1], x_scales[block, 2]
        negative, factors = b.scales[block, 0, left:right], b.scales[block, 1, left:right]
        raised = b.scales[block, 2, left:right]
        for j in range(values.size):
            more = up + raised[j]
            powers[j] = power + own[j] + more
            owns[j] = (powers[j] if single else more) + above
            factor = size * factors[j]
            values[j] *= -factor if sign ^ negative[j] else factor
    for j in range(values.size):
        lead = powers[j] + length(abs(values[j])) - 1
        top = lead if leading else owns[j]
        owns[j] = top if values[j] != 0 else LOWEST


@compiled
def _align(count: int, rule: int, work: Any, terms: Any, part: int) -> None:
    """A group's sum into work[2:5], or into the register of a part that is aligned with it."""
    stays_apart()
    strange, signs, sizes, units, own, largest = work[0], work[2], work[3], work[4], work[5], work[6]
    place = _VALUES + 3 * part
    held, soft = work[place : place + 3], unpacked(rule + HELD_FLOAT)
    rounding = unpacked(rule + ALIGNING)
    if at(rule, AS_TERM):
        each.own_exponents(held, at(rule, LEADING), soft, own)
    else:
        for j in range(own.size):
            own[j] = LOWEST
    each.align_values(
        terms[0], terms[1], terms[2], count, held, own, at(rule, LONGEST), at(rule, FRACTION), rounding,
        signs, sizes, units, largest, strange,
    )  # fmt: skip
    if at(rule, AS_TERM):
        each.round_values(soft, signs, sizes, units, strange)
        _copy(work, ONE + 1, place)
    elif at(rule, JOINED):
        each.own_exponents(held, NOUGHT, soft, own)
        each.join_values(
            held, own, largest, at(rule, DROP_SUM), at(rule, DROP_HELD), at(rule, SUM_BITS),
            at(rule, HELD_BITS), unpacked(rule + JOINING), signs, sizes, units,
        )  # fmt: skip
        each.add_values(held, signs, sizes, units, soft, NOUGHT, strange)


@compiled
def _copy(work: Any, place: int, to: int) -> None:
    """Three rows from one place to another."""
    stays_apart()
    for row in range(3):
        for j in range(work.shape[1]):
            work[to + row, j] = work[place + row, j]


@compiled
def _combine(rule: int, work: Any) -> None:
    """The parts, one after another or in pairs (rule R5), into the first."""
    stays_apart()
    soft, left, strange = unpacked(rule + HELD_FLOAT), parts_of(rule), work[0]
    if at(rule, TREE):
        while left > 1:
            for place in range(left // 2):
                into, one, other = _VALUES + 3 * place, _VALUES + 6 * place, _VALUES + 6 * place + 3
                _copy(work, one, into)
                each.add_values(
                    work[into : into + 3], work[other], work[other + 1], work[other + 2], soft, ONE, strange
                )
            if left % 2:
                into, one = _VALUES + 3 * (left // 2), _VALUES + 3 * (left - 1)
                _copy(work, one, into)
            left = (left + 1) // 2
    else:
        for place in range(1, left):
            other = _VALUES + 3 * place
            each.add_values(
                work[_VALUES : _VALUES + 3], work[other], work[other + 1], work[other + 2], soft, ONE, strange
            )
