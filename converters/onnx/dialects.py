"""The dialects of conversion: whose integers a network gets."""

from __future__ import annotations

DIALECTS: dict[str, str] = {
    "ort": (
        "ONNX Runtime 1.31.1 on x86 with AVX2 and FMA, session.qdqisint8allowed=1: float32"
        " requantization with"
        " ties to even, QDQ groups fused into integer operators as the runtime fuses them. Source:"
        " ONNX Runtime,"
        " onnxruntime/core/mlas/lib, contrib_ops/cpu/quantization, core/optimizer/qdq_transformer"
    ),
    "integer": (
        "the integer operators that QDQ groups stand for, also where ONNX Runtime computes them in float:"
        " weights and activations of 2 to 16 bits of any sign, activations as limits of the codes; where"
        " scales of weights run in blocks, the exact sum, rounded once; the rest as ort. Source: ONNX"
        " Runtime's QLinearConv and QLinearMatMul, carried over to other types"
    ),
    "onnx-ref": (
        "onnx.reference of ONNX 1.23.2: requantization in float64, the zero point added before rounding; QDQ"
        " groups are not fused. Source: onnx/reference/ops"
    ),
}
"""Name -> what it stands for, and where it was read."""

DEFAULT = "ort"
