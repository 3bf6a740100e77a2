"""Two accumulators on one node: are all sums the same on every input?

Rules
-----
T1. Two accumulators deliver the same sums if both are proved to deliver the exact ones, channel by channel
    (`Bounds.registers`); if both are rings of one format: WRAP in every register, none narrower inside; or
    if nothing but the order is another, and it comes to the same for these terms.
T2. Elsewhere inputs of the node are tried until one makes another sum: the extremes of the final sum, of
    sums on the way in either order and of tiles, and random mixtures of them, at an output position. They
    are within the ranges proved in the first network, each input on its own: whether the network's input
    can make them is not asked.
T3. What is found is run through the op's reference under both accumulators, and told only if that
    differs there too. Where nothing is found, the node is not decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from intsim.arithmetic import Accumulator, Interval
from intsim.bounds import network_bounds
from intsim.errors import OverflowTrap, SpecError
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of
from intsim.ops.dot import is_ring
from intsim.record import Array
from intsim.verify.equivalence_inputs import candidates, fill
from intsim.verify.equivalence_networks import Options
from intsim.verify.stepping import additions
from intsim.verify.terms import Terms, terms_of

CHANNELS, PLACES, TRIES = 16, 16, 200
"""How many channels are searched, those of the widest sums first; at about how many output positions, where
ranges are given per element; and with how many random inputs each."""


@dataclass(frozen=True)
class SumDifference:
    """An input on which two accumulators differ.

    index : of the output element in the sample
    a, b : the sums there; None where a register traps
    inputs : the node's inputs, one sample each
    """

    index: tuple[int, ...]
    a: int | None
    b: int | None
    inputs: tuple[Array, ...]


@dataclass(frozen=True)
class SumComparison:
    """One node that accumulates, under two accumulators.

    why : the proof, or what is known of a node that is not decided
    difference : the input that was found
    """

    name: str
    op: str
    a: Accumulator
    b: Accumulator
    verdict: str
    why: str = ""
    difference: SumDifference | None = None

    @property
    def equal(self) -> bool:
        return self.verdict == "equal"


def compare_datapaths(
    a: Network, b: Network, options: Options | None = None, seed: int = 0
) -> Iterator[SumComparison]:
    """Compare one network under two datapaths, node by node (rules T1 to T3).

    Parameters
    ----------
    a, b : the network under both datapaths
    options : which nodes
    seed : of the random inputs

    Raises
    ------
    SpecError
        No node that accumulates is named by the options' patterns.
    """
    options = options or Options()
    chosen = [node for node in a.nodes if accumulator_of(node.op) is not None and options.names(node.name)]
    if not chosen:
        patterns = f", not {', '.join(map(repr, options.only))}" if options.only else ""
        raise SpecError(f"network must have nodes that accumulate{patterns}")
    ranges = network_bounds(a, options.ranges).tensors
    for node in chosen:
        given = [ranges[name] for name in node.inputs]
        yield _compare(a, node, b.node(node.name), given, seed)


def _compare(network: Network, node: Node, other: Node, given: list[Interval], seed: int) -> SumComparison:
    mine, theirs = accumulator_of(node.op), accumulator_of(other.op)
    if mine is None or theirs is None:
        raise SpecError(f"{node.name} must accumulate in both networks")
    blank = SumComparison(node.name, node.op.name, mine, theirs, "equal")
    if mine == theirs:
        return replace(blank, why="the same accumulator")
    if is_ring(mine) and is_ring(theirs) and mine.format == theirs.format:
        return replace(blank, why="both keep the same low bits of the exact sum")
    specs = [network.specs[name] for name in node.inputs]
    taken = given if node.op.by_element else [interval.by_channel() for interval in given]
    found = [entry.op.bounds(specs, taken) for entry in (node, other)]
    shape = network.specs[node.outputs[0]].shape
    exact = np.logical_and(*(np.atleast_1d(bounds.registers[0].exact) for bounds in found))
    if exact.all():
        return replace(blank, why="both deliver the exact sum: nothing overflows")
    base = [fill(spec.shape, interval) for spec, interval in zip(specs, given, strict=True)]
    if mine.replace(order=theirs.order) == theirs and _same_order(node, base, shape, mine, theirs):
        return replace(blank, why="both orders are the same for these terms")
    uneven = any(interval.rank > 1 for interval in given)
    indices = [
        index
        for channel in _open_channels(exact, found[0].final, shape)
        for index in (_spread(shape, channel) if uneven else [_middle(shape, channel)])
    ]
    difference = _search(node, other, base, given[0], indices, seed)
    if difference is not None:
        return replace(blank, verdict="differs", difference=difference)
    open_ = f"{int(np.count_nonzero(~exact))} of {exact.size} channels may overflow"
    return replace(blank, verdict="not decided", why=f"{open_}, and no input was found that shows it")


def _open_channels(exact: Array, final: Interval | None, shape: tuple[int, ...]) -> list[int]:
    """The channels without proof, those of the widest sums first."""
    channels = shape[-1] if shape else 1
    exact = exact.reshape(-1)
    exact = np.broadcast_to(exact, (channels,)) if exact.size in (1, channels) else np.zeros(channels, bool)
    width = np.zeros(channels, dtype=object)
    final = None if final is None else final.by_channel()
    if final is not None and np.size(final.lo) in (1, channels):
        width = width + (np.asarray(final.hi, dtype=object) - np.asarray(final.lo, dtype=object))
    open_ = [channel for channel in range(channels) if not exact[channel]]
    return sorted(open_, key=lambda channel: -width[channel])[:CHANNELS]


def _middle(shape: tuple[int, ...], channel: int) -> tuple[int, ...]:
    """An output position away from the edges."""
    return (*(size // 2 for size in shape[:-1]), channel) if shape else ()


def _spread(shape: tuple[int, ...], channel: int) -> list[tuple[int, ...]]:
    """Output positions all over, for ranges that are not the same at each."""
    places = list(np.ndindex(shape[:-1]))
    return [(*places[k], channel) for k in range(0, len(places), max(1, len(places) // PLACES))]


def _same_order(
    node: Node, base: list[Array], shape: tuple[int, ...], a: Accumulator, b: Accumulator
) -> bool:
    """Whether both orders of the terms are one, as on axes of size 1."""
    terms = terms_of(node.op, base, _middle(shape, 0))
    return terms is not None and bool((a.permutation(terms.sizes) == b.permutation(terms.sizes)).all())


def _search(
    node: Node, other: Node, base: list[Array], given: Interval, indices: list[tuple[int, ...]], seed: int
) -> SumDifference | None:
    """Rules T2 and T3: the output elements at `indices`, with other values in the first input of `base`."""
    rng = np.random.default_rng(seed)
    for index in indices:
        mine, theirs = (terms_of(entry.op, base, index) for entry in (node, other))
        if mine is None or theirs is None:
            return None
        for x in candidates(mine, theirs, given, rng, TRIES):
            if _last(replace(mine, x=x)) != _last(replace(theirs, x=x)):
                found = _confirmed(node, other, base, mine, x, index)
                if found is not None:
                    return found
    return None


def _last(terms: Terms) -> int | None:
    """The sum that the registers deliver; None where one traps."""
    register: int | None = None
    try:
        for step in additions(terms):
            register = step.register
    except OverflowTrap:
        return None
    return register


def _confirmed(
    node: Node, other: Node, base: list[Array], terms: Terms, x: tuple[int, ...], index: tuple[int, ...]
) -> SumDifference | None:
    """The input as a sample, if the op's reference differs on it too (rule T3)."""
    sample = base[0].copy()
    for place, value in zip(terms.places, x, strict=True):
        if place is not None:
            sample[place] = value
    inputs = (sample, *base[1:])
    sums = [_run(entry, inputs, index) for entry in (node, other)]
    return None if sums[0] == sums[1] else SumDifference(index, sums[0], sums[1], inputs)


def _run(node: Node, inputs: tuple[Array, ...], index: tuple[int, ...]) -> int | None:
    """One sum by the reference, on Python ints; None where a register traps somewhere in the sample."""
    try:
        (sums,) = node.op.reference(*(x.astype(object)[None] for x in inputs))
    except OverflowTrap:
        return None
    return int(sums[(0, *index)])
