"""ONNX Runtime and onnx.reference behind one call: a model's bytes and inputs to its outputs by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from intsim_converters.onnx.sessions import ort_session
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
        return dict(zip(self.outputs, self._session.run(None, dict(inputs)), strict=True))


class Reference:
    """A model in onnx.reference."""

    def __init__(self, data: bytes) -> None:
        self._model = ReferenceEvaluator(onnx.ModelProto.FromString(data))
        self.outputs = list(self._model.output_names)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        with np.errstate(all="ignore"):
            found = self._model.run(None, dict(inputs))
        return dict(zip(self.outputs, found, strict=True))


def session_of(data: bytes, dialect: str) -> Session | Reference:
    """The runtime whose integers a dialect stands for."""
    return Session(data) if dialect == "ort" else Reference(data)
