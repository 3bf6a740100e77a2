"""`QonnxTarget`: the network that a conversion makes, with the file's annotations and the ranges so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intsim_converters.onnx.batch import Batch
from intsim_converters.onnx.model import Graph
from intsim_converters.onnx.target import Target
from intsim_converters.qonnx.staircase import Staircase

from intsim.arithmetic import Interval
from intsim.formats import Quantization
from intsim.ops import Op


class QonnxTarget(Target):
    """A target that also knows what every tensor can hold.

    annotations : tensor of the file -> name of its data type
    ranges : tensor of the network -> the integers that it can hold
    staircases : requantize node -> the function that it was made from
    """

    values: dict[str, Any]

    def __init__(
        self,
        graph: Graph,
        batch: Batch,
        opsets: Mapping[str, int],
        source: str,
        annotations: Mapping[str, str],
    ) -> None:
        super().__init__(graph, batch, opsets, source)
        self.annotations = annotations
        self.ranges: dict[str, Interval] = {}
        self.staircases: dict[str, Staircase] = {}

    def add(self, op: Op, *inputs: str, name: str, quantization: Quantization | None = None) -> str:
        """Add a node. Raises SpecError where its inputs do not fit it."""
        added = super().add(op, *inputs, name=name, quantization=quantization)
        specs = [self.specs[entry] for entry in inputs]
        self.ranges[name] = op.bounds(specs, [self.ranges[entry] for entry in inputs]).outputs[0]
        return added
