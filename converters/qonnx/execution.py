"""QONNX' own execution of a model, node by node: every tensor of it, in float32.

Rules
-----
X1. QONNX makes a model of every node, anew for every input, and gives it the newest format of files that the
    onnx package knows, which ONNX Runtime need not know yet. While it executes, such models have `_FORMAT`
    instead, and a node's session is kept for the next input. Neither changes what is computed.
X2. QONNX executes sizes that are known: an input's that is a symbol, the batch, is 1; those of the tensors
    behind it are inferred from that.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime

from intsim.errors import ConversionError, Finding, InputError

with warnings.catch_warnings():  # what others warn of while they are imported
    warnings.simplefilter("ignore")
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

_FORMAT = 10  # IR version

WHAT = f"QONNX {version('qonnx')}"


class Execution:
    """A file's bytes in QONNX; `where` is the file, in a reader's words.

    Raises
    ------
    ConversionError
        QONNX does not take it.
    """

    def __init__(self, where: str, data: bytes) -> None:
        self._where = where
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._model = ModelWrapper(_sized(data)).transform(InferShapes())
        except Exception as error:  # of several kinds, none with a common parent
            raise ConversionError(Finding(where, f"is not taken by {WHAT}: {_one_line(error)}")) from error

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's, with the batch."""
        return tuple(self._model.get_tensor_shape(name))

    def run(self, given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """All tensors by name. Raises InputError where QONNX fails."""
        try:
            with warnings.catch_warnings(), _kept():
                warnings.simplefilter("ignore")
                found: Mapping[str, np.ndarray] = onnx_exec.execute_onnx(
                    self._model, dict(given), return_full_exec_context=True
                )
        except Exception as error:  # of several kinds, none with a common parent
            raise InputError(Finding(self._where, f"is not run by {WHAT}: {_one_line(error)}")) from error
        return found


def _sized(data: bytes) -> bytes:
    """Rule X2."""
    model = onnx.ModelProto.FromString(data)
    for port in model.graph.input:
        for size in port.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_value = 1
    sized: bytes = model.SerializeToString()
    return sized


@contextmanager
def _kept() -> Iterator[None]:
    """Rule X1."""
    make, runtime = onnx_exec.qonnx_make_model, onnx_exec.rt
    onnx_exec.qonnx_make_model = partial(make, ir_version=_FORMAT)
    onnx_exec.rt = SimpleNamespace(InferenceSession=_session)
    try:
        yield
    finally:
        onnx_exec.qonnx_make_model, onnx_exec.rt = make, runtime


@lru_cache(maxsize=64)
def _session(model: bytes) -> Any:
    return onnxruntime.InferenceSession(model)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
