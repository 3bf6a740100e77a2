"""Records into HDF5 groups, as the rules of `kinds` say."""

from __future__ import annotations

from enum import Enum
from operator import attrgetter
from typing import Any, get_args

import h5py
import numpy as np

from intsim.errors import FileError, Finding
from intsim.formats.table import name_of
from intsim.record import Array, Record, conform, describe, schema
from intsim.storage import kinds
from intsim.storage.packed import packed


def write_fields(group: h5py.Group, record: Record) -> None:
    """Write every field of a record into a group."""
    for entry, annotation in schema(type(record)):  # type: ignore[arg-type]
        value, format = getattr(record, entry.name), entry.metadata["format"]
        narrow = None if format is None else packed(value, attrgetter(format)(record))
        if narrow is None:
            write_value(group, entry.name, annotation, value)
        else:
            write_fields(group.create_group(entry.name), narrow)


def write_value(group: h5py.Group, name: str, annotation: Any, value: Any) -> None:
    """Write one field's value into a group.

    Raises
    ------
    FileError
        The value is beyond what HDF5 holds: an integer beyond 64 bits, a text with NUL in it.
    """
    if value is None:
        return  # rule K7
    where = f"{group.name}.{name}"
    arm = _arm(where, annotation, value)
    if kinds.is_format(arm):
        _write_block(group, name, _block(where, str, str(value)))
    elif kinds.is_scalar(arm):
        _write_block(group, name, _block(where, arm, value))
    elif kinds.is_array(arm):
        group.create_dataset(name, data=value)
    elif kinds.leaf(arm) is not None:
        _write_block(group, name, _block(where, kinds.leaf(arm), value))
    elif kinds.is_named(arm) and (known := name_of(value)) is not None:
        _write_block(group, name, _block(where, str, known))
    elif kinds.is_record(arm):
        inside = group.create_group(name)
        if sum(map(kinds.is_record, kinds.arms(annotation))) > 1:
            write_value(inside, "type", str, type(value).__name__)
        write_fields(inside, value)
    else:
        _write_numbered(group.create_group(name), arm, value)


def _arm(where: str, annotation: Any, value: Any) -> Any:
    """Which of the types that a field allows the value has."""
    for arm in kinds.arms(annotation):
        if kinds.is_array(arm):
            fits = isinstance(value, np.ndarray)
        elif isinstance(value, Record):
            fits = type(value) is arm
        else:
            fits = _conforms(arm, value)
        if fits:
            return arm
    raise FileError(
        Finding(where, f"must be {describe(annotation)} to be stored, not {type(value).__name__}")
    )


def _conforms(arm: Any, value: Any) -> bool:
    try:
        conform(arm, value)
    except (TypeError, ValueError):
        return False
    return True


def _block(where: str, leaf: Any, value: Any) -> Array:
    """A scalar, or lists of them, as an array of one HDF5 type."""
    if leaf is bool or leaf is float:
        return np.array(value, dtype=np.float64 if leaf is float else np.bool_)
    if leaf is int:
        entries = np.array(value, dtype=object)
        low, high = min(entries.flat, default=0), max(entries.flat, default=0)
        if low < -(2**63) or high >= 2**64 or (low < 0 and high >= 2**63):
            raise FileError(Finding(where, f"must fit 64 bits to be stored, not {low} to {high}"))
        return entries.astype(np.uint64 if high >= 2**63 else np.int64)
    return _texts(where, np.array(value, dtype=object))


def _texts(where: str, texts: Array) -> Array:
    """Texts as UTF-8 of one length, as HDF5 keeps in place (texts of varying length lie in a shared heap)."""
    encoded = []
    for entry in texts.flat:
        text = entry.name.lower() if isinstance(entry, Enum) else entry
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise FileError(Finding(where, "must be Unicode without NUL to be stored"))
        encoded.append(text.encode())
    length = max(map(len, encoded), default=0)
    return np.array(encoded, dtype=h5py.string_dtype(length=max(length, 1))).reshape(texts.shape)


def _write_block(group: h5py.Group, name: str, block: Array) -> None:
    """Rule K4."""
    if block.nbytes > kinds.LARGEST:
        group.create_dataset(name, data=block)
    else:
        group.attrs.create(name, block, dtype=block.dtype)


def _write_numbered(group: h5py.Group, arm: Any, value: tuple[Any, ...]) -> None:
    entries = get_args(arm)
    if len(entries) == 2 and entries[1] is Ellipsis:
        entries = (entries[0],) * len(value)
    for index, (annotation, entry) in enumerate(zip(entries, value, strict=True)):
        if entry is None:
            raise FileError(Finding(f"{group.name}.{index}", "entries of lists must not be nothing"))
        write_value(group, str(index), annotation, entry)
