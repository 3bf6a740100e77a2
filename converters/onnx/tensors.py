"""A file's tensors as arrays, sizes checked before anything is allocated; external data from the folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from intsim_converters.onnx.model import BITS, NUMBERS, Array, Constant, storage
from intsim_converters.packed import unpack

_LONGEST_SHAPE = 64
_MOST = 1 << 31  # elements

_TYPED: Mapping[str, tuple[str, ...]] = {
    "float_data": ("float32",),
    "double_data": ("float64",),
    "int64_data": ("int64",),
    "uint64_data": ("uint32", "uint64"),
}
"""Field of a tensor -> the types that it may hold; int32_data holds all others."""


class Damage(Exception):  # noqa: N818 - an event, turned into a FileError by the reader
    """A part of the file is not what it should be."""


class Folder:
    """Where external data may lie: the model's folder and what is below it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, entries: Mapping[str, str], size: int, label: str) -> bytes:
        """The `size` bytes of an external tensor.

        Raises
        ------
        Damage
            They are not in the folder, or not as many.
        """
        if self._path is None:
            raise Damage(f"{label}: must be in the file; a model in memory has no folder of external data")
        location = entries.get("location", "")
        path = self._inside(location, label)
        try:
            begin, length = int(entries.get("offset", 0)), int(entries.get("length", size))
            whole = path.stat().st_size if path.is_file() else -1
        except (OSError, ValueError) as error:
            raise Damage(f"{label}: external data {location!r} cannot be read: {error}") from None
        if whole < 0:
            raise Damage(f"{label}: external data {location!r} must be a file in the model's folder")
        if length != size or begin < 0 or begin + size > whole:
            raise Damage(
                f"{label}: external data must be {size} bytes within the {whole} of {location!r},"
                f" not {length} from {begin}"
            )
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(size)

    def _inside(self, location: str, label: str) -> Path:
        assert self._path is not None
        root = self._path.resolve()
        try:
            path = (root / location).resolve()
        except (OSError, ValueError, RuntimeError):
            path = root
        if not location or "\0" in location or root not in path.parents:
            raise Damage(f"{label}: external data must lie in the model's folder, not at {location!r}")
        return path


def read_tensor(tensor: Any, label: str, folder: Folder) -> Constant:
    """A tensor of the file. Raises Damage."""
    if tensor.data_type not in NUMBERS:
        raise Damage(f"{label}: element type must be a number's, not number {tensor.data_type}")
    dtype, shape = NUMBERS[tensor.data_type], tuple(tensor.dims)
    if len(shape) > _LONGEST_SHAPE or any(size < 0 for size in shape):
        raise Damage(f"{label}: shape must have at most {_LONGEST_SHAPE} sizes, none negative, not {shape}")
    if tensor.HasField("segment"):
        raise Damage(f"{label}: must be whole, not a segment")
    count = math.prod(shape)
    if count >= _MOST:
        raise Damage(f"{label}: must have fewer than 2**31 elements, not shape {shape}")
    values = _values(tensor, dtype, count, label, folder).reshape(shape)
    values.flags.writeable = False
    return Constant(tensor.name, dtype, values)


def _values(tensor: Any, dtype: str, count: int, label: str, folder: Folder) -> Array:
    size = -(-count * BITS[dtype] // 8)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        return _from_bytes(folder.read(entries, size, label), dtype, count)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size:
            raise Damage(
                f"{label}: {dtype} of shape {tuple(tensor.dims)} must have {size} bytes,"
                f" not {len(tensor.raw_data)}"
            )
        return _from_bytes(tensor.raw_data, dtype, count)
    return _from_field(tensor, dtype, count, label)


def _from_bytes(data: bytes, dtype: str, count: int) -> Array:
    bits = BITS[dtype]
    if bits < 8:
        return unpack(np.frombuffer(data, np.uint8), bits, count, dtype[:3] == "int")
    return np.frombuffer(data, storage(dtype).newbyteorder("<")).astype(storage(dtype))


def _from_field(tensor: Any, dtype: str, count: int, label: str) -> Array:
    """Values that the message lists; narrow ones as they are packed, or as bit patterns."""
    field = next((name for name, types in _TYPED.items() if dtype in types), "int32_data")
    given = getattr(tensor, field)
    bits = BITS[dtype]
    wanted = -(-count * bits // 8) if bits < 8 else count
    if len(given) != wanted:
        raise Damage(f"{label}: {field} must have {wanted} values for {dtype}, not {len(given)}")
    if field != "int32_data":
        return np.array(given, storage(dtype))
    numbers = np.array(given, np.int64)
    if bits < 8:
        return unpack(_patterns(numbers, 8, label), bits, count, dtype[:3] == "int")
    if dtype in ("float16", "bfloat16") or dtype.startswith("float8"):
        return _patterns(numbers, bits, label).view(storage(dtype))
    limits = np.iinfo("int32" if dtype == "bool" else dtype)
    if numbers.size and not limits.min <= numbers.min() <= numbers.max() <= limits.max:
        raise Damage(f"{label}: values must fit {dtype}, not {numbers.min()} to {numbers.max()}")
    return numbers.astype(dtype)


def _patterns(numbers: Array, bits: int, label: str) -> Array:
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < 1 << bits:
        raise Damage(f"{label}: bit patterns must have {bits} bits, not {numbers.min()} to {numbers.max()}")
    return numbers.astype(f"uint{bits}")
