"""Ranges seen on real data: what sums came to, never what they can come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Interval, Overflow
from intsim.engine import stream
from intsim.engine.planning import Progress
from intsim.formats import IntFormat
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of

_EXACT = Accumulator(IntFormat(64), Overflow.WRAP)


def observed(network: Network, inputs: Any, progress: Progress | None = None) -> Mapping[str, Interval]:
    """The least and the greatest exact final sum of every channel that some inputs lead to.

    Parameters
    ----------
    network : Network, whose own accumulators decide what reaches the next node
    inputs : as for `run`

    Returns
    -------
    Node name -> Interval, one per channel (last axis), of the exact sums of what reached that node.
    """
    twins = {
        node.name: f"{node.name} exactly" for node in network.nodes if accumulator_of(node.op) is not None
    }
    nodes: list[Node] = []
    for node in network.nodes:
        nodes.append(node)
        if node.name in twins:
            nodes.append(Node(twins[node.name], node.op.replace(accumulator=_EXACT), node.inputs))
    watched = network.replace(nodes=tuple(nodes), outputs=tuple(twins.values()))
    seen: dict[str, Interval] = {}
    for part in stream(watched, inputs, progress=progress):
        for name, twin in twins.items():
            values = part.outputs[twin]
            leading = tuple(range(values.ndim - 1)) if values.ndim > 1 else (0,)
            met = Interval.of_arrays(np.min(values, axis=leading), np.max(values, axis=leading))
            seen[name] = Interval.join((seen[name], met)) if name in seen else met
    return seen
