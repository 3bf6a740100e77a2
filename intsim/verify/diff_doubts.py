"""Differences that the other side's floats leave open, apart from all others.

Rules
-----
U1. Where the other side computes with floats in the place of integers (`DoubtingRunner`), every tensor that
    both sides name is made anew, of the other side's tensors before it. What differs then is its own
    difference; what it takes over from an earlier one is not counted again.
U2. The same is done with the network of the other side's file. Where the other side's integer is not that
    one, but among those that its rounding errors admit, the file's is taken for it.
U3. A difference that is gone then is undecided. The rest need another reason, which is looked for with the
    file's integers (U2): floats do not blur it.
U4. Between the node that is left open and the tensor, elements are only moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from intsim.converter import DoubtingRunner
from intsim.network import Network
from intsim.ops import DepthToSpace, Op, Reshape, SpaceToDepth, Transpose
from intsim.record import Array
from intsim.verify.diff_region import region_of

_MOVES = (DepthToSpace, Reshape, SpaceToDepth, Transpose)


@dataclass(frozen=True)
class Undecided:
    """A tensor's own differences (rule U1), over all batches.

    name : of the tensor
    differing : how many there are
    undecided : how many of them are undecided (rule U3)
    """

    name: str
    differing: int
    undecided: int

    def added(self, before: Undecided | None) -> Undecided:
        """With those of the batches before."""
        if before is None:
            return self
        return Undecided(self.name, before.differing + self.differing, before.undecided + self.undecided)


@dataclass(frozen=True)
class Own:
    """A tensor's own differences in one batch.

    count : of them
    rest : the other side's tensor without what its floats leave open (rule U2)
    """

    count: Undecided
    rest: Array

    @property
    def decided(self) -> bool:
        """Whether another reason is needed."""
        return self.count.undecided < self.count.differing


def own_differences(
    network: Network,
    runner: DoubtingRunner,
    ours: Mapping[str, Array],
    theirs: Mapping[str, Array],
    engine: str,
) -> Iterator[Own]:
    """The tensors that have differences of their own.

    Parameters
    ----------
    ours : the network's tensors that both sides have, in its order
    theirs : the other side's in the network's layout, and the inputs
    engine : what runs the network
    """
    for name, mine in ours.items():
        other, traced = theirs[name], _made(network, name, theirs, engine)
        made = mine if traced is None else traced[name]  # what cannot be made anew is compared as it is
        if made.shape != other.shape:
            yield Own(Undecided(name, mine.size, 0), other)
            continue
        wrong = made != other
        if wrong.any():
            rest = _decided(runner, name, theirs, engine)
            yield Own(Undecided(name, int(wrong.sum()), int((wrong & (made == rest)).sum())), rest)


def _made(
    network: Network, name: str, theirs: Mapping[str, Array], engine: str
) -> Mapping[str, Array] | None:
    """A tensor made of the other side's, with those on the way; None where that is not possible."""
    region = region_of(network, name, theirs.keys(), theirs)
    return None if region is None else region.traced(engine)


def _decided(runner: DoubtingRunner, name: str, theirs: Mapping[str, Array], engine: str) -> Array:
    """The other side's tensor, by rule U2."""
    other, producers = theirs[name], runner.network.producers
    traced = _made(runner.network, name, theirs, engine) if name in producers else None
    if traced is None:
        return other
    moves: list[Op] = []
    node = producers[name]
    while isinstance(node.op, _MOVES) and node.inputs[0] not in theirs:
        moves.append(node.op)
        node = producers[node.inputs[0]]
    found = runner.undecided(node.outputs[0], traced[node.inputs[0]]) if node.inputs else None
    if found is None:
        return other
    low, high = found
    for move in reversed(moves):
        (low,), (high,) = move.reference(low), move.reference(high)
    return np.where((low <= other) & (other <= high), traced[name], other)
