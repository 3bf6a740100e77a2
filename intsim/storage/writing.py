"""`write_tensors`: the tensors of a run into a ``.npy``, ``.npz`` or ``.h5`` file, chunk by chunk.

The same tensors give the same bytes: archives carry no times. Files appear whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from intsim.errors import FileError, Finding
from intsim.formats import TensorSpec
from intsim.record import Array
from intsim.storage.atomic import replacing
from intsim.storage.creating import creating
from intsim.storage.encode import write_value
from intsim.storage.names import encode_name
from intsim.storage.specs import write_spec
from intsim.storage.tensors import FORMAT, FORMAT_VERSION, NOTES, SPECS, suffix_of

_EPOCH = (1980, 1, 1, 0, 0, 0)


class TensorWriter:
    """Takes the tensors of a run, chunk after chunk."""

    def __init__(self, specs: Mapping[str, TensorSpec], batch: int) -> None:
        self._specs, self._batch, self._done = specs, batch, 0

    def append(self, arrays: Mapping[str, Array]) -> None:
        """Write the next samples of every tensor.

        Raises
        ------
        ValueError
            The arrays are not those that were announced.
        """
        rows = {values.shape[0] for values in arrays.values()}
        if arrays.keys() != self._specs.keys() or len(rows) != 1:
            raise ValueError(f"tensors must be {', '.join(self._specs)}, of one batch size")
        for name, values in arrays.items():
            spec = self._specs[name]
            if values.shape[1:] != spec.shape or values.dtype != spec.format.storage:
                raise ValueError(f"{name} must be {spec}, not {values.dtype}{values.shape[1:]}")
            self._write(name, np.ascontiguousarray(values))
        self._done += rows.pop()

    def _write(self, name: str, values: Array) -> None:
        raise NotImplementedError

    def _check_whole(self) -> None:
        if self._done != self._batch:
            raise ValueError(f"samples must be {self._batch}, not {self._done}")


@contextmanager
def write_tensors(
    path: str | os.PathLike[str],
    specs: Mapping[str, TensorSpec],
    batch: int,
    notes: Mapping[str, str] | None = None,
) -> Iterator[TensorWriter]:
    """Write tensors to a file, which appears when the block ends well.

    Parameters
    ----------
    path : its suffix says what it becomes
    specs : name -> specification of one sample, in the order of the network
    batch : how many samples there will be
    notes : texts on where the tensors come from; kept by ``.h5`` files only

    Raises
    ------
    FileError
        The suffix is unknown, a ``.npy`` file was asked to hold several tensors, or the disk says no.
    """
    kind = kind_of(path, len(specs))
    with replacing(path) as beside, kind(beside, specs, batch, notes or {}) as writer:
        yield writer
        writer._check_whole()


def kind_of(path: str | os.PathLike[str], count: int) -> Any:
    """How a file is written, by its suffix; for use before a long run too.

    Raises
    ------
    FileError
        The suffix is unknown, or the file cannot hold `count` tensors.
    """
    suffix = suffix_of(path)
    if suffix == ".npy" and count != 1:
        raise FileError(Finding(str(path), f"a .npy file must hold one tensor, not {count}; use .npz or .h5"))
    return {".npy": _npy, ".npz": _npz, ".h5": _h5}[suffix]


class _Raw(TensorWriter):
    """Each tensor into a ``.npy`` file of its own."""

    def __init__(self, specs: Mapping[str, TensorSpec], batch: int, parts: Mapping[str, Path]) -> None:
        super().__init__(specs, batch)
        self._parts = parts
        for name, part in parts.items():
            dtype = specs[name].format.storage.newbyteorder("<")
            header = {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": (batch, *specs[name].shape),
            }
            with open(part, "wb") as file:
                np.lib.format.write_array_header_1_0(file, header)

    def _write(self, name: str, values: Array) -> None:
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        with open(self._parts[name], "ab") as file:  # not kept open: there may be more than the system allows
            file.write(little.reshape(-1).view(np.uint8).data)


@contextmanager
def _npy(
    path: Path, specs: Mapping[str, TensorSpec], batch: int, notes: Mapping[str, str]
) -> Iterator[TensorWriter]:
    (name,) = specs
    yield _Raw(specs, batch, {name: path})


@contextmanager
def _npz(
    path: Path, specs: Mapping[str, TensorSpec], batch: int, notes: Mapping[str, str]
) -> Iterator[TensorWriter]:
    """Beside the archive first, because an archive takes one member after another."""
    with TemporaryDirectory(dir=path.parent, prefix=path.name) as folder:
        parts = {name: Path(folder, str(index)) for index, name in enumerate(specs)}
        yield _Raw(specs, batch, parts)
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
                info.external_attr = 0o644 << 16
                info.create_system = 3
                info.file_size = part.stat().st_size  # so that zipfile knows whether 32 bits are enough
                with archive.open(info, "w") as member, open(part, "rb") as file:
                    shutil.copyfileobj(file, member)
                part.unlink()


class _Datasets(TensorWriter):
    def __init__(
        self, specs: Mapping[str, TensorSpec], batch: int, file: h5py.File, check: Callable[[], None]
    ) -> None:
        super().__init__(specs, batch)
        self._check_disk = check
        self._datasets = {}
        about = file.create_group(SPECS)
        for position, (name, spec) in enumerate(specs.items()):
            write_spec(about.create_group(encode_name(name)), position, spec)
            dtype = spec.format.storage.newbyteorder("<")
            self._datasets[name] = file.create_dataset(encode_name(name), (batch, *spec.shape), dtype)

    def _write(self, name: str, values: Array) -> None:
        if values.size:
            self._datasets[name][self._done : self._done + values.shape[0]] = values
            self._check_disk()


@contextmanager
def _h5(
    path: Path, specs: Mapping[str, TensorSpec], batch: int, notes: Mapping[str, str]
) -> Iterator[TensorWriter]:
    with creating(path) as (file, check):
        write_value(file, "format", str, FORMAT)
        write_value(file, "format_version", int, FORMAT_VERSION)
        about = file.create_group(NOTES)
        for name, text in notes.items():
            write_value(about, name, str, text)
        yield _Datasets(specs, batch, file, check)
