"""The narrowest datapath that is still proved safe, node by node.

Rules
-----
X1. Every register keeps its overflow mode, order, topology, tiles and places; only its width changes.
X2. A register's width is the smallest that its worst channel needs: for WRAP to hold the final sum of every
    tile, for SATURATE and TRAP every sum on the way. With these widths every register delivers the exact
    sum, so the ranges of all tensors are those of exact sums.
X3. A node that would need more than 64 bits, or an unsigned register that would have to go below 0, has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Accumulator, Interval, Overflow
from intsim.arithmetic.register_ranges import RegisterRange
from intsim.bounds import network_bounds
from intsim.errors import Finding, SpecError
from intsim.formats import IntFormat
from intsim.formats.width import widths
from intsim.network import Datapath, Network
from intsim.network.datapath import Rule, accumulator_of

_WIDEST = 64
_NEVER = 1 << 20  # bits that an unsigned register needs below 0


@dataclass(frozen=True)
class Narrowed:
    """One node's accumulator, before and after, and the width that every channel needs in each register."""

    node: str
    before: Accumulator
    after: Accumulator
    needed: tuple[tuple[int, ...], ...]


def narrowest(network: Network, ranges: Mapping[str, Interval] | None = None) -> tuple[Narrowed, ...]:
    """The narrowest safe accumulator of every node (rules X1 to X3).

    Raises
    ------
    SpecError
        Rule X3; every such node is named.
    """
    wide = with_widths(network, None)
    bounds = network_bounds(wide, ranges)
    found, findings = [], []
    for node in network.nodes:
        accumulator = accumulator_of(node.op)
        if accumulator is None:
            continue
        needed = tuple(_needed(entry) for entry in bounds.nodes[node.name].registers)
        least = [max(bits) for bits in needed]
        if max(least) > _WIDEST:
            findings.append(Finding(node.name, f"{_refusal(max(least))} [X3]"))
            continue
        found.append(Narrowed(node.name, accumulator, _with_bits(accumulator, least), needed))
    if findings:
        raise SpecError(findings)
    return tuple(found)


def datapath_of(found: tuple[Narrowed, ...]) -> Datapath:
    """One rule per node, by its name."""
    return Datapath(tuple(Rule((entry.node,), entry.after) for entry in found))


def with_widths(network: Network, bits: int | None) -> Network:
    """The network with every register `bits` wide; 64 and signed as it is where absent."""
    nodes = []
    for node in network.nodes:
        accumulator = accumulator_of(node.op)
        if accumulator is not None:
            changed = _with_bits(accumulator, [bits or _WIDEST] * len(accumulator.levels()))
            node = node.replace(op=node.op.replace(accumulator=changed))
        nodes.append(node)
    return network.replace(nodes=tuple(nodes))


def _with_bits(accumulator: Accumulator, bits: list[int]) -> Accumulator:
    inner = None if accumulator.inner is None else _with_bits(accumulator.inner, bits[1:])
    return accumulator.replace(format=IntFormat(bits[0], accumulator.format.signed), inner=inner)


def _needed(found: RegisterRange) -> tuple[int, ...]:
    wrapping = found.register.overflow is Overflow.WRAP
    interval = found.final if wrapping else found.partial
    bits = widths(np.atleast_1d(interval.lo), np.atleast_1d(interval.hi), found.register.format.signed)
    return tuple(_NEVER if entry is None else entry for entry in bits)


def _refusal(bits: int) -> str:
    if bits == _NEVER:
        return "an unsigned register would have to go below 0"
    return f"needs {bits} bits; registers have up to {_WIDEST}."
