"""What a plan holds per node: a kernel, the reason why it is exact, and the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.bounds import NetworkBounds
from intsim.formats import TensorSpec
from intsim.kernels.epilogue import Epilogue
from intsim.kernels.launch import Launch
from intsim.kernels.scratch import aligned
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of
from intsim.record import Array

Call = Callable[[tuple[Array, ...], "Work"], tuple[Array, ...]]
"""Inputs in their storage dtypes, batch axis first, to outputs of the same kind."""

Begin = Callable[[tuple[Array, ...], Array], Launch]
"""The launch for inputs that are `ready`, none of them empty, and the one output."""


@dataclass
class Work:
    """What a kernel is given beside its inputs.

    threads : how many threads may work on one node
    events : overflow counts are added here; None where nobody counts
    """

    threads: int = 1
    events: Events | None = None


@dataclass(frozen=True)
class Site:
    """A node with everything that is known about it before it runs."""

    node: Node
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ranges: tuple[Interval, ...]
    """What the inputs can be."""
    bounds: Bounds
    """What the outputs, and every value on the way, can be."""
    counted: bool
    """Whether overflow events are asked for."""
    epilogue: Epilogue | None = None
    """What becomes of each sum inside the kernel, where later nodes are done in the same step; `outputs`
    is then the last one's. A rule that cannot do it says so: it gives no kernel without it."""

    @property
    def op(self) -> Any:
        return self.node.op


@dataclass(frozen=True)
class Lowered:
    """A node's kernel."""

    kernel: str
    reason: str
    call: Call
    workspace: int = 0
    """Bytes per sample that the call needs beside its inputs and outputs."""
    begin: Begin | None = None
    """Where the call is one launch and nothing else, so that it can be put on a tape."""


def launched(
    kernel: str, reason: str, output: TensorSpec, begin: Begin, otherwise: Call | None = None
) -> Lowered:
    """A kernel whose call is one launch.

    Parameters
    ----------
    kernel, reason, begin : of `Lowered`
    output : what it gives
    otherwise : called where rows trapped
    """
    storage, shape = output.format.storage, output.shape

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        out = aligned((inputs[0].shape[0], *shape), storage)
        trapped = begin(tuple([ready(x) for x in inputs]), out).run(work.threads) if out.size else 0
        return otherwise(inputs, work) if otherwise is not None and trapped else (out,)

    return Lowered(kernel, reason, call, begin=begin)


def site_of(network: Network, node: Node, bounds: NetworkBounds, counted: bool) -> Site:
    """The site of one node."""
    real = Interval(0, 0)
    return Site(
        node,
        tuple(network.specs[name] for name in node.inputs),
        tuple(network.specs[name] for name in node.outputs),
        tuple(bounds.tensors.get(name, real) for name in node.inputs),
        bounds.nodes[node.name],
        counted and accumulator_of(node.op) is not None,
    )


def ready(x: Array) -> Array:
    """A form that every kernel is compiled for once: contiguous, aligned, writable, signed where 64 bits."""
    x = x.view(np.int64) if x.dtype == np.uint64 else x
    if x.flags.carray:
        return x
    return np.require(x, requirements=("C", "A", "W"))
