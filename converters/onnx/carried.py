"""Moves between a DequantizeLinear and the operator that it is fused with.

Rules (Q), cited by the lowerings
---------------------------------
Q1. The runtime drops Identity and Dropout. It carries a DequantizeLinear through Reshape, Transpose, Squeeze,
    Unsqueeze, Slice, and from operator set 12 on MaxPool, unless a QuantizeLinear reads what is moved. What
    stands behind other moves it computes in float, and gives other codes.
Q2. Of these, the runtime surely does in float: Concat, DepthToSpace, Flatten, Gather, GlobalMaxPool, Resize,
    SpaceToDepth, Split, Upsample. Others it may drop or merge before it looks, as a Pad into a MaxPool.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/optimizer/qdq_transformer/qdq_propagation.cc.
"""

from __future__ import annotations

from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Node

_DROPPED = ("Identity", "Dropout")
_CARRIED = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "MaxPool")
_IN_FLOAT = (
    *("Concat", "DepthToSpace", "Flatten", "Gather", "GlobalMaxPool", "Resize", "SpaceToDepth", "Split"),
    "Upsample",
)
_MAX_POOL_FROM = 12


def check_carried(op: Lowering, i: int) -> None:
    """Rule Q1 in dialect ort, for input i, which is what computed codes stand for."""
    node = _obstacle(op, i) if op.as_runtime else None
    if node is not None:
        op.refuse(
            f"float region: {node.op} between DequantizeLinear and {op.name}, where the runtime computes in"
            " float. [Q1]"
        )


def moved_in_float(op: Lowering, i: int) -> bool:
    """Rule Q2 in dialect ort."""
    node = _obstacle(op, i) if op.as_runtime else None
    return node is not None and node.op in _IN_FLOAT


def _obstacle(op: Lowering, i: int) -> Node | None:
    """The last move that input i is not carried through, if any."""
    makers = {name: node for node in op.target.graph.nodes for name in node.outputs}
    name, quantized = op.node.inputs[i], False
    while makers[name].op != "DequantizeLinear":
        node = makers[name]
        quantized |= any(reader.op == "QuantizeLinear" for reader in op.target.readers(name))
        if node.op not in _DROPPED:
            early = node.op == "MaxPool" and op.opset < _MAX_POOL_FROM
            if node.op not in _CARRIED or early or quantized:
                return node
            quantized = False
        name = node.inputs[0]
    return None
