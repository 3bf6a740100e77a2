"""Network witnesses: an input of the network itself that makes one of its accumulators go wrong.

Rules
-----
W1. What decides is the run: the network up to the node, beside the same node with an accumulator that is
    exact. An input is a network witness if the two differ anywhere.
W2. Where only movements of data stand between the network's inputs and the node, a local witness is carried
    back through them, element by element.
W3. Elsewhere a bounded search tries inputs within the assumed ranges: ends, noise, coarse patterns; then
    the ones that came closest to the register's limits are crossed and given patches of the ends. It says
    how many inputs it tried and for how long. Finding none proves nothing.
W4. The search is seeded: the same network, node and number of rounds try the same inputs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Interval, Overflow, ZeroPointPlace
from intsim.engine import Plan, plan
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.network import Network, Node
from intsim.ops import Op
from intsim.record import Array
from intsim.verify.witness import Witness, without_trap

_BATCH = 32
_KEPT = 8
_CARRIERS = frozenset(
    [
        *("concat", "constant", "depth_to_space", "pack", "pad", "reshape"),
        *("slice", "space_to_depth", "split", "tile", "transpose", "unpack"),
    ]
)
"""Ops that put elements elsewhere and do nothing to them."""
_FIRST_ID = 1 << 40  # element numbers that no code that a movement stores can be taken for


@dataclass(frozen=True)
class NetworkWitness:
    """An input of the network that makes an accumulator deliver something else than the exact sum.

    node, channel, index, exact, delivered, trapped : as of `Witness`
    inputs : input name -> one sample
    """

    node: str
    channel: int
    index: tuple[int, ...]
    exact: int
    delivered: int
    inputs: Mapping[str, Array]
    trapped: bool = False


@dataclass(frozen=True)
class Search:
    """What a search came to: the witness, if any, how many inputs were run, and for how long."""

    witness: NetworkWitness | None
    tried: int
    seconds: float


def find_network_witness(
    network: Network,
    node: str,
    ranges: Mapping[str, Interval],
    local: Witness | None = None,
    seconds: float = 2.0,
) -> Search:
    """Look for an input of the network that makes one node's accumulator go wrong (rules W1 to W4).

    Parameters
    ----------
    network : Network, with the datapath that is meant
    node : name of a node that accumulates
    ranges : input name -> what the inputs may be
    local : a local witness of the node, carried back where that is possible
    seconds : how long the search of rule W3 goes on at most; 0: no search
    """
    begin = time.monotonic()
    if any(entry.name not in ranges for entry in network.inputs):
        return Search(None, 0, 0.0)  # a real input has no integers to choose
    trial = _Trial(network, node)
    carried = None if local is None else _carried_back(network, network.node(node), local, ranges)
    if carried is not None:
        found = trial.run(carried, None if local is None else local.index)
        if found is not None:
            return Search(found, 1, time.monotonic() - begin)
    tried = int(carried is not None)
    search = _Pool(network, ranges)
    batch = search.first()
    while time.monotonic() - begin < seconds:
        found = trial.run(batch)
        tried += _BATCH
        if found is not None:
            return Search(found, tried, time.monotonic() - begin)
        batch = search.next(batch, trial.closeness)
    return Search(None, tried, time.monotonic() - begin)


class _Trial:
    """Rule W1: runs the network up to a node, twice over at the end."""

    def __init__(self, network: Network, name: str) -> None:
        self.closeness: Array = np.zeros(0)
        """How far from the register's middle each sample of the last run came."""
        node = network.node(name)
        self.node, self.output, self.exact = name, node.outputs[0], f"{name} exactly"
        accumulator: Accumulator = node.op.accumulator  # type: ignore[attr-defined]
        self.trapping = any(level.overflow is Overflow.TRAP for level in accumulator.levels())
        self.format = accumulator.format
        wide = Accumulator(IntFormat(64), Overflow.WRAP, zero_point=ZeroPointPlace.SUBTRACT)
        twin = Node(self.exact, node.op.replace(accumulator=wide), node.inputs)
        same = Node(name, _quiet(node.op), node.inputs, node.outputs)
        before = _needed(network, node)
        self.plan: Plan = plan(Network(network.inputs, (*before, same, twin), (self.output, self.exact)))

    def run(self, inputs: Mapping[str, Array], index: tuple[int, ...] | None = None) -> NetworkWitness | None:
        """A witness among some samples, at `index` or else the furthest out; else sets `closeness`."""
        try:
            result = self.plan.run(inputs)
        except OverflowTrap:  # further up, where sums are not looked at here
            self.closeness = np.zeros(len(next(iter(inputs.values()))))
            return None
        held, exact = (result.outputs[name].astype(np.int64) for name in (self.output, self.exact))
        middle = (self.format.min + self.format.max) // 2
        away = np.abs(exact - middle)
        if (held != exact).any():
            worst = np.unravel_index(np.where(held != exact, away, -1).argmax(), exact.shape)
            place = tuple(int(i) for i in worst)
            if index is not None and held[0, *index] != exact[0, *index]:
                place = (0, *index)
            sample = {name: np.asarray(values[place[0]]) for name, values in inputs.items()}
            numbers = int(exact[place]), int(held[place])
            channel = place[-1] if len(place) > 1 else 0
            return NetworkWitness(self.node, channel, place[1:], *numbers, sample, self.trapping)
        self.closeness = away.reshape(len(exact), -1).max(axis=1)
        return None


def _quiet(op: Op) -> Op:
    """An op that saturates where it would trap, so that the run goes on."""
    return op.replace(accumulator=without_trap(op.accumulator))  # type: ignore[attr-defined]


def _needed(network: Network, node: Node) -> tuple[Node, ...]:
    """The nodes that a node's inputs are made by, in order."""
    wanted, kept = set(node.inputs), []
    for entry in reversed(network.nodes):
        if wanted & set(entry.outputs) and entry.name != node.name:
            wanted |= set(entry.inputs)
            kept.append(entry)
    return tuple(reversed(kept))


def _carried_back(
    network: Network, node: Node, local: Witness, ranges: Mapping[str, Interval]
) -> dict[str, Array] | None:
    """Rule W2: network inputs that give the node its witness; None if more than movements is before it."""
    before = _needed(network, node)
    if not all(entry.op.name in _CARRIERS for entry in before):
        return None
    held: dict[str, Array] = {}
    offset = _FIRST_ID
    places: dict[str, tuple[int, int]] = {}
    for entry in network.inputs:
        size = entry.spec.size
        held[entry.name] = np.arange(offset, offset + size).reshape(1, *entry.spec.shape)
        places[entry.name] = (offset, offset + size)
        offset += size
    for mover in before:
        results = mover.op.reference(*(held[name] for name in mover.inputs))
        held.update(zip(mover.outputs, results, strict=True))
    inputs = {}
    for entry in network.inputs:
        low = np.broadcast_to(np.asarray(ranges[entry.name].lo, dtype=object), entry.spec.shape)
        inputs[entry.name] = low.astype(entry.spec.format.storage).reshape(-1).copy()
    for name, sample in zip(node.inputs, local.inputs, strict=True):
        ids = held[name].reshape(-1)
        for source, (first, last) in places.items():
            mine = (ids >= first) & (ids < last)
            inputs[source][ids[mine] - first] = sample.reshape(-1)[mine]
    return {entry.name: inputs[entry.name].reshape(1, *entry.spec.shape) for entry in network.inputs}


class _Pool:
    """Rule W3: what to try next."""

    def __init__(self, network: Network, ranges: Mapping[str, Interval]) -> None:
        self.random = np.random.default_rng(0)
        self.ends: dict[str, tuple[Array, Array]] = {}
        self.formats = {entry.name: entry.spec.integer for entry in network.inputs}
        self.best: list[tuple[Any, dict[str, Array]]] = []
        for entry in network.inputs:
            ends = (np.asarray(end, dtype=object) for end in (ranges[entry.name].lo, ranges[entry.name].hi))
            low, high = (
                np.broadcast_to(end, entry.spec.shape).astype(entry.spec.format.storage) for end in ends
            )
            self.ends[entry.name] = (low, high)

    def first(self) -> dict[str, Array]:
        """Both ends, and noise of every coarseness."""
        samples: list[dict[str, Array]] = []
        for number in range(_BATCH):
            sample = {}
            for name, (low, high) in self.ends.items():
                chosen = self._pattern(low.shape, number)
                sample[name] = np.where(chosen, high, low)
                if number % 4 == 3:
                    noise = self.random.random(low.shape)
                    wide = low.astype(np.float64) + noise * (high.astype(np.float64) - low.astype(np.float64))
                    inside = np.clip(np.rint(wide), low, high).astype(low.dtype)
                    sample[name] = self.formats[name].nearest(inside).astype(low.dtype)
            samples.append(sample)
        return self._stacked(samples)

    def next(self, batch: Mapping[str, Array], closeness: Array) -> dict[str, Array]:
        """The closest so far, crossed and patched."""
        samples = [{name: values[row] for name, values in batch.items()} for row in range(len(closeness))]
        self.best += zip(closeness.tolist(), samples, strict=True)
        self.best = sorted(self.best, key=lambda entry: -entry[0])[:_KEPT]
        return self._stacked([self._child() for _ in range(_BATCH)])

    def _child(self) -> dict[str, Array]:
        rank = self.random.integers(0, len(self.best), 2)
        mother, father = (self.best[int(min(number, len(self.best) - 1))][1] for number in rank)
        child = {}
        for name, (low, high) in self.ends.items():
            taken = self._patch(low.shape)
            values = np.where(taken, father[name], mother[name])
            patched = self._patch(low.shape)
            child[name] = np.where(patched, high if self.random.random() < 0.5 else low, values)
        return child

    def _patch(self, shape: tuple[int, ...]) -> Array:
        """A random box."""
        inside = np.ones(shape, bool)
        for axis, size in enumerate(shape):
            edges = np.sort(self.random.integers(0, size + 1, 2))
            along = np.zeros(size, bool)
            along[edges[0] : max(edges[1], edges[0] + 1)] = True
            inside &= along.reshape([-1 if other == axis else 1 for other in range(len(shape))])
        return inside

    def _pattern(self, shape: tuple[int, ...], number: int) -> Array:
        """All low, all high, then blocks of random ends, from one block to single elements."""
        if number < 2:
            return np.full(shape, number == 1)
        step = 2 ** (number % 5)
        coarse = (
            self.random.random([-(-size // step) if axis < 2 else size for axis, size in enumerate(shape)])
            < 0.5
        )
        for axis in range(min(2, len(shape))):
            coarse = coarse.repeat(step, axis=axis)
        return np.asarray(coarse[tuple(slice(0, size) for size in shape)])

    def _stacked(self, samples: list[dict[str, Array]]) -> dict[str, Array]:
        return {name: np.stack([sample[name] for sample in samples]) for name in self.ends}
