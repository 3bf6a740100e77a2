"""`Plan`: which kernel runs each node, and why it is exact. Made once, run many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from intsim.bounds import NetworkBounds, network_bounds
from intsim.engine import fast
from intsim.engine.crosscheck import lower_crosscheck
from intsim.engine.lowered import Lowered, Site, site_of
from intsim.engine.reference import lower_exact, lower_reference
from intsim.engine.result import Result
from intsim.errors import SpecError
from intsim.network import Network, Node

Lowering = Callable[[Site], Lowered]
Progress = Callable[[int, int], None]

ENGINES = ("fast", "reference", "exact", "crosscheck")
"""fast: kernels; reference: numpy; exact: Python ints; crosscheck: two at once, fast and reference
unless named as in ``crosscheck:fast,exact``."""

_SINGLE: dict[str, Lowering] = {
    "fast": fast.lower,
    "reference": lower_reference,
    "exact": lower_exact,
}


@dataclass(frozen=True)
class PlannedNode:
    """One node with the kernel that was chosen for it."""

    node: Node
    lowered: Lowered
    freed: tuple[str, ...]
    """Tensors that nobody reads after this node."""

    @property
    def kernel(self) -> str:
        """The kernel's name."""
        return self.lowered.kernel

    @property
    def reason(self) -> str:
        """Why this kernel is exact here."""
        return self.lowered.reason


@dataclass(frozen=True)
class Plan:
    """A network ready to run. Build one with `plan`.

    network : Network
    engine : the engine's name
    events : whether overflow events are counted
    bounds : the ranges that the choice of kernels rests on
    nodes : in the order in which they run
    """

    network: Network
    engine: str
    events: bool
    bounds: NetworkBounds
    nodes: tuple[PlannedNode, ...]

    def run(
        self,
        inputs: Any,
        *,
        trace: Sequence[str] = (),
        threads: int | None = None,
        chunk: int | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """Run it; the arguments are those of `run`."""
        from intsim.engine.running import collect

        return collect(self, inputs, trace, threads, chunk, progress)

    def stream(
        self,
        inputs: Any,
        *,
        trace: Sequence[str] = (),
        threads: int | None = None,
        chunk: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Result]:
        """Run it chunk by chunk; the arguments are those of `stream`."""
        from intsim.engine.running import chunks

        return chunks(self, inputs, trace, threads, chunk, progress)

    @cached_property
    def sample_bytes(self) -> int:
        """An estimate of the most memory that one sample takes on its way."""
        specs = self.network.specs
        sizes = {name: spec.size * spec.format.storage.itemsize for name, spec in specs.items()}
        alive = sum(sizes[entry.name] for entry in self.network.inputs)
        most = alive
        for planned in self.nodes:
            alive += sum(sizes[name] for name in planned.node.outputs)
            most = max(most, alive + planned.lowered.workspace)
            alive -= sum(sizes[name] for name in planned.freed)
        return most


def plan(
    network: Network,
    *,
    engine: str = "fast",
    events: bool = False,
) -> Plan:
    """Choose a kernel for every node.

    Parameters
    ----------
    network : Network
    engine : one of `ENGINES`, or ``"crosscheck:A,B"``
    events : count overflows; kernels that cannot are not chosen where some are possible

    Raises
    ------
    SpecError
        No such engine, or an op cannot take what can reach it.
    """
    lower = lowering_of(engine)
    bounds = network_bounds(network)
    last = _last_reader(network)
    nodes = []
    for index, node in enumerate(network.nodes):
        site = site_of(network, node, bounds, events)
        freed = [name for name in {*node.inputs, *node.outputs} if last[name] == index]
        nodes.append(PlannedNode(node, lower(site), tuple(sorted(freed))))
    return Plan(network, engine, events, bounds, tuple(nodes))


def lowering_of(engine: str) -> Lowering:
    """The rule by which an engine chooses kernels."""
    if engine in _SINGLE:
        return _SINGLE[engine]
    name, _, pair = engine.partition(":")
    chosen = [part.strip() for part in (pair or "fast,reference").split(",")]
    if name != "crosscheck" or len(chosen) != 2 or not set(chosen) <= set(_SINGLE):
        known = ", ".join(ENGINES)
        raise SpecError(f"engine must be one of {known} or crosscheck:fast,exact (any two), not {engine!r}")
    return lower_crosscheck(chosen[0], _SINGLE[chosen[0]], chosen[1], _SINGLE[chosen[1]])


def _last_reader(network: Network) -> dict[str, int]:
    """Where each tensor is read last; where it is made, if never; never freed, if given back."""
    last: dict[str, int] = {entry.name: -1 for entry in network.inputs}
    for index, node in enumerate(network.nodes):
        last.update((name, index) for name in (*node.inputs, *node.outputs))
    last.update((name, len(network.nodes)) for name in network.outputs)
    return last
