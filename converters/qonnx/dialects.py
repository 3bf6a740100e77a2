"""The dialects of conversion: what a QONNX file's float inputs are."""

from __future__ import annotations

DIALECTS: dict[str, str] = {
    "qonnx": (
        "QONNX 1.0.0, node by node in float32 with ONNX Runtime: graph inputs are quantized in the file,"
        " or have an integer data type. Source: qonnx/core/onnx_exec.py, qonnx/custom_op/general"
    ),
    "qonnx-image8": (
        "as qonnx, but float graph inputs without a data type are images of 8 bits, 0 to 1 in steps of"
        " float32(1 / 255). Source: torchvision's ToTensor, which such networks are trained behind"
    ),
}
"""Name -> what it stands for, and where it was read."""

DEFAULT = "qonnx"
