"""From a QONNX file to a `Network`: the driver over the nodes, and `CONVERTER`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from intsim_converters.onnx.batch import Batch, input_shape, readings, shape_findings
from intsim_converters.onnx.definitions import definition_findings
from intsim_converters.onnx.folding import fold
from intsim_converters.onnx.model import Model, Node, Port
from intsim_converters.onnx.refusals import REASONS
from intsim_converters.onnx.target import Refused
from intsim_converters.onnx.values import Codes, Layout
from intsim_converters.qonnx.affine import affine
from intsim_converters.qonnx.annotations import parse
from intsim_converters.qonnx.dialects import DEFAULT, DIALECTS
from intsim_converters.qonnx.lowering import DOMAINS, LOWERINGS, QonnxLowering
from intsim_converters.qonnx.parameters import one
from intsim_converters.qonnx.reader import read_qonnx
from intsim_converters.qonnx.staircase import Staircase
from intsim_converters.qonnx.sums import REGISTER
from intsim_converters.qonnx.target import QonnxTarget
from intsim_converters.qonnx.values import Carried, Entry
from intsim_converters.reading import FileConverter, Source

from intsim.arithmetic import Interval
from intsim.converter import Runner
from intsim.errors import ConversionError, Finding, SpecError
from intsim.formats import IntFormat, Quantization, RealFormat, TensorSpec
from intsim.network import Network
from intsim.ops import Reshape

_OLDEST = 9  # with the batch norm of today
_IMAGE_STEP = float(np.float32(1) / np.float32(255))


@dataclass(frozen=True)
class Conversion:
    """A network, and how it stands to the file.

    batch : how the file's tensors are cut into samples
    layouts : for each tensor of the network that is named as in the file, the order of its axes
    tensors : tensor of the file -> what it stands for
    staircases : requantize node -> the function of integers that it was made from
    """

    network: Network
    batch: Batch
    layouts: Mapping[str, Layout]
    tensors: Mapping[str, Carried]
    staircases: Mapping[str, Staircase]


class QonnxConverter(FileConverter):
    """Reads QONNX and FINN dialect ONNX files; see `intsim.converter.Converter`."""

    name = "qonnx"
    suffixes = ()  # .onnx is plain ONNX' by default
    dialects = DIALECTS
    default_dialect = DEFAULT

    def network_of(self, source: Source, dialect: str) -> Network:
        return convert_file(source, dialect).network

    def runner(self, source: Path, dialect: str | None = None) -> Runner:
        """See `intsim.converter.RunningConverter`."""
        from intsim_converters.qonnx.runner import QonnxRunner  # needs a runtime

        return QonnxRunner(source, dialect)


CONVERTER = QonnxConverter()


def convert_file(source: Source, dialect: str | None = None) -> Conversion:
    """As `QonnxConverter.convert`, with all that is known of the network's tensors."""
    dialect = CONVERTER.chosen(dialect)
    model, annotations = read_qonnx(source)
    findings = [
        *_model_findings(model),
        *definition_findings(model, {REGISTER: "STRING"}),
        *shape_findings(model.graph),
    ]
    if findings:
        raise _failure(model, findings)
    model = replace(model, graph=fold(model.graph, model.opsets.get("", 1)))
    errors: list[ConversionError] = []
    for batch in readings(model.graph):
        try:
            return _convert(model, annotations, dialect, batch)
        except ConversionError as error:
            errors.append(error)
    raise errors[0]


def _convert(model: Model, annotations: Mapping[str, str], dialect: str, batch: Batch) -> Conversion:
    source = f"{model.where}, dialect {dialect}: {DIALECTS[dialect].split(':')[0]}"
    target = QonnxTarget(model.graph, batch, model.opsets, source, annotations)
    for port in model.graph.inputs:
        _input(target, port, dialect)
    for node in model.graph.nodes:
        _node(target, node, dialect)
    if not target.findings:
        _outputs(target, dialect)
    if target.findings:
        raise _failure(model, target.findings)
    try:
        network = target.builder.build()
    except SpecError as error:
        raise _failure(model, error.findings) from error
    tensors = {name: value for name, value in target.values.items() if isinstance(value, Carried)}
    return Conversion(network, batch, target.layouts, tensors, target.staircases)


def _failure(model: Model, findings: Iterable[Finding]) -> ConversionError:
    return ConversionError(
        Finding(f"{model.where}: {entry.where}" if entry.where else model.where, entry.what)
        for entry in findings
    )


def _model_findings(model: Model) -> Iterable[Finding]:
    graph, version = model.graph, model.opsets.get("")
    if version is None or version < _OLDEST:
        yield Finding("model", f"operator set must be version {_OLDEST} or later, not {version}")
    for node in graph.nodes:
        if not node.inputs or not node.outputs:
            yield Finding(node.where, "must have inputs and outputs")
    if not graph.inputs or not graph.outputs:
        yield Finding(
            "graph", f"must have inputs and outputs, not {len(graph.inputs)} and {len(graph.outputs)}"
        )
    for port in graph.inputs:
        if port.dtype != "float32":
            yield Finding(
                f"graph input {port.name!r}", f"must be float32, which carries integers, not {port.dtype}"
            )


def _input(target: QonnxTarget, port: Port, dialect: str) -> None:
    """Integers where the annotation or the dialect says so, else floats."""
    shape = input_shape(port)
    sample, rank = target.batch.sample(shape), len(shape)
    said = target.annotations.get(port.name)
    kind = None if said is None else parse(said)
    format, step = (None, None) if kind is None else (kind.format, kind.step)
    if said is not None and (kind is None or (format is not None and step is None)):
        what = f"data type must say which integers it holds, not {said!r}"
        target.findings.append(Finding(f"graph input {port.name!r}", what))
    if format is None and dialect == "qonnx-image8":
        format, step = IntFormat(8, signed=False), _IMAGE_STEP
    target.layouts[port.name] = Layout.PLAIN
    if format is None or step is None:
        target.builder.input(port.name, sample, RealFormat(32))
        target.specs[port.name] = TensorSpec(sample, RealFormat(32))
        target.values[port.name] = Entry(port.name, shape, shape)
        target.ranges[port.name] = Interval(0, 0)
        return
    codes = Codes(port.name, shape, "", {Layout.PLAIN: port.name})
    parts = one(step, rank, np.float64), one(0, rank, np.int64), one(0, rank, np.float64)
    note = Quantization.per_tensor(step)
    target.builder.input(port.name, sample, format, note)
    target.specs[port.name] = TensorSpec(sample, format, note)
    target.ranges[port.name] = Interval.of_format(format)
    target.values[port.name] = Carried(codes, shape, format, *parts)


def _node(target: QonnxTarget, node: Node, dialect: str) -> None:
    lowering = QonnxLowering(target, node, dialect)
    try:
        for name in node.outputs:
            if name in target.values or node.outputs.count(name) > 1:
                lowering.refuse(f"{name!r} must be written once, by one node")
        lower = LOWERINGS.get((DOMAINS.get(node.domain, node.domain), node.op))
        if lower is None:
            unknown = "is not an operator that this converter knows"
            lowering.refuse(unknown if node.domain else REASONS.get(node.op, unknown))
        lower(lowering)
    except Refused:
        pass
    except SpecError as error:
        target.findings.append(Finding(node.where, str(error)))


def _outputs(target: QonnxTarget, dialect: str) -> None:
    """Outputs in order, each once, with the file's axes and names, as integers that have a scale."""
    for name in dict.fromkeys(port.name for port in target.graph.outputs):
        value = target.values.get(name)
        if not isinstance(value, Carried):
            target.findings.append(Finding(f"graph output {name!r}", "must be computed integers"))
            continue
        op = QonnxLowering(
            target, Node(len(target.graph.nodes), "", "graph output", "", (name,), (name,)), dialect
        )
        try:
            value = affine(op, value)
            codes = op.settled(value)
        except Refused:
            continue
        target.values[name] = value
        held = target.view(codes, Layout.PLAIN)
        if held != name and name not in target.specs:
            note = op.annotation(value.slope, value.zero, value.shape, Layout.PLAIN)
            held = target.add(Reshape(target.batch.sample(value.shape)), held, name=name, quantization=note)
        target.builder.output(held)
