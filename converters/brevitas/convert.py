"""From a trained module of Brevitas layers to a `Network`: the driver over the traced calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import brevitas
import torch
from intsim_converters.brevitas.affine import UndecidedError
from intsim_converters.brevitas.carried import Carried, Indices, Real, stored_shape
from intsim_converters.brevitas.lowering import LOWERINGS, Lowering, Noted
from intsim_converters.brevitas.outputs import lower_output
from intsim_converters.brevitas.refusals import refuse, require
from intsim_converters.brevitas.tracing import name_of, trace
from torch import fx

from intsim.arithmetic import Accumulator
from intsim.errors import ConversionError, SpecError
from intsim.formats import IntFormat, RealFormat
from intsim.network import Network, NetworkBuilder


def convert(
    module: torch.nn.Module,
    example_input: torch.Tensor,
    *,
    accumulators: Mapping[str, Accumulator] | None = None,
) -> Network:
    """The network of a trained module, with Brevitas' integers.

    Parameters
    ----------
    module : in evaluation mode, float32, on the processor; its layers Brevitas' or torch's
    example_input : float32 with the batch first, or integers for an embedding; gives the shapes, and is run
        once
    accumulators : pattern of qualified module names -> how their sums are made, for promises that the
        layers do not carry themselves (AXE). A2Q and A2Q+ layers bring their own.

    Returns
    -------
    A network from samples, channels last, to integers. Tensors bear the modules' qualified names.

    Raises
    ------
    ConversionError
        Something cannot be mapped exactly; the message begins with the module's qualified name.
    """
    network, _, _ = convert_with_meaning(module, example_input, accumulators or {})
    return network


def convert_with_meaning(
    module: torch.nn.Module, example: torch.Tensor, accumulators: Mapping[str, Accumulator]
) -> tuple[Network, dict[str, Carried], list[Noted]]:
    """The network, what the integer tensors that calls gave stand for, and its requantizations."""
    graph, results = trace(module, example)
    source = f"{type(module).__name__}, Brevitas {brevitas.__version__}, torch {torch.__version__}"
    builder = NetworkBuilder(source)
    carried: dict[fx.Node, Any] = {}
    noted: list[Noted] = []
    try:
        for node in graph.graph.nodes:
            carried[node] = _node(builder, graph, node, carried, results, accumulators, noted)
        network = builder.build()
    except SpecError as error:
        raise ConversionError(error.findings) from error
    meaning = {entry.name: entry for entry in carried.values() if isinstance(entry, Carried)}
    return network, meaning, noted


def _node(
    builder: NetworkBuilder,
    graph: fx.GraphModule,
    node: fx.Node,
    carried: dict[fx.Node, Any],
    results: dict[fx.Node, Any],
    accumulators: Mapping[str, Accumulator],
    noted: list[Noted],
) -> Any:
    result = results.get(node)
    if node.op == "placeholder":
        return _input(builder, node, result, carried)
    if node.op == "output":
        (wanted,) = node.args
        for entry in wanted if isinstance(wanted, tuple | list) else (wanted,):
            require(isinstance(entry, fx.Node), "output", "must be computed by the module")
            lower_output(builder, entry.name, carried[entry])
        return None
    if not _is_tensor(result) and not _are_tensors(result):
        _check_number(node, results)
        return result
    if node.op == "get_attr":
        refuse(node.target, "must not be a tensor of its own; parameters belong to layers")
    module = graph.get_submodule(node.target) if node.op == "call_module" else None
    key = node.target if module is None else type(module)
    where = name_of(node)
    if key not in LOWERINGS:
        refuse(where, f"{_shown(key)} is not a layer or function that this converter knows")
    tensors = [
        entry for entry in node.all_input_nodes if _is_tensor(results[entry]) or _are_tensors(results[entry])
    ]
    lowering = Lowering(
        builder,
        where,
        module,
        node.target,
        fx.node.map_arg(node.args, lambda entry: carried[entry]),
        fx.node.map_arg(node.kwargs, lambda entry: carried[entry]),
        tuple(results[entry] for entry in tensors),
        result,
        accumulators,
        noted,
    )
    try:
        return LOWERINGS[key](lowering)
    except UndecidedError:
        refuse(where, "a threshold is too near to an integer sum to be told apart; exactness ends here")
    except SpecError as error:
        refuse(where, str(error))


def _input(
    builder: NetworkBuilder, node: fx.Node, value: Any, carried: Mapping[fx.Node, Any]
) -> Real | Indices:
    require(not carried, str(node.target), "must be the only input of the module")
    shape = tuple(value.shape[1:])
    require(1 <= len(shape) <= 3, str(node.target), f"samples must have 1 to 3 axes, not shape {shape}")
    if not value.is_floating_point():
        return Indices(builder.input(str(node.target), shape, IntFormat(32)), shape)
    return Real(builder.input(str(node.target), stored_shape(shape), RealFormat(32)), shape)


def _check_number(node: fx.Node, results: Mapping[fx.Node, Any]) -> None:
    """Shapes may be computed with; numbers taken from tensors may not."""
    known = node.target in _SIZES or (node.target is getattr and node.args[1] in _SIZES)
    reads = any(_is_tensor(results[entry]) for entry in node.all_input_nodes)
    require(known or not reads, name_of(node), f"takes a number out of a tensor: {_shown(node.target)}")


_SIZES = ("size", "dim", "numel", "shape", "ndim")


def _is_tensor(value: Any) -> bool:
    """Whether a value is a tensor, quantized or not."""
    return isinstance(value, torch.Tensor | brevitas.quant_tensor.QuantTensor)


def _are_tensors(value: Any) -> bool:
    """Whether a value is several tensors, as torch.chunk gives."""
    return isinstance(value, tuple | list) and any(_is_tensor(entry) for entry in value)


def _shown(key: Any) -> str:
    if isinstance(key, str):
        return f"tensor method {key!r}"
    return (
        f"{key.__module__}.{key.__qualname__}"
        if isinstance(key, type)
        else getattr(key, "__name__", str(key))
    )
