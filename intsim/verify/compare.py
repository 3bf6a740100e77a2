"""`compare`: two sets of tensors, integer by integer, and the first place where they part.

Rules
-----
Q1. Tensors are compared in the order of the first set. Integers are equal if they are the same number,
    whatever type holds them; floats if they have the same bits, so a NaN is equal to itself.
Q2. Tensors of different shapes, or floats against integers or against floats of another width, differ
    as a whole.
Q3. A mapping says what a tensor is called in the second set, and which of its sample's axes is which.
Q4. The second set is the one under test: tensors that only the first one has are told but are no
    difference; a tensor that only the second one has is one, because nothing vouches for it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from intsim.errors import FileError, Finding, SpecError
from intsim.record import Array

_AT_ONCE = 1 << 22  # elements looked at in one go, so that arrays on disk stay there


@dataclass(frozen=True)
class Counterpart:
    """What a tensor of the first set is in the second.

    name : its name there
    axes : which axis of the first set's sample each axis of the second's is; None: the same
    """

    name: str
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class TensorDifference:
    """One tensor in both sets.

    name, other : its names
    size : elements compared, batch included
    differing : how many differ; all where `why` is given
    index : the first that differs, batch first, in the layout of the first set
    a, b : both values there
    why : what keeps the two from being compared at all
    """

    name: str
    other: str
    size: int
    differing: int = 0
    index: tuple[int, ...] | None = None
    a: int | float | None = None
    b: int | float | None = None
    why: str = ""

    @property
    def equal(self) -> bool:
        return not self.differing and not self.why


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    tensors : one entry per tensor of both sets, in order
    only_a, only_b : names that one set alone has
    """

    tensors: tuple[TensorDifference, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs (rule Q4)."""
        return all(tensor.equal for tensor in self.tensors) and not self.only_b

    @property
    def first(self) -> TensorDifference | None:
        """The first tensor that differs, if any."""
        return next((tensor for tensor in self.tensors if not tensor.equal), None)


def compare(
    a: Mapping[str, Any], b: Mapping[str, Any], mapping: Mapping[str, Counterpart] | None = None
) -> Comparison:
    """Compare two sets of tensors (rules Q1 to Q4).

    Parameters
    ----------
    a, b : name -> array, batch axis first; anything with ``shape``, ``dtype`` and slices is read piece by
        piece
    mapping : name in `a` -> what it is in `b`; names that it lacks are the same in both

    Raises
    ------
    SpecError
        The mapping names tensors that are not there, or axes that are none; or the two sets have nothing
        in common.

    Examples
    --------
    >>> found = compare({"x": np.array([[1, 2]])}, {"x": np.array([[1, 3]])})
    >>> found.equal, found.first.index, found.first.a, found.first.b
    (False, (0, 1), 2, 3)
    """
    mapping = mapping or {}
    findings = [Finding(name, "must be a tensor of the first file") for name in mapping if name not in a]
    findings += [
        Finding(other.name, "must be a tensor of the second file")
        for other in mapping.values()
        if other.name not in b
    ]
    if findings:
        raise SpecError(findings)
    pairs = {name: mapping.get(name, Counterpart(name)) for name in a}
    pairs = {name: other for name, other in pairs.items() if other.name in b}
    if not pairs:
        raise SpecError(f"files must have a tensor in common, not {_some(a)} and {_some(b)}; map their names")
    taken = {other.name for other in pairs.values()}
    return Comparison(
        tuple(_difference(name, other, a[name], b[other.name]) for name, other in pairs.items()),
        tuple(name for name in a if name not in pairs),
        tuple(name for name in b if name not in taken),
    )


def read_mapping(path: str | Path) -> dict[str, Counterpart]:
    """Read a TOML file of lines ``"name in A" = "name in B"``.

    Where the layout differs too, the line is ``"name in A" = {name = "name in B", axes = [2, 0, 1]}``:
    each number says which axis of A's sample (0 is the first after the batch) that axis of B's sample is.

    Raises
    ------
    FileError
        The file cannot be read, or has a line that is neither.
    """
    where = str(path)
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            Finding(where, f"cannot be read: {(error.strerror or str(error)).lower()}")
        ) from error
    except ValueError as error:
        raise FileError(Finding(where, f"must be TOML: {error}")) from error
    findings = []
    mapping: dict[str, Counterpart] = {}
    for name, value in table.items():
        other = _counterpart(value)
        if other is None:
            rule = "must be a name, or {name = ..., axes = [...]}; a name with dots needs quotes"
            findings.append(Finding(f"{where}: {name}", f"{rule}, not {value!r}"))
        else:
            mapping[name] = other
    if findings:
        raise FileError(findings)
    return mapping


def _counterpart(value: Any) -> Counterpart | None:
    if isinstance(value, str):
        return Counterpart(value)
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("name"), str)
        or not value.keys() <= {"name", "axes"}
    ):
        return None
    axes = value.get("axes")
    if axes is None:
        return Counterpart(value["name"])
    if not isinstance(axes, list) or sorted(map(repr, axes)) != sorted(map(repr, range(len(axes)))):
        return None
    return Counterpart(value["name"], tuple(axes))


def _difference(name: str, other: Counterpart, a: Any, b: Any) -> TensorDifference:
    turned = _turned(name, other, b)
    why = _why_not(a, turned)
    size = int(np.prod(a.shape, dtype=object))
    if why:
        return TensorDifference(name, other.name, size, size, why=why)
    differing, first = 0, None
    for begin, mine, theirs in _pieces(a, turned):
        unlike = _unlike(mine, theirs)
        count = int(np.count_nonzero(unlike))
        if count and first is None:
            place = tuple(int(i) for i in np.argwhere(unlike)[0])
            index = (begin + place[0], *place[1:]) if place else ()
            first = index, mine[place].item(), theirs[place].item()
        differing += count
    if first is None:
        return TensorDifference(name, other.name, size)
    return TensorDifference(name, other.name, size, differing, *first)


class _Turned:
    """An array of the second set, its sample's axes in the first set's order."""

    def __init__(self, array: Any, axes: tuple[int, ...]) -> None:
        back = tuple(axes.index(axis) for axis in range(len(axes)))
        self._array, self._order = array, (0, *(axis + 1 for axis in back))
        self.shape = tuple(array.shape[axis] for axis in self._order)
        self.dtype = array.dtype

    def __getitem__(self, index: Any) -> Array:
        return np.asarray(self._array[index]).transpose(self._order)


def _turned(name: str, other: Counterpart, b: Any) -> Any:
    if other.axes is None:
        return b
    if len(b.shape) != len(other.axes) + 1:
        raise SpecError(
            Finding(
                name, f"axes must name the {len(b.shape) - 1} axes of {b.shape[1:]}, not {list(other.axes)}"
            )
        )
    return _Turned(b, other.axes)


def _why_not(a: Any, b: Any) -> str:
    """Rule Q2."""
    if tuple(a.shape) != tuple(b.shape):
        moved = len(a.shape) == len(b.shape) and sorted(a.shape) == sorted(b.shape)
        hint = "; the same sizes in another order: is the layout another?" if moved else ""
        return f"shape {tuple(a.shape)} against {tuple(b.shape)}{hint}"
    kinds = {"b": "integers", "i": "integers", "u": "integers"}
    mine, theirs = (kinds.get(array.dtype.kind, str(array.dtype.newbyteorder("="))) for array in (a, b))
    return f"{mine} against {theirs}" if mine != theirs else ""


def _pieces(a: Any, b: Any) -> Iterator[tuple[int, Array, Array]]:
    """Both arrays, so many samples at a time."""
    if not a.shape:
        yield 0, np.asarray(a[()]), np.asarray(b[()])
        return
    step = max(1, _AT_ONCE // max(1, int(np.prod(a.shape[1:], dtype=object))))
    for begin in range(0, a.shape[0], step):
        yield begin, np.asarray(a[begin : begin + step]), np.asarray(b[begin : begin + step])


def _unlike(a: Array, b: Array) -> Array:
    """Rule Q1."""
    if a.dtype.kind != "f":
        return np.asarray(a != b)
    bits = f"u{a.dtype.itemsize}"
    native = a.dtype.newbyteorder("=")
    mine, theirs = (np.ascontiguousarray(x, native).view(bits).reshape(a.shape) for x in (a, b))
    return np.asarray(mine != theirs)


def _some(names: Mapping[str, Any]) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "") if listed else "none"
