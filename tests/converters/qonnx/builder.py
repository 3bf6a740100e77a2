"""Small QONNX models for tests, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.converters.onnx.builder import OnnxBuilder

CUSTOM = "qonnx.custom_op.general"


class QonnxBuilder(OnnxBuilder):
    """Adds QONNX' operators and data types; `version` is the one of its operator set."""

    def __init__(self, opset: int = 13, version: int = 1) -> None:
        super().__init__(opset)
        self.version = version
        self._types: dict[str, str] = {}
        self._constant_number = 0

    def floats(self, values: Any) -> str:
        """A float32 constant with a name of its own."""
        self._constant_number += 1
        return self.constant(f"c{self._constant_number}", values, "float32")

    def whole(self, *values: int) -> str:
        """An int64 constant: a shape, axes."""
        self._constant_number += 1
        return self.constant(f"c{self._constant_number}", np.array(values), "int64")

    def annotate(self, name: str, data_type: str) -> str:
        """Give a tensor a data type of QONNX'."""
        self._types[name] = data_type
        return name

    def codes(self, shape: tuple[int, ...], data_type: str, name: str = "x") -> str:
        """A graph input that holds integers."""
        return self.annotate(self.input(name, shape, "float32"), data_type)

    def custom(self, op: str, inputs: list[str], **attributes: Any) -> str:
        return self.node(op, inputs, domain=CUSTOM, **attributes)

    def quant(
        self,
        x: str,
        scale: Any,
        bits: float = 8,
        zero: Any = 0.0,
        *,
        signed: int = 1,
        narrow: int = 0,
        mode: str = "ROUND",
    ) -> str:
        given = [x, self.floats(scale), self.floats(zero), self.floats(bits)]
        return self.custom("Quant", given, signed=signed, narrow=narrow, rounding_mode=mode)

    def thresholds(self, x: str, rows: Any, **attributes: Any) -> str:
        given = {"out_dtype": "", **attributes}
        return self.custom("MultiThreshold", [x, self.floats(rows)], **given)

    def finish(self, *names: str, dtype: str = "float32") -> bytes:
        """The model that gives these tensors."""
        for name in names:
            self.output(name, dtype)
        return self.build()

    def model(self) -> Any:
        model = super().model()
        model.opset_import.append(helper.make_opsetid(CUSTOM, self.version))
        for name, data_type in self._types.items():
            pair = onnx.StringStringEntryProto(key="finn_datatype", value=data_type)
            entry = onnx.TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[pair])
            model.graph.quantization_annotation.append(entry)
        return model
