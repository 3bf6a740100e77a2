"""ONNX Runtime and onnx.reference behind one call: a model's bytes and inputs to its outputs by name.

Two session options make ONNX Runtime's integers the same on every x86 processor with AVX2 and FMA:

- ``session.qdqisint8allowed``: QDQ groups of int8 are fused as they are. Without it x86 computes some in
  uint8 and the others in float; which they are depends on the graph around them.
- ``session.x64quantprecision``: sums of uint8 by int8 overflow 16 bits in the kernels of processors without
  VNNI; with the option weights become uint8, and no sum overflows. It is set for models that read uint8 only:
  the runtime has no kernel for what it makes of others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

Arrays = dict[str, np.ndarray]


class RuntimeRefused(Exception):  # noqa: N818 - an event
    """The runtime does not take the model."""


class Session:
    """A model in ONNX Runtime, with its default optimizations, on one thread."""

    def __init__(self, data: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        if _reads_uint8(data):
            options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of several kinds, none with a common parent
            raise RuntimeRefused(str(error)) from error
        self.outputs = [entry.name for entry in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        return dict(zip(self.outputs, self._session.run(None, dict(inputs)), strict=True))


class Reference:
    """A model in onnx.reference."""

    def __init__(self, data: bytes) -> None:
        self._model = ReferenceEvaluator(onnx.ModelProto.FromString(data))
        self.outputs = list(self._model.output_names)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        return dict(zip(self.outputs, self._model.run(None, dict(inputs)), strict=True))


def _reads_uint8(data: bytes) -> bool:
    graph = onnx.ModelProto.FromString(data).graph
    tensors = [entry.data_type for entry in graph.initializer]
    tensors += [entry.type.tensor_type.elem_type for entry in graph.input]
    return onnx.TensorProto.UINT8 in tensors


def session_of(data: bytes, dialect: str) -> Session | Reference:
    """The runtime whose integers a dialect stands for."""
    return Session(data) if dialect == "ort" else Reference(data)
