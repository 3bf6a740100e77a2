"""Guarded access to a flatbuffer: no read leaves the file, and all reads together are bounded.

The schema's generated accessors trust the file. Here every accessor's table is replaced by one that
checks each offset and each length against the file first, and that charges what it reads to a budget:
a file whose parts lie over each other again and again would otherwise unfold into more than memory holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from flatbuffers import encode
from flatbuffers import number_types as types
from flatbuffers.table import Table

from intsim.errors import FileError

_HEADER = 4  # bytes of an offset, and of a vector's length
_TABLE_COST = 64  # charged for every table visited; about what the object that describes it costs
_REREAD = 16  # how often a file's bytes may be read; writers share strings and buffers, a few times
_FREE = 1 << 20


class Damage(Exception):  # noqa: N818 - an event, turned into a FileError by the reader
    """A part of the file is not where, or not what, it should be."""


class Budget:
    """The file's bytes, and how many more of them may be read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = _REREAD * len(data) + _FREE

    def charge(self, count: int) -> None:
        """Count bytes as read, or raise `Damage`."""
        self.left -= count
        if self.left < 0:
            raise Damage("its parts must not lie over each other; reading them all never ends")

    def span(self, start: int, count: int, what: str) -> None:
        """Check that `count` bytes from `start` are in the file, and charge them."""
        if start < 0 or count < 0 or start + count > len(self.data):
            raise Damage(
                f"{what} must lie within the file's {len(self.data)} bytes,"
                f" not at {start} to {start + count}; the file is cut or damaged"
            )
        self.charge(count)


class CheckedTable(Table):  # type: ignore[misc]
    """A flatbuffer table that looks before it reads."""

    __slots__ = ("budget",)

    def __init__(self, budget: Budget, position: int) -> None:
        budget.span(position, _HEADER, "a table")
        budget.charge(_TABLE_COST)
        super().__init__(budget.data, position)
        self.budget = budget
        vtable = position - self.Get(types.SOffsetTFlags, position)
        budget.span(vtable, 2, "a table's layout")
        budget.span(vtable, self.Get(types.VOffsetTFlags, vtable), "a table's layout")

    def Get(self, flags: Any, off: int) -> Any:  # noqa: N802 - the library's name
        """A number at a place."""
        self.budget.span(off, flags.bytewidth, "a number")
        return super().Get(flags, off)

    def Indirect(self, off: int) -> int:  # noqa: N802
        """Where an offset points; a number must be there, at the least."""
        place = int(off + self.Get(types.UOffsetTFlags, off))
        self.budget.span(place, _HEADER, "a part")
        return place

    def String(self, off: int) -> bytes:  # noqa: N802
        """A text, which a zero byte must follow."""
        start = self.Indirect(off)
        length = self.Get(types.UOffsetTFlags, start)
        self.budget.span(start + _HEADER, length + 1, "a text")
        return bytes(self.Bytes[start + _HEADER : start + _HEADER + length])

    def VectorLen(self, off: int) -> int:  # noqa: N802
        """How many entries a vector has; each takes a byte at the least."""
        start = self.Indirect(off + self.Pos)
        length = int(self.Get(types.UOffsetTFlags, start))
        if start + _HEADER + length > len(self.Bytes):
            raise Damage(f"a list of {length} entries must lie within the file; the file is cut or damaged")
        return length

    def Vector(self, off: int) -> int:  # noqa: N802
        """Where a vector's entries begin."""
        return self.Indirect(off + self.Pos) + _HEADER

    def GetVectorAsNumpy(self, flags: Any, off: int) -> np.ndarray[Any, Any]:  # noqa: N802
        """A vector of numbers, a view of the file."""
        length, start = self.VectorLen(off), self.Vector(off)
        self.budget.span(start, length * flags.bytewidth, f"a list of {length} numbers")
        array: np.ndarray[Any, Any] = encode.GetVectorAsNumpy(
            types.to_numpy_type(flags), self.Bytes, length, start
        )
        return array


def guard(accessor: Any, budget: Budget) -> Any:
    """The same accessor, on a checked table."""
    accessor._tab = CheckedTable(budget, accessor._tab.Pos)
    return accessor


def root(kind: Any, budget: Budget) -> Any:
    """The file's root table, as the accessor class `kind`."""
    budget.span(0, _HEADER, "the file's head")
    accessor = kind()
    accessor._tab = CheckedTable(budget, int(struct.unpack_from("<I", budget.data, 0)[0]))
    return accessor


def child(accessor: Any, field: str) -> Any:
    """The table in a field, or None."""
    found = getattr(accessor, field)()
    return None if found is None else guard(found, accessor._tab.budget)


def children(accessor: Any, field: str) -> Iterator[Any]:
    """The tables in a field, in order."""
    budget: Budget = accessor._tab.budget
    length = getattr(accessor, f"{field}Length")()
    budget.charge(_HEADER * length)
    for index in range(length):
        yield guard(getattr(accessor, field)(index), budget)


def numbers(accessor: Any, field: str) -> np.ndarray[Any, Any]:
    """The numbers in a field; none where the field is absent."""
    if getattr(accessor, f"{field}IsNone")():
        return np.zeros(0, np.int64)
    return np.asarray(getattr(accessor, f"{field}AsNumpy")())


def text(accessor: Any, field: str) -> str:
    """The text in a field; empty where the field is absent."""
    raw = getattr(accessor, field)()
    try:
        return (raw or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise Damage(f"a name must be UTF-8, not {raw[:40]!r}") from None


def damaged(where: str, what: object) -> FileError:
    """What a reader raises."""
    return FileError(f"{where}: not a readable .tflite file: {what}")
