"""`Plan`: which kernel runs each step, and why it is exact. Made once, run many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from intsim.bounds import NetworkBounds, network_bounds
from intsim.engine import fast
from intsim.engine.crosscheck import lower_crosscheck
from intsim.engine.fusion import Fusion, Group
from intsim.engine.lowered import Lowered, Site, site_of
from intsim.engine.reference import lower_exact, lower_reference
from intsim.engine.result import Result
from intsim.engine.taped import taped
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


class _Planned:
    """What a node and a step have in common."""

    lowered: Lowered

    @property
    def kernel(self) -> str:
        """The kernel's name."""
        return self.lowered.kernel

    @property
    def reason(self) -> str:
        """Why this kernel is exact here."""
        return self.lowered.reason


@dataclass(frozen=True)
class PlannedNode(_Planned):
    """One node with the kernel that is chosen for it where it is a step of its own."""

    node: Node
    lowered: Lowered
    freed: tuple[str, ...]
    """Tensors that nobody reads after this node."""


@dataclass(frozen=True)
class Step(_Planned):
    """One node, or several that run as one kernel (rules Q1 to Q4 of `engine.fusion`).

    inputs, outputs : the tensors that the kernel takes and gives
    freed : tensors that nobody reads after this step
    """

    nodes: tuple[Node, ...]
    lowered: Lowered
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    freed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last node's: what the step gives bears its name."""
        return self.nodes[-1].name


@dataclass(frozen=True)
class Plan:
    """A network ready to run. Build one with `plan`.

    network : Network
    engine : the engine's name
    events : whether overflow events are counted
    bounds : the ranges that the choice of kernels rests on
    steps : what a run without a trace does, in this order
    nodes : every node by itself, as a run does it that traces all tensors
    """

    network: Network
    engine: str
    events: bool
    bounds: NetworkBounds
    lower: Lowering = field(repr=False)

    @cached_property
    def nodes(self) -> tuple[PlannedNode, ...]:
        """Every node by itself."""
        steps = self._steps([])
        return tuple(PlannedNode(step.nodes[0], step.lowered, step.freed) for step in steps)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What a run without a trace does."""
        return self.steps_for(())

    def steps_for(self, traced: Sequence[str]) -> tuple[Step, ...]:
        """What a run does that gives back these tensors too; worked out once for each choice of them."""
        key = tuple(traced)
        if key not in self._asked:
            fusion = self._fusion
            hidden = fusion.hidden(traced) if fusion is not None else frozenset()
            if hidden not in self._made:
                self._made[hidden] = self._steps(fusion.groups(hidden) if fusion is not None else [])
            self._asked[key] = self._made[hidden]
        return self._asked[key]

    def calls_for(self, traced: Sequence[str]) -> tuple[Step, ...]:
        """The same with what can run without Python between as one step; worked out once likewise."""
        key = tuple(traced)
        if key not in self._taped:
            self._taped[key] = taped(self.network, self.steps_for(key), {*key, *self.network.outputs})
        return self._taped[key]

    @cached_property
    def _fusion(self) -> Fusion | None:
        """The fast engine alone has steps of several nodes: the others look at every tensor."""
        return Fusion(self.network, self.bounds, self.events) if self.lower is fast.lower else None

    @cached_property
    def _made(self) -> dict[frozenset[str], tuple[Step, ...]]:
        """Steps by the tensors that they hide."""
        return {}

    @cached_property
    def _asked(self) -> dict[tuple[str, ...], tuple[Step, ...]]:
        """The same by the tensors that were asked for, so that a run need not look for what it hides."""
        return {}

    @cached_property
    def _taped(self) -> dict[tuple[str, ...], tuple[Step, ...]]:
        """Steps with tapes, by the tensors that were asked for."""
        return {}

    @cached_property
    def _alone(self) -> dict[str, Lowered]:
        """Nodes by themselves, lowered when first asked for."""
        return {}

    def _steps(self, groups: Sequence[Group]) -> tuple[Step, ...]:
        last = {group.nodes[-1].name: group for group in groups}
        inside = {node.name for group in groups for node in group.nodes}
        steps = []
        for node in self.network.nodes:
            if node.name in last:
                steps.append(_step(last[node.name]))
            elif node.name not in inside:
                if node.name not in self._alone:
                    site = site_of(self.network, node, self.bounds, self.events)
                    self._alone[node.name] = self.lower(site)
                steps.append(Step((node,), self._alone[node.name], node.inputs, node.outputs))
        return _with_freed(self.network, steps)

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
        for step in self.steps:
            alive += sum(sizes[name] for name in step.outputs)
            most = max(most, alive + step.lowered.workspace)
            alive -= sum(sizes[name] for name in step.freed)
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
    made = Plan(network, engine, events, bounds, lower)
    _ = made.steps  # lowered now, so that a run costs no more than its kernels
    return made


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


def _step(group: Group) -> Step:
    """Several nodes as one: it gives what the last one gives."""
    return Step(group.nodes, group.lowered, group.inputs, group.nodes[-1].outputs)


def _with_freed(network: Network, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, each with the tensors that nobody reads after it; outputs of the network stay."""
    last: dict[str, int] = {}
    for index, step in enumerate(steps):
        last.update((name, index) for name in (*step.inputs, *step.outputs))
    last.update((name, len(steps)) for name in network.outputs)
    freed: list[list[str]] = [[] for _ in range(len(steps) + 1)]
    for name, index in last.items():
        freed[index].append(name)
    return tuple(replace(step, freed=tuple(sorted(freed[index]))) for index, step in enumerate(steps))
