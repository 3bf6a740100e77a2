"""An .onnx file's content as plain data: `Model`, `Graph`, `Node`, `Constant`.

Nothing here knows intsim's ops. Arrays are read-only. Types narrower than a byte are unpacked, one element
per int8 or uint8; the floats that numpy lacks are their codes, as unsigned integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BITS: dict[str, int] = {
    "float32": 32, "uint8": 8, "int8": 8, "uint16": 16, "int16": 16, "int32": 32, "int64": 64, "bool": 8,
    "float16": 16, "float64": 64, "uint32": 32, "uint64": 64, "bfloat16": 16,
    "float8e4m3fn": 8, "float8e4m3fnuz": 8, "float8e5m2": 8, "float8e5m2fnuz": 8, "float8e8m0": 8,
    "uint4": 4, "int4": 4, "float4e2m1": 4, "uint2": 2, "int2": 2,
}  # fmt: skip
"""Bits of one element in the file, for the element types that are read."""

NUMBERS: dict[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
    17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz",
    21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2",
}  # fmt: skip
"""ONNX's numbers of element types (TensorProto.DataType)."""

STORAGE: dict[str, str] = {
    **{name: "uint8" for name in BITS if name.startswith(("float8", "float4"))},
    "int4": "int8", "int2": "int8", "uint4": "uint8", "uint2": "uint8", "bfloat16": "uint16",
}  # fmt: skip
"""numpy's type that holds an element type which numpy lacks."""

FLOATS = frozenset(name for name in BITS if "float" in name)


def storage(dtype: str) -> np.dtype[Any]:
    """numpy's type for an element type."""
    return np.dtype(STORAGE.get(dtype, dtype))


@dataclass(frozen=True)
class Constant:
    """A tensor whose values the file holds."""

    name: str
    dtype: str
    values: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)


@dataclass(frozen=True)
class Port:
    """A graph input or output: sizes are ints, or a symbol's name, or "?" where the file says nothing."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True)
class Node:
    """One operator: inputs by name, empty where left out."""

    index: int
    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """How messages name it."""
        label = f" {self.name!r}" if self.name else ""
        domain = f"{self.domain}." if self.domain else ""
        outputs = ", ".join(repr(name) for name in self.outputs[:4])
        return f"node {self.index} {domain}{self.op}{label} (-> {outputs})"


@dataclass(frozen=True)
class Graph:
    """The main graph, nodes in the order in which they run."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    constants: Mapping[str, Constant]
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Model:
    """A file: its graph, and the versions of the operator sets that it is written in."""

    graph: Graph
    where: str  # the file's name, for messages
    opsets: Mapping[str, int]
    ir_version: int = 0
    functions: frozenset[tuple[str, str]] = frozenset()  # domain and name of those that the file defines
