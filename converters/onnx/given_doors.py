"""Casts and doors of element types that no network holds, and doors with scales in blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from intsim_converters.onnx import narrow
from intsim_converters.onnx.folding import spread
from intsim_converters.onnx.given import Values, alone, network
from intsim_converters.onnx.model import NUMBERS, Constant, Model, Node

_DOORS = ("QuantizeLinear", "DequantizeLinear")
_CASTS = ("Cast", "CastLike")


def by_formats(node: Node, given: list[Constant | None]) -> Constant | None:
    """The output, by intsim's formats; None where the node is none of those."""
    x = given[0]
    if node.domain or x is None:
        return None
    saturate = bool(node.attributes.get("saturate", 1))
    name = node.outputs[0]
    if node.op in _CASTS:
        like = given[1] if node.op == "CastLike" else None
        dtype = like.dtype if like is not None else NUMBERS.get(node.attributes.get("to", 0), "no type")
        mode = node.attributes.get("round_mode", "up")
        return replace(narrow.cast(x, dtype, saturate=saturate, round_mode=mode), name=name)
    if node.op not in _DOORS or given[1] is None:
        return None
    scale = spread(given[1].values, x.shape, node)
    if node.op == "DequantizeLinear":
        if x.dtype not in narrow.NARROW:
            return None
        return Constant(name, given[1].dtype, narrow.dequantize(x, scale))
    dtype = _code_type(node, given)
    if dtype not in narrow.NARROW:
        return None
    return replace(narrow.quantize(x, scale, dtype, saturate=saturate), name=name)


def _code_type(node: Node, given: list[Constant | None]) -> str:
    """The type that a QuantizeLinear gives."""
    zero = given[2] if len(given) > 2 else None
    if zero is not None:
        return zero.dtype
    return NUMBERS.get(node.attributes.get("output_dtype", 0), "uint8")


def flat_door(node: Node, given: list[Constant | None], model: Model, dialect: str) -> Constant | None:
    """A blocked door as a network over the flat tensor, a scale for every element; None for other nodes."""
    if node.op not in _DOORS or node.domain or not node.attributes.get("block_size", 0):
        return None
    x, scale = given[0], given[1]
    assert x is not None
    assert scale is not None
    values: Values = {}
    for name, entry in zip(("x", "scale", "zero"), given, strict=False):
        if entry is not None:
            met = entry.values if name == "x" else spread(entry.values, x.shape, node)
            values[name] = Constant(name, entry.dtype, np.broadcast_to(met, x.shape).reshape(-1))
    attributes = {key: value for key, value in node.attributes.items() if key not in ("axis", "block_size")}
    flat = Node(0, "", node.op, "", tuple(values), ("y",), {**attributes, "axis": 0})
    found = network(alone(flat, values, model), values, dialect)["y"]
    return Constant(node.outputs[0], found.dtype, found.values.reshape(x.shape))
