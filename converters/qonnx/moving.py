"""What a movement does to every array that goes with a tensor, by onnx's own reference."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
from intsim_converters.onnx.model import Constant, Node
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.parameters import Array, Move, Shape
from onnx.reference import ReferenceEvaluator


def movement(op: QonnxLowering, shape: Shape) -> tuple[Shape, Move, bool]:
    """How a node moves its first input of a shape.

    Returns
    -------
    The shape of the result; the movement, for arrays of any type; whether it leaves the elements' order.
    """
    constants = [op.constant(i) if op.has(i) else None for i in range(1, len(op.node.inputs))]
    move = partial(_moved, _model(op.node, op.target.opsets.get("", 1)), op.node.inputs, constants)
    places = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    try:
        result = move(places)
    except Exception as error:  # whatever the reference trips over is the file's fault
        op.refuse(f"must be possible on shape {shape}: {error}")
    op.require(result.size == places.size and result.size > 0, f"must keep the elements of {shape}")
    return result.shape, move, bool(np.array_equal(result.reshape(-1), places.reshape(-1)))


def _model(node: Node, opset: int) -> ReferenceEvaluator:
    attributes = {key: value for key, value in node.attributes.items() if not isinstance(value, Constant)}
    made = onnx.helper.make_node(node.op, list(node.inputs), list(node.outputs[:1]), **attributes)
    ports = [onnx.ValueInfoProto(name=name) for name in node.inputs if name]
    graph = onnx.helper.make_graph([made], "move", ports, [onnx.ValueInfoProto(name=node.outputs[0])])
    return ReferenceEvaluator(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    )


def _moved(
    model: ReferenceEvaluator, names: tuple[str, ...], constants: list[Array | None], values: Array
) -> Array:
    given = {name: array for name, array in zip(names[1:], constants, strict=True) if name}
    (result,) = model.run(None, {names[0]: np.ascontiguousarray(values), **given})
    return np.asarray(result)
