"""From a module to its calls: traced with torch.fx, and run once on the example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from intsim_converters.brevitas.reasons import REASONS
from intsim_converters.brevitas.refusals import refuse, require
from torch import fx

from intsim.errors import ConversionError

_INPUTS = (torch.float32, torch.int32, torch.int64)
_LEAVES = ("torch.nn.", "brevitas.nn.")


class _Tracer(fx.Tracer):
    """Stops at the layers of torch and of Brevitas; goes through everything else."""

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return not isinstance(m, torch.nn.Sequential) and type(m).__module__.startswith(_LEAVES)


class _Recorder(fx.Interpreter):
    """Runs the graph and keeps every result."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.results: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        try:
            self.results[n] = super().run_node(n)
        except Exception as error:
            refuse(name_of(n), f"Brevitas cannot run it on the example: {_first_line(error)}")
        return self.results[n]


def trace(module: torch.nn.Module, example: torch.Tensor) -> tuple[fx.GraphModule, dict[fx.Node, Any]]:
    """The graph of a module, and what Brevitas computes at every node of it for the example.

    Raises
    ------
    ConversionError
        The module is in training mode, is not float32, cannot be traced, has a layer that cannot be integers,
        or fails on the example.
    """
    _check(module, example)
    try:
        graph = fx.GraphModule(module, _Tracer().trace(module))
    except ConversionError:
        raise
    except Exception as error:  # whatever the module's own forward raises on proxies
        refuse(
            type(module).__name__,
            f"must be traceable by torch.fx: {_first_line(error)}. Data must not steer the forward pass",
        )
    for node in graph.graph.nodes:
        kind = type(graph.get_submodule(node.target)) if node.op == "call_module" else None
        if kind in REASONS:
            refuse(name_of(node), f"{kind.__module__}.{kind.__qualname__} {REASONS[kind]}")
    recorder = _Recorder(graph)
    with torch.no_grad():
        recorder.run(example)
    return graph, recorder.results


def name_of(node: fx.Node) -> str:
    """The qualified name of a module, or the call as the trace names it."""
    if node.op == "call_module":
        return str(node.target)
    return str(node.name)


def _check(module: Any, example: Any) -> None:
    where = type(module).__name__
    require(isinstance(module, torch.nn.Module), where, "must be a torch.nn.Module; a saved one is a pickle")
    require(
        isinstance(example, torch.Tensor) and example.dtype in _INPUTS and example.ndim >= 2,
        "example_input",
        "must be a float32 tensor with the batch first, or one of integers",
    )
    for name, part in module.named_modules():
        require(not part.training, name or where, "must be in evaluation mode; call eval() first")
    for name, value in _numbers(module):
        require(value.dtype == torch.float32, name, f"must be float32, not {value.dtype}")


def _numbers(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if value.dtype.is_floating_point:
            yield name, value


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
