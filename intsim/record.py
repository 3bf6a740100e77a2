"""Records: the frozen specification objects that everything in intsim is described by.

A record is a frozen dataclass whose fields are typed by a small vocabulary, checked when it is built,
compared by value, and shown as valid code. The same vocabulary is the HDF5 schema (`storage`) and the
help of `intsim ops NAME`, so a field is declared once.

Field vocabulary: ``int``, ``bool``, ``str``, ``float``, any ``Enum``, any `Record`, ``tuple[T, ...]``
and ``tuple[T, U]`` of these, unions of these (``T | None`` included), and the arrays `IntArray` (kept
as int64), `CodeArray` (kept in the narrowest dtype that its op's format names) and `FloatArray`
(float32 or float64, kept as given).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from intsim.errors import Finding, SpecError

Array = np.ndarray[Any, Any]

IntArray = Annotated[Any, "int64"]
"""An array of integers, held as read-only int64; a builder may give anything that numpy makes one of."""

CodeArray = Annotated[Any, "codes"]
"""An array of integer codes, held read-only in its own integer dtype (see `Record.narrow`)."""

FloatArray = Annotated[Any, "real"]
"""An array of float32 or float64, held read-only. Only where a runtime's own step is IEEE float."""

_SHOWN_ELEMENTS = 64  # arrays longer than this are shown by shape and digest


def field(doc: str, format: str | None = None, **options: Any) -> Any:
    """A dataclass field with a one-line meaning (shape, unit, domain), shown by `intsim ops NAME`.

    `format` is the path of the number format of a `CodeArray`'s entries from the record, ``weight_format`` or
    ``weight_format.element``: files may pack them.
    """
    return dataclasses.field(metadata={"doc": doc, "format": format}, **options)


@functools.cache
def schema(record: Any) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    """The fields of a record class, each with its resolved type, in order."""
    hints = get_type_hints(record, include_extras=True)
    return tuple((entry, hints[entry.name]) for entry in dataclasses.fields(record))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Record:
    """Base of all specification objects; subclasses are ``@dataclass(frozen=True, eq=False, repr=False)``.

    Subclasses override `check` to state the rules between and within fields.
    """

    kind: ClassVar[str] = ""
    """The word used for this record in messages and files; the class's own name when empty."""

    family: ClassVar[str] = ""
    """The words for this record and its siblings, where a field takes any of them; none when empty."""

    def __post_init__(self) -> None:
        where = self.kind or type(self).__name__
        findings: list[Finding] = []
        for entry, annotation in schema(type(self)):  # type: ignore[arg-type]
            try:
                value = conform(annotation, getattr(self, entry.name))
            except (TypeError, ValueError) as error:
                findings.append(Finding(f"{where}.{entry.name}", str(error)))
            else:
                object.__setattr__(self, entry.name, value)
        if not findings:
            findings = [Finding(self.locate(name), what) for name, what in self.check()]
        if findings:
            raise SpecError(findings)

    def check(self) -> Iterator[tuple[str, str]]:
        """Yield (field name, what is wrong) for every broken rule. Runs once all types are right."""
        yield from ()

    def locate(self, name: str) -> str:
        """How a message names the field `name` of this record."""
        where = self.kind or type(self).__name__
        return f"{where}.{name}" if name else where

    def narrow(self, name: str, dtype: Any) -> None:
        """Hold the array field `name` in `dtype`; only for use by `check`, once its values are checked."""
        value = np.asarray(getattr(self, name), dtype=dtype, order="C")  # keeps shape ()
        value.flags.writeable = False
        object.__setattr__(self, name, value)

    def replace(self, **changes: Any) -> typing.Self:
        """A copy with some fields changed, checked anew."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        shown = []
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if not _is_default(entry, value):
                shown.append(f"{entry.name}={_show(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            same(getattr(self, entry.name), getattr(other, entry.name)) for entry in dataclasses.fields(self)
        )

    def __hash__(self) -> int:
        values = (getattr(self, entry.name) for entry in dataclasses.fields(self))
        return hash((type(self), *map(_hashable, values)))


def same(a: Any, b: Any) -> bool:
    """Equality by value for anything a field may hold; arrays also by dtype and shape."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()  # by bits: -0.0 and 0.0 are not the same field
        )
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(type(a) is type(b) and a == b)


def conform(annotation: Any, value: Any) -> Any:
    """Bring `value` into the form that `annotation` asks for, or say why it cannot be.

    Raises
    ------
    TypeError
        With a message of the form "must be ..., not ...".
    """
    if get_origin(annotation) is Annotated:
        return _conform_array(get_args(annotation)[1], value)
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return _conform_union(get_args(annotation), value)
    if get_origin(annotation) is tuple:
        return _conform_tuple(get_args(annotation), value)
    if annotation is bool:
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
    elif annotation is int:
        if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)):
            return int(value)
    elif annotation is float:
        if isinstance(value, (int, float, np.floating)) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, annotation):
        return value
    elif isinstance(annotation, type) and issubclass(annotation, Enum) and isinstance(value, str):
        names = {member.name.lower(): member for member in annotation}
        if value.lower() in names:
            return names[value.lower()]
        raise TypeError(f"must be one of {', '.join(names)}, not {value!r}")
    raise TypeError(f"must be {describe(annotation)}, not {_show(value)}")


def describe(annotation: Any) -> str:
    """A field's type in the words of the help and of the messages."""
    if get_origin(annotation) is Annotated:
        return {"int64": "an array of integers", "codes": "an array of integers"}.get(
            get_args(annotation)[1], "an array of float32 or float64"
        )
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_in_a_union(arm) for arm in get_args(annotation)))
    if get_origin(annotation) is tuple:
        arms = get_args(annotation)
        if len(arms) == 2 and arms[1] is Ellipsis:
            return f"a list ({describe(arms[0])} each)"
        return f"({', '.join(describe(arm) for arm in arms)})"
    if annotation is type(None):
        return "nothing"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(member.name.lower() for member in annotation)
    words = {bool: "true or false", int: "an integer", float: "a real number", str: "a text"}
    return words.get(annotation) or annotation.__dict__.get("kind") or str(annotation.__name__)


def _in_a_union(arm: Any) -> str:
    return getattr(arm, "family", "") or describe(arm)


def _conform_union(arms: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in arms:
        return None
    reasons = []
    for arm in arms:
        if arm is type(None):
            continue
        try:
            return conform(arm, value)
        except (TypeError, ValueError) as error:
            reasons.append(str(error))
    if len(reasons) == 1:
        raise TypeError(reasons[0])
    raise TypeError(f"must be {' or '.join(dict.fromkeys(map(_in_a_union, arms)))}, not {_show(value)}")


def _conform_tuple(arms: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"must be {describe(tuple[arms])}, not {_show(value)}")  # type: ignore[valid-type]
    if len(arms) == 2 and arms[1] is Ellipsis:
        arms = (arms[0],) * len(value)
    elif len(arms) != len(value):
        raise TypeError(f"must have {len(arms)} entries, not {len(value)}: {_show(tuple(value))}")
    return tuple(conform(arm, entry) for arm, entry in zip(arms, value, strict=True))


def _conform_array(form: str, value: Any) -> Array:
    array = np.asarray(value)
    if form == "real":
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
            raise TypeError(f"must be float32 or float64, not {array.dtype}")
        array = array.astype(array.dtype.newbyteorder("="))
    else:
        if array.size == 0:
            array = array.astype(np.int64)
        elif array.dtype.kind == "O" and all(type(entry) is int for entry in array.flat):
            if any(not -(2**63) <= entry < 2**63 for entry in array.flat):
                raise TypeError("must fit 64 bits")
        elif array.dtype.kind not in "iu":
            raise TypeError(f"must be integers, not {array.dtype}")
        elif array.dtype == np.uint64 and int(array.max()) >= 2**63:
            raise TypeError(f"must be below 2**63, not {int(array.max())}")
        if form == "int64" or array.dtype.kind == "O":
            array = array.astype(np.int64)
        else:
            array = array.astype(array.dtype.newbyteorder("="))
    array = np.array(array, order="C")
    array.flags.writeable = False
    return array


def _is_default(entry: dataclasses.Field[Any], value: Any) -> bool:
    if entry.default is not dataclasses.MISSING:
        default = entry.default
        if isinstance(value, np.ndarray) and default is not None:
            default = np.asarray(default)
            default = default if default.dtype.kind == "f" else default.astype(value.dtype)
        return same(value, default)
    if entry.default_factory is not dataclasses.MISSING:
        return same(value, entry.default_factory())
    return False


def _show(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= _SHOWN_ELEMENTS:
            return f"np.array({value.tolist()!r}, dtype=np.{value.dtype})"
        return f"<{value.dtype} array of shape {value.shape}, {_digest(value)[:12]}>"
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, tuple):
        inside = ", ".join(map(_show, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    text = repr(value)
    return text if len(text) <= 4000 else text[:200] + "..."


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _digest(value)
    return tuple(map(_hashable, value)) if isinstance(value, tuple) else value


def _digest(value: Array) -> str:
    return hashlib.sha256(f"{value.dtype}{value.shape}".encode() + value.tobytes()).hexdigest()
