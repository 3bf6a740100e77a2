"""From a .tflite file to a `Network`: the driver over the operators, and `CONVERTER`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np
from intsim_converters.reading import FileConverter, Source
from intsim_converters.tflite.batch import BatchLayout
from intsim_converters.tflite.dialects import DEFAULT, DIALECTS
from intsim_converters.tflite.folding import fold
from intsim_converters.tflite.lowering import LOWERINGS, Lowering
from intsim_converters.tflite.model import ABSENT, Model, Operator
from intsim_converters.tflite.reader import read_model
from intsim_converters.tflite.refusals import graph_findings, model_findings, operator_reason
from intsim_converters.tflite.target import Refused, Target
from intsim_converters.tflite.tensors import TensorView

from intsim.converter import Runner
from intsim.errors import ConversionError, Finding, SpecError
from intsim.network import Network


class TfliteConverter(FileConverter):
    """Reads TensorFlow Lite and LiteRT files; see `intsim.converter.Converter`."""

    name = "tflite"
    suffixes = (".tflite",)
    dialects = DIALECTS
    default_dialect = DEFAULT

    def network_of(self, source: Source, dialect: str) -> Network:
        return convert_model(read_model(source), dialect)

    def runner(self, source: Path, dialect: str | None = None) -> Runner:
        """See `intsim.converter.RunningConverter`."""
        from intsim_converters.tflite.runner import TfliteRunner  # needs a runtime

        return TfliteRunner(source, self.default_dialect if dialect is None else dialect)


CONVERTER = TfliteConverter()


def convert_model(model: Model, dialect: str) -> Network:
    """The network of a model that was read. Raises ConversionError as `TfliteConverter.convert`."""
    findings = [*model_findings(model), *graph_findings(model.graphs[0])]
    if findings:
        raise _failure(model, findings)
    graph = fold(model.graphs[0])
    source = f"{model.where}, dialect {dialect}: {DIALECTS[dialect].split(':')[0]}"
    target = Target(graph, BatchLayout.of(graph), source)
    try:
        _inputs(target)
        for operator in graph.operators:
            _operator(target, operator, dialect)
        _outputs(target)
    except Refused:
        pass
    except SpecError as error:
        target.findings.extend(error.findings)
    if target.findings:
        raise _failure(model, target.findings)
    try:
        return target.builder.build()
    except SpecError as error:
        raise _failure(model, error.findings) from error


def _failure(model: Model, findings: Iterable[Finding]) -> ConversionError:
    named = (
        Finding(f"{model.where}: {entry.where}" if entry.where else model.where, entry.what)
        for entry in findings
    )
    return ConversionError(named)


def _inputs(target: Target) -> None:
    for index in target.graph.inputs:
        view = _view(target, index, "graph input")
        spec = view.spec
        target.specs[view.name] = spec
        target.names[index] = target.builder.input(view.name, spec.shape, spec.format, spec.quantization)


def _operator(target: Target, operator: Operator, dialect: str) -> None:
    """Lower one operator; whatever happens, its outputs are known to the ones after it."""
    lowering = Lowering(target, operator, dialect)
    try:
        _check(target, operator, lowering)
        rule = LOWERINGS[operator.name]
        table = operator.options.table
        lowering.require(
            not rule.options or table == rule.options,
            f"options must be {rule.options}, not {table or 'absent'}",
        )
        with np.errstate(all="ignore"):  # what leaves a float's reach becomes inf or nan, which are refused
            rule.lower(lowering)
    except Refused:
        pass
    except SpecError as error:
        target.findings.append(Finding(lowering.where, str(error)))
    except AttributeError as error:
        if not isinstance(error.obj, type(operator.options)):
            raise
        target.findings.append(Finding(lowering.where, f"option {error.name} must be given"))
    _declare(target, operator)


def _check(target: Target, operator: Operator, lowering: Lowering) -> None:
    """What must hold for every operator."""
    graph = target.graph
    reason = operator_reason(graph, operator)
    if reason is not None:
        lowering.refuse(reason)
    if operator.name not in LOWERINGS:
        lowering.refuse("is not an operator that this converter knows")
    for index in operator.inputs:
        tensor = graph.tensors[index] if index != ABSENT else None
        if tensor is not None and not tensor.is_constant and index not in target.names:
            lowering.refuse(f"{tensor.name!r} must be computed before it is read")
    for index in operator.outputs:
        tensor = graph.tensors[index]
        if tensor.is_constant or index in target.names or operator.outputs.count(index) > 1:
            lowering.refuse(f"{tensor.name!r} must be written once, by one operator")
    _check_batch(target, operator, lowering)


def _check_batch(target: Target, operator: Operator, lowering: Lowering) -> None:
    """Rule B3."""
    if lowering.batch == 1:
        return
    computed = [index for index in operator.inputs if index in target.names]
    if not computed:
        lowering.refuse(f"must read a computed tensor; with batch {lowering.batch} constants have no samples")
    for index in operator.outputs:
        shape = target.graph.tensors[index].shape
        if not target.layout.batched(shape):
            lowering.refuse(
                f"output must keep the batch {lowering.batch} on its first axis, not have shape {shape};"
                " samples must not mix. Export the model with batch 1"
            )


def _declare(target: Target, operator: Operator) -> None:
    """Let later operators be looked at even where this one was refused."""
    for i, index in enumerate(operator.outputs):
        tensor = target.graph.tensors[index]
        if index in target.names or tensor.is_constant:
            continue
        target.names[index] = tensor.name
        if tensor.name not in target.specs:
            with suppress(Refused):
                target.specs[tensor.name] = _view(target, index, f"output {i}", silent=True).spec


def _outputs(target: Target) -> None:
    """Outputs in order, each once; a constant one becomes a node."""
    for index in dict.fromkeys(target.graph.outputs):
        view = _view(target, index, "graph output")
        if view.is_constant:
            target.builder.output(target.constant(view))
        elif index in target.names:
            target.builder.output(target.names[index])
        else:
            target.findings.append(Finding(f"graph output {view.name!r}", "must be computed"))


def _view(target: Target, index: int, label: str, silent: bool = False) -> TensorView:
    """A tensor of the graph, outside of any operator; silent: a refusal is not noted."""
    tensor = target.graph.tensors[index]

    def refuse(reason: str) -> NoReturn:
        if not silent:
            target.findings.append(Finding("graph", reason))
        raise Refused

    return TensorView(tensor, target.layout.batched(tensor.shape), label, refuse)
