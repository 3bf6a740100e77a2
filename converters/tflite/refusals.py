"""What is refused before any lowering is asked, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator

from intsim_converters.tflite.model import Graph, Model, Operator, Tensor

from intsim.errors import Finding

_MOST = 1 << 31  # elements of a tensor; the runtimes count them in 32 bits
_CONTROL = "runs other graphs; control flow is not converted"
_STATE = "keeps state from one run to the next; a network here has none"

REASONS: dict[str, str] = {
    **dict.fromkeys(("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE"), _CONTROL),
    **dict.fromkeys(
        (
            "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RNN", "SVDF",
            "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN",
            "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
            "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE",
        ),
        _STATE,
    ),
    **dict.fromkeys(
        ("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "STABLEHLO_RNG_BIT_GENERATOR"),
        "draws random numbers; its result is not a function of its inputs",
    ),
    "FAKE_QUANT": "computes in float; convert the network to integers first",
    "CUSTOM": "is a custom operator, whose rule the file does not state",
    "DELEGATE": "stands for code outside the file",
}  # fmt: skip
"""Operator name -> why it cannot be converted."""


def model_findings(model: Model) -> Iterator[Finding]:
    """What is wrong with the file as a whole."""
    if len(model.graphs) > 1:
        yield Finding("model", f"must have one graph, not {len(model.graphs)}; {_CONTROL}")


def graph_findings(graph: Graph) -> Iterator[Finding]:
    """What is wrong with the graph's inputs and outputs."""
    if not graph.inputs or not graph.outputs:
        yield Finding(
            "graph", f"must have inputs and outputs, not {len(graph.inputs)} and {len(graph.outputs)}"
        )
    for index in sorted(set(graph.inputs)):
        tensor = graph.tensors[index]
        where = f"graph input {tensor.name!r}"
        if graph.inputs.count(index) > 1:
            yield Finding(where, "must be given once")
        if tensor.is_constant:
            yield Finding(where, "must not be a constant too")
        if tensor.variable:
            yield Finding(where, f"must not be a variable, which {_STATE}")
        if any(extent < 0 for extent in tensor.signature[1:]) or any(size < 1 for size in tensor.shape):
            yield Finding(
                where,
                "shape must be known, but for the batch on the first axis, not"
                f" {tensor.signature or tensor.shape}. Fix the sizes when you export the model",
            )


def operator_reason(graph: Graph, operator: Operator) -> str | None:
    """Why an operator cannot be converted whatever its lowering says; None: ask the lowering."""
    if operator.name in REASONS:
        return REASONS[operator.name]
    inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
    outputs = [graph.tensors[index] for index in operator.outputs]
    if not inputs or not outputs:
        return f"must have inputs and outputs, not {len(inputs)} and {len(outputs)}"
    for tensor in (*inputs, *outputs):
        if tensor.variable:
            return f"tensor {tensor.name!r} must not be a variable; it {_STATE}"
        parameter = tensor.is_constant and tensor.scales is None  # an empty list of axes, say
        if any(size < 1 for size in tensor.shape) and not parameter:
            return f"tensor {tensor.name!r} must have sizes of at least 1, not {tensor.shape}"
        if tensor.size >= _MOST:
            return f"tensor {tensor.name!r} must have fewer than 2**31 elements, not shape {tensor.shape}"
    return _float_reason(graph, operator, inputs, outputs)


def _float_reason(
    graph: Graph, operator: Operator, inputs: list[Tensor], outputs: list[Tensor]
) -> str | None:
    """Reals stand only at the doors: QUANTIZE of a graph input, DEQUANTIZE to graph outputs."""
    real = [tensor for tensor in (*inputs, *outputs) if tensor.is_float]
    if not real:
        return None
    names = ", ".join(f"{tensor.name!r} ({tensor.dtype})" for tensor in real[:4])
    if operator.name == "QUANTIZE" and not outputs[0].is_float:
        if inputs[0].index in graph.inputs:
            return None
        return f"float region: {names} must be a graph input to be quantized, not computed in the network"
    if operator.name == "DEQUANTIZE" and not inputs[0].is_float:
        read = any(outputs[0].index in other.inputs for other in graph.operators)
        if outputs[0].index in graph.outputs and not read:
            return None
        return f"float region: {names} must be a graph output only, not computed with in the network"
    weights = [tensor for tensor in inputs if tensor.is_constant and not tensor.is_float and tensor.scales]
    if weights and inputs[0].is_float:
        return (
            f"hybrid: activations {names} are real while weights {weights[0].name!r} are {weights[0].dtype};"
            " no integer rule exists. Quantize the activations too"
        )
    return f"float region: {names} must be integers inside the network. Quantize the whole network"
