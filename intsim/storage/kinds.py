"""How a field's type is kept in HDF5: the one table that the writer and the reader share.

Rules
-----
K1. int, bool, float, str and choices are attributes; a choice is its name in lower case.
K2. A number format is an attribute that holds its name, where it has one: int8, float32, bipolar, e4m3, mxfp4
    (`intsim formats` lists them). Any other format is a record (K5).
K3. An array is a dataset. Entries of a format of 1, 2, 4 or 6 bits are packed instead: a group with the
    attributes `packing` (bits, two-bit, nibbles, six-bit) and `shape`, and a dataset `bytes` (uint8) of their
    codes in C order, one stream. A dataset of the entries themselves is read as well.
K4. A list of K1's, or of equally long lists of them, is an attribute. What takes more than 32 KiB is a
    dataset instead, because HDF5 holds an attribute in 64 KiB.
K5. A record is a group; where a field allows several kinds of record, its attribute ``type`` says which.
K6. Any other list is a group of entries named 0, 1, 2, ...
K7. A field that is nothing (None) is absent. Every other field is written, defaults too.
"""

from __future__ import annotations

import functools
import types
import typing
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from intsim.formats import BlockFormat, Discrete, IntFormat, RealFormat
from intsim.record import Record, describe

LARGEST = 32 << 10
"""Bytes of a value that is kept as an attribute (rule K4)."""


@functools.cache
def arms(annotation: Any) -> tuple[Any, ...]:
    """The types that a field may have, None left out."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(arm for arm in get_args(annotation) if arm is not type(None))
    return (annotation,)


@functools.cache
def optional(annotation: Any) -> bool:
    """Whether the field may be nothing (rule K7)."""
    is_union = get_origin(annotation) in (typing.Union, types.UnionType)
    return is_union and type(None) in get_args(annotation)


@functools.cache
def is_scalar(annotation: Any) -> bool:
    """Rule K1."""
    return annotation in (int, bool, float, str) or (
        isinstance(annotation, type) and issubclass(annotation, Enum)
    )


@functools.cache
def is_format(annotation: Any) -> bool:
    """Rule K2: every one of them has a name."""
    return annotation in (IntFormat, RealFormat)


def is_named(annotation: Any) -> bool:
    """Rule K2: some of them have a name; they are records too."""
    return annotation is not IntFormat and _is_class(annotation, (Discrete, BlockFormat))


@functools.cache
def is_array(annotation: Any) -> bool:
    """Rule K3."""
    return get_origin(annotation) is Annotated


@functools.cache
def is_record(annotation: Any) -> bool:
    """Rule K5."""
    return _is_class(annotation, Record) and not is_format(annotation)


def _is_class(annotation: Any, of: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, of)


@functools.cache
def is_list(annotation: Any) -> bool:
    """Rule K4 or K6."""
    return get_origin(annotation) is tuple


@functools.cache
def leaf(annotation: Any) -> Any:
    """The type of the entries of a list that rule K4 keeps as one block, else None."""
    if not is_list(annotation):
        return None
    entries = get_args(annotation)
    if len(entries) == 2 and entries[1] is Ellipsis:
        return _block(entries[0])
    return _block(entries[0]) if len(set(entries)) == 1 else None


@functools.cache
def kept(annotation: Any) -> str:
    """What a field must be and where it is kept, in the words of messages and help."""
    said = []
    for arm in arms(annotation):
        if is_format(arm):
            word = "the name of a format (an attribute: int8, uint4, float32, ...)"
            said += [] if word in said else [word]
        elif is_named(arm):
            word = "the name of a format (an attribute), or one as a group"
            said += [] if word in said else [word]
        elif is_scalar(arm) or leaf(arm) is not None:
            said.append(f"{describe(arm)} (an attribute)")
        else:
            said.append(f"{describe(arm)} (a {'dataset' if is_array(arm) else 'group'})")
    return " or ".join(said)


def records(annotation: Any) -> tuple[type[Record], ...]:
    """The kinds of record that a field may hold, lists looked into."""
    if is_record(annotation):
        return (annotation,)
    inside = arms(annotation) if get_origin(annotation) is not tuple else get_args(annotation)
    if len(inside) == 1 and inside[0] is annotation:
        return ()
    return tuple(record for entry in inside if entry is not Ellipsis for record in records(entry))


def _block(entry: Any) -> Any:
    if is_scalar(entry):
        return entry
    return leaf(entry) if is_list(entry) and Ellipsis not in get_args(entry) else None
