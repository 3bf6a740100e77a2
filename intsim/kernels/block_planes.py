"""Rows of blocks as kernels read them: from codes, by tables, or from an `Operand`.

Rules
-----
D3. Codes of at most 16 bits are looked up, elements under at most one level of scales inside the counted one.
    Everything else is decoded as `Operand` decodes it.
D4. Significands have at most 31 bits, those of scales 32, with a sign beside, those of the whole 53.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from intsim.arithmetic.blocks import Operand, operand
from intsim.errors import InputError
from intsim.formats.block import BlockFormat
from intsim.formats.blocks import Blocks
from intsim.formats.codes import check_codes
from intsim.formats.dyadic import Dyadic
from intsim.formats.element import AnyFormat, table
from intsim.formats.minifloat import Minifloat
from intsim.record import Array

_LARGEST = 16  # bits of a code that is looked up
_ELEMENT, _SCALE, _OUTER = 31, 32, 53  # bits (rule D4)
_FAR = 1 << 20  # of `kernels.block_decode`, said again: a plan needs no numba


class Planes(NamedTuple):
    """Rows of blocks (rules D1 to D4).

    significands, exponents : int32 (rows, K)
    kinds : uint8 (rows)
    scales, scale_exponents : int64 (rows, blocks), not below 0
    scale_signs : int64 (rows, blocks), 1 below zero
    outer : int64 (4, rows): sign, size, exponent and kind of the scale of the whole
    """

    significands: Array
    exponents: Array
    kinds: Array
    scales: Array
    scale_exponents: Array
    scale_signs: Array
    outer: Array


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of blocks of shape (rows, K), decoded as far as they are asked for.

    given : Blocks or Operand, of two axes
    """

    given: Blocks | Operand
    _scales: dict[bool, Planes] = field(default_factory=dict)
    _tables: dict[tuple[int | None, bool], Array] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return int(self.given.elements.shape[0])

    @property
    def length(self) -> int:
        return int(self.given.elements.shape[1])

    @property
    def size(self) -> int:
        """Elements of a block."""
        return self.given.size if isinstance(self.given, Operand) else self._levels[-1][1]

    @property
    def fraction(self) -> int:
        """Places of elements below their format's exponent."""
        return self._places[0]

    @property
    def scale_fraction(self) -> int:
        return self._places[1]

    @cached_property
    def _places(self) -> tuple[int, int]:
        if isinstance(self.given, Operand):
            return self.given.fraction, self.given.scale_fraction
        format = self.given.format
        one = np.zeros((1, 1), np.int64)
        levels = tuple(type(level)(one) for level in self.given.levels)
        found = operand(Blocks(format, one, levels))
        return found.fraction, found.scale_fraction

    @property
    def _levels(self) -> list[tuple[int, int]]:
        """Place and size of the levels that count elements."""
        assert isinstance(self.given, Blocks)
        return [(i, level.size) for i, level in enumerate(self.given.format.levels) if level.size]

    @cached_property
    def has_outer(self) -> bool:
        """Whether there are scales of the whole."""
        if isinstance(self.given, Operand):
            return self.given.outer is not None
        return any(not level.size for level in self.given.format.levels)

    def some(self, rows: Array) -> Source:
        """Some of the rows."""
        given = self.given
        if isinstance(given, Blocks):
            levels = tuple(
                type(shared)(np.asarray(shared.scale)[rows] if level.size else _of_rows(shared.scale, rows))
                for level, shared in zip(given.format.levels, given.levels, strict=True)
            )
            return Source(Blocks(given.format, np.asarray(given.elements)[rows], levels))
        outer = given.outer
        if outer is not None:
            outer = outer.each(lambda array: np.broadcast_to(array, self.rows)[rows])
        elements, scales = given.elements[rows], given.scales[rows]
        return Source(Operand(elements, scales, given.size, given.fraction, given.scale_fraction, outer))

    @property
    def operand(self) -> Operand:
        """The rows for the reference."""
        return self._whole

    def planes(self, begin: int, end: int, plain: bool) -> Planes:
        """Rows from `begin` to `end`, where nothing `asks` for the reference.

        plain : rule D1
        """
        rows, shared = slice(begin, end), self._shared(plain)
        shape = end - begin, self.length
        significands, exponents = np.empty(shape, np.int32), np.empty(shape, np.int32)
        kinds = shared.kinds[rows].copy()
        self._decode(rows, plain, significands, exponents, kinds)
        outer = shared.outer[:, rows]
        return Planes(
            significands,
            exponents,
            kinds,
            shared.scales[rows],
            shared.scale_exponents[rows],
            shared.scale_signs[rows],
            outer,
        )

    @cached_property
    def asks(self) -> str:
        """Why the reference must be asked (rule D4); "" where kernels read the rows."""
        outer = self._outer
        if outer is not None and outer.size and int(outer.significand.max()) >= 1 << _OUTER:
            return f"scales of the whole of more than {_OUTER} bits [D4]"
        if self._is_tabled:
            return ""
        for values, bits in ((self._whole.elements, _ELEMENT), (self._whole.scales, _SCALE)):
            if values.size and int(values.significand.max()) >= 1 << bits:
                return f"significands of more than {bits} bits [D4]"
        return ""

    @cached_property
    def longest(self) -> int:
        """Bits that no plain significand times its scale has more than."""
        if not self._is_tabled:
            values = self._whole.elements, self._whole.scales
            return sum(int(entry.significand.max(initial=0)).bit_length() for entry in values)
        format = self._blocks.format
        scales = [level.scale for level in format.levels if level.size]
        tables = (_table(entry, True)[0] for entry in (format.element, *scales))
        return sum(int(np.abs(sizes).max()).bit_length() for sizes in tables)

    @cached_property
    def _is_tabled(self) -> bool:
        return isinstance(self.given, Blocks) and _tabled(self.given.format)

    @cached_property
    def _whole(self) -> Operand:
        return self.given if isinstance(self.given, Operand) else operand(self.given)

    def _shared(self, plain: bool) -> Planes:
        """Scales of all rows, and what these make the kinds of rows; no elements."""
        if plain not in self._scales:
            if self._is_tabled:
                last = self._levels[-1][0]
                codes = self._codes(last)
                sizes, exponents, kinds, signs = (np.take(row, codes) for row in self._table(last, plain))
            else:
                scales = _odd(self._whole.scales) if plain else self._whole.scales
                sizes, exponents, kinds = scales.significand, scales.exponent, scales.kind
                signs = scales.negative
            arrays = (np.abs(sizes), exponents, signs)
            none = np.zeros((0, 0), np.int32)
            kinds = kinds.max(axis=1, initial=0).astype(np.uint8)
            wide = (np.ascontiguousarray(array.astype(np.int64)) for array in arrays)
            sizes, exponents, signs = wide
            outer = _outer(self._outer, self.rows)
            self._scales[plain] = Planes(none, none, kinds, sizes, exponents, signs, outer)
        return self._scales[plain]

    def _decode(self, rows: slice, plain: bool, significands: Array, exponents: Array, kinds: Array) -> None:
        from intsim.kernels.block_decode import decode_rows, plain_rows, scale_rows

        if not self._is_tabled:
            elements = self._whole.elements[rows]
            significands[:], exponents[:] = elements.signed, elements.exponent
            np.maximum(kinds, elements.kind.max(axis=1, initial=0), out=kinds)
            if plain:
                plain_rows(significands, exponents)
            return
        decode_rows(self._codes(None)[rows], self._table(None, plain), significands, exponents, kinds)
        for place, size in self._levels[:-1]:
            own = self._table(place, plain)
            scale_rows(self._codes(place)[rows], own, size, int(plain), significands, exponents, kinds)

    @property
    def _blocks(self) -> Blocks:
        assert isinstance(self.given, Blocks)
        return self.given

    @cached_property
    def _outer(self) -> Dyadic | None:
        if isinstance(self.given, Operand):
            return self.given.outer
        one = np.zeros((self.rows, 1), np.int64)
        levels = tuple(
            type(shared)(one if level.size else shared.scale)
            for level, shared in zip(self.given.format.levels, self.given.levels, strict=True)
        )
        return operand(Blocks(self.given.format, one, levels)).outer if self.has_outer else None

    def _table(self, place: int | None, plain: bool) -> Array:
        """The table of a level's scales, or of elements."""
        if (place, plain) not in self._tables:
            format = self._blocks.format
            entry = format.element if place is None else format.levels[place].scale
            self._tables[place, plain] = _table(entry, plain)
        return self._tables[place, plain]

    def _codes(self, place: int | None) -> Array:
        """The codes of a level, or of elements, checked once."""
        return self._checked[-1 if place is None else place]

    @cached_property
    def _checked(self) -> list[Array]:
        given = self._blocks
        levels = given.format.levels
        if len(given.levels) != len(levels):
            raise InputError(f"levels must be {len(levels)}, not {len(given.levels)}")
        found = []
        for place, (level, shared) in enumerate(zip(levels, given.levels, strict=True)):
            if level.size:
                wanted = (self.rows, -(-self.length // level.size))
                if np.shape(shared.scale) != wanted:
                    where = f"levels[{place}].scale"
                    raise InputError(f"{where} must have shape {wanted}, not {np.shape(shared.scale)}")
                found.append(_unsigned(shared.scale, level.scale))
            else:
                found.append(np.asarray(shared.scale))
        return [*found, _unsigned(given.elements, given.format.element)]


def source(given: Blocks | Operand) -> Source:
    """Rows of blocks.

    Raises
    ------
    InputError
        They have not two axes, or are none of a dot product (rule O3 of `operand`).
    """
    shape = np.shape(given.elements) if isinstance(given, Blocks) else given.elements.shape
    if len(shape) != 2:
        raise InputError(f"elements must have two axes, rows and K, not {len(shape)}")
    found = Source(given)
    _ = found.fraction  # refuses formats that are none of a dot product
    return found


def _of_rows(scale: Array, rows: Array) -> Array:
    """The scales of the whole of some rows."""
    given = np.asarray(scale)
    return given[rows] if given.ndim == 2 and given.shape[0] > 1 else given


def _unsigned(codes: Array, format: AnyFormat) -> Array:
    """Codes that all are some, as uint8 or uint16."""
    dtype = np.uint8 if format.bits <= 8 else np.uint16
    return np.ascontiguousarray(check_codes(codes, format.bits).astype(dtype, copy=False))


def _tabled(format: BlockFormat) -> bool:
    """Rule D3."""
    counted = [level.scale for level in format.levels if level.size]
    formats = (format.element, *counted)
    if len(counted) > 2 or any(entry.bits > _LARGEST for entry in formats):
        return False
    inner = [table(entry).significand.max() for entry in (format.element, *counted[:-1])]
    return sum(int(entry).bit_length() for entry in inner) <= _ELEMENT


_tables: dict[tuple[str, bool], Array] = {}


def _table(format: AnyFormat, plain: bool) -> Array:
    """int32 (4, 2**bits): significands with their signs, exponents, kinds, and 1 below zero or minus zero."""
    key = repr(format), plain
    if key not in _tables:
        values = table(format)
        if plain:
            values = _odd(values)
        rows = (values.signed, values.exponent, values.kind, values.negative)
        _tables[key] = np.stack([np.asarray(row, np.int64) for row in rows]).astype(np.int32)
    return _tables[key]


def _odd(values: Dyadic) -> Dyadic:
    """Rule D1."""
    last = values.significand & -values.significand
    down = np.array([int(entry).bit_length() - 1 for entry in last.ravel()]).reshape(last.shape)
    zero = values.significand == 0
    significand = np.where(zero, 0, values.significand >> np.maximum(down, 0))
    return Dyadic(values.negative, significand, np.where(zero, _FAR, values.exponent + down), values.kind)


def _outer(values: Dyadic | None, rows: int) -> Array:
    """int64 (4, rows), or (4, 0)."""
    if values is None:
        return np.zeros((4, 0), np.int64)
    parts = (values.negative, values.significand, values.exponent, values.kind)
    return np.stack([np.broadcast_to(np.asarray(part, np.int64), rows) for part in parts])


def storage(format: Minifloat | None) -> np.dtype[np.generic]:
    """The dtype of codes: the smallest unsigned one."""
    bits = 8 if format is None else format.bits
    return np.dtype(next(f"u{size}" for size in (1, 2, 4, 8) if bits <= 8 * size))
