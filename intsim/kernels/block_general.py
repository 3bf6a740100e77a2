"""Products of rows of blocks by any accumulator: what `kernels.block_dots` needs to be called.

Rules
-----
I2. Where the register is a float and nothing is strange, columns are made many at a time
    (`kernels.block_columns`), and the pairs in which something was, again.
I3. Lengths of integers are proved from the rows at hand: terms of at most 62 bits that are aligned, values of
    at most 122 bits else. Where they are longer, or an exact register would have more than 65536 bits, the
    reference is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from intsim.formats.dyadic import Dyadic, Kind
from intsim.kernels.block_planes import Planes, Source
from intsim.kernels.block_rule import (
    AFTER,
    ALIGNED,
    ENTERING,
    EXACT,
    FLOAT,
    FRACTION,
    GROUP,
    LONGEST,
    OUTPUT,
    PARTS,
    REGISTER,
    SCALING,
    SIZE,
    STEP,
    TRAPPING,
    TREE,
    WIDE,
    WORD,
    Rule,
)
from intsim.kernels.threads import run_parts
from intsim.record import Array

TERM, _VALUE = 62, 122  # bits (rule I3)
_REGISTER = 1 << 16  # bits of an exact register
_AGAIN = 3  # of `kernels.block_round`, said again: a plan needs no numba
_GRAIN = 1 << 16  # products that are worth a thread
_FLOAT = 53  # bits
_LANE = 61  # bits of an integer in a vector
_TILE, _GROUP = 64, 4096  # columns that are made at a time, and the longest group
_MANTISSA, _TINY, _FLUSH = 8, 16, 17  # of `kernels.block_round`, said again


@dataclass(frozen=True, eq=False)
class Side:
    """Rows as `kernels.block_dots` takes them, and the lengths of their integers.

    planes : Planes, not plain
    single : whether terms are products of significands
    values, exponents : see `kernels.block_dots.Side`; of no size where `bits` is more than `TERM`
    bits, scale_bits : of the longest integer, and of the longest scale
    ends : the smallest and the largest exponent of a value's last place
    scale_ends : of a scale's
    """

    planes: Planes
    single: bool
    values: Array
    exponents: Array
    bits: int
    scale_bits: int
    ends: tuple[int, int]
    scale_ends: tuple[int, int]

    @cached_property
    def columns(self) -> Any:
        """The rows as `kernels.block_columns` takes them."""
        from intsim.kernels.block_columns import Columns

        planes = self.planes
        scales = np.stack([planes.scale_signs.T, planes.scales.T, planes.scale_exponents.T], axis=1)
        exponents = np.ascontiguousarray(self.exponents.T.astype(np.int64))
        values = np.ascontiguousarray(self.values.T)
        return Columns(values, exponents, np.ascontiguousarray(scales), planes.kinds, planes.outer)

    def finer(self, size: int, wanted: int) -> Side:
        """Scales repeated, from blocks of `size` to blocks of `wanted` elements."""
        if size == wanted:
            return self
        planes, blocks = self.planes, -(-self.values.shape[1] // wanted)
        repeated = (
            np.ascontiguousarray(np.repeat(array, size // wanted, axis=1)[:, :blocks])
            for array in (planes.scales, planes.scale_exponents, planes.scale_signs)
        )
        names = ("scales", "scale_exponents", "scale_signs")
        return replace(self, planes=planes._replace(**dict(zip(names, repeated, strict=True))))


def side_of(source: Source, single: bool) -> Side:
    """All rows of one side."""
    planes = source.planes(0, source.rows, plain=False)
    values, exponents = planes.significands, planes.exponents
    bits = int(np.abs(values).max(initial=0)).bit_length()
    if not single:
        from intsim.kernels.block_dots import on_grid, spans

        lows = np.empty((values.shape[0], 1), np.int32)
        bits = spans(values, exponents, lows)
        integers = np.empty(values.shape if bits <= TERM else (0, 0), np.int32 if bits < 32 else np.int64)
        if bits <= TERM:
            on_grid(values, exponents, lows, integers)
        values, exponents = integers, lows
    scale_bits = int(planes.scales.max(initial=0)).bit_length()
    scale_ends = _ends(planes.scale_exponents[planes.scales > 0])
    return Side(planes, single, values, exponents, bits, scale_bits, _ends(exponents), scale_ends)


@dataclass(frozen=True)
class Layout:
    """What depends on the rows.

    numbers : places of `kernels.block_rule` from SIZE on
    terms, state : places of the scratch
    group : terms that are aligned together at most
    """

    numbers: tuple[int, ...]
    terms: int
    state: int
    group: int

    @property
    def wide(self) -> int:
        return self.numbers[WIDE - SIZE]

    @property
    def longest(self) -> int:
        return self.numbers[LONGEST - SIZE]

    @property
    def traps(self) -> int:
        return self.numbers[TRAPPING - SIZE]


def layout_of(rule: Rule, a: Side, b: Side, size: int, fractions: tuple[int, int]) -> Layout | str:
    """The layout of blocks of `size` elements; or why the reference is asked (rule I3).

    fractions : of elements and of scales, both sides added
    """
    fields, taps = rule.fields, a.values.shape[1]
    terms = min(fields[STEP] or size, size)
    bits = a.bits + b.bits + (terms - 1).bit_length()
    exact, scales = fields[SCALING] == 0, a.scale_bits + b.scale_bits
    longest = bits if fields[AFTER] and fields[ALIGNED] else bits + scales if exact else max(bits, _FLOAT)
    if fields[ALIGNED] and longest > TERM:
        return f"terms of {longest} bits are aligned [I3]"
    if longest + (scales if exact and fields[AFTER] and fields[ALIGNED] else 0) > _VALUE:
        return f"values of {longest} bits [I3]"
    factors = (fractions[0] if a.single else 0) + (0 if fields[AFTER] else fractions[1])
    each = -(-size // terms)
    count = taps // size * each + -(-(taps % size) // terms)
    values = _values(rule, each, count)
    lowest, limbs = 0, 0
    if fields[REGISTER] == EXACT:
        lowest, width = _window(rule, a, b, factors, longest + count.bit_length())
        if width > _REGISTER:
            return f"an exact register of {width} bits [I3]"
        limbs = width // 64 + 4
    leaves = values if fields[REGISTER] == FLOAT and fields[TREE] else 0
    numbers = (
        size,
        int(a.single),
        int(bits > TERM),
        longest,
        factors,
        lowest,
        int(traps(rule)),
        count,
        values,
    )
    by_block = fields[AFTER] or not fields[GROUP]
    group = min(fields[GROUP] or each, each if by_block else count)
    return Layout(numbers, count, max(4, limbs, fields[PARTS], leaves), group)


def _values(rule: Rule, each: int, count: int) -> int:
    """How many values enter the register, of `count` terms and `each` in a block (rule G1)."""
    fields = rule.fields
    if not fields[ALIGNED]:
        return count
    span = each if fields[AFTER] or not fields[GROUP] else count
    group = fields[GROUP] or each
    return count // span * -(-span // group) + -(-(count % span) // group)


def _window(rule: Rule, a: Side, b: Side, factors: int, bits: int) -> tuple[int, int]:
    """The exponent of the last place of an exact register, and its bits."""
    fields = rule.fields
    (low, high), (least, most) = (
        tuple(x + y for x, y in zip(*ends, strict=True))
        for ends in ((a.ends, b.ends), (a.scale_ends, b.scale_ends))
    )
    own = (least, most) if not a.single else (low + least, high + most)
    low, high = low + least, high + most + bits
    if fields[SCALING]:
        mantissa, emin, unit = rule.floats[0][8:11]
        low, high = min(low, emin - mantissa), max(high, unit + _FLOAT + bits)
    if fields[ALIGNED]:
        low = min(low, own[0] + factors) - fields[FRACTION]
        high = max(high, own[1] + factors + bits)
    return low - 2, high - low + 256


def multiply_rows(
    rule: Rule, a: Side, b: Side, layout: Layout, out: Array, words: Array, threads: int
) -> Array:
    """Fill `out` or `words` (see `kernels.block_dots.dot_rows`); the rows to ask the reference for."""
    from intsim.kernels.block_dots import dot_rows

    wanted = np.zeros((0, 0), np.uint8)
    if _in_columns(rule, a, b, layout):
        wanted = _multiply_columns(rule, a, b, layout, out, threads)
        if not wanted.any():
            return np.zeros(a.values.shape[0], np.uint8)
    left, right = _rows(a), _rows(b)
    again, numbers = np.zeros(a.values.shape[0], np.uint8), rule.array(layout.numbers)

    def part(begin: int, end: int) -> None:
        terms, state = np.zeros((5, layout.terms), np.int64), np.zeros((4, layout.state), np.int64)
        dot_rows(left, right, begin, end, numbers, wanted, terms, state, out, words, again)

    run_parts(part, a.values.shape[0], threads, max(1, _GRAIN // b.values.size))
    return again


def _in_columns(rule: Rule, a: Side, b: Side, layout: Layout) -> bool:
    """Rule I2 (rules V2 and W2 of the kernels)."""
    fields, scales = rule.fields, a.scale_bits + b.scale_bits
    tree = fields[TREE] and fields[PARTS] == 1
    if fields[REGISTER] != FLOAT or tree or layout.traps or layout.wide or layout.longest > _LANE:
        return False
    used = (fields[SCALING] > 0, fields[ENTERING], True, fields[OUTPUT])
    if any(use and (soft[_TINY] or soft[_FLUSH]) for use, soft in zip(used, rule.floats, strict=False)):
        return False
    short = rule.floats[0][_MANTISSA] < 30 and max(a.scale_bits, b.scale_bits) < 32
    if fields[SCALING] and not short:
        return False
    if fields[ALIGNED]:
        before = fields[SCALING] and not fields[AFTER]
        return not before and not (fields[AFTER] and scales > 2) and layout.group <= _GROUP
    return True


def _multiply_columns(rule: Rule, a: Side, b: Side, layout: Layout, out: Array, threads: int) -> Array:
    """Fill `out`; the pairs that are to be made again."""
    from intsim.kernels.block_columns import column_rows

    left, right, wide = _rows(a), b.columns, min(_TILE, out.shape[1])
    again, numbers = np.zeros(out.shape, np.uint8), rule.array(layout.numbers)

    def part(begin: int, end: int) -> None:
        work = np.zeros((16 + 3 * rule.fields[PARTS], wide), np.int64)
        terms = np.zeros((3, layout.group, wide), np.int64)
        column_rows(left, right, begin, end, numbers, work, terms, out, again)

    run_parts(part, a.values.shape[0], threads, max(1, _GRAIN // b.values.size))
    return again


def _rows(side: Side) -> Any:
    """As the kernel takes them."""
    from intsim.kernels.block_dots import Side as Rows

    planes = side.planes
    scales = np.stack([planes.scale_signs, planes.scales, planes.scale_exponents], axis=-1)
    return Rows(side.values, side.exponents, scales, planes.kinds, planes.outer)


def traps(rule: Rule) -> bool:
    """Whether anything traps."""
    from intsim.kernels.block_rule import OVERFLOW, TRAPS

    word = rule.fields[REGISTER] == WORD and rule.fields[OVERFLOW] == TRAPS
    return word or any(soft[12] == _AGAIN for soft in rule.floats)


def of_words(words: Array, exponent: int) -> Dyadic:
    """What words hold: int64 significands where they fit 62 bits, as everywhere, else Python ints."""
    high, low, sign, kind = (words[..., place] for place in range(4))
    significand = low
    if ((high != 0) | (low >> 62 != 0)).any():
        significand = (high.astype(object) << 64) + low.astype(np.uint64).astype(object)
    finite = kind == Kind.FINITE
    return Dyadic(
        (sign == 1) & (kind != Kind.NAN),
        np.where(finite, significand, 0),
        np.full(kind.shape, exponent, np.int64),
        kind.astype(np.uint8),
    )


def _ends(values: Array) -> tuple[int, int]:
    return (int(values.min()), int(values.max())) if values.size else (0, 0)
