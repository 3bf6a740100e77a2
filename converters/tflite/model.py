"""A .tflite file's content as plain data: `Model`, `Graph`, `Operator`, `Tensor`.

Nothing here knows intsim's ops. Arrays are read-only; int2 and int4 are unpacked, one element per int8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from intsim_converters.packed import unpack

Array = np.ndarray[Any, Any]

BITS: dict[str, int] = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "bool": 8,
    "int2": 2, "int4": 4, "int8": 8, "int16": 16, "int32": 32, "int64": 64,
    "uint4": 4, "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64,
}  # fmt: skip
"""Bits of one element in the file, for the element types that are read."""

_STORAGE = {"int2": "int8", "int4": "int8", "uint4": "uint8", "bfloat16": "uint16"}

ABSENT = -1
"""The index of an optional input that is left out."""


@dataclass(frozen=True)
class Scales:
    """The file's quantization: float32 scales, zero points, and the axis several of them run along."""

    scale: Array
    zero_point: Array
    axis: int
    details: str = "NONE"  # a scheme beyond scales, such as blockwise


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph. `name` is unique in it (see `names`); `given_name` is the file's."""

    index: int
    name: str
    given_name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]  # shape with -1 where it may vary; empty: the shape
    dtype: str
    scales: Scales | None
    raw: bytes | memoryview | None  # the constant's bytes; None: computed, or given from outside
    variable: bool = False
    sparse: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def is_constant(self) -> bool:
        """Whether the file holds its values."""
        return self.raw is not None

    @property
    def is_float(self) -> bool:
        return self.dtype in ("float16", "float32", "float64", "bfloat16")

    @cached_property
    def data(self) -> Array:
        """The constant's values, in its shape; int2 and int4 one per int8.

        Raises
        ------
        ValueError
            The tensor is no constant, or its element type or sparsity is not read.
        """
        if self.raw is None:
            raise ValueError("is not a constant")
        if self.dtype not in BITS or self.sparse:
            raise ValueError(f"is {'sparse' if self.sparse else 'of type ' + self.dtype}, which is not read")
        bits = BITS[self.dtype]
        if bits < 8:
            values = unpack(np.frombuffer(self.raw, np.uint8), bits, self.size, self.dtype[0] != "u")
        else:
            kind = np.dtype(_STORAGE.get(self.dtype, self.dtype)).newbyteorder("<")
            values = np.frombuffer(self.raw, kind)
        values = values.reshape(self.shape)
        values.flags.writeable = False
        return values


class Options(Mapping[str, Any]):
    """An operator's options by name in snake_case, also as attributes; enumerations are their names.

    `table` is the name of the schema's table they were read from, empty where the file has none.
    """

    def __init__(self, table: str = "", values: Mapping[str, Any] | None = None) -> None:
        self.table = table
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        return f"Options({self.table!r}, {self._values!r})"


@dataclass(frozen=True)
class Operator:
    """One operator: `name` as in the schema's BuiltinOperator, tensors by index (`ABSENT`: left out)."""

    index: int
    name: str
    version: int
    options: Options
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    custom: str = ""
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graph:
    """One subgraph, operators in the order in which they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = ""


@dataclass(frozen=True)
class Model:
    """A file: its graphs, of which the first is the one that runs."""

    graphs: tuple[Graph, ...]
    where: str  # the file's name, for messages
    description: str = ""
    version: int = 3
    digest: str = field(default="", repr=False)
