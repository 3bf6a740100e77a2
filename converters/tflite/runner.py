"""The other side of ``intsim diff``: a .tflite file in LiteRT, by the kernels that the dialect stands for.

LiteRT runs one sample at a time here and keeps every tensor. Tensors that share a name are left out, because
the network's name does not say which of them it is.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from intsim_converters.tflite.convert import convert_model
from intsim_converters.tflite.reader import read_model

from intsim.errors import ConversionError, Finding, InputError

RESOLVERS = {"litert-ref": "BUILTIN_REF", "xnnpack": "AUTO"}
"""Dialect -> LiteRT's name of the kernels that compute so."""


class TfliteRunner:
    """See `intsim.converter.Runner`."""

    left_out: Mapping[str, str] = {}

    def __init__(self, source: Path, dialect: str) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        if dialect not in RESOLVERS:
            known = " or ".join(RESOLVERS)
            raise ConversionError(
                Finding("dialect", f"must be {known} for LiteRT to run it, not {dialect!r}")
            )
        model = read_model(source)
        network = convert_model(model, dialect)
        try:
            with warnings.catch_warnings():  # keeping every tensor warns of its memory
                warnings.simplefilter("ignore")
                self._interpreter = Interpreter(
                    model_content=source.read_bytes(),
                    num_threads=1,
                    experimental_op_resolver_type=OpResolverType[RESOLVERS[dialect]],
                    experimental_preserve_all_tensors=True,
                )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ConversionError(Finding(model.where, f"is not taken by LiteRT: {error}")) from error
        self.network, self._inputs = network, [entry.name for entry in network.inputs]
        for name, detail in zip(self._inputs, self._interpreter.get_input_details(), strict=True):
            if np.prod(detail["shape"]) != network.specs[name].size:
                rule = f"input {name!r} must be one sample of {network.specs[name].shape}"
                raise ConversionError(Finding(model.where, f"{rule} to be run here, not {detail['shape']}"))
        self.what = f"LiteRT {_version()}, {RESOLVERS[dialect]}"
        self._where, self._shapes = model.where, {name: spec.shape for name, spec in network.specs.items()}
        details = self._interpreter.get_tensor_details()
        count = Counter(detail["name"] for detail in details)
        self._places = {
            detail["name"]: detail["index"]
            for detail in details
            if count[detail["name"]] == 1 and detail["name"] in network.specs
        }
        self.axes: Mapping[str, tuple[int, ...] | None] = dict.fromkeys(self._places)

    def run(self, inputs: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, np.ndarray]:
        kept: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for sample in range(len(next(iter(inputs.values())))):
            for name, detail in zip(self._inputs, self._interpreter.get_input_details(), strict=True):
                values = np.asarray(inputs[name][sample])
                self._interpreter.set_tensor(
                    detail["index"], values.reshape(detail["shape"]).astype(detail["dtype"])
                )
            try:
                self._interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise InputError(Finding(self._where, f"LiteRT fails: {error}")) from error
            for name, held in kept.items():
                values = self._interpreter.get_tensor(self._places[name])
                shape = self._shapes[name]
                held.append(values.reshape(shape) if values.size == np.prod(shape, dtype=int) else values)
        return {name: np.stack(held) for name, held in kept.items()}


def _version() -> str:
    from importlib.metadata import version

    return version("ai-edge-litert")
