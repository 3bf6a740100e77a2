"""Steps that follow one another as one step: a tape that runs without Python between them.

Rules
-----
Q7. Steps are one tape where each of them is one launch, and nothing stands between them.
Q8. What nobody sees outside a tape lies in one memory; tensors that are not needed at the same time share
    places in it. What is taken and what is given are arrays like any other step's.
Q9. A tape is bound to memory for a batch size and a number of threads, and kept for the next time. Who runs
    it has it alone; runs at the same time have one each.
Q10. Threads are no more than there is work for. Where each gets a sample they take a lane of samples each,
    which shares nothing until the end; else they share the rows of every launch.
Q11. Where a row trapped, the steps are run again one by one: the first that traps says where.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from intsim.engine.lowered import Lowered, Work, ready
from intsim.engine.reference import fault
from intsim.formats import TensorSpec
from intsim.kernels.launch import Launch
from intsim.kernels.scratch import LINE, aligned
from intsim.kernels.threads import split
from intsim.network import Network
from intsim.record import Array

if TYPE_CHECKING:
    from intsim.engine.planning import Step
    from intsim.kernels.bound import Bound

_TAPE = "tape"
_WORTH = 8
"""Work that a thread must get, in units of what is worth a part of a launch: about 80 us where a unit was
about 10 us (networks of MLPerf Tiny), and a thread that slept took 30 to 100 us until it had begun."""

_KEPT = 2
"""Batch sizes and so on that a tape stays bound to: those of whole chunks, and of the last one."""


def taped(network: Network, steps: Sequence[Step], seen: set[str]) -> tuple[Step, ...]:
    """The steps with every run of launches as one step (rule Q7).

    Parameters
    ----------
    seen : tensors that a run gives back
    """

    def launches(step: Step) -> bool:
        specs = [network.specs[name] for name in (*step.inputs, *step.outputs)]
        return step.lowered.begin is not None and all(spec.size for spec in specs)

    found: list[Step] = []
    for together, group in itertools.groupby(steps, launches):
        some = list(group)
        found += [_joined(network, some, seen)] if together else some
    return tuple(found)


def is_tape(steps: Sequence[Step]) -> bool:
    """Whether all steps are one tape."""
    return [step.kernel for step in steps] == [_TAPE]


def _joined(network: Network, steps: Sequence[Step], seen: set[str]) -> Step:
    """Several steps as one."""
    freed = {name for step in steps for name in step.freed}
    made = [name for step in steps for name in step.outputs]
    tape = Tape(steps, network.specs, {name for name in made if name in seen or name not in freed})
    nodes = tuple(node for step in steps for node in step.nodes)
    lowered = Lowered(_TAPE, "; ".join(step.reason for step in steps), tape.call)
    gone = tuple(sorted(freed.difference(made)))
    return replace(
        steps[-1], nodes=nodes, lowered=lowered, inputs=tape.inputs, outputs=tape.outputs, freed=gone
    )


class Tape:
    """Consecutive steps, each one launch.

    steps : in their order
    inputs, outputs : tensors that come from outside, and that are seen there
    """

    def __init__(self, steps: Sequence[Step], specs: Mapping[str, TensorSpec], seen: set[str]) -> None:
        self.steps = tuple(steps)
        made = [name for step in steps for name in step.outputs]
        self.inputs = tuple(dict.fromkeys(name for step in steps for name in step.inputs if name not in made))
        self.outputs = tuple(name for name in made if name in seen)
        self._specs = specs
        self._bound: dict[Any, list[Bound]] = {}
        self._lock = threading.Lock()

    def call(self, inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        """As `Lowered.call`."""
        given = {name: ready(x) for name, x in zip(self.inputs, inputs, strict=True)}
        batch = inputs[0].shape[0]
        made = {name: self._array(name, batch) for name in self.outputs}
        if batch:
            lines = tuple([x.ctypes.data % LINE == 0 for x in given.values()])
            bound = self._taken(batch, work.threads, lines)
            trapped = bound.play({**given, **made})
            self._put_back((batch, work.threads, lines), bound)
            if trapped:
                return self._one_by_one(given, work)
        return tuple(made.values())

    def _array(self, name: str, batch: int) -> Array:
        spec = self._specs[name]
        return aligned((batch, *spec.shape), spec.format.storage)

    def _taken(self, batch: int, threads: int, lines: tuple[bool, ...]) -> Bound:
        """A tape that nobody runs, bound to so many samples; `lines`: which inputs begin at a line."""
        with self._lock:
            idle = self._bound.get((batch, threads, lines))
            if idle:
                return idle.pop()
        return self._bind(batch, threads, lines)

    def _put_back(self, key: Any, bound: Bound) -> None:
        with self._lock:
            self._bound.setdefault(key, []).append(bound)
            while len(self._bound) > _KEPT:
                del self._bound[next(iter(self._bound))]

    def _one_by_one(self, given: dict[str, Array], work: Work) -> tuple[Array, ...]:
        """Rule Q11."""
        held = dict(given)
        for step in self.steps:
            results = step.lowered.call(tuple([held[name] for name in step.inputs]), work)
            held.update(zip(step.outputs, results, strict=True))
        return tuple(held[name] for name in self.outputs)

    def _bind(self, batch: int, threads: int, lines: tuple[bool, ...]) -> Bound:
        from intsim.kernels.bound import bound

        # memory of their own stands for tensors outside: those of a run may be one array, or overlap
        outside = {name: self._array(name, batch) for name in (*self.inputs, *self.outputs)}
        for name, at_line in zip(self.inputs, lines, strict=True):
            outside[name] = outside[name] if at_line else _off_line(outside[name])
        lanes = [self._launches({**self._inside(batch), **outside})]
        work = sum(launch.total / launch.least for launch in lanes[0])
        threads = max(1, min(threads, int(work / _WORTH)))
        if 1 < threads <= batch:
            lanes = []
            for begin, end in split(batch, threads):
                held = {name: x[begin:end] for name, x in outside.items()}
                lanes.append(self._launches({**self._inside(end - begin), **held}))
        return bound(lanes, outside, threads)

    def _launches(self, held: Mapping[str, Array]) -> list[Launch]:
        """Every step's launch on these tensors; a copy would hold what they were when it was made."""
        from intsim.kernels.native import places_of

        found = []
        for step in self.steps:
            given = tuple([ready(held[name]) for name in step.inputs])
            launch = step.lowered.begin(given, held[step.outputs[0]])  # type: ignore[misc]  # rule Q7
            arrays = [array for _, array in places_of((*launch.before, *launch.after))]
            for name in (*step.inputs, *step.outputs):
                if not any(np.may_share_memory(held[name], array) for array in arrays):
                    raise fault(step.name, f"its launch must work on {name} itself, not on a copy")
            found.append(launch)
        return found

    def _inside(self, batch: int) -> dict[str, Array]:
        """Rule Q8: views of one memory."""
        last = {name: at for at, step in enumerate(self.steps) for name in (*step.outputs, *step.inputs)}
        lives = {
            name: (at, last[name], self._bytes(name, batch))
            for at, step in enumerate(self.steps)
            for name in step.outputs
            if name not in self.outputs
        }
        offsets, size = placed(lives)
        memory = aligned((size,), np.uint8)
        arrays = {}
        for name, offset in offsets.items():
            spec = self._specs[name]
            shape, storage = (batch, *spec.shape), spec.format.storage
            held = memory[offset : offset + math.prod(shape) * storage.itemsize]
            arrays[name] = held.view(storage).reshape(shape)
        return arrays

    def _bytes(self, name: str, batch: int) -> int:
        spec = self._specs[name]
        return batch * spec.size * spec.format.storage.itemsize


def _off_line(x: Array) -> Array:
    """Such an array that does not begin at a line."""
    memory = aligned((x.nbytes + LINE,), np.uint8)
    begin = x.itemsize
    return memory[begin : begin + x.nbytes].view(x.dtype).reshape(x.shape)


def placed(lives: dict[str, tuple[int, int, int]]) -> tuple[dict[str, int], int]:
    """Where tensors lie in one memory: each at the lowest place that is free as long as it is needed.

    Parameters
    ----------
    lives : the first step, the last step and the bytes of every tensor, in the order of their first steps

    Returns
    -------
    Their offsets, multiples of a line, and the bytes of all.

    Examples
    --------
    >>> placed({"a": (0, 1, 100), "b": (1, 2, 10), "c": (2, 3, 90)})
    ({'a': 0, 'b': 128, 'c': 0}, 192)
    """
    offsets: dict[str, int] = {}
    alive: list[tuple[int, int, int]] = []
    most = 0
    for name, (first, last, size) in lives.items():
        alive = sorted(entry for entry in alive if entry[2] >= first)
        offset = 0
        for begin, end, _ in alive:
            if offset + size <= begin:
                break
            offset = max(offset, -(-end // LINE) * LINE)
        offsets[name] = offset
        alive.append((offset, offset + size, last))
        most = max(most, -(-(offset + size) // LINE) * LINE)
    return offsets, most
