"""Models whose inputs are given as arrays: as one network, or as one float operator of onnx.reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from intsim_converters.onnx import narrow
from intsim_converters.onnx.convert import convert_model
from intsim_converters.onnx.model import NUMBERS, Array, Constant, Graph, Model, Node, Port
from intsim_converters.onnx.tensors import Folder, read_tensor
from intsim_converters.onnx.values import CODED, FORMATS
from onnx.reference import ReferenceEvaluator

from intsim import run

Values = dict[str, Constant]

_BY_NUMBER = {name: number for number, name in NUMBERS.items()}


def network(model: Model, values: Values, dialect: str) -> Values:
    """Convert and run: inputs that carry data are the network's, others become constants."""
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
        array = array.view(np.uint8) if array.dtype == bool else array
        given[port.name] = array if conversion.batch.batched(array.shape) else array[None]
    found = run(conversion.network, given).outputs
    specs, shapes = conversion.network.specs, conversion.shapes
    return {
        name: Constant(name, _type_of(str(specs[name].format)), array.reshape(shapes[name]))
        for name, array in found.items()
    }


def _type_of(format: str) -> str:
    """ONNX' name of an element type."""
    return {str(entry): name for name, entry in {**FORMATS, **CODED}.items()}.get(format, format)


def alone(node: Node, values: Values, model: Model) -> Model:
    """A model of one node, all of whose inputs are given."""
    names = list(dict.fromkeys(name for name in node.inputs if name))
    ports = tuple(Port(name, values[name].dtype, values[name].shape) for name in names)
    outputs = tuple(Port(name, "float32", None) for name in node.outputs)
    return replace(model, graph=Graph(ports, outputs, {}, (replace(node, index=0),)))


def by_reference(node: Node, values: Values, model: Model) -> Values:
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


def read(name: str, given: Any, dtype: str) -> Constant:
    """An array of numpy's or ml_dtypes', or a TensorProto, as plain data."""
    if isinstance(given, onnx.TensorProto):
        return replace(read_tensor(given, name, Folder(None)), name=name)
    array = np.asarray(given)
    if dtype in narrow.NARROW:
        return Constant(name, dtype, array.view(np.uint16 if dtype == "bfloat16" else np.uint8))
    if dtype in FORMATS and FORMATS[dtype].bits < 8 and dtype != "bool":
        return Constant(name, dtype, array.astype(FORMATS[dtype].storage))
    return Constant(name, dtype, array)


def written(constant: Constant) -> Array:
    """Plain data as numpy's or ml_dtypes' array of the type."""
    kind = onnx.helper.tensor_dtype_to_np_dtype(_BY_NUMBER[constant.dtype])
    if constant.dtype in narrow.NARROW:
        return constant.values.view(kind)
    return constant.values.astype(kind)
