"""QONNX' own execution of a model: every tensor that it computes, in float32."""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import onnxruntime

with warnings.catch_warnings():  # what others warn of while they are imported
    warnings.simplefilter("ignore")
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

IR_VERSION = 10
"""Of the models of one node that QONNX makes: it takes onnx' newest, which ONNX Runtime need not know yet."""

Arrays = dict[str, np.ndarray[Any, Any]]


@lru_cache(maxsize=64)
def _session(model: bytes) -> Any:
    """ONNX Runtime's session for a model of one node, which QONNX makes anew for every input."""
    return onnxruntime.InferenceSession(model)


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
        kept = SimpleNamespace(InferenceSession=_session)
        with warnings.catch_warnings(), patch.multiple(onnx_exec, qonnx_make_model=older, rt=kept):
            warnings.simplefilter("ignore")
            found: Arrays = onnx_exec.execute_onnx(self.model, given, return_full_exec_context=True)
        return found
