"""Moves between a DequantizeLinear and the operator that it is fused with.

Rules (Q), cited by the lowerings
---------------------------------
Q1. The runtime carries a DequantizeLinear through Reshape, Transpose, Squeeze, Unsqueeze, Slice, and from
    operator set 12 on MaxPool, unless a QuantizeLinear reads there too; Identity and Dropout it drops. What
    stands behind other moves it computes in float, and gives other codes. In ort that is refused, but for
    operators that are converted in float32 too.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/optimizer/qdq_transformer/qdq_propagation.cc.
"""

from __future__ import annotations

from intsim_converters.onnx.lowering import Lowering

_CARRIED = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "MaxPool", "Identity", "Dropout")
_MAX_POOL_FROM = 12


def obstacle(op: Lowering, i: int) -> str | None:
    """The operator that keeps input i, which is what codes stand for, from being fused by rule Q1, if any."""
    makers = {name: node for node in op.target.graph.nodes for name in node.outputs}
    name = op.node.inputs[i]
    while makers[name].op != "DequantizeLinear":
        node = makers[name]
        carried = node.op in _CARRIED and (node.op != "MaxPool" or op.opset >= _MAX_POOL_FROM)
        if not carried or any(reader.op == "QuantizeLinear" for reader in op.target.readers(name)):
            return node.op
        name = node.inputs[0]
    return None


def check_carried(op: Lowering, i: int) -> None:
    """Rule Q1, for an operator that is nothing but fused."""
    between = obstacle(op, i) if op.as_runtime else None
    op.require(
        between is None,
        f"float region: {between} between DequantizeLinear and {op.name}, where the runtime computes in"
        " float. [Q1]",
    )
