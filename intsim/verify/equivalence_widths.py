"""The narrowest multiplier of every requantization of a network, each checked against the original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intsim.arithmetic import Multiply, Requantization, Rounding
from intsim.bounds import network_bounds
from intsim.errors import MismatchError, SpecError
from intsim.network import Network
from intsim.verify.equivalence_narrowest import Narrowest, narrowest, with_multipliers
from intsim.verify.equivalence_networks import Options, requantizations


@dataclass(frozen=True)
class NodeWidths:
    """What `narrowest` found for one node.

    channels : one entry per channel, or one for all where the requantization is per tensor
    now : bits of the widest multiplier that the node has; None where it has none
    checked : how every reachable accumulator was compared with the original; empty where a channel has none
    """

    name: str
    channels: tuple[Narrowest, ...]
    now: int | None
    checked: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Why a channel has none; empty where all have one."""
        return next((entry.missing for entry in self.channels if entry.missing), "")

    @property
    def bits(self) -> int | None:
        """Of the widest multiplier; None where a channel has none."""
        return None if self.missing else max(entry.bits or 0 for entry in self.channels)


def narrowest_of_network(
    network: Network, rounding: Rounding | None = None, options: Options | None = None
) -> Iterator[NodeWidths]:
    """The narrowest multipliers over the ranges that are proved, node by node.

    Parameters
    ----------
    rounding : as `narrowest` takes it

    Raises
    ------
    SpecError
        There is no requantize node that the options' patterns name, or `rounding` is STOCHASTIC.
    MismatchError
        A code differs from the original's, which would be an error of this module.
    """
    options = options or Options()
    if rounding is Rounding.STOCHASTIC:
        raise SpecError("rounding must not be STOCHASTIC")
    chosen = requantizations(network, options)
    ranges = network_bounds(network, options.ranges).tensors
    for node in chosen:
        op: Any = node.op
        rule: Requantization = op.rule
        interval = ranges[node.inputs[0]]
        found = NodeWidths(node.name, narrowest(rule, interval, rounding), _now(rule))
        if not found.missing:
            made = with_multipliers(rule, found.channels, rounding)
            compared = options.rules(node.name, rule, made, interval)
            if not compared.equal or compared.compared is None:
                raise MismatchError(f"{node.name}: the narrowest multiplier makes another code")
            found = NodeWidths(found.name, found.channels, found.now, compared.compared.methods)
        yield found


def _now(rule: Requantization) -> int | None:
    """Bits of the widest multiplier of a requantization."""
    widths = [
        int(abs(step.multipliers).max()).bit_length() for step in rule.steps if isinstance(step, Multiply)
    ]
    return max(widths, default=None)
