"""Small ONNX models for tests, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

NUMBERS: dict[str, int] = {
    "float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8,
    "uint16": TensorProto.UINT16, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
    "int64": TensorProto.INT64, "uint4": TensorProto.UINT4, "int4": TensorProto.INT4,
    "bool": TensorProto.BOOL, "float16": TensorProto.FLOAT16,
    "float8e4m3fn": TensorProto.FLOAT8E4M3FN, "float8e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ,
    "float8e5m2": TensorProto.FLOAT8E5M2, "float8e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ,
    "float4e2m1": TensorProto.FLOAT4E2M1,
}  # fmt: skip
LIMITS = {
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (4, 8, 16, 32, 64)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in (4, 8, 16)},
    **{f"float8{name}": (0, 255) for name in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")},
    "float4e2m1": (0, 15),
}
MICROSOFT = "com.microsoft"


class OnnxBuilder:
    """Collects a model's parts; `build` gives its bytes.

    doors : the domain of QuantizeLinear and DequantizeLinear
    """

    def __init__(self, opset: int = 21, doors: str = "") -> None:
        self.opset, self.doors = opset, doors
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: list[Any] = []
        self._number = 0

    def input(self, name: str, shape: Sequence[int | str], dtype: str) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, NUMBERS[dtype], list(shape)))
        return name

    def constant(self, name: str, values: Any, dtype: str) -> str:
        """A constant; those of 4 bits are packed, floats of 4 and 8 bits given as codes."""
        array = np.asarray(values)
        if dtype.startswith("float8"):
            raw = array.astype(np.uint8).tobytes()
        elif dtype in ("int4", "uint4", "float4e2m1"):
            codes = (array.reshape(-1).astype(np.int64) & 15).astype(np.uint8)
            codes = np.concatenate([codes, np.zeros(codes.size % 2, np.uint8)])
            raw = (codes[::2] | codes[1::2] << 4).tobytes()
        else:
            raw = array.astype(dtype).tobytes()
        self._constants.append(helper.make_tensor(name, NUMBERS[dtype], array.shape, raw, raw=True))
        return name

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """A node; its first output's name is given back."""
        if outputs is None:
            self._number += 1
            outputs = [f"t{self._number}"]
        self._nodes.append(helper.make_node(op, list(inputs), list(outputs), domain=domain, **attributes))
        return outputs[0]

    def output(self, name: str, dtype: str, shape: Sequence[int | str] | None = None) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, NUMBERS[dtype], shape))

    def meaning(self, name: str, scale: Any, zero_point: Any, dtype: str) -> list[str]:
        """Constants of scale and zero point."""
        return [
            self.constant(f"{name}_scale", scale, "float32"),
            self.constant(f"{name}_zero", zero_point, dtype),
        ]

    def quantize(self, x: str, meaning: Sequence[str], y: str | None = None, **attributes: Any) -> str:
        return self._door("QuantizeLinear", [x, *meaning], y, attributes)

    def dequantize(self, x: str, meaning: Sequence[str], y: str | None = None, **attributes: Any) -> str:
        return self._door("DequantizeLinear", [x, *meaning], y, attributes)

    def _door(self, op: str, inputs: list[str], y: str | None, attributes: dict[str, Any]) -> str:
        return self.node(op, inputs, None if y is None else [y], domain=self.doors, **attributes)

    def model(self) -> Any:
        graph = helper.make_graph(self._nodes, "graph", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def build(self) -> bytes:
        data: bytes = self.model().SerializeToString()
        return data


def with_outputs(data: bytes, names: dict[str, str]) -> bytes:
    """A model that gives more of its tensors: name -> element type."""
    model = onnx.ModelProto.FromString(data)
    model.graph.output.extend(
        helper.make_tensor_value_info(name, NUMBERS[dtype], None) for name, dtype in names.items()
    )
    wide: bytes = model.SerializeToString()
    return wide
