"""QONNX' own execution of a model: every tensor that it computes, in float32."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings():  # what others warn of while they are imported
    warnings.simplefilter("ignore")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

Arrays = dict[str, np.ndarray[Any, Any]]


class Execution:
    """A model, ready to be executed by qonnx.core.onnx_exec."""

    def __init__(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model = ModelWrapper(data).transform(InferShapes())

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.model.get_tensor_shape(name))

    def run(self, given: Arrays) -> Arrays:
        """All tensors by name."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Arrays = execute_onnx(self.model, given, return_full_exec_context=True)
        return found
