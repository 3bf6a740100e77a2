"""What one stored value may be: its type, its extent, its layout, and how many bytes of it there are.

The rules H1 to H4 are told in `hdf5`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from h5py import h5d, h5s, h5t, h5z

from intsim.errors import FileError, Finding
from intsim.record import Array

_PLAIN = {h5z.FILTER_FLETCHER32}
_PACKED = _PLAIN | {h5z.FILTER_DEFLATE, h5z.FILTER_LZF, h5z.FILTER_SHUFFLE}
_REFUSED_TYPES = {
    h5t.COMPOUND: "compound",
    h5t.REFERENCE: "references",
    h5t.VLEN: "lists of varying length",
    h5t.ARRAY: "arrays inside elements",
    h5t.OPAQUE: "opaque bytes",
    h5t.ENUM: "enumerated",
    h5t.BITFIELD: "bit fields",
    h5t.TIME: "times",
}


def check_type(stored: Any, where: str) -> None:
    """Rule H2."""
    kind = stored.get_class()
    if kind == h5t.ENUM and stored.dtype == bool:
        return
    if kind in _REFUSED_TYPES:
        raise FileError(Finding(where, f"must be plain numbers or texts, not {_REFUSED_TYPES[kind]}. [H2]"))
    if kind == h5t.INTEGER:
        whole = stored.get_size() in (1, 2, 4, 8) and stored.get_precision() == 8 * stored.get_size()
    elif kind == h5t.FLOAT:
        ieee = (h5t.IEEE_F32LE, h5t.IEEE_F32BE, h5t.IEEE_F64LE, h5t.IEEE_F64BE)
        whole = any(stored.equal(other) for other in ieee)
    elif kind == h5t.STRING and stored.is_variable_str():
        hint = "In h5py: numpy.bytes_(text), or an array of them"
        raise FileError(Finding(where, f"must be text of a fixed length. {hint}. [H2]"))
    else:
        whole = kind == h5t.STRING
    if not whole:
        raise FileError(
            Finding(where, "must be integers of 8, 16, 32 or 64 bits, float32, float64 or texts. [H2]")
        )


def extent_of(space: Any, where: str) -> tuple[int, ...]:
    if space.get_simple_extent_type() == h5s.NULL:
        raise FileError(Finding(where, "must have a value, not an empty dataspace. [H2]"))
    return tuple(space.shape)


def check_layout(id: Any, where: str, allow_compressed: bool) -> bool:
    """Rules H1 and H4; whether the array is compressed."""
    plist = id.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise FileError(Finding(where, "must be stored here, not a virtual dataset. [H1]"))
    if plist.get_external_count():
        raise FileError(Finding(where, "must be stored here, not in an external file. [H1]"))
    filters = [plist.get_filter(index) for index in range(plist.get_nfilters())]
    for code, _, _, name in filters:
        if code not in (_PACKED if allow_compressed else _PLAIN):
            said = name.decode("utf-8", "replace") or f"filter {code}"
            hint = "`h5repack -f NONE` takes it off"
            raise FileError(Finding(where, f"must be stored without the filter {said}; {hint}. [H4]"))
    return any(code not in _PLAIN for code, *_ in filters)


def stored_bytes(id: Any, shape: tuple[int, ...], where: str) -> int:
    """Rule H3: the bytes that an array takes, once all of them are known to be stored."""
    element = id.get_type().get_size()
    size: int = math.prod(shape) * element
    if size == 0:
        return 0
    plist = id.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED:
        there = id.get_storage_size()
        if there != size:
            raise FileError(Finding(where, f"must hold the {size} bytes of {shape}, not {there}. [H3]"))
        return size
    chunk = plist.get_chunk()
    chunks = math.prod(-(-extent // step) for extent, step in zip(shape, chunk, strict=True))
    if id.get_num_chunks() != chunks:
        raise FileError(
            Finding(where, f"must hold the {chunks} chunks of {shape}, not {id.get_num_chunks()}. [H3]")
        )
    whole: int = chunks * math.prod(chunk) * element
    return whole


def decoded(value: Any, where: str) -> Array:
    """What h5py gave, as an array in the machine's byte order, or one of str."""
    array = np.asarray(value)
    if array.dtype.kind != "S":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    texts = np.empty(array.shape, dtype=object)
    for index, entry in np.ndenumerate(array):
        try:
            texts[index] = entry.decode("utf-8")
        except UnicodeDecodeError:
            raise FileError(Finding(where, "texts must be UTF-8")) from None
    return texts
