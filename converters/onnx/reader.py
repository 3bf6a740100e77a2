"""Read an .onnx file into plain data, whatever is in it.

Rules
-----
1. Nothing is read outside the file but external data that lies in the file's own folder or below, and of
   that no more than the tensors' shapes and types say. Nothing is allocated beyond what the bytes hold.
2. A file that is no protobuf message, or whose tensors do not hold as many values as they say, is one
   FileError that names the first thing that is wrong.
3. What a graph means, and whether intsim can do it, is not asked here.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from intsim_converters.onnx.model import NUMBERS, Constant, Graph, Model, Node, Port
from intsim_converters.onnx.tensors import Damage, Folder, read_tensor
from intsim_converters.reading import Source

from intsim.errors import FileError, Finding

_LARGEST = 1 << 31  # bytes of a protobuf message

_ATTRIBUTES = {"FLOAT": "f", "INT": "i", "FLOATS": "floats", "INTS": "ints"}


def read_model(source: Source) -> Model:
    """Read a file, or a file's bytes; bytes have no folder, so no external data.

    Raises
    ------
    FileError
        The file cannot be opened, or is not a whole and consistent .onnx file; the message names the first
        thing that is wrong.
    """
    if isinstance(source, bytes):
        return parse(source, "model in memory", None)
    path = Path(source)
    return parse(read_bytes(path), path.name, path.parent)


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises FileError."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileError(f"{path}: must be a file")
        if status.st_size > _LARGEST:
            raise FileError(f"{path}: must be at most {_LARGEST} bytes, not {status.st_size}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path}: cannot be read: {reason}") from error


def parse(data: bytes, where: str, folder: Path | None) -> Model:
    """The content of a file's bytes.

    where : names it in messages
    folder : external data may lie there or below; None: nowhere
    """
    message = onnx.ModelProto()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise FileError(
            Finding(where, f"must be an ONNX model; it cannot be read as one: {error}. Is it cut or damaged?")
        ) from None
    if not message.HasField("graph"):
        raise FileError(Finding(where, "must be an ONNX model with a graph; there is none. Is it empty?"))
    try:
        opsets = _opsets(message.opset_import)
        graph = _graph(message.graph, Folder(folder))
        functions = frozenset((_domain(entry.domain), entry.name) for entry in message.functions)
        return Model(graph, where, opsets, int(message.ir_version), functions)
    except Damage as damage:
        raise FileError(Finding(where, str(damage))) from None


def _opsets(imports: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in imports:
        domain, version = _domain(entry.domain), int(entry.version)
        if found.setdefault(domain, version) != version:
            raise Damage(f"operator set {domain!r} must have one version, not {found[domain]} and {version}")
    return found


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _texts(graph: Any) -> Iterator[Any]:
    """Every name in a graph that is read; bytes where it is no UTF-8."""
    for port in (*graph.input, *graph.output):
        yield port.name
        yield from (size.dim_param for size in port.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from (node.op_type, node.name, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _graph(graph: Any, folder: Folder) -> Graph:
    for text in _texts(graph):
        if not isinstance(text, str):
            raise Damage(f"names must be UTF-8, not {text!r}")
    constants: dict[str, Constant] = {}
    if len(graph.sparse_initializer):
        raise Damage("initializers must be dense; this file has sparse ones")
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in constants:
            raise Damage(f"initializers must have names of their own, not {tensor.name!r} again")
        constants[tensor.name] = read_tensor(tensor, f"initializer {tensor.name!r}", folder)
    nodes: list[Node] = []
    for index, entry in enumerate(graph.node):
        node = _node(entry, index, folder)
        value = constant_of(node)
        if value is None:
            nodes.append(node)
        else:
            constants[value.name] = value
    given = tuple(port for port in _ports(graph.input, "input") if port.name not in constants)
    return Graph(given, tuple(_ports(graph.output, "output")), constants, tuple(nodes))


def _ports(entries: Any, kind: str) -> Iterator[Port]:
    for entry in entries:
        if not entry.type.HasField("tensor_type"):
            yield Port(entry.name, "no tensor", None)
            continue
        tensor = entry.type.tensor_type
        if tensor.elem_type not in NUMBERS:
            raise Damage(f"{kind} {entry.name!r}: element type must be known, not number {tensor.elem_type}")
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(
                int(size.dim_value) if size.HasField("dim_value") else (size.dim_param or "?")
                for size in tensor.shape.dim
            )
        yield Port(entry.name, NUMBERS[tensor.elem_type], shape)


def _node(entry: Any, index: int, folder: Folder) -> Node:
    label = f"node {index} {entry.op_type} {entry.name!r}"
    if getattr(entry, "overload", ""):
        raise Damage(f"{label}: must not be an overloaded function, {entry.overload!r}")
    attributes: dict[str, Any] = {}
    for attribute in entry.attribute:
        where = f"{label}, attribute {attribute.name!r}"
        if attribute.name in attributes or attribute.ref_attr_name:
            raise Damage(f"{where}: must be given once, with a value of its own")
        attributes[attribute.name] = _attribute(attribute, where, folder)
    inputs, outputs = tuple(entry.input), tuple(entry.output)
    return Node(index, entry.name, entry.op_type, _domain(entry.domain), inputs, outputs, attributes)


def _attribute(attribute: Any, label: str, folder: Folder) -> Any:
    """An attribute's value; what no lowering reads (graphs, sparse tensors) is None."""
    kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
    if kind in _ATTRIBUTES:
        value = getattr(attribute, _ATTRIBUTES[kind])
        return value if kind in ("FLOAT", "INT") else tuple(value)
    if kind == "STRING":
        return attribute.s.decode("utf-8", "replace")
    if kind == "STRINGS":
        return tuple(entry.decode("utf-8", "replace") for entry in attribute.strings)
    if kind == "TENSOR":
        return read_tensor(attribute.t, label, folder)
    return None


def constant_of(node: Node) -> Constant | None:
    """The value of a Constant node; None for other nodes, and for values that are no numbers."""
    if node.op != "Constant" or node.domain or len(node.outputs) != 1:
        return None
    name = node.outputs[0]
    value = node.attributes.get("value")
    if isinstance(value, Constant):
        return Constant(name, value.dtype, value.values)
    for attribute, dtype in (("int", "int64"), ("float", "float32")):
        for suffix in ("", "s"):
            given = node.attributes.get(f"value_{attribute}{suffix}")
            if given is not None:
                return Constant(name, dtype, np.asarray(given, dtype))
    return None
