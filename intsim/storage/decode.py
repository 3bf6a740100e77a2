"""HDF5 groups into records, as the rules of `kinds` say; what is unknown or missing is refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from operator import attrgetter
from typing import Any, TypeVar, get_args

import numpy as np

from intsim.errors import FileError, Finding, SpecError
from intsim.formats import Discrete, IntFormat, RealFormat
from intsim.formats.table import FORMATS
from intsim.record import Array, Record, schema
from intsim.storage import kinds
from intsim.storage.findings import Collector
from intsim.storage.hdf5 import Place
from intsim.storage.packed import Packed, unpacked

_DEEPEST = 32  # groups inside groups; an accumulator's registers are the deepest that makes sense

AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_record(
    place: Place, record: type[AnyRecord], beside: Collection[str] = (), groups: Collection[str] = ()
) -> AnyRecord:
    """The record that a group holds.

    Parameters
    ----------
    place : the group
    record : its class
    beside : fields in the group that are somebody else's
    groups : groups in it that are somebody else's

    Raises
    ------
    FileError
        With every finding in the group and in what is inside it.
    """
    return build(place, record, read_fields(place, record, beside, groups))


def build(place: Place, record: type[AnyRecord], values: dict[str, Any]) -> AnyRecord:
    """The record made of values read from `place`; its own rules are told with the HDF5 path."""
    try:
        return record(**values)
    except SpecError as error:
        kind = record.kind or record.__name__
        raise FileError(_relocate(finding, kind, place.path) for finding in error.findings) from None


def read_fields(
    place: Place, record: type[Record], beside: Collection[str] = (), groups: Collection[str] = ()
) -> dict[str, Any]:
    """The values of a record's fields, before the record's own rules are looked at."""
    found = Collector()
    values: dict[str, Any] = {}
    fields = schema(record)  # type: ignore[arg-type]
    known = {entry.name for entry, _ in fields}
    for name in unknown(place, known | set(beside), groups):
        said = record.kind or record.__name__
        listed = ", ".join(entry.name for entry, _ in fields) or "none"
        found.add(place.field(name), f"must be a field of {said} ({listed}), not {name!r}")
    for entry, annotation in fields:
        with found.noting():
            packable = entry.metadata["format"] is not None and entry.name in place.groups
            values[entry.name] = read_value(place, entry.name, Packed if packable else annotation)
    found.check()
    for entry, _ in fields:
        if not isinstance(values[entry.name], Packed):
            continue
        first, _, rest = entry.metadata["format"].partition(".")
        format = attrgetter(rest)(values[first]) if rest else values[first]
        if isinstance(format, Discrete):
            values[entry.name] = unpacked(values[entry.name], format, place.at(entry.name))
    return values


def unknown(place: Place, known: Collection[str], groups: Collection[str]) -> list[str]:
    """Names in a group that are neither known fields, of whatever kind, nor known groups."""
    others = [name for name in place.groups if name not in groups]
    return [name for name in (*place.attributes, *place.arrays, *others) if name not in known]


def read_value(place: Place, name: str, annotation: Any) -> Any:
    """One field's value.

    Raises
    ------
    FileError
        It is missing, there twice, or of another kind than `annotation` allows.
    """
    homes = [name in names for names in (place.attributes, place.arrays, place.groups)]
    wanted = kinds.kept(annotation)
    if sum(homes) > 1:
        raise FileError(Finding(place.field(name), "must be there once, not in several ways"))
    if homes[0]:
        return _from_attribute(place, name, annotation, wanted)
    if homes[1]:
        return _from_dataset(place, name, annotation, wanted)
    if homes[2]:
        return _from_group(place, name, annotation, wanted)
    if kinds.optional(annotation):
        return None
    raise FileError(Finding(place.field(name), f"must be {wanted}, not missing"))


def _from_attribute(place: Place, name: str, annotation: Any, wanted: str) -> Any:
    return _from_block(place.field(name), place.attribute(name), annotation, wanted)


def _from_block(where: str, block: Array, annotation: Any, wanted: str) -> Any:
    """A scalar or a list, in Python's types; `Record` checks what is inside."""
    scalars = [arm for arm in kinds.arms(annotation) if kinds.is_scalar(arm) or _has_name(arm)]
    lists = [arm for arm in kinds.arms(annotation) if kinds.leaf(arm) is not None]
    if block.ndim or (lists and not scalars):  # a list of one may be written without its axis
        if not lists:
            raise FileError(Finding(where, f"must be {wanted}, not of shape {block.shape}"))
        return _as_list(np.atleast_1d(block), lists[0])
    if not scalars:
        raise FileError(Finding(where, f"must be {wanted}, not an attribute"))
    value = block.item()
    if isinstance(value, str) and any(map(_has_name, scalars)):
        return _format(where, value, scalars)
    return _truth(value) if bool in scalars and int not in scalars else value


def _from_dataset(place: Place, name: str, annotation: Any, wanted: str) -> Any:
    for arm in kinds.arms(annotation):
        if kinds.is_array(arm):
            return place.array(name)
        if kinds.is_scalar(arm) or kinds.leaf(arm) is not None:
            return _from_block(place.field(name), place.array(name), annotation, wanted)
    raise FileError(Finding(place.field(name), f"must be {wanted}, not a dataset"))


def _from_group(place: Place, name: str, annotation: Any, wanted: str) -> Any:
    if place.path.count("/") > _DEEPEST:
        raise FileError(Finding(place.at(name), f"must not lie deeper than {_DEEPEST} groups"))
    records = {arm.__name__: arm for arm in kinds.arms(annotation) if kinds.is_record(arm)}
    if records:
        inside = place.group(name)
        if len(records) == 1:
            return read_record(inside, *records.values())
        return read_record(inside, _type(inside, records), ("type",))
    for arm in kinds.arms(annotation):
        if kinds.is_list(arm) and kinds.leaf(arm) is None:
            return _numbered(place.group(name), arm)
    raise FileError(Finding(place.field(name), f"must be {wanted}, not a group"))


def _type(place: Place, records: dict[str, Any]) -> Any:
    said = read_value(place, "type", str)
    if said not in records:
        raise FileError(Finding(place.field("type"), f"must be one of {', '.join(records)}, not {said!r}"))
    return records[said]


def _numbered(place: Place, arm: Any) -> tuple[Any, ...]:
    """Rule K6."""
    names = {*place.attributes, *place.arrays, *place.groups}
    wanted = [str(index) for index in range(len(names))]
    if names != set(wanted):
        strange = min(names - set(wanted))
        raise FileError(
            Finding(place.field(strange), f"entries must be named 0 to {len(names) - 1}, not {strange!r}")
        )
    entries = get_args(arm)
    if len(entries) == 2 and entries[1] is Ellipsis:
        entries = (entries[0],) * len(wanted)
    if len(entries) != len(wanted):
        raise FileError(Finding(place.path, f"must have {len(entries)} entries, not {len(wanted)}"))
    found = Collector()
    values = []
    for name, annotation in zip(wanted, entries, strict=True):
        with found.noting():
            values.append(read_value(place, name, annotation))
    found.check()
    return tuple(values)


def _has_name(arm: Any) -> bool:
    return kinds.is_format(arm) or kinds.is_named(arm)


def _format(where: str, text: str, possible: list[Any]) -> Any:
    """Rule K2."""
    real = {"float32": RealFormat(32), "float64": RealFormat(64)}
    if RealFormat in possible and text in real:
        return real[text]
    if text in FORMATS and type(FORMATS[text].format) in possible:
        return FORMATS[text].format
    if IntFormat in possible and re.fullmatch(r"u?int[0-9]+", text):
        try:
            return IntFormat.parse(text)
        except SpecError as error:
            raise FileError(finding.at(where) for finding in error.findings) from None
    words = [*real] if RealFormat in possible else []
    words += ["int1 to int64, uint1 to uint64"] if IntFormat in possible else []
    words += ["a name of `intsim formats`"] if any(map(kinds.is_named, possible)) else []
    raise FileError(Finding(where, f"must be {' or '.join(words)}, not {text!r}"))


def _as_list(block: Array, arm: Any) -> list[Any]:
    """A block of numbers or texts as lists in lists; `Record` checks their lengths and types."""
    entries: list[Any] = block.tolist()
    if kinds.leaf(arm) is bool:
        entries = np.vectorize(_truth, otypes=[object])(block).tolist() if block.size else entries
    return entries


def _truth(value: Any) -> Any:
    """0 and 1 stand for false and true, for writers that have no booleans."""
    return bool(value) if type(value) is int and value in (0, 1) else value


def _relocate(finding: Finding, kind: str, path: str) -> Finding:
    """A record's finding with the HDF5 path in place of the record's kind."""
    where = finding.where
    if where == kind or where.startswith(f"{kind}."):
        where = where[len(kind) :].removeprefix(".")
    return Finding(f"{path}.{where}" if where else path, finding.what)
