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
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from intsim_converters.onnx import narrow
from intsim_converters.onnx.convert import convert_model
from intsim_converters.onnx.model import NUMBERS, Array, Constant, Graph, Model, Node, Port
from intsim_converters.onnx.reader import parse
from intsim_converters.onnx.tensors import Folder, read_tensor
from intsim_converters.onnx.values import FORMATS
from onnx.backend.base import Backend, BackendRep
from onnx.reference import ReferenceEvaluator

from intsim import run
from intsim.errors import ConversionError

Values = dict[str, Constant]

_REAL = ("ReduceMin", "ReduceMax", "Min", "Max", "Sub", "Div", "Clip", "Round", "Floor", "Squeeze")
_DOORS = ("QuantizeLinear", "DequantizeLinear")
_CASTS = ("Cast", "CastLike")
_BY_NUMBER = {name: number for number, name in NUMBERS.items()}


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
        values = {port.name: _read(port.name, inputs[port.name], port.dtype) for port in graph.inputs}
        found = self._evaluate(values)
        return tuple(_written(found[port.name]) for port in graph.outputs)

    def _evaluate(self, values: Values) -> Values:
        """Rules K1 and K2."""
        graph = self.model.graph
        try:
            found = _network(self.model, values, self.dialect)
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
        result = _by_formats(node, given)
        if result is not None:
            self.ran.append((node.op, "formats"))
            return {node.outputs[0]: result}
        blocked = _flat_door(node, given, self.model, self.dialect)
        if blocked is not None:
            self.ran.append((node.op, "network"))
            return {node.outputs[0]: blocked}
        if node.op == "DynamicQuantizeLinear":
            return self._function(node, values)
        try:
            found = _network(_alone(node, values, self.model), values, self.dialect)
        except ConversionError:
            if node.op not in (*_REAL, "Identity") or node.domain:
                raise
            self.ran.append((node.op, "reference"))
            return _by_reference(node, values, self.model)
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
        read = parse(model.SerializeToString(), "model in memory", None)
        return Rep(read, kwargs.get("dialect", "onnx-ref"))

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


def _network(model: Model, values: Values, dialect: str) -> Values:
    """Rule K1: convert, and run one sample or batch."""
    data = {node.inputs[0] for node in model.graph.nodes if node.inputs}
    bound = {port.name: values[port.name] for port in model.graph.inputs if port.name not in data}
    ports = tuple(
        replace(port, shape=values[port.name].shape) for port in model.graph.inputs if port.name in data
    )
    graph = replace(model.graph, inputs=ports, constants={**model.graph.constants, **bound})
    conversion = convert_model(replace(model, graph=graph), dialect)
    given = {}
    for port in ports:
        array = values[port.name].values
        given[port.name] = array if conversion.batch.batched(array.shape) else array[None]
    found = run(conversion.network, given).outputs
    specs, shapes = conversion.network.specs, conversion.shapes
    return {
        name: Constant(name, str(specs[name].format), array.reshape(shapes[name]))
        for name, array in found.items()
    }


def _alone(node: Node, values: Values, model: Model) -> Model:
    """A model of one node, all of whose inputs are given."""
    names = list(dict.fromkeys(name for name in node.inputs if name))
    ports = tuple(Port(name, values[name].dtype, values[name].shape) for name in names)
    outputs = tuple(Port(name, "float32", None) for name in node.outputs)
    return replace(model, graph=Graph(ports, outputs, {}, (replace(node, index=0),)))


def _by_formats(node: Node, given: list[Constant | None]) -> Constant | None:
    """Rule K3; None where the node is none of those."""
    x = given[0]
    if node.domain or x is None:
        return None
    saturate = bool(node.attributes.get("saturate", 1))
    name = node.outputs[0]
    if node.op in _CASTS:
        like = given[1] if node.op == "CastLike" else None
        dtype = like.dtype if like is not None else NUMBERS.get(node.attributes.get("to", 0), "no type")
        mode = node.attributes.get("round_mode", "up")
        return replace(narrow.cast(x, dtype, saturate=saturate, round_mode=mode), name=name)
    if node.op not in _DOORS or given[1] is None:
        return None
    scale = _spread(given[1].values, x.shape, node)
    if node.op == "DequantizeLinear":
        if x.dtype not in narrow.NARROW:
            return None
        return Constant(name, given[1].dtype, narrow.dequantize(x, scale))
    dtype = _code_type(node, given)
    if dtype not in narrow.NARROW:
        return None
    return replace(narrow.quantize(x, scale, dtype, saturate=saturate), name=name)


def _code_type(node: Node, given: list[Constant | None]) -> str:
    """The type that a QuantizeLinear gives."""
    zero = given[2] if len(given) > 2 else None
    if zero is not None:
        return zero.dtype
    return NUMBERS.get(node.attributes.get("output_dtype", 0), "uint8")


def _spread(values: Array, shape: tuple[int, ...], node: Node) -> Array:
    """Scales or zero points as they meet a tensor: one, along an axis, or by blocks."""
    if values.size == 1:
        return values.reshape(())
    axis, block = int(node.attributes.get("axis", 1)), int(node.attributes.get("block_size", 0))
    if block:
        return np.repeat(values, block, axis=axis).take(range(shape[axis]), axis=axis)
    along = [1] * len(shape)
    along[axis] = values.size
    return values.reshape(along)


def _flat_door(node: Node, given: list[Constant | None], model: Model, dialect: str) -> Constant | None:
    """A blocked door as a network over the flat tensor, a scale for every element; None for other nodes."""
    if node.op not in _DOORS or node.domain or not node.attributes.get("block_size", 0):
        return None
    x, scale = given[0], given[1]
    assert x is not None
    assert scale is not None
    values: Values = {}
    for name, entry in zip(("x", "scale", "zero"), given, strict=False):
        if entry is not None:
            spread = entry.values if name == "x" else _spread(entry.values, x.shape, node)
            values[name] = Constant(name, entry.dtype, np.broadcast_to(spread, x.shape).reshape(-1))
    attributes = {key: value for key, value in node.attributes.items() if key not in ("axis", "block_size")}
    flat = Node(0, "", node.op, "", tuple(values), ("y",), {**attributes, "axis": 0})
    found = _network(_alone(flat, values, model), values, dialect)["y"]
    return Constant(node.outputs[0], found.dtype, found.values.reshape(x.shape))


def _by_reference(node: Node, values: Values, model: Model) -> Values:
    """A float operator by onnx.reference."""
    made = onnx.helper.make_node(node.op, node.inputs, node.outputs, **node.attributes)
    names = list(dict.fromkeys(name for name in node.inputs if name))
    ports, outputs = ([onnx.ValueInfoProto(name=name) for name in entry] for entry in (names, node.outputs))
    graph = onnx.helper.make_graph([made], "node", ports, outputs)
    opsets = [onnx.helper.make_opsetid("", model.opsets.get("", 1))]
    evaluator = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=opsets))
    found = evaluator.run(None, {name: values[name].values for name in names})
    return {
        name: Constant(name, str(np.asarray(array).dtype), np.asarray(array))
        for name, array in zip(node.outputs, found, strict=True)
    }


def _read(name: str, given: Any, dtype: str) -> Constant:
    """An array of numpy's or ml_dtypes', or a TensorProto, as plain data."""
    if isinstance(given, onnx.TensorProto):
        return replace(read_tensor(given, name, Folder(None)), name=name)
    array = np.asarray(given)
    if dtype in narrow.NARROW:
        return Constant(name, dtype, array.view(np.uint16 if dtype == "bfloat16" else np.uint8))
    if dtype in FORMATS and FORMATS[dtype].bits < 8 and dtype != "bool":
        return Constant(name, dtype, array.astype(FORMATS[dtype].storage))
    return Constant(name, dtype, array)


def _written(constant: Constant) -> Array:
    """Plain data as numpy's or ml_dtypes' array of the type."""
    kind = onnx.helper.tensor_dtype_to_np_dtype(_BY_NUMBER[constant.dtype])
    if constant.dtype in narrow.NARROW:
        return constant.values.view(kind)
    return constant.values.astype(kind)
