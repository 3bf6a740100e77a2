"""``.npy`` and ``.npz`` files, read without unpickling anything and without trusting a declared size.

Rules
-----
Y1. Elements are booleans, integers or floats; nothing is unpickled.
Y2. A ``.npy`` file holds exactly the bytes that its header's shape and type come to.
Y3. What the members of a ``.npz`` file unfold to is told by the archive's directory, and read no further
    than that; members that are compressed come to no more than `COMPRESSED_LIMIT` bytes together, the
    others to no more than the file has.
"""

from __future__ import annotations

import math
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from intsim.errors import FileError, Finding
from intsim.record import Array
from intsim.storage.atomic import reason
from intsim.storage.hdf5 import COMPRESSED_LIMIT, Budget

_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    SyntaxError,
    KeyError,
    OverflowError,
    MemoryError,
    RecursionError,
    RuntimeError,
    tokenize.TokenError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """What numpy, zipfile or the system says no to becomes a FileError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FileError:
        raise
    except _ERRORS as error:
        raise FileError(Finding(where, f"cannot be read: {reason(error)}")) from error


def npy_array(path: Path) -> Array:
    """The array of a ``.npy`` file, mapped into memory rather than read (rules Y1 and Y2)."""
    where = str(path)
    with _reading(where):
        if not path.is_file() and path.exists():
            raise FileError(Finding(where, "must be a regular file"))
        with open(path, "rb") as file:
            shape, fortran, dtype = _header(file, where)
            begin = file.tell()
            size = math.prod(shape) * dtype.itemsize
            _check_size(where, shape, dtype, size, os.fstat(file.fileno()).st_size - begin)
        if size == 0:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype, "r", begin, shape, "F" if fortran else "C")


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Rule Y1, from the header alone."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise FileError(Finding(where, f"must be of version 1.0 or 2.0, not {version[0]}.{version[1]}. [Y1]"))
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject or dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise FileError(Finding(where, f"must hold booleans, integers or floats, not {dtype}. [Y1]"))
    if any(extent < 0 for extent in shape):
        raise FileError(Finding(where, f"shape must not be negative, not {shape}. [Y1]"))
    return tuple(shape), fortran, dtype


def _check_size(where: str, shape: tuple[int, ...], dtype: np.dtype[Any], size: int, there: int) -> None:
    """Rule Y2."""
    if size != there:
        rule = f"must hold the {size} bytes of {dtype}{list(shape)}"
        raise FileError(Finding(where, f"{rule}, not {there}. [Y2]"))


@contextmanager
def npz_members(path: Path) -> Iterator[Mapping[str, Callable[[], Array]]]:
    """The arrays of a ``.npz`` file by name, each read when it is called (rules Y1 to Y3)."""
    where = str(path)
    with _reading(where):
        if not path.is_file() and path.exists():
            raise FileError(Finding(where, "must be a regular file"))
        archive = zipfile.ZipFile(path)
    try:
        with _reading(where):
            entries = _entries(archive, where)
        yield {name: partial(_member, archive, info, where) for name, info in entries.items()}
    finally:
        archive.close()


def _entries(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Rule Y3, from the directory alone."""
    budget = Budget(os.path.getsize(where), COMPRESSED_LIMIT)
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        place = f"{where}:{name}"
        if name == info.filename or name in entries:
            raise FileError(Finding(f"{where}:{info.filename}", "must be a .npy file, once"))
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(Finding(place, "must be stored or deflated, and not encrypted. [Y3]"))
        compressed = info.compress_type == zipfile.ZIP_DEFLATED
        if not compressed and info.file_size != info.compress_size:
            raise FileError(
                Finding(place, f"must hold {info.file_size} bytes, not {info.compress_size}. [Y3]")
            )
        budget.take(place, info.file_size, compressed)
        entries[name] = info
    return entries


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Array:
    place = f"{where}:{info.filename.removesuffix('.npy')}"
    with _reading(place), archive.open(info) as file:
        shape, fortran, dtype = _header(file, place)
        size = math.prod(shape) * dtype.itemsize
        _check_size(place, shape, dtype, size, info.file_size - file.tell())
        content = file.read(size)  # up to the end, where zipfile looks at the checksum
        _check_size(place, shape, dtype, size, len(content))
        flat = np.frombuffer(content, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
