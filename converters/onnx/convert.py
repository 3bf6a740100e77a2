"""From an .onnx file to a `Network`: the driver over the nodes, and `CONVERTER`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from intsim_converters.onnx.batch import Batch, input_shape, readings, shape_findings
from intsim_converters.onnx.definitions import definition_findings
from intsim_converters.onnx.dialects import DEFAULT, DIALECTS
from intsim_converters.onnx.folding import fold
from intsim_converters.onnx.lower_doors import emit_real
from intsim_converters.onnx.lowering import LOWERINGS, Lowering
from intsim_converters.onnx.model import Array, Constant, Graph, Model, Node, Port
from intsim_converters.onnx.reader import read_model
from intsim_converters.onnx.refusals import node_reason, version_findings
from intsim_converters.onnx.target import Refused, Target
from intsim_converters.onnx.values import Codes, Entry, Layout, Pending, Real, Shape, format_of, is_held
from intsim_converters.reading import FileConverter, Source

from intsim.converter import Runner
from intsim.errors import ConversionError, Finding, SpecError
from intsim.formats import RealFormat, TensorSpec
from intsim.network import Network
from intsim.ops import Reshape


@dataclass(frozen=True)
class Conversion:
    """A network, and how its tensors stand to the file's.

    batch : how the file's tensors are cut into samples
    layouts : for each tensor of the network that is named as in the file, the order of its axes
    shapes : of the file's outputs, with the batch
    slack : for each tensor that ONNX Runtime computes in float32 where the network has integers, how far the
        integers that the node behind it reads may be from a threshold for float32 to decide otherwise: one
        number, or one per channel
    """

    network: Network
    batch: Batch
    layouts: Mapping[str, Layout]
    shapes: Mapping[str, Shape]
    slack: Mapping[str, Array]


class OnnxConverter(FileConverter):
    """Reads ONNX files; see `intsim.converter.Converter`."""

    name = "onnx"
    suffixes = (".onnx",)
    dialects = DIALECTS
    default_dialect = DEFAULT

    def network_of(self, source: Source, dialect: str) -> Network:
        return convert_model(read_model(source), dialect).network

    def runner(self, source: Path, dialect: str | None = None) -> Runner:
        """See `intsim.converter.RunningConverter`."""
        from intsim_converters.onnx.runner import runner_of  # needs a runtime

        return runner_of(source, self.default_dialect if dialect is None else dialect)


CONVERTER = OnnxConverter()


def convert_model(model: Model, dialect: str) -> Conversion:
    """The network of a model that was read. Raises ConversionError as `OnnxConverter.convert`."""
    findings = [
        *version_findings(model),
        *definition_findings(model),
        *_graph_findings(model.graph),
        *shape_findings(model.graph),
    ]
    if findings:
        raise _failure(model, findings)
    graph = fold(model.graph, model.opsets.get("", 1))
    first, *others = readings(graph)
    model = replace(model, graph=graph)
    try:
        return _convert(model, dialect, first)
    except ConversionError:
        for batch in others:
            with suppress(ConversionError):  # the first reading's reasons are those to be told
                return _convert(model, dialect, batch)
        raise


def _convert(model: Model, dialect: str, batch: Batch) -> Conversion:
    source = f"{model.where}, dialect {dialect}: {DIALECTS[dialect].split(':')[0]}"
    target = Target(model.graph, batch, model.opsets, source)
    for port in model.graph.inputs:
        _input(target, port)
    for node in model.graph.nodes:
        _node(target, node, dialect)
    if not target.findings:
        _outputs(target, dialect)
    if target.findings:
        raise _failure(model, target.findings)
    try:
        network = target.builder.build()
        if target.asked:
            network = network.replace(source=f"{source}; functions by {', '.join(sorted(target.asked))}")
        return Conversion(network, batch, target.layouts, target.shapes, target.slack)
    except SpecError as error:
        raise _failure(model, error.findings) from error


def _failure(model: Model, findings: Iterable[Finding]) -> ConversionError:
    return ConversionError(
        Finding(f"{model.where}: {entry.where}" if entry.where else model.where, entry.what)
        for entry in findings
    )


def _graph_findings(graph: Graph) -> Iterable[Finding]:
    if not graph.inputs or not graph.outputs:
        yield Finding(
            "graph", f"must have inputs and outputs, not {len(graph.inputs)} and {len(graph.outputs)}"
        )
    names = [port.name for port in graph.inputs]
    for port in graph.inputs:
        where = f"graph input {port.name!r}"
        if names.count(port.name) > 1:
            yield Finding(where, "must be given once")
        if port.dtype != "float32" and not is_held(port.dtype):
            yield Finding(where, f"must be integers, float8, float4 or float32, not {port.dtype}")


def _input(target: Target, port: Port) -> None:
    shape = input_shape(port)
    sample = target.batch.sample(shape)
    real = port.dtype == "float32"
    format = RealFormat(32) if real else format_of(port.dtype)
    target.builder.input(port.name, sample, format)
    target.specs[port.name] = TensorSpec(sample, format)
    target.layouts[port.name] = Layout.PLAIN
    if real:
        target.values[port.name] = Entry(port.name, shape)
    else:
        target.values[port.name] = Codes(port.name, shape, port.dtype, {Layout.PLAIN: port.name})


def _node(target: Target, node: Node, dialect: str) -> None:
    lowering = Lowering(target, node, dialect)
    try:
        reason = node_reason(node)
        if reason is not None:
            lowering.refuse(reason)
        for name in node.outputs:
            if name in target.values or node.outputs.count(name) > 1:
                lowering.refuse(f"{name!r} must be written once, by one node")
        lower = LOWERINGS.get((node.domain, node.op))
        if lower is None:
            lowering.refuse("is not an operator that this converter knows")
        with np.errstate(all="ignore"):  # what leaves a float's reach becomes inf or nan, which are refused
            lower(lowering)
    except Refused:
        pass
    except SpecError as error:
        target.findings.append(Finding(node.where, str(error)))


def _outputs(target: Target, dialect: str) -> None:
    """Outputs in order, each once, with the file's axes and names."""
    for name in dict.fromkeys(port.name for port in target.graph.outputs):
        value = target.values.get(name)
        where = f"graph output {name!r}"
        if isinstance(value, (Codes, Real)):
            target.shapes[name] = value.shape
        if isinstance(value, Codes):
            held = target.view(value, Layout.PLAIN)
            if held != name and name not in target.specs:
                held = target.add(Reshape(target.batch.sample(value.shape)), held, name=name)
            target.builder.output(held)
        elif isinstance(value, Real):
            _real(target, value, name, dialect)
        elif isinstance(value, Pending):
            target.findings.append(Finding(where, f"must be integers, but {value.reason}"))
        elif isinstance(value, Constant):
            target.findings.append(Finding(where, "must be computed, not a constant"))
        else:
            target.findings.append(Finding(where, "must be integers, or the result of a DequantizeLinear"))


def _real(target: Target, value: Real, name: str, dialect: str) -> None:
    """A float output, which is the business of the node that gives it."""
    (node,) = [node for node in target.graph.nodes if name in node.outputs]
    try:
        emit_real(Lowering(target, node, dialect), value, name)
        target.builder.output(name)
    except Refused:
        pass
