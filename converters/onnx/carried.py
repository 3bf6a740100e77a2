"""Moves between a DequantizeLinear and the operator that it is fused with.

Rules (Q), cited by the lowerings
---------------------------------
Q1. The runtime carries a DequantizeLinear through Reshape, Transpose, Squeeze, Unsqueeze, Slice, and from
    operator set 12 on MaxPool, unless a QuantizeLinear reads there too; Identity and Dropout it drops. What
    stands behind other moves it computes in float, and gives other codes: refused in ort.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/optimizer/qdq_transformer/qdq_propagation.cc.
"""

from __future__ import annotations

from intsim_converters.onnx.lowering import Lowering

_CARRIED = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "MaxPool", "Identity", "Dropout")
_MAX_POOL_FROM = 12


def check_carried(op: Lowering, i: int) -> None:
    """Rule Q1, for input i, which is what computed codes stand for."""
    if not op.as_runtime:
        return
    makers = {name: node for node in op.target.graph.nodes for name in node.outputs}
    name = op.node.inputs[i]
    while makers[name].op != "DequantizeLinear":
        node, readers = makers[name], op.target.readers(name)
        op.require(
            node.op in _CARRIED
            and (node.op != "MaxPool" or op.opset >= _MAX_POOL_FROM)
            and all(reader.op != "QuantizeLinear" for reader in readers),
            f"float region: {node.op} between DequantizeLinear and {op.name}, where the runtime computes in"
            " float. [Q1]",
        )
        name = node.inputs[0]
