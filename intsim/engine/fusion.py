"""Which nodes become one step of a plan.

Rules
-----
Q1. A step is one node, or several that run as one kernel: sums of products and what becomes of each sum.
Q2. Nodes become one step where nobody else sees the tensors between them: each has one reader, is no
    output of the network and is not traced.
Q3. A step of several nodes stands where its last node stood. It cannot trap and counts no events: where a
    register could overflow, and that would show, its nodes stay apart.
Q4. The network is the same whatever the steps are; so are all tensors that somebody sees.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from intsim.bounds import NetworkBounds
from intsim.engine.finished import lower_finished
from intsim.engine.following import following, pointwise
from intsim.engine.lowered import Lowered, Site, site_of
from intsim.network import Network, Node
from intsim.ops import Conv2d, Dense, DepthwiseConv2d, Op, Requantize, TransposeConv2d

SUMS: dict[type[Op], Callable[[Site], Lowered | str]] = {
    Conv2d: lower_finished,
    Dense: lower_finished,
    DepthwiseConv2d: lower_finished,
    TransposeConv2d: lower_finished,
}
"""The rule of every op that can finish its sums; it is given a site with an epilogue."""


@dataclass(frozen=True)
class Group:
    """Nodes that are one step, and its kernel."""

    nodes: tuple[Node, ...]
    lowered: Lowered


class Fusion:
    """The steps of several nodes that a network has, each lowered once."""

    def __init__(self, network: Network, bounds: NetworkBounds, counted: bool) -> None:
        self.network, self.bounds, self.counted = network, bounds, counted
        self.readers: dict[str, list[Node]] = {}
        for node in network.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        self.lowered: dict[tuple[str, ...], Lowered | str] = {}

    def hidden(self, traced: Sequence[str]) -> frozenset[str]:
        """The tensors that one node reads and nobody else sees (rule Q2)."""
        seen = {*traced, *self.network.outputs}
        return frozenset(
            name for name, readers in self.readers.items() if len(readers) == 1 and name not in seen
        )

    def groups(self, hidden: frozenset[str]) -> list[Group]:
        """The steps of several nodes, where these tensors are hidden."""
        taken: set[str] = set()
        found = []
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return []
        for node in self.network.nodes:
            if node.name in taken:
                continue
            for nodes in self._candidates(node, hidden):
                lowered = self._lower(nodes)
                if isinstance(lowered, Lowered):
                    found.append(Group(nodes, lowered))
                    taken.update(entry.name for entry in nodes)
                    break
        return found

    def _candidates(self, node: Node, hidden: frozenset[str]) -> Iterator[tuple[Node, ...]]:
        """Nodes that could be one step with this one first, the most of them first."""
        if type(node.op) not in SUMS:
            return
        nodes = [node, *self._chain(node, hidden)]
        for count in range(len(nodes), 1, -1):
            yield tuple(nodes[:count])

    def _chain(self, node: Node, hidden: frozenset[str]) -> Iterator[Node]:
        """A requantize, then ops element by element, each the only reader of the one before (rule Q2)."""
        first = True
        while True:
            if len(node.outputs) != 1 or node.outputs[0] not in hidden:
                return
            node = self.readers[node.outputs[0]][0]
            fits = isinstance(node.op, Requantize) if first else pointwise(node.op)
            if not fits or len(node.inputs) != 1:
                return
            yield node
            first = False

    def _lower(self, nodes: tuple[Node, ...]) -> Lowered | str:
        names = tuple(node.name for node in nodes)
        if names not in self.lowered:
            self.lowered[names] = self._lower_sums(nodes)
        return self.lowered[names]

    def _lower_sums(self, nodes: tuple[Node, ...]) -> Lowered | str:
        site = site_of(self.network, nodes[0], self.bounds, self.counted)
        interval = self.bounds.tensors[nodes[0].outputs[0]]
        made = following(nodes[1:], interval, site.outputs[0].shape[-1], site.op.accumulator.format)
        if isinstance(made, str):
            return made
        last = self.network.specs[nodes[-1].outputs[0]]
        lowered = SUMS[type(site.op)](replace(site, epilogue=made[0], outputs=(last,)))
        if isinstance(lowered, str):
            return lowered
        words = " + ".join([lowered.kernel, *(node.op.name for node in nodes[1:])])
        return replace(lowered, kernel=words, reason=f"{lowered.reason}; {made[1]}")
