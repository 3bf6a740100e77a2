"""ONNX Runtime and onnx.reference behind one call: a model's bytes and inputs to its outputs by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from intsim_converters.onnx.sessions import ort_session, run_ort
from onnx import helper
from onnx.reference import ReferenceEvaluator

from intsim.errors import ConversionError

Arrays = dict[str, np.ndarray]


class RuntimeRefused(Exception):  # noqa: N818 - an event
    """The runtime does not take the model."""


class Session:
    """A model in ONNX Runtime, with the options of `intsim_converters.onnx.sessions`."""

    def __init__(self, data: bytes) -> None:
        try:
            self._session = ort_session("model", data)
        except ConversionError as error:
            raise RuntimeRefused(str(error)) from error
        self.outputs = [entry.name for entry in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        return dict(zip(self.outputs, run_ort(self._session, self.outputs, inputs), strict=True))


class Reference:
    """A model in onnx.reference."""

    def __init__(self, data: bytes) -> None:
        self._model = ReferenceEvaluator(onnx.ModelProto.FromString(data))
        self.outputs = list(self._model.output_names)
        types = {port.name: port.type.tensor_type.elem_type for port in self._model.proto_.graph.input}
        self._dtypes = {name: helper.tensor_dtype_to_np_dtype(number) for name, number in types.items()}

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        given = dict(inputs)
        for name, x in inputs.items():
            if self._dtypes[name].name.startswith(("float8", "float4")):
                given[name] = x.view(self._dtypes[name])
        with np.errstate(all="ignore"):
            found = self._model.run(None, given)
        codes = [x.view(np.uint8) if x.dtype.name.startswith(("float8", "float4")) else x for x in found]
        return dict(zip(self.outputs, codes, strict=True))


def session_of(data: bytes, dialect: str) -> Session | Reference:
    """The runtime whose integers a dialect stands for."""
    return Session(data) if dialect == "ort" else Reference(data)
