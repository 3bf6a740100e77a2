"""intsim behind ONNX's backend interface, so that ONNX's own tests run against it.

What runs where
---------------
K1. A model is one network where it can be: inputs that carry data are the network's, inputs that say what
    codes mean, or are weights or shapes, become constants when a run gives them.
K2. Where it cannot, because its floats are in the way, its nodes are run one by one, each as a network of
    its own.
K3. Casts, and doors of types that no network holds, are computed by intsim's formats (`narrow`). Blocked
    doors are networks over flat tensors with a scale for every element.
K4. DynamicQuantizeLinear is run as the function that ONNX defines it by. The float operators of that
    function, and no others, are onnx.reference's; `Rep.ran` says of every node which of these it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from intsim_converters.onnx.given import Values, alone, by_reference, network, read, written
from intsim_converters.onnx.given_doors import by_formats, flat_door
from intsim_converters.onnx.model import Array, Model, Node
from intsim_converters.onnx.reader import parse
from onnx.backend.base import Backend, BackendRep

from intsim.errors import ConversionError

_REAL = ("ReduceMin", "ReduceMax", "Min", "Max", "Sub", "Div", "Clip", "Round", "Floor", "Squeeze")


class Rep(BackendRep):  # type: ignore[misc]
    """A model that is ready to run."""

    def __init__(self, model: Model, dialect: str) -> None:
        self.model, self.dialect = model, dialect
        self.ran: list[tuple[str, str]] = []

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Array, ...]:
        """The outputs, in order, as numpy or ml_dtypes arrays.

        inputs : arrays or TensorProtos, in the order of the graph's inputs or by name

        Raises
        ------
        ConversionError
            The model holds something that cannot be computed exactly.
        """
        graph, self.ran = self.model.graph, []
        if not isinstance(inputs, Mapping):
            given = inputs if isinstance(inputs, Sequence) else [inputs]
            inputs = dict(zip((port.name for port in graph.inputs), given, strict=True))
        values = {port.name: read(port.name, inputs[port.name], port.dtype) for port in graph.inputs}
        found = self._evaluate(values)
        return tuple(written(found[port.name]) for port in graph.outputs)

    def _evaluate(self, values: Values) -> Values:
        """Rules K1 and K2."""
        graph = self.model.graph
        try:
            found = network(self.model, values, self.dialect)
        except ConversionError:
            found = {**graph.constants, **values}
            for node in graph.nodes:
                found.update(self._node(node, found))
        else:
            self.ran += [(node.op, "network") for node in graph.nodes]
        return found

    def _node(self, node: Node, values: Values) -> Values:
        """One node's outputs, by name."""
        given = [values[name] if name else None for name in node.inputs]
        result = by_formats(node, given)
        if result is not None:
            self.ran.append((node.op, "formats"))
            return {node.outputs[0]: result}
        blocked = flat_door(node, given, self.model, self.dialect)
        if blocked is not None:
            self.ran.append((node.op, "network"))
            return {node.outputs[0]: blocked}
        if node.op == "DynamicQuantizeLinear":
            return self._function(node, values)
        try:
            found = network(alone(node, values, self.model), values, self.dialect)
        except ConversionError:
            if node.op not in (*_REAL, "Identity") or node.domain:
                raise
            self.ran.append((node.op, "reference"))
            return by_reference(node, values, self.model)
        self.ran.append((node.op, "network"))
        return found

    def _function(self, node: Node, values: Values) -> Values:
        """Rule K4."""
        body = onnx.defs.get_schema(node.op, self.model.opsets.get("", 1)).function_body
        inner = onnx.helper.make_graph(body.node, node.op, [], [])
        model = parse(onnx.helper.make_model(inner).SerializeToString(), node.op, None)
        renamed = dict(zip(body.input, node.inputs, strict=True))
        local: Values = {**model.graph.constants, **{name: values[renamed[name]] for name in body.input}}
        for entry in model.graph.nodes:
            local.update(self._node(entry, local))
        return {outer: local[name] for name, outer in zip(body.output, node.outputs, strict=True)}


class IntsimBackend(Backend):  # type: ignore[misc]
    """Runs ONNX models in intsim."""

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> Rep:
        """Read a ModelProto.

        kwargs : dialect, a key of the converter's; "onnx-ref" where absent

        Raises
        ------
        FileError
            The model is not whole.
        """
        whole = parse(model.SerializeToString(), "model in memory", None)
        return Rep(whole, kwargs.get("dialect", "onnx-ref"))

    @classmethod
    def run_node(
        cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> Any:
        """Run one NodeProto."""
        numbers = [onnx.helper.np_dtype_to_tensor_dtype(array.dtype) for array in inputs]
        ports = [
            onnx.helper.make_tensor_value_info(name, number, array.shape)
            for name, number, array in zip(node.input, numbers, inputs, strict=True)
        ]
        outputs = [onnx.helper.make_tensor_value_info(name, 1, None) for name in node.output]
        graph = onnx.helper.make_graph([node], "node", ports, outputs)
        return cls.prepare(onnx.helper.make_model(graph), device, **kwargs).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"


prepare, run_model, run_node, supports_device = (
    IntsimBackend.prepare,
    IntsimBackend.run_model,
    IntsimBackend.run_node,
    IntsimBackend.supports_device,
)
