"""What is constant is computed while converting: nodes that read constants only, and nothing that rounds.

Shapes, and weights that are reshaped, transposed or quantized in the file, come this way. Moves are done by
onnx's own reference; QuantizeLinear by the rule of the doors. A DequantizeLinear is left, as it says what a
constant means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from intsim_converters.onnx.lowering import MICROSOFT
from intsim_converters.onnx.model import FLOATS, NUMBERS, Array, Constant, Graph, Node
from intsim_converters.onnx.values import FORMATS
from onnx.reference import ReferenceEvaluator

_MOVES = (
    "Cas"
    "t", "Concat", "ConstantOfShape", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
)  # fmt: skip
_WHOLE = ("Add", "Sub", "Mul", "Range", "Min", "Max")  # of integers only
_LARGEST = 1 << 28  # elements of a folded tensor


def fold(graph: Graph, opset: int) -> Graph:
    """The graph without the nodes whose results are constants; nodes keep their index."""
    constants = dict(graph.constants)
    kept: list[Node] = []
    for node in graph.nodes:
        results = _results(node, constants, opset)
        if results is None:
            kept.append(node)
        else:
            constants.update((result.name, result) for result in results)
    outputs = {port.name for port in graph.outputs}
    if outputs & (constants.keys() - graph.constants.keys()):
        return graph  # an output must be a node of its own
    return replace(graph, constants=constants, nodes=tuple(kept))


def _results(node: Node, constants: dict[str, Constant], opset: int) -> list[Constant] | None:
    """The outputs of a node, or None where it is not folded."""
    if not node.inputs or any(name and name not in constants for name in node.inputs):
        return None
    given = [constants[name] for name in node.inputs if name]
    if node.op == "QuantizeLinear" and node.domain in ("", MICROSOFT):
        return _quantized(node, given)
    if node.domain:
        return None
    exact = all(entry.dtype not in FLOATS for entry in given)
    if node.op not in _MOVES and not (node.op in _WHOLE and exact):
        return None
    if any(entry.dtype not in ("float32", "int64", "int32", "int8", "uint8", "bool") for entry in given):
        return None
    if node.op == "Cast" and not exact:
        return None
    return _evaluated(node, given, opset)


def moved_constant(node: Node, constants: Mapping[str, Constant], opset: int) -> Constant | None:
    """The one output of a node that moves its first input, of the same type; None where it is not folded."""
    if any(name and name not in constants for name in node.inputs):
        return None
    given = [replace(constants[name], name=name) for name in node.inputs if name]
    results = _evaluated(node, given, opset) if node.op in _MOVES[1:] else None
    return None if results is None else replace(results[0], dtype=given[0].dtype)


def _quantized(node: Node, given: list[Constant]) -> list[Constant] | None:
    """QuantizeLinear of a float32 constant: the rule of `lower_doors`, with scales in blocks too."""
    x, scale = given[0], given[1]
    number = node.attributes.get("output_dtype", 0)
    dtype = given[2].dtype if len(given) > 2 else NUMBERS.get(number, "") if number else "uint8"
    if x.dtype != "float32" or scale.dtype != "float32" or dtype not in FORMATS or len(node.inputs) > 3:
        return None
    zero = given[2].values if len(given) > 2 else np.zeros(scale.shape, np.int64)
    plain = NUMBERS.get(node.attributes.get("precision", 0), "float32") == "float32"
    if not plain or not all(_meets(values, x.shape, node) for values in (scale.values, zero)):
        return None
    with np.errstate(all="ignore"):
        quotient = x.values / spread(scale.values, x.shape, node)
    if np.isnan(quotient).any():
        return None
    format = FORMATS[dtype]
    codes = np.rint(np.clip(quotient, -(2.0**40), 2.0**40)).astype(np.int64)
    codes = codes + spread(zero.astype(np.int64), x.shape, node)
    return [Constant(node.outputs[0], dtype, np.clip(codes, format.min, format.max).astype(format.storage))]


def _meets(values: Array, shape: tuple[int, ...], node: Node) -> bool:
    """Whether scales or zero points are one, as many as an axis has, or one per block of it."""
    axis, block = int(node.attributes.get("axis", 1)), int(node.attributes.get("block_size", 0))
    if not block and values.size == 1:
        return values.ndim <= 1
    if not -len(shape) <= axis < len(shape) or block < 0:
        return False
    if not block:
        return values.shape == (shape[axis],)
    axis %= len(shape)
    return values.shape == (*shape[:axis], -(-shape[axis] // block), *shape[axis + 1 :])


def spread(values: Array, shape: tuple[int, ...], node: Node) -> Array:
    """Scales or zero points of a door as they meet a tensor: one, along an axis, or by blocks."""
    if values.size == 1:
        return values.reshape(())
    axis, block = int(node.attributes.get("axis", 1)), int(node.attributes.get("block_size", 0))
    if block:
        return np.repeat(values, block, axis=axis).take(range(shape[axis]), axis=axis)
    along = [1] * len(shape)
    along[axis] = values.size
    return values.reshape(along)


def _evaluated(node: Node, given: list[Constant], opset: int) -> list[Constant] | None:
    """A node by onnx's reference; None where it fails, so that the lowering says what is wrong."""
    if _size(node, given) > _LARGEST:
        return None
    attributes = {key: value for key, value in node.attributes.items() if not isinstance(value, Constant)}
    if len(attributes) != len(node.attributes):
        return None
    made = onnx.helper.make_node(node.op, list(node.inputs), list(node.outputs), **attributes)
    names = list(dict.fromkeys(name for name in node.inputs if name))
    ports = [onnx.ValueInfoProto(name=name) for name in names]
    graph = onnx.helper.make_graph(
        [made], "fold", ports, [onnx.ValueInfoProto(name=name) for name in node.outputs]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        found = ReferenceEvaluator(model).run(None, {entry.name: entry.values for entry in given})
    except Exception:  # whatever the reference trips over is the file's fault, and told by the lowering
        return None
    results = zip(node.outputs, found, strict=True)
    return [Constant(name, _dtype(array), np.asarray(array)) for name, array in results]


def _size(node: Node, given: list[Constant]) -> float:
    """An upper bound of a result's elements."""
    if node.op in ("ConstantOfShape", "Expand", "Range", "Tile"):
        values = [entry.values for entry in given if entry.values.dtype.kind in "iu"]
        return float(np.prod([np.prod(np.abs(value.astype(np.float64)) + 1) for value in values]))
    return float(sum(entry.values.size for entry in given))


def _dtype(array: Array) -> str:
    return str(np.asarray(array).dtype)
