"""`Discrete`: what every format whose entries are kept as integers has in common.

Rules
-----
D1. An entry of a tensor is an integer. Formats of integers keep the integer itself: -1 and +1 in `Bipolar`, a
    centroid in `Codebook`, in units of the format's last place. `coded` formats, whose values are no
    integers, keep the code: the bit pattern, with its NaN, infinities and minus zero.
D2. A code, as packings and files have it, is 0 to ``2**bits - 1``; of plain integers, the low bits in two's
    complement. `codes_of` and `entries_of` go from one to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from intsim.errors import InputError
from intsim.formats.codes import check_codes
from intsim.formats.dyadic import Dyadic, Kind
from intsim.record import Array, Record


class Discrete(Record):
    """A format of entries that are integers (rules D1 and D2).

    Subclasses have `bits`, and `min` and `max`, the smallest and the largest entry.
    """

    family: ClassVar[str] = "a number format"
    coded: ClassVar[bool] = False
    """Whether entries are bit patterns rather than integers one computes with."""

    if TYPE_CHECKING:  # fields, constants or properties, as the format has it

        @property
        def bits(self) -> int: ...

        @property
        def min(self) -> int: ...

        @property
        def max(self) -> int: ...

    @property
    def storage(self) -> np.dtype[Any]:
        """The narrowest numpy dtype that holds every entry."""
        negative = self.min < 0
        needed = max(~self.min, self.max).bit_length() + negative
        width = next(width for width in (8, 16, 32, 64) if width >= needed)
        return np.dtype(f"{'int' if negative else 'uint'}{width}")

    def holds(self, lo: int, hi: int) -> bool:
        """Whether `lo` to `hi` lies between the smallest and the largest entry."""
        return bool(self.min <= lo and hi <= self.max)

    def outside(self, values: Array) -> Array:
        """Where integer `values` (any integer dtype, or Python ints) are no entries: bool array."""
        if values.dtype.kind == "O":
            return np.asarray((values < self.min) | (values > self.max), dtype=bool)
        limits = np.iinfo(values.dtype)
        low = values < self.min if limits.min < self.min else np.zeros(values.shape, bool)
        return low | (values > self.max) if limits.max > self.max else low

    @property
    def spacing(self) -> int:
        """The largest integer that all differences of entries are multiples of: 2 for -1 and +1."""
        return 1

    def nearest(self, values: Array) -> Array:
        """The entries nearest to integers, the lower one of two, as Python ints."""
        return np.asarray(np.minimum(np.maximum(np.asarray(values, dtype=object), self.min), self.max))

    def codes_of(self, entries: Array) -> Array:
        """The codes of entries, as uint64 (rule D2)."""
        return np.asarray(entries).astype(np.int64).view(np.uint64) & np.uint64((1 << self.bits) - 1)

    def entries_of(self, codes: Array) -> Array:
        """The entries that codes stand for, in the format's storage.

        Raises
        ------
        InputError
            An integer is no code, or stands for nothing.
        """
        return check_codes(codes, self.bits).astype(self.storage)

    def __str__(self) -> str:
        from intsim.formats.table import name_of  # the table is made of formats

        return name_of(self) or repr(self)


class Listed(Discrete):
    """A discrete format of few integers, told apart by `decode`: what codes stand for is in no order."""

    if TYPE_CHECKING:

        @property
        def lsb(self) -> int: ...

    def decode(self, codes: Any) -> Dyadic:
        """The values of codes."""
        raise NotImplementedError

    def outside(self, values: Array) -> Array:
        return ~np.isin(values, self.listed()[0])

    @property
    def spacing(self) -> int:
        return int(np.gcd.reduce(np.diff(np.sort(self.listed()[0]))))

    def nearest(self, values: Array) -> Array:
        entries = np.sort(self.listed()[0]).astype(object)
        wanted = np.asarray(super().nearest(values), dtype=object)
        place = np.searchsorted(entries, wanted)
        above, below = entries[place], entries[np.maximum(place - 1, 0)]
        return np.where(above - wanted < wanted - below, above, np.where(above == wanted, above, below))

    def codes_of(self, entries: Array) -> Array:
        listed, codes = self.listed()
        order = np.argsort(listed)
        return codes[order][np.searchsorted(listed[order], np.asarray(entries).astype(np.int64))]

    def entries_of(self, codes: Array) -> Array:
        values = self.decode(codes)
        if (values.kind == Kind.NAN).any():
            wrong = np.asarray(codes)[values.kind == Kind.NAN].flat[0]
            raise InputError(f"codes of {self} must stand for something, not {int(wrong)}")
        return values.integers(self.lsb).astype(self.storage)

    def listed(self) -> tuple[Array, Array]:
        """Every entry, and its code."""
        codes = np.arange(1 << self.bits, dtype=np.uint64)
        values = self.decode(codes)
        there = values.kind == Kind.FINITE
        return values[there].integers(self.lsb), codes[there]
