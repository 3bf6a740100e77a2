"""Intervals through a network: what every tensor, and every sum on the way, can be.

Rules
-----
B1. An input's range is its format's, or the narrower one that is given: one, one per channel (the last
    axis), or one per element. Its ends are integers of the format.
B2. A node's bounds follow from its inputs' ranges by its op's own `bounds`; nodes are taken as
    independent, so a range may be wider than what is reached, never narrower.
B3. A real tensor, which stands only at a door, has no range; its op is given [0, 0] and looks away.
B4. Ranges per element stay so through movements, sums and dense layers; an op that does not take them is
    given the hull per channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Bounds, Interval
from intsim.errors import Finding, SpecError
from intsim.formats import Discrete, TensorSpec
from intsim.network import Network, Node


@dataclass(frozen=True)
class NetworkBounds:
    """The exact ranges in one network.

    tensors : tensor name -> Interval, of every integer tensor, in the order in which they are made
    nodes : node name -> Bounds
    """

    tensors: Mapping[str, Interval]
    nodes: Mapping[str, Bounds]


def network_bounds(network: Network, ranges: Mapping[str, Interval] | None = None) -> NetworkBounds:
    """Propagate ranges through a network (rules B1 to B3).

    Parameters
    ----------
    network : Network
    ranges : input name -> Interval, per tensor, per channel or per element, inside the input's format;
        inputs left out take their format's whole range

    Raises
    ------
    SpecError
        `ranges` names no input or leaves its format, or an op cannot take what reaches it (a table
        shorter than its index).
    """
    tensors = _input_ranges(network, dict(ranges or {}))
    nodes: dict[str, Bounds] = {}
    for node in network.nodes:
        specs = [network.specs[name] for name in node.inputs]
        nodes[node.name] = bounds = _node_bounds(node, specs, tensors)
        for name, interval in zip(node.outputs, bounds.outputs, strict=True):
            if isinstance(network.specs[name].format, Discrete):
                tensors[name] = interval
    return NetworkBounds(tensors, nodes)


def _node_bounds(node: Node, specs: list[TensorSpec], tensors: Mapping[str, Interval]) -> Bounds:
    given = [tensors.get(name, Interval(0, 0)) for name in node.inputs]
    if not node.op.by_element:
        given = [interval.by_channel() for interval in given]
    try:
        return node.op.bounds(specs, given)
    except (IndexError, OverflowError) as error:
        raise SpecError(Finding(node.name, str(error))) from error


def _input_ranges(network: Network, ranges: dict[str, Interval]) -> dict[str, Interval]:
    findings: list[Finding] = []
    tensors: dict[str, Interval] = {}
    for entry in network.inputs:
        spec, given = entry.spec, ranges.pop(entry.name, None)
        if not isinstance(spec.format, Discrete):
            if given is not None:
                findings.append(Finding(entry.name, f"range must be absent for {spec.format}. [B3]"))
            continue
        tensors[entry.name] = Interval.of_format(spec.format)
        if given is not None:
            tensors[entry.name] = given
            findings += _check_range(entry.name, spec, given)
    known = ", ".join(entry.name for entry in network.inputs)
    findings += [Finding("ranges", f"must name inputs ({known}), not {name!r}. [B1]") for name in ranges]
    if findings:
        raise SpecError(findings)
    return tensors


def _check_range(name: str, spec: TensorSpec, given: Interval) -> list[Finding]:
    channels = max(np.size(given.lo), np.size(given.hi))
    for end in (given.lo, given.hi):
        if np.ndim(end) > 1 and np.shape(end) != spec.shape:
            what = f"range must be of the sample's shape {spec.shape}, not {np.shape(end)}. [B1]"
            return [Finding(name, what)]
    if given.rank == 1 and (not spec.shape or spec.shape[-1] != channels):
        return [Finding(name, f"range must have one value per channel of {spec.shape}, not {channels}. [B1]")]
    if np.any(np.asarray(given.lo) > np.asarray(given.hi)):
        return [Finding(name, f"range must not be empty, not {given}. [B1]")]
    if not given.within(spec.integer):
        return [Finding(name, f"range must be inside {spec.format}, not {given}. [B1]")]
    if any(spec.integer.outside(np.asarray(end, dtype=object)).any() for end in (given.lo, given.hi)):
        return [Finding(name, f"range must end at integers of {spec.format}, not {given}. [B1]")]
    return []
