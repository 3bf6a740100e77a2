"""HDF5 objects read with care: nothing is followed, allocated or interpreted before it is checked.

Rules
-----
H1. Everything lies in the file itself, under one name: soft, external and user-defined links, second hard
    links, external storage and virtual datasets are refused.
H2. Types are whole integers of 8 to 64 bits, IEEE float32 and float64, texts of a fixed length in UTF-8,
    and h5py's booleans. Compound, reference, array, opaque and enumerated types are refused, and so is
    all that varies in length, texts too: it lies in a heap without checksums, whose sizes the HDF5
    library takes on trust.
H3. An array is stored whole: as many bytes as its shape says, and all arrays together no more than the
    file has. Nothing is allocated before that is known.
H4. No filter but fletcher32; compressed arrays only where the caller allows them, to a stated size.
H5. Whatever the HDF5 library says no to becomes a FileError that names the HDF5 path.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5g, h5l, h5o

from intsim.errors import FileError, Finding
from intsim.record import Array
from intsim.storage.atomic import reason
from intsim.storage.findings import Collector, in_file
from intsim.storage.stored import check_layout, check_type, decoded, extent_of, stored_bytes

COMPRESSED_LIMIT = 1 << 30
"""Bytes that the compressed arrays of one file may unfold to, where compression is allowed at all."""

_LIBRARY_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
_REFUSED_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "an external link"}


class Budget:
    """Rule H3 over a whole file: how many bytes arrays may still take."""

    def __init__(self, size: int, compressed: int) -> None:
        self._plain, self._compressed = size, compressed
        self.allows_compressed = compressed > 0

    def take(self, where: str, size: int, compressed: bool = False, count: bool = True) -> None:
        """Refuse a value of `size` bytes that there is no room for, else count it (or only look)."""
        left = self._compressed if compressed else self._plain
        if size > left:
            rule = f"must fit the {left} bytes that the file has left"
            if compressed:
                rule = f"must unfold to at most {left} of {COMPRESSED_LIMIT} bytes, or be stored uncompressed"
            raise FileError(Finding(where, f"{rule}, not {size} bytes. [H3]"))
        if compressed:
            self._compressed -= size
        elif count:
            self._plain -= size


@contextmanager
def library(where: str) -> Iterator[None]:
    """Rule H5 around calls of the HDF5 library."""
    try:
        yield
    except FileError:
        raise
    except _LIBRARY_ERRORS as error:
        raise FileError(Finding(where, f"cannot be read: {reason(error)}. [H5]")) from error


@contextmanager
def opened(path: str | os.PathLike[str], allow_compressed: bool = False) -> Iterator[Place]:
    """The root of a file, open while the block lasts.

    Raises
    ------
    FileError
        There is no such regular file, or it is no HDF5 file, or it is damaged.
    """
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):
            raise FileError(Finding(str(path), "must be a regular file"))
        file = h5py.File(path, "r")
    except FileError:
        raise
    except _LIBRARY_ERRORS as error:
        raise FileError(Finding(str(path), _why_not_open(error))) from error
    try:
        budget = Budget(found.st_size, COMPRESSED_LIMIT if allow_compressed else 0)
        try:
            with library("/"):
                id = h5g.open(file.id, b"/")
            root = Place(id, "/", budget)
        except FileError as error:
            raise in_file(str(path), error) from None
        yield root
    finally:
        with library(str(path)):
            file.close()


def _why_not_open(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read: {reason(error)}"
    return f"must be a whole HDF5 file: {reason(error)}"


class Place:
    """One group of a file, with what is in it by name.

    path : its HDF5 path
    attributes : names
    arrays, groups : names of the datasets and of the groups in it
    """

    def __init__(self, id: Any, path: str, budget: Budget) -> None:
        self._id, self.path, self._budget = id, path, budget
        self.arrays: list[str] = []
        self.groups: list[str] = []
        found = Collector()
        with library(path):
            self.attributes = _attribute_names(id, path, found)
            for raw in sorted(id):
                self._sort_in(raw, found)
        found.check()

    def at(self, name: str) -> str:
        """The HDF5 path of a group or dataset in here."""
        return f"{self.path.rstrip('/')}/{name}"

    def field(self, name: str) -> str:
        """How messages name a field of this group, be it an attribute or not."""
        return f"{self.path}.{name}"

    def group(self, name: str) -> Place:
        """The group of this name."""
        with library(self.at(name)):
            return Place(h5o.open(self._id, name.encode()), self.at(name), self._budget)

    def attribute(self, name: str) -> Array:
        """An attribute's numbers, or its texts as an object array of str."""
        where = self.field(name)
        with library(where):
            attribute = h5a.open(self._id, name.encode())
            kind = attribute.get_type()
            check_type(kind, where)
            shape = extent_of(attribute.get_space(), where)
            self._budget.take(where, math.prod(shape) * kind.get_size(), count=False)
            values = np.empty(shape, kind.dtype)
            attribute.read(values)
            return decoded(values, where)

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset that is safe to read as a whole (rules H1 to H4)."""
        where = self.at(name)
        with library(where):
            id = h5o.open(self._id, name.encode())
            check_type(id.get_type(), where)
            shape = extent_of(id.get_space(), where)
            compressed = check_layout(id, where, self._budget.allows_compressed)
            self._budget.take(where, stored_bytes(id, shape, where), compressed)
            return h5py.Dataset(id)

    def array(self, name: str) -> Array:
        """A dataset's numbers, or its texts as an object array of str."""
        where = self.at(name)
        dataset = self.dataset(name)
        with library(where):
            for extra in _attribute_names(dataset.id, where, Collector()):
                raise FileError(Finding(f"{where}.{extra}", "attribute is unknown"))
            return decoded(dataset[()], where)

    def _sort_in(self, raw: bytes, found: Collector) -> None:
        """Put a link's name in its list (rule H1)."""
        name = raw.decode("utf-8", "replace")
        where = self.at(name)
        kind = self._id.links.get_info(raw).type
        if name.encode() != raw:
            found.add(where, "name must be UTF-8")
        elif kind != h5l.TYPE_HARD:
            found.add(where, f"must be in the file, not {_REFUSED_LINKS.get(kind, 'a user link')}. [H1]")
        else:
            info = h5o.get_info(self._id, raw)
            if info.rc != 1:
                found.add(where, f"must have one name, not {info.rc} (hard links). [H1]")
            elif info.type == h5o.TYPE_GROUP:
                self.groups.append(name)
            elif info.type == h5o.TYPE_DATASET:
                self.arrays.append(name)
            else:
                found.add(where, "must be a group or a dataset, not a named type. [H1]")


def _attribute_names(id: Any, where: str, found: Collector) -> list[str]:
    names: list[str] = []
    raws: list[bytes | str] = []
    h5a.iterate(id, raws.append)
    for raw in raws:
        name = raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            found.add(where, "attributes must have names in UTF-8")
        else:
            names.append(name)
    return sorted(names)
