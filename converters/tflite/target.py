"""`Target`: the network that a conversion makes, while it is being made."""

from __future__ import annotations

from intsim_converters.tflite.batch import BatchLayout
from intsim_converters.tflite.model import Graph
from intsim_converters.tflite.tensors import TensorView

from intsim.errors import Finding
from intsim.formats import TensorSpec
from intsim.network import NetworkBuilder
from intsim.ops import Constant


class Refused(Exception):  # noqa: N818 - an event, collected by the conversion
    """An operator cannot be converted; the reason is noted already."""


class Target:
    """The network being made: its builder, and the names and specifications of its tensors so far."""

    def __init__(self, graph: Graph, layout: BatchLayout, source: str) -> None:
        self.graph, self.layout = graph, layout
        self.builder = NetworkBuilder(source)
        self.specs: dict[str, TensorSpec] = {}
        self.names: dict[int, str] = {}  # tensor index -> intsim name, for tensors that have a value
        self.findings: list[Finding] = []
        self._constants: dict[tuple[int, tuple[int, ...]], str] = {}
        self._taken = {tensor.name for tensor in graph.tensors}

    def fresh(self, stem: str) -> str:
        """A name that no tensor of the file and no node has: the stem, or the stem with a number."""
        name, number = stem, 0
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name

    def constant(self, view: TensorView) -> str:
        """The name of the node that holds a constant operand, made when it is first read."""
        key = (view.tensor.index, view.sample_shape)
        if key not in self._constants:
            first = all(index != key[0] for index, _ in self._constants)
            name = view.name if first else self.fresh(f"{view.name}/constant")
            op = Constant(view.codes.reshape(view.sample_shape), view.format)
            self.builder.add(op, name=name, quantization=view.quantization)
            self.specs[name] = TensorSpec(view.sample_shape, view.format)
            self._constants[key] = name
        return self._constants[key]
