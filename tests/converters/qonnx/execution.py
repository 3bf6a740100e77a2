"""QONNX' own execution of a model: every tensor that it computes, in float32."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

with warnings.catch_warnings():  # what others warn of while they are imported
    warnings.simplefilter("ignore")
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

IR_VERSION = 10
"""Of the models of one node that QONNX makes: it takes onnx' newest, which ONNX Runtime need not know yet."""

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
        older = partial(onnx_exec.qonnx_make_model, ir_version=IR_VERSION)
        with warnings.catch_warnings(), patch.object(onnx_exec, "qonnx_make_model", older):
            warnings.simplefilter("ignore")
            found: Arrays = onnx_exec.execute_onnx(self.model, given, return_full_exec_context=True)
        return found
