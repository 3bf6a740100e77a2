"""Read a .tflite file into plain data, whatever is in it.

Rules
-----
1. Nothing is read outside the file, nothing is allocated beyond a small multiple of its size.
2. A file that breaks the schema's own rules is one FileError: an index that names nothing, a constant
   whose bytes are not as many as its shape and type say, an unknown enumeration's member.
3. What a graph means, and whether intsim can do it, is not asked here.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from intsim_converters.reading import Source
from intsim_converters.tflite.flat import (
    Budget,
    Damage,
    child,
    children,
    damaged,
    numbers,
    root,
    text,
)
from intsim_converters.tflite.model import ABSENT, BITS, Graph, Model, Operator, Scales, Tensor
from intsim_converters.tflite.names import unique_names
from intsim_converters.tflite.options import enum_names, read_options

from intsim.errors import FileError

_IDENTIFIER = b"TFL3"
_LARGEST = 1 << 31  # bytes; a flatbuffer's offsets reach no further
_TYPES = enum_names(schema.TensorType)
_OPERATORS = enum_names(schema.BuiltinOperator)
_DETAILS = enum_names(schema.QuantizationDetails)
_LONGEST_SHAPE = 64


def read_model(source: Source) -> Model:
    """Read a file, or a file's bytes.

    Raises
    ------
    FileError
        The file cannot be opened, or is not a whole and consistent .tflite file; the message names
        the first thing that is wrong.
    """
    if isinstance(source, bytes):
        return parse(source, "model in memory")
    path = Path(source)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileError(f"{path}: must be a file")
        if path.stat().st_size > _LARGEST:
            raise FileError(f"{path}: must be at most {_LARGEST} bytes, not {path.stat().st_size}")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path}: cannot be read: {reason}") from error
    return parse(data, path.name)


def parse(data: bytes, where: str) -> Model:
    """The content of a file's bytes; `where` names it in messages. Errors as for `read_model`."""
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        raise damaged(where, f"bytes 4 to 7 must be {_IDENTIFIER!r}, not {data[4:8]!r}")
    try:
        return _model(data, where)
    except Damage as damage:
        raise damaged(where, damage) from None


def _model(data: bytes, where: str) -> Model:
    budget = Budget(data)
    model = root(schema.Model, budget)
    buffers = [_buffer(entry, budget) for entry in children(model, "Buffers")]
    codes = [_code(entry) for entry in children(model, "OperatorCodes")]
    graphs = tuple(_graph(entry, buffers, codes, budget) for entry in children(model, "Subgraphs"))
    if not graphs:
        raise Damage("it must have a graph, not none")
    description, version = text(model, "Description"), int(model.Version())
    return Model(graphs, where, description, version, hashlib.sha256(data).hexdigest())


def _buffer(buffer: Any, budget: Budget) -> memoryview:
    """A buffer's bytes, which lie in the flatbuffer or, by offset and size, after it."""
    if buffer.Offset() > 1:
        start, size = int(buffer.Offset()), int(buffer.Size())
        budget.span(start, size, "a buffer")
        return memoryview(budget.data)[start : start + size]
    if buffer.DataIsNone():
        return memoryview(b"")
    return numbers(buffer, "Data").data


def _code(code: Any) -> tuple[str, int, str]:
    """Operator name, version, custom name. Old writers know only the narrow field, new ones fill both."""
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return _OPERATORS.get(number, f"operator number {number}"), int(code.Version()), text(code, "CustomCode")


def _graph(
    graph: Any, buffers: Sequence[memoryview], codes: Sequence[tuple[str, int, str]], budget: Budget
) -> Graph:
    entries = list(children(graph, "Tensors"))
    names = [text(entry, "Name") for entry in entries]
    shown = unique_names(names)
    tensors = []
    for index, entry in enumerate(entries):
        label = f"tensor {index} {shown[index]!r}"
        tensors.append(_tensor(entry, index, shown[index], names[index], label, buffers, budget))
    operators = [
        _operator(entry, index, codes, len(tensors))
        for index, entry in enumerate(children(graph, "Operators"))
    ]
    inputs = _indices(graph, "Inputs", "the graph's inputs", len(tensors))
    outputs = _indices(graph, "Outputs", "the graph's outputs", len(tensors))
    return Graph(tuple(tensors), tuple(operators), inputs, outputs, text(graph, "Name"))


def _indices(table: Any, field: str, what: str, count: int, optional: bool = False) -> tuple[int, ...]:
    """Tensor indices, each of which must name a tensor."""
    found = tuple(numbers(table, field).tolist())
    for index in found:
        if not (0 <= index < count or (optional and index == ABSENT)):
            raise Damage(f"{what} must be tensors 0 to {count - 1}, not {index}")
    return found


def _tensor(
    entry: Any,
    index: int,
    name: str,
    given: str,
    label: str,
    buffers: Sequence[memoryview],
    budget: Budget,
) -> Tensor:
    number = entry.Type()
    if number not in _TYPES:
        raise Damage(f"{label}: type must be one of the schema's, not number {number}")
    if entry.ExternalBuffer():
        raise Damage(f"{label}: its values must be in the file, not in another one")
    if not 0 <= entry.Buffer() < max(1, len(buffers)):
        raise Damage(f"{label}: buffer must be 0 to {len(buffers) - 1}, not {entry.Buffer()}")
    shape = tuple(numbers(entry, "Shape").tolist())
    signature = tuple(numbers(entry, "ShapeSignature").tolist())
    if max(len(shape), len(signature)) > _LONGEST_SHAPE:
        raise Damage(f"{label}: shape must have at most {_LONGEST_SHAPE} sizes, not {len(shape)}")
    raw = buffers[entry.Buffer()] if entry.Buffer() else memoryview(b"")
    tensor = Tensor(
        index,
        name,
        given,
        shape,
        signature,
        _TYPES[number].lower(),
        _scales(entry, label),
        raw if len(raw) or 0 in shape else None,
        bool(entry.IsVariable()),
        child(entry, "Sparsity") is not None,
    )
    _check_constant(tensor, label)
    budget.charge(len(raw))
    return tensor


def _check_constant(tensor: Tensor, label: str) -> None:
    """A constant's bytes are as many as its shape and type say."""
    if tensor.raw is None or tensor.dtype not in BITS or tensor.sparse:
        return
    if any(extent < 0 for extent in tensor.shape):
        raise Damage(f"{label}: shape must not be negative, not {tensor.shape}")
    wanted = -(-tensor.size * BITS[tensor.dtype] // 8)
    if len(tensor.raw) != wanted:
        raise Damage(
            f"{label}: {tensor.dtype} of shape {tensor.shape} must have {wanted} bytes, not {len(tensor.raw)}"
        )


def _scales(entry: Any, label: str) -> Scales | None:
    """The quantization, where there is any; as many zero points as scales, 0 where the file has none."""
    table = child(entry, "Quantization")
    if table is None:
        return None
    scale, zero_point = numbers(table, "Scale").astype(np.float32), numbers(table, "ZeroPoint")
    details = _DETAILS.get(table.DetailsType(), "unknown")
    if scale.size == 0 and details == "NONE":
        return None
    if zero_point.size == 0:
        zero_point = np.zeros(scale.size, np.int64)
    if zero_point.size == 1:
        zero_point = np.broadcast_to(zero_point, scale.shape)
    if zero_point.size != scale.size:
        raise Damage(
            f"{label}: must have as many zero points as scales ({scale.size}), not {zero_point.size}"
        )
    return Scales(scale, zero_point.astype(np.int64), int(table.QuantizedDimension()), details)


def _operator(entry: Any, index: int, codes: Sequence[tuple[str, int, str]], count: int) -> Operator:
    code = entry.OpcodeIndex()
    if not 0 <= code < len(codes):
        raise Damage(f"operator {index}: code must be 0 to {len(codes) - 1}, not {code}")
    name, version, custom = codes[code]
    label = f"operator {index} {name}"
    return Operator(
        index,
        name,
        version,
        read_options(entry),
        _indices(entry, "Inputs", f"{label}: inputs", count, optional=True),
        _indices(entry, "Outputs", f"{label}: outputs", count),
        custom,
        _indices(entry, "Intermediates", f"{label}: intermediates", count, optional=True),
    )
