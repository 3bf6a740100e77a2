"""What is refused before any lowering is asked, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator

from intsim_converters.onnx.model import Model, Node

from intsim.errors import Finding

OLDEST = 10
"""The first operator set with QuantizeLinear."""

_CONTROL = "runs other graphs; control flow is not converted"
_RANDOM = "draws random numbers; its result is not a function of its inputs"
_STATE = "is a recurrent cell, which keeps a state that a network here has not"
_FLOATS = "adds up floats, in an order that decides their last bits; no integer operator stands for it"
_ROWS = "looks up rows whose scales run in blocks, but codes have one scale, or one per index of an axis"
_DYNAMIC = "computes a scale from the data; quantize statically, so that scales are constants"

_QONNX = ("qonnx.", "onnx.brevitas", "finn.")

REASONS: dict[str, str] = {
    **dict.fromkeys(("If", "Loop", "Scan"), _CONTROL),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _STATE),
    **dict.fromkeys(
        (
            "RandomNormal",
            "RandomUniform",
            "RandomNormalLike",
            "RandomUniformLike",
            "Multinomial",
            "Bernoulli",
        ),
        _RANDOM,
    ),
    **dict.fromkeys(
        (
            "Attention",
            "Einsum",
            "GroupNormalization",
            "InstanceNormalization",
            "LRN",
            "LayerNormalization",
            "LogSoftmax",
            "LpNormalization",
            "LpPool",
            "MeanVarianceNormalization",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSumExp",
            "RMSNormalization",
            "SimplifiedLayerNormalization",
            "SkipLayerNormalization",
            "SkipSimplifiedLayerNormalization",
        ),
        _FLOATS,
    ),
    "BatchNormalization": "computes in float; fold it into the layer before it, and quantize then",
    "GatherBlockQuantized": _ROWS,
    "DynamicQuantizeLinear": _DYNAMIC,
    "DynamicQuantizeMatMul": _DYNAMIC,
}
"""Operator -> why it cannot be converted."""


def version_findings(model: Model) -> Iterator[Finding]:
    """What is wrong with the operator sets that the file is written in, as a whole."""
    strange = next((node for node in model.graph.nodes if node.domain.startswith(_QONNX)), None)
    if strange is not None:
        yield Finding(strange.where, "is an operator of QONNX; convert with --from qonnx")
    version = model.opsets.get("")
    if version is None and any(not node.domain for node in model.graph.nodes):
        yield Finding("model", "must say which version of ONNX's operators it has (opset_import)")
    elif version is not None and version < OLDEST:
        yield Finding("model", f"operator set must be version {OLDEST} or later, not {version}")


def node_reason(node: Node) -> str | None:
    """Why a node cannot be converted whatever its lowering says; None: ask the lowering."""
    if node.op in REASONS:
        return REASONS[node.op]
    if not node.inputs or not node.outputs:
        return f"must have inputs and outputs, not {len(node.inputs)} and {len(node.outputs)}"
    return None
