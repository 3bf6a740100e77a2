"""Run .tflite models on TensorFlow Lite Micro, whose integers the dialect ``tflm`` has to reproduce.

Keys of a result are those of `tests.zoo.litert`. The runtime writes why it refuses a model to the process's
stderr; it is left there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tflite_micro import runtime

from tests.zoo.litert import RuntimeRefused, tensor_keys

_ROOM = 8
"""Bytes of working memory per byte of model, and 2 MiB: a model that needs more ends the process."""


class Session:
    """A model loaded once, for many runs.

    Attributes
    ----------
    keys : the key of each tensor of the graph, by index
    input_keys, output_keys : the keys of the graph's inputs and outputs, in their order

    Raises
    ------
    RuntimeRefused
        The runtime will not load the model or prepare its operators.
    """

    def __init__(self, model: bytes) -> None:
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                model,
                arena_size=_ROOM * len(model) + (2 << 20),
                intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,  # spelled so
            )
        except RuntimeError as error:
            raise RuntimeRefused("load", str(error)) from error
        self.keys = tensor_keys(model)
        graph = schema.Model.GetRootAs(model).Subgraphs(0)
        self.input_keys = [self.keys[graph.Inputs(i)] for i in range(graph.InputsLength())]
        self.output_keys = [self.keys[graph.Outputs(i)] for i in range(graph.OutputsLength())]

    def run(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run the model once.

        Returns
        -------
        key -> value of every tensor of the graph
        """
        for place, key in enumerate(self.input_keys):
            dtype = self._interpreter.get_input_details(place)["dtype"]
            value = np.asarray(inputs[key])
            if not np.array_equal(value.astype(dtype), value):
                raise ValueError(f"{key}: values must be exact in {np.dtype(dtype)}")
            self._interpreter.set_input(value.astype(dtype), place)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise RuntimeRefused("invoke", str(error)) from error
        found = (self._interpreter.GetTensor(index, 0) for index in range(len(self.keys)))
        return {key: np.array(tensor["tensor_data"]) for key, tensor in zip(self.keys, found, strict=True)}
