"""`open_tensors`: the tensors of a ``.npy``, ``.npz`` or ``.h5`` file, read when they are looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from intsim.errors import FileError, Finding
from intsim.formats import TensorSpec
from intsim.record import Array
from intsim.storage.decode import read_value
from intsim.storage.findings import Collector, in_file
from intsim.storage.hdf5 import Place, library, opened
from intsim.storage.names import decode_name, encode_name
from intsim.storage.numpy_files import npy_array, npz_members
from intsim.storage.specs import read_spec

FORMAT = "intsim-tensors"
FORMAT_VERSION = 1
SUFFIXES = (".npy", ".npz", ".h5")

UNNAMED = ""
"""The name of the one tensor of a ``.npy`` file."""

SPECS = "intsim.specs"
"""The group that says what the tensors are. No tensor's own name is written with a dot."""

NOTES = "intsim.notes"
"""The group of texts on where the tensors come from."""

_DEEPEST = 32


@dataclass(frozen=True)
class TensorFile(Mapping[str, Any]):
    """An open file of tensors: name -> something with ``shape``, ``dtype`` and slices.

    specs : name -> specification of one sample, where the file says it
    notes : what the file says about itself, where intsim wrote it
    """

    _open: Mapping[str, Callable[[], Any]]
    specs: Mapping[str, TensorSpec] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self._open[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def named(self, name: str) -> Mapping[str, Any]:
        """The tensors by name; the one of a ``.npy`` file gets `name`."""
        if list(self._open) == [UNNAMED]:
            return {name: self[UNNAMED]}
        return self


@contextmanager
def open_tensors(path: str | os.PathLike[str]) -> Iterator[TensorFile]:
    """Open a file of tensors while the block lasts; its suffix says what it is.

    Raises
    ------
    FileError
        The file cannot be read, or claims more than it holds. Nothing is unpickled.
    """
    suffix = suffix_of(path)
    if suffix == ".npy":
        array = npy_array(Path(path))
        yield TensorFile({UNNAMED: lambda: array})
    elif suffix == ".npz":
        with npz_members(Path(path)) as members:
            yield TensorFile(members)
    else:
        with opened(path, allow_compressed=True) as root:
            try:
                file = _tensors_of(root, str(path))
            except FileError as error:
                raise in_file(str(path), error) from None
            yield file


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The suffix of a file of tensors.

    Raises
    ------
    FileError
        It is none of `SUFFIXES`.
    """
    suffix = Path(path).suffix.lower()
    suffix = ".h5" if suffix == ".hdf5" else suffix
    if suffix not in SUFFIXES:
        raise FileError(Finding(str(path), f"name must end in {', '.join(SUFFIXES)}, not {suffix!r}"))
    return suffix


class StoredArray:
    """A dataset whose slices are read when they are asked for."""

    def __init__(self, dataset: Any, where: str) -> None:
        self._dataset, self._where = dataset, where
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype

    def __getitem__(self, index: Any) -> Array:
        with library(self._where):
            return np.asarray(self._dataset[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[()].astype(dtype or self.dtype, copy=False)


def _tensors_of(root: Place, path: str) -> TensorFile:
    ours = "format" in root.attributes and root.attribute("format").tolist() == FORMAT
    notes = _notes(root) if ours else {}
    arrays: dict[str, StoredArray] = {}
    for place, component, name in _datasets(root, ()):
        if name in arrays:
            raise FileError(Finding(place.at(component), f"must be the only tensor named {name!r}"))
        arrays[name] = StoredArray(place.dataset(component), f"{path}:{place.at(component)}")
    specs = _specs(root, arrays) if ours else {}
    return TensorFile({name: partial(arrays.__getitem__, name) for name in specs or arrays}, specs, notes)


def _datasets(place: Place, above: tuple[str, ...]) -> list[tuple[Place, str, str]]:
    """Every dataset in a group: the group it is in, its HDF5 name there, and its tensor's name."""
    if len(above) > _DEEPEST:
        raise FileError(Finding(place.path, f"must not lie deeper than {_DEEPEST} groups"))
    found = [(place, name, "/".join((*above, _decoded(place, name)))) for name in place.arrays]
    for name in place.groups:
        if name not in (SPECS, NOTES):
            found += _datasets(place.group(name), (*above, _decoded(place, name)))
    return found


def _decoded(place: Place, component: str) -> str:
    try:
        return decode_name(component)
    except ValueError as error:
        raise FileError(Finding(place.at(component), f"name {error}")) from None


def _notes(root: Place) -> dict[str, str]:
    """What a file of intsim says of itself, once its version is known."""
    said = root.attribute("format_version").tolist() if "format_version" in root.attributes else "missing"
    if said != FORMAT_VERSION:
        raise FileError(Finding(root.field("format_version"), f"must be {FORMAT_VERSION}, not {said!r}"))
    if NOTES not in root.groups:
        return {}
    place = root.group(NOTES)
    return {name: read_value(place, name, str) for name in (*place.attributes, *place.arrays)}


def _specs(root: Place, arrays: Mapping[str, StoredArray]) -> dict[str, TensorSpec]:
    """What a file of intsim says of each tensor, in the order of the network."""
    if SPECS not in root.groups:
        raise FileError(Finding(root.at(SPECS), "must be a group, not missing"))
    place = root.group(SPECS)
    found = Collector()
    entries: list[tuple[int, str, TensorSpec]] = []
    for component in place.groups:
        with found.noting():
            position, spec = read_spec(place.group(component))
            entries.append((position, _decoded(place, component), spec))
    for _, name, spec in entries:
        shape = arrays[name].shape if name in arrays else None
        if shape is None or shape[1:] != spec.shape:
            wanted = f"a batch of {spec.shape}"
            found.add(root.at(encode_name(name)), f"must be {wanted}, not {shape or 'missing'}")
    for name in sorted(arrays.keys() - {name for _, name, _ in entries}):
        found.add(place.at(encode_name(name)), "must be a group, not missing")
    found.check()
    return {name: spec for _, name, spec in sorted(entries, key=lambda entry: entry[:2])}
