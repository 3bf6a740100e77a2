"""Products of rows whose only rounding is the last one, by limbs of 7 bits: what `kernels.block_limbs` needs.

Rules
-----
L5. Columns are prepared in groups, each with as many digits as its longest row needs; so are the rows of
    a block. A row that needs more than 4 digits, or has an infinity, is left out: it is made pair by pair.
L6. Products are of digits with digits, and where both sides have as many, of their sums: 3 in place of 4 for
    two digits, 6 in place of 9 for three, 10 in place of 16 for four.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np

from intsim.kernels.block_planes import Planes, Source
from intsim.kernels.block_rule import Rule
from intsim.kernels.isa.table import PANEL, chosen
from intsim.kernels.packing import Operands, chunk, operands, pack, pieces, steps_of
from intsim.kernels.scratch import aligned, scratch
from intsim.kernels.threads import run_parts
from intsim.record import Array

_COLUMNS, _ROWS = 256, 64
_TERMS = 1 << 16  # the most terms of a sum in int32 (rule L4)
_LONGEST = 1 << 26  # the longest row
_DIGITS = 4
_SINGLE = 1 << 62
_INFINITE = 1  # of `kernels.block_round`, said again: a plan needs no numba
REACH = (0, *(64 * 128**last + 63 * (128**last - 1) // 127 for last in range(_DIGITS)))
"""The largest integer of so many digits (rule L2); a single one is a byte."""


@dataclass(frozen=True, eq=False)
class Group:
    """Prepared columns `begin` to `end` of the result.

    digits : of each
    weights : int8 (planes * pieces of K, bytes), packed
    sums : int64 (planes * pieces, columns), of the weights
    lows, kinds, outer : of the rows they are; see `kernels.block_limbs`
    most : the largest integer
    layout : of `kernels.gemm`
    """

    begin: int
    end: int
    digits: int
    weights: Array
    sums: Array
    lows: Array
    kinds: Array
    outer: Array
    most: int
    layout: Array


@dataclass(frozen=True, eq=False)
class Layout:
    """How rows of K terms lie in the planes.

    taps : K
    found : what the digits are multiplied as
    """

    taps: int
    found: Operands

    @cached_property
    def pieces(self) -> int:
        """Of K, each of which fits int32 sums."""
        return -(-self.taps // _TERMS)

    @property
    def item(self) -> int:
        return int(self.found.operand.itemsize)

    @cached_property
    def steps(self) -> int:
        """Of the kernel's depth in a piece."""
        return steps_of(-(-self.taps // self.pieces), self.found.kernel, self.item)

    @property
    def piece(self) -> int:
        """Terms of a piece, those that only fill it included."""
        return self.steps * int(self.found.kernel.depth) // self.item

    @cached_property
    def segments(self) -> int:
        return pieces(self.steps, self.found.kernel)

    @cached_property
    def offsets(self) -> Array:
        return np.arange(self.segments) * (self.steps // self.segments * int(self.found.kernel.depth))

    def numbers(self, columns: int) -> Array:
        """The layout of `kernels.gemm`."""
        steps, kernel = self.steps // self.segments, self.found.kernel
        panels = -(-columns // PANEL)
        some = [steps, self.segments, chunk(steps, kernel), panels, columns, 0, int(self.found.signed)]
        return np.array([*some, self.item, 0, 0, 0], np.int64)


@dataclass(frozen=True, eq=False)
class Columns:
    """Weights as limbs.

    groups : Group
    layout : Layout
    left_out : the columns that are made pair by pair (rule L5)
    """

    groups: list[Group]
    layout: Layout
    left_out: Array
    _tables: dict[tuple[int, int, bool], Array] = field(default_factory=dict)
    _starts: dict[tuple[int, int, bool], Array] = field(default_factory=dict)

    def products(self, digits: int, group: Group, single: bool) -> Array:
        """The table of products of rows of so many digits; see `table_of`."""
        key = digits, group.digits, single
        if key not in self._tables:
            self._tables[key] = table_of(*key, self.layout)
        return self._tables[key]

    def start(self, digits: int, group: Group, single: bool) -> Array:
        """What moved operands take off the sums of a group."""
        key = digits, group.begin, single
        if key not in self._starts:
            table, moved = self.products(digits, group, single), self.layout.found.moved
            each = [constants @ group.sums[table[:, 2]] for constants in table.T[3:]]
            self._starts[key] = -moved * np.stack(each)
        return self._starts[key]


def columns_of(source: Source) -> Columns | str:
    """Weights, cut and packed; or why they are not."""
    if source.length > _LONGEST:
        return "rows are too long for limbs [L4]"
    found = operands(chosen(), np.dtype(np.int8), -128, 127)
    if found is None:
        return "there is no kernel for bytes or words"
    layout, groups, left_out = Layout(source.length, found), [], []
    for begin in range(0, source.rows, _COLUMNS):
        end = min(begin + _COLUMNS, source.rows)
        planes = source.planes(begin, end, plain=True)
        integers, lows, most = aligned_rows(planes, source)
        out = (most < 0) | (most > REACH[-1]) | (planes.kinds == _INFINITE)
        left_out.append(begin + np.flatnonzero(out))
        integers[out], most[out] = 0, 0
        groups.append(_group(begin, end, integers, lows, most, planes, layout))
    return Columns(groups, layout, np.concatenate(left_out))


def aligned_rows(planes: Planes, source: Source) -> tuple[Array, Array, Array]:
    """Rule L1: the integers, the exponent of their last place, and the largest of each row."""
    from intsim.kernels.block_limbs import align_rows

    rows = planes.significands.shape[0]
    integers, lows, most = (np.empty(shape, np.int64) for shape in (planes.significands.shape, rows, rows))
    align_rows(
        planes.significands, planes.exponents, planes.scales, planes.scale_exponents, planes.scale_signs,
        source.size, source.longest, integers, lows, most,
    )  # fmt: skip
    return integers, lows, most


def digits_of(most: int) -> int:
    """How many digits hold an integer (rule L2)."""
    if most < 128:
        return 1
    return next(count for count in range(2, _DIGITS + 1) if most <= REACH[count])


def _group(
    begin: int, end: int, integers: Array, lows: Array, most: Array, planes: Planes, layout: Layout
) -> Group:
    from intsim.kernels.block_limbs import split_rows

    largest = int(most.max(initial=0))
    digits = digits_of(largest)
    count = digits + (digits * (digits - 1) // 2 if digits > 1 else 0)
    cut = np.zeros((count, end - begin, layout.pieces * layout.piece), np.int16)
    split_rows(integers, digits, int(digits > 1), 0, cut)
    split = cut.reshape(count, end - begin, layout.pieces, layout.piece).transpose(0, 2, 1, 3)
    each = split.reshape(count * layout.pieces, end - begin, layout.segments, -1)
    packed = np.concatenate([pack(plane[None], layout.found.kernel, layout.item) for plane in each])
    weights = aligned(packed.shape, np.int8)
    weights[:] = packed
    sums = each.sum(axis=(2, 3), dtype=np.int64)
    return Group(
        begin,
        end,
        digits,
        weights,
        sums,
        lows,
        planes.kinds,
        planes.outer,
        largest,
        layout.numbers(end - begin),
    )


def table_of(digits: int, other: int, single: bool, layout: Layout) -> Array:
    """Rules L4 and L6: the products of planes, as `kernels.block_limbs.multiply_planes` takes them."""
    places: list[tuple[int, int, dict[int, int]]] = []
    if digits == other and digits > 1:
        for i in range(digits):
            powers = {2 * i: 1, **{i + j: -1 for j in range(digits) if j != i}}
            places.append((i, i, powers))
        for plane, (i, j) in enumerate(combinations(range(digits), 2), digits):
            places.append((plane, plane, {i + j: 1}))
    else:
        places = [(i, j, {i + j: 1}) for i in range(digits) for j in range(other)]
    rows = []
    for plane, place, powers in places:
        for piece in range(layout.pieces):
            lower = sum(factor << 7 * power for power, factor in powers.items() if single or power < 4)
            upper = 0 if single else sum(f << 7 * (p - 4) for p, f in powers.items() if p >= 4)
            at = piece * layout.piece * layout.item
            rows.append((plane, at, place * layout.pieces + piece, lower, upper))
    return np.array(rows, np.int64)


def multiply_rows(rule: Rule, left: Source, columns: Columns, out: Array, threads: int) -> Array:
    """Fill `out` (M, N) but for the columns that were left out; which rows were, int64."""
    skipped = np.zeros(left.rows, bool)
    blocks, numbers = -(-left.rows // _ROWS), rule.array()

    def part(begin: int, end: int) -> None:
        for block in range(begin, end):
            first = block * _ROWS
            _multiply_block(left, columns, first, min(first + _ROWS, left.rows), numbers, out, skipped)

    run_parts(part, blocks, threads)
    return np.flatnonzero(skipped)


def _multiply_block(
    left: Source, columns: Columns, begin: int, end: int, numbers: Array, out: Array, skipped: Array
) -> None:
    from intsim.kernels.block_limbs import multiply_planes, split_rows

    layout, found, rows = columns.layout, columns.layout.found, end - begin
    planes = left.planes(begin, end, plain=True)
    integers, lows, most = aligned_rows(planes, left)
    away = (most < 0) | (most > REACH[-1]) | (planes.kinds == _INFINITE)
    skipped[begin:end] = away
    integers[away], most[away] = 0, 0
    largest = int(most.max(initial=0))
    digits = digits_of(largest)
    others = {group.digits for group in columns.groups}
    if digits == 3 and 4 in others:  # 10 products of sums in place of 12 of digits
        digits = 4
    sums = digits > 1 and digits in others
    count = digits + (digits * (digits - 1) // 2 if sums else 0)
    high = -(-rows // _ROWS) * _ROWS
    wide = max(group.end - group.begin for group in columns.groups)
    products = max(columns.products(digits, group, True).shape[0] for group in columns.groups)
    x, held, store = scratch(
        ((count, high, layout.pieces * layout.piece), found.operand),
        ((6, wide), np.int64),
        ((products, high, -(-wide // PANEL) * PANEL + PANEL), np.int32),
    )
    split_rows(integers, digits, int(sums), found.moved, x)
    for group in columns.groups:
        single = layout.taps * largest * group.most < _SINGLE
        table, start = columns.products(digits, group, single), columns.start(digits, group, single)
        multiply_planes(
            found.kernel, x, rows, group.weights, table, start, single, layout.offsets, group.layout,
            store, lows, group.lows, planes.kinds, group.kinds, planes.outer, group.outer, numbers,
            held[:, : group.end - group.begin], begin, group.begin, out,
        )  # fmt: skip
