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
from typing import Any

from intsim.bounds import NetworkBounds
from intsim.engine.elementwise import PAIRS, lower_pair
from intsim.engine.finished import lower_finished
from intsim.engine.following import following, pointwise
from intsim.engine.lowered import Lowered, Site, site_of
from intsim.engine.pooling import lower_sum
from intsim.network import Network, Node
from intsim.ops import Conv2d, Dense, DepthwiseConv2d, Op, Requantize, Sum, TransposeConv2d

SUMS: dict[type[Op], Callable[[Site], Lowered | str]] = {
    Conv2d: lower_finished,
    Dense: lower_finished,
    DepthwiseConv2d: lower_finished,
    Sum: lower_sum,
    TransposeConv2d: lower_finished,
}
"""The rule of every op that can finish its sums; it is given a site with an epilogue."""

_WIDEST = 4
"""Bytes of a code, at most, that a sum is finished with."""


@dataclass(frozen=True)
class Group:
    """Nodes that are one step, its kernel, and the tensors that this takes, in its order."""

    nodes: tuple[Node, ...]
    lowered: Lowered
    inputs: tuple[str, ...]


def taken_by(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """The tensors that come from outside, in the order of the operands that they become."""
    own = {node.outputs[0]: node for node in nodes}
    (sums,) = (node for node in nodes if type(node.op) in SUMS or type(node.op) in PAIRS)
    given = [own[name].inputs[0] if name in own else name for name in sums.inputs]
    return tuple(dict.fromkeys(given))


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
            name
            for name, readers in self.readers.items()
            if len(readers) == 1 and name not in seen and name in self.network.producers
        )

    def groups(self, hidden: frozenset[str]) -> list[Group]:
        """The steps of several nodes, where these tensors are hidden."""
        taken: set[str] = set()
        found = []
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return []
        # pairs first: the requantize before one would else be taken as a table after a sum
        for node in sorted(self.network.nodes, key=lambda node: type(node.op) not in PAIRS):
            if node.name in taken:
                continue
            for nodes in self._candidates(node, hidden):
                if any(entry.name in taken for entry in nodes):
                    continue
                lowered = self._lower(nodes)
                if isinstance(lowered, Lowered):
                    found.append(Group(nodes, lowered, taken_by(nodes)))
                    taken.update(entry.name for entry in nodes)
                    break
        return found

    def _candidates(self, node: Node, hidden: frozenset[str]) -> Iterator[tuple[Node, ...]]:
        """Nodes that could be one step with this one first, the most of them first."""
        if type(node.op) in SUMS:
            nodes = [node, *self._chain(node, hidden)]
            for count in range(len(nodes), 1, -1):
                yield tuple(nodes[:count])
        elif type(node.op) in PAIRS:
            before = [self._before(name, hidden) for name in node.inputs]
            after = list(self._chain(node, hidden))
            for count in range(len(after), 0, -1):
                yield (*(entry for entry in before if entry is not None), node, *after[:count])

    def _before(self, name: str, hidden: frozenset[str]) -> Node | None:
        """The requantize that gives an operand to nobody else."""
        node = self.network.producers.get(name)
        if node is None or name not in hidden or not isinstance(node.op, Requantize):
            return None
        return node

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
            by_sums = type(nodes[0].op) in SUMS
            self.lowered[names] = self._lower_sums(nodes) if by_sums else self._lower_pair(nodes)
        return self.lowered[names]

    def _lower_pair(self, nodes: tuple[Node, ...]) -> Lowered | str:
        place = next(index for index, node in enumerate(nodes) if type(node.op) in PAIRS)
        own = {node.outputs[0]: node for node in nodes[:place]}
        rules, names = [], []
        for name in nodes[place].inputs:
            before: Any = own.get(name)
            rules.append(None if before is None else before.op.rule)
            names.append(name if before is None else before.inputs[0])
        specs = [self.network.specs[name] for name in names]
        ranges = [self.bounds.tensors[name] for name in names]
        last = self.network.specs[nodes[-1].outputs[0]]
        lowered = lower_pair(
            nodes[place],
            (rules[0], rules[1]),
            (specs[0], specs[1]),
            (ranges[0], ranges[1]),
            nodes[place + 1 :],
            last,
        )
        if isinstance(lowered, str):
            return lowered
        words = [node.op.name for node in nodes]
        words[place] = lowered.kernel
        return replace(lowered, kernel=" + ".join(words))

    def _lower_sums(self, nodes: tuple[Node, ...]) -> Lowered | str:
        site = site_of(self.network, nodes[0], self.bounds, self.counted)
        interval = self.bounds.tensors[nodes[0].outputs[0]]
        last = self.network.specs[nodes[-1].outputs[0]]
        if last.format.storage.itemsize > _WIDEST:
            return f"codes of {last.format}, more than {8 * _WIDEST} bits"
        (output,) = site.outputs
        channels = output.shape[-1] if output.shape else 1
        made = following(nodes[1:], interval, channels, site.op.accumulator.format)
        if isinstance(made, str):
            return made
        lowered = SUMS[type(site.op)](replace(site, epilogue=made[0], outputs=(last,)))
        if isinstance(lowered, str):
            return lowered
        words = " + ".join([lowered.kernel, *(node.op.name for node in nodes[1:])])
        return replace(lowered, kernel=words, reason=f"{lowered.reason}; {made[1]}")
