"""`prove`: every accumulator of a network proved free of wrong sums, or shown the input that breaks it.

Rules
-----
Q1. A channel of an accumulator is proved where its outermost register delivers the exact sum for every input
    within the assumed ranges (rules Z1 to Z5). A WRAP register is then allowed to overflow on the way, and
    so is one inside it that is no narrower.
Q2. It is witnessed where an input within the ranges that the accumulator can be given was found, executed,
    and led to another value than the exact sum. The witness is local: it is an input of the node. It is a
    network witness where it is an input of the network.
Q3. It is possible where it is neither.
Q4. What can go wrong is persistent if the exact final sum can leave the outermost register, else transient.
Q5. Headroom is the register's bits less those that it needs: for WRAP to hold the final sum, for SATURATE
    and TRAP every sum on the way. It is negative where bits are missing.
Q6. Ranges are proved tensor by tensor, as if tensors were independent of one another: a bound may be wider
    than what the network's inputs reach, never narrower.
Q7. Sums of blocks are made of floats, which round; there is nothing to prove of them. One that is made in a
    fixed-point word is not proved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Interval, Overflow
from intsim.arithmetic.blocks import FixedRegister
from intsim.arithmetic.register_ranges import RegisterRange
from intsim.bounds import NetworkBounds, network_bounds
from intsim.bounds.closed_forms import ClosedForm, closed_forms
from intsim.bounds.layers import channels_of
from intsim.errors import Finding, SpecError
from intsim.formats.width import widths
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of
from intsim.ops import BlockDense, GroupDense, Op
from intsim.record import Array
from intsim.verify.group_witness import group_witnesses
from intsim.verify.witness import Witness, local_witnesses

PROVED, WITNESSED, POSSIBLE = "proved", "witnessed", "possible"
PERSISTENT, TRANSIENT, NONE = "persistent", "transient", ""
_NEVER = 1 << 20  # stands for more bits than any register has


@dataclass(frozen=True)
class RegisterProof:
    """One register of an accumulator.

    range : what it can meet
    needed : bits that its own overflow mode needs, per channel; None where no width of its signedness does
    headroom : bits left above that (rule Q5), per channel; None as above
    safe : the smallest safe width per channel, under "wrap", "saturate" (and trap) and "any order"
    """

    range: RegisterRange
    needed: Array
    headroom: Array
    safe: Mapping[str, Array]


@dataclass(frozen=True)
class NodeProof:
    """One accumulator of a network.

    node, op : name of the node and of its op
    accumulator : how its sums are made
    registers : outermost first
    verdicts : per channel, one of "proved", "witnessed", "possible"
    kinds : per channel, "persistent", "transient", or "" where nothing can go wrong (rule Q4)
    witnesses : one per witnessed channel
    forms : the closed forms' widths, for comparison; empty for ops whose operands are both computed
    spacing : what all differences of a channel's final sums are multiples of; see `Bounds`
    """

    node: str
    op: str
    accumulator: Accumulator
    registers: tuple[RegisterProof, ...]
    verdicts: tuple[str, ...]
    kinds: tuple[str, ...]
    witnesses: tuple[Witness, ...] = ()
    forms: tuple[ClosedForm, ...] = ()
    spacing: int = 1

    @property
    def verdict(self) -> str:
        """The worst of the channels'."""
        return max(self.verdicts, key=[PROVED, POSSIBLE, WITNESSED].index)

    @property
    def headroom(self) -> int | None:
        """The least of the outermost register's."""
        values = list(self.registers[0].headroom)
        return None if None in values else min(values)

    def worst(self) -> int:
        """The channel with the least headroom in the outermost register; the first of them."""
        return min(range(len(self.verdicts)), key=self._slack)

    def worst_witness(self) -> Witness | None:
        """The witness of the channel with the least headroom among those that have one."""
        return min(self.witnesses, key=lambda witness: self._slack(witness.channel), default=None)

    def _slack(self, channel: int) -> int:
        bits = self.registers[0].headroom[channel]
        return -_NEVER if bits is None else int(bits)


@dataclass(frozen=True)
class Proof:
    """What was proved of a network's accumulators.

    network : Network
    ranges : input name -> the range that was assumed
    bounds : the ranges that the proof rests on
    nodes : one per accumulator, in the network's order
    words : names of nodes whose sums of blocks enter a fixed-point word, of which nothing is proved (rule Q7)
    """

    network: Network
    ranges: Mapping[str, Interval]
    bounds: NetworkBounds
    nodes: tuple[NodeProof, ...]
    words: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Whether every accumulator is."""
        return not self.words and all(node.verdict == PROVED for node in self.nodes)


def prove(network: Network, ranges: Mapping[str, Interval] | None = None, *, witnesses: bool = True) -> Proof:
    """Prove every accumulator of a network, or find local witnesses against it (rules Q1 to Q6).

    Parameters
    ----------
    network : Network, with the datapath that is meant
    ranges : input name -> Interval, narrower than the input's format; see `network_bounds`
    witnesses : look for witnesses where something is not proved

    Raises
    ------
    SpecError
        `ranges` do not suit the network.
    """
    bounds = network_bounds(network, ranges)
    nodes = tuple(
        _node_proof(network, node, bounds, witnesses)
        for node in network.nodes
        if accumulator_of(node.op) is not None
    )
    assumed = {
        entry.name: bounds.tensors[entry.name] for entry in network.inputs if entry.name in bounds.tensors
    }
    words = tuple(node.name for node in network.nodes if _in_a_word(node.op))
    return Proof(network, assumed, bounds, nodes, words)


def _in_a_word(op: Op) -> bool:
    return isinstance(op, BlockDense) and isinstance(op.accumulator.register, FixedRegister)


def _node_proof(network: Network, node: Node, bounds: NetworkBounds, witnesses: bool) -> NodeProof:
    accumulator: Any = accumulator_of(node.op)
    found = bounds.nodes[node.name]
    specs = [network.specs[name] for name in node.inputs]
    ranges = [bounds.tensors[name] for name in node.inputs]
    if not found.registers:
        raise SpecError(
            Finding(node.name, f"{node.op.name} must tell the ranges of its registers in `bounds`")
        )
    outer = found.registers[0]
    proved = np.broadcast_to(outer.exact, np.shape(outer.final.lo) or (1,))
    shown: dict[int, Witness] = {}
    if witnesses and not proved.all():
        given = specs, ranges, np.flatnonzero(~proved)
        if isinstance(node.op, GroupDense):
            shown = group_witnesses(node.name, node.op, *given)
        else:
            shown = local_witnesses(node.name, node.op, *given)
    verdicts = [
        PROVED if right else WITNESSED if channel in shown else POSSIBLE
        for channel, right in enumerate(proved)
    ]
    layer = channels_of(node.op, ranges)
    forms = () if layer is None else closed_forms(layer, accumulator.tile)
    return NodeProof(
        node.name,
        node.op.name,
        accumulator,
        tuple(_register_proof(entry) for entry in found.registers),
        tuple(verdicts),
        tuple(_kinds(found, proved)),
        tuple(shown[channel] for channel in sorted(shown)),
        forms,
        found.spacing,
    )


def _kinds(found: Bounds, proved: Array) -> list[str]:
    """Rule Q4."""
    format = found.registers[0].register.format
    final = found.final or found.registers[0].final
    low, high = np.atleast_1d(final.lo), np.atleast_1d(final.hi)
    leaves = np.broadcast_to((low < format.min) | (high > format.max), np.shape(proved))
    return [
        NONE if right else PERSISTENT if left else TRANSIENT
        for right, left in zip(proved, leaves, strict=True)
    ]


def _register_proof(found: RegisterRange) -> RegisterProof:
    format = found.register.format
    safe = {
        name: widths(interval.lo, interval.hi, format.signed)
        for name, interval in (
            ("wrap", found.final),
            ("saturate", found.partial),
            ("any order", found.any_order),
        )
    }
    needed = safe["wrap" if found.register.overflow is Overflow.WRAP else "saturate"]
    headroom = np.array([None if bits is None else format.bits - bits for bits in needed], dtype=object)
    return RegisterProof(found, needed, headroom, safe)
