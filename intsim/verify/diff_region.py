"""The part of a network in which a first difference was made, cut out to be run by itself.

Rules
-----
P1. A region reaches from a tensor back to tensors that both sides have alike, or to the network's inputs; at
    most over `_MOST` nodes, those nearest to the tensor.
P2. What a region reads is given to it as the network makes it, so that one node can be changed and run
    without the rest.
P3. Little work is done by the reference engine: to compile kernels for every change takes longer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from intsim.engine import run
from intsim.errors import IntsimError
from intsim.network import Input, Network, Node
from intsim.network.costs import macs
from intsim.record import Array

_MOST = 12
_LITTLE = 1 << 28  # multiply-accumulates


@dataclass(frozen=True)
class Region:
    """Some nodes of a network, and what they read.

    network : the nodes, as one of their own
    tensor : that they make
    inputs : what they read, batch axis first
    """

    network: Network
    tensor: str
    inputs: Mapping[str, Array]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, the last first."""
        return self.network.nodes[::-1]

    def made(self, ops: Mapping[str, Any], engine: str, sample: int | None = None) -> Array | None:
        """The tensor with other ops in some places, by node; None where they do not fit there.

        sample : the only one to be run; all where absent
        """
        nodes = tuple(
            node.replace(op=ops[node.name]) if node.name in ops else node for node in self.network.nodes
        )
        inputs = self.inputs
        if sample is not None:
            inputs = {name: x[sample : sample + 1] for name, x in inputs.items()}
        try:
            network = self.network.replace(nodes=nodes)
            return run(network, inputs, engine=_fitting(engine, network, inputs)).outputs[self.tensor]
        except IntsimError:
            return None

    def traced(self, engine: str) -> Mapping[str, Array] | None:
        """Every tensor of the region, and what it reads; None where the network does not take that."""
        engine = _fitting(engine, self.network, self.inputs)
        try:
            return {**self.inputs, **run(self.network, self.inputs, trace=("*",), engine=engine).trace}
        except IntsimError:
            return None


def _fitting(engine: str, network: Network, inputs: Mapping[str, Array]) -> str:
    """Rule P3."""
    samples = len(next(iter(inputs.values())))
    little = samples * sum(macs(network, node) for node in network.nodes) <= _LITTLE
    return "reference" if little else engine


def region_of(
    network: Network, tensor: str, alike: Collection[str], traced: Mapping[str, Array]
) -> Region | None:
    """The region that makes a tensor (rules P1 and P2); None where it reads what is not traced.

    Parameters
    ----------
    alike : names of tensors that it is not followed behind: both sides have them alike
    traced : tensors of the network, its inputs too
    """
    taken: dict[str, Node] = {}
    waiting = [tensor]
    while waiting and len(taken) < _MOST:
        node = network.producers.get(waiting.pop(0))
        if node is not None and node.name not in taken:
            taken[node.name] = node
            waiting += [name for name in node.inputs if name not in alike]
    nodes = tuple(node for node in network.nodes if node.name in taken)
    made = {name for node in nodes for name in node.outputs}
    reads = dict.fromkeys(name for node in nodes for name in node.inputs if name not in made)
    inputs = tuple(Input(name, network.specs[name]) for name in reads)
    if not reads.keys() <= traced.keys():
        return None
    part = Network(inputs, nodes, (tensor,))
    return Region(part, tensor, {name: traced[name] for name in reads})
