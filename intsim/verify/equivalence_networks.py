"""Two networks, node by node: do their requantizations and tables make the same codes?

Rules
-----
K1. Nodes of one name are compared over the ranges that are proved in the first network. That is enough:
    as long as every node before makes the same integers, the second network's are in those ranges too.
K2. Two requantizations are compared by `compare_rules`; two ops of `TABLED` by every code that some channel
    can reach.
K3. A node that only one network has, that reads other tensors, or whose op differs otherwise, is not
    decided. Equal nodes of other ops are not told.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Interval, Requantization
from intsim.bounds import network_bounds
from intsim.errors import SpecError
from intsim.network import Network, Node
from intsim.ops import Op, Requantize
from intsim.record import same
from intsim.verify.equivalence import ENUMERATION, Progress, RuleComparison, compare_rules
from intsim.verify.equivalence_dialects import by_dialect, dialect_named
from intsim.verify.equivalence_evaluate import Codes
from intsim.verify.equivalence_findings import ChannelComparison, found_in
from intsim.verify.equivalence_ranges import channel_ranges

TABLED = frozenset(["lookup", "clamp", "leaky_relu", "hard_swish"])
"""Ops that make of every element, whatever its place, a function of its code alone."""

_MOST_CODES = 1 << 16


@dataclass(frozen=True)
class NodeComparison:
    """One node of both networks.

    compared : what was found; None where the two could not be compared
    why_not : why they could not
    """

    name: str
    op: str
    compared: RuleComparison | None = None
    why_not: str = ""

    @property
    def verdict(self) -> str:
        if self.compared is None:
            return "not decided"
        if self.compared.differing:
            return "differs"
        return "not decided" if self.compared.undecided else "equal"

    @property
    def equal(self) -> bool:
        return self.verdict == "equal"


@dataclass(frozen=True)
class Options:
    """How nodes are compared.

    only : patterns of nodes' names; all where there is none
    enumerate_all, threads : as `compare_rules` takes them
    progress : gives the progress of a node, by its name
    ranges : what the network's inputs can be, as `network_bounds` takes it
    """

    only: Sequence[str] = ()
    enumerate_all: bool = False
    threads: int | None = None
    progress: Callable[[str], Progress | None] | None = None
    ranges: Mapping[str, Interval] | None = None

    def names(self, node: str) -> bool:
        """Whether some pattern names the node; all are, where there is none."""
        return not self.only or any(node == glob or fnmatch.fnmatchcase(node, glob) for glob in self.only)

    def rules(self, name: str, a: Requantization, b: Requantization, interval: Interval) -> NodeComparison:
        """Compare two requantizations of one node."""
        told = self.progress(name) if self.progress is not None else None
        found = compare_rules(
            a, b, interval, enumerate_all=self.enumerate_all, threads=self.threads, progress=told
        )
        return NodeComparison(name, "requantize", found)


def compare_networks(a: Network, b: Network, options: Options | None = None) -> Iterator[NodeComparison]:
    """Compare two networks node by node, in the order of the first (rules K1 to K3).

    Raises
    ------
    SpecError
        No node is named by the options' patterns, or an input has another format.
    """
    options = options or Options()
    others = {node.name: node for node in b.nodes}
    mine = {node.name for node in a.nodes}
    chosen = [node for node in a.nodes if options.names(node.name)]
    added = [node for node in b.nodes if node.name not in mine and options.names(node.name)]
    if not chosen and not added:
        raise SpecError(f"--only must name nodes, not {', '.join(map(repr, options.only))}")
    _same_doors(a, b)
    ranges = network_bounds(a, options.ranges).tensors
    for node in chosen:
        found = _compare_node(node, others.get(node.name), ranges, options)
        if found is not None:
            yield found
    for node in added:
        yield NodeComparison(node.name, node.op.name, why_not="it is only in the second network")
    if a.outputs != b.outputs and not options.only:
        yield NodeComparison(
            "outputs", "network", why_not=f"{_listed(a.outputs)} against {_listed(b.outputs)}"
        )


def compare_with_dialect(
    network: Network, dialect: str, options: Options | None = None
) -> Iterator[NodeComparison]:
    """Compare every requantization with the one that a dialect makes of the same scales.

    Raises
    ------
    SpecError
        There is no such dialect, or no requantize node that the options' patterns name.
    """
    options = options or Options()
    made_by = dialect_named(dialect)
    chosen = requantizations(network, options)
    ranges = network_bounds(network, options.ranges).tensors
    for node in chosen:
        try:
            other = by_dialect(network, node, made_by)
        except SpecError as error:
            yield NodeComparison(node.name, node.op.name, why_not=f"not made anew: {error}")
            continue
        mine: Requantization = node.op.rule  # type: ignore[attr-defined]
        yield options.rules(node.name, mine, other, ranges[node.inputs[0]])


def requantizations(network: Network, options: Options) -> list[Node]:
    """The requantize nodes that the options' patterns name.

    Raises
    ------
    SpecError
        There are none.
    """
    chosen = [node for node in network.nodes if isinstance(node.op, Requantize) and options.names(node.name)]
    if not chosen:
        patterns = f", not {', '.join(map(repr, options.only))}" if options.only else ""
        raise SpecError(f"network must have requantize nodes to compare{patterns}")
    return chosen


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _same_doors(a: Network, b: Network) -> None:
    """Refuse networks whose inputs do not hold the same integers."""
    others = {entry.name: entry.spec for entry in b.inputs}
    for entry in a.inputs:
        spec = others.get(entry.name)
        if spec is None or (spec.format, spec.shape) != (entry.spec.format, entry.spec.shape):
            said = "nothing of that name" if spec is None else str(spec)
            raise SpecError(f"input {entry.name!r} must be {entry.spec} in both networks, not {said}")


def _compare_node(
    node: Node, other: Node | None, ranges: Mapping[str, Interval], options: Options
) -> NodeComparison | None:
    blank = NodeComparison(node.name, node.op.name)
    if other is None:
        return NodeComparison(node.name, node.op.name, why_not="it is only in the first network")
    if node.inputs != other.inputs:
        return NodeComparison(node.name, node.op.name, why_not="it reads other tensors in the second network")
    if isinstance(node.op, Requantize) and isinstance(other.op, Requantize):
        return options.rules(node.name, node.op.rule, other.op.rule, ranges[node.inputs[0]])
    if {node.op.name, other.op.name} <= TABLED:
        return _compare_tables(blank, node.op, other.op, ranges[node.inputs[0]])
    if node.op == other.op:
        return None
    return NodeComparison(node.name, node.op.name, why_not=_unlike_ops(node.op, other.op))


def _unlike_ops(a: Op, b: Op) -> str:
    if a.name != b.name:
        return f"it is {a.name} in the first network, {b.name} in the second"
    names = [name for name in vars(a) if not same(getattr(a, name), getattr(b, name))]
    return f"{a.name} differs in {', '.join(names)}"


def _compare_tables(blank: NodeComparison, a: Op, b: Op, interval: Interval) -> NodeComparison:
    """Rule K2 for ops of `TABLED`."""
    try:
        found = compare_tables(a, b, interval)
    except (SpecError, IndexError) as error:
        return NodeComparison(blank.name, blank.op, why_not=str(error))
    return NodeComparison(blank.name, blank.op, RuleComparison((found,)))


def compare_tables(a: Op, b: Op, interval: Interval) -> ChannelComparison:
    """Compare two functions of single codes (ops of `TABLED`) on every code that some channel can reach.

    Parameters
    ----------
    a, b : of formats that hold every reachable code
    interval : of the input, per tensor or per channel, of at most 65536 codes

    Raises
    ------
    SpecError
        A table has another input format, or there are too many codes.
    """
    low, high = interval.min, interval.max
    if high - low >= _MOST_CODES:
        raise SpecError(f"codes must be at most {_MOST_CODES}, not those of {interval}")
    for op in (a, b):
        format = getattr(op, "input_format", None)
        if format is not None and not format.holds(low, high):
            raise SpecError(f"codes must be in {interval}, but a table is of {format}")
    reached = np.zeros(high - low + 1, bool)
    for first, last in channel_ranges(interval):
        reached[first - low : last - low + 1] = True
    codes = np.arange(low, high + 1)[reached]
    mine, theirs = (Codes(op.reference(codes)[0]) for op in (a, b))
    blank = ChannelComparison(0, low, high, int(codes.size), method=ENUMERATION)
    return found_in(blank, codes, mine, theirs)
