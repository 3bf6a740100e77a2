"""Runs a plan: batches in chunks, tensors freed after their last use.

Rules
-----
E1. Outputs, trace and event counts do not depend on the chunk, on the number of threads, or on which
    other samples are in the batch.
E2. A trap, or a value that a door refuses, names the first such sample, and in it the first node.
E3. A traced tensor is given as it is held: in its format's storage.
E4. Several threads share the samples of a chunk where all steps are one tape; else they work on a chunk each
    where there are enough samples, or on the rows of every step.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from intsim.arithmetic import Events
from intsim.engine.inputs import check_inputs, chunk_of
from intsim.engine.lowered import Work
from intsim.engine.planning import Plan, Progress
from intsim.engine.plans import planned
from intsim.engine.result import Result
from intsim.engine.taped import is_tape
from intsim.engine.trace import select
from intsim.errors import Finding, InputError, OverflowTrap, SpecError
from intsim.kernels.threads import workers
from intsim.network import Network
from intsim.network.datapath import accumulator_of
from intsim.record import Array

MEMORY = 256 << 20
"""Bytes that the tensors of one chunk may take, unless one sample alone takes more."""

CACHE = 4 << 20
"""Bytes that they take if there is a choice: about what the nearest large cache of a core holds."""

_SMALLEST_CHUNK, _LARGEST_CHUNK = 8, 4096


def run(
    network: Network,
    inputs: Any,
    *,
    engine: str = "fast",
    trace: Sequence[str] = (),
    events: bool = False,
    threads: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a network on a batch of any size. Run again, it is not planned again (`plans`).

    Parameters
    ----------
    network : Network
    inputs : dict of input name -> array, batch axis first; or the array of a network with one input
    engine : one of `ENGINES`, or ``"crosscheck:A,B"``
    trace : names of tensors to give back, or patterns of them (``*``, ``?``); accumulators included
    events : count the overflows in every accumulator
    threads : how many threads the kernels may use; all processors where absent
    chunk : how many samples are worked on at once; chosen from the tensors' sizes where absent
    progress : called with (samples done, samples in all) after every chunk

    Raises
    ------
    InputError
        The inputs break a rule (I1 to I5), or a trace pattern names no tensor.
    OverflowTrap
        A register with TRAP received a value that does not fit; the node is named.
    MismatchError
        Under crosscheck, the first difference.
    """
    ready = planned(network, engine=engine, events=events)
    return ready.run(inputs, trace=trace, threads=threads, chunk=chunk, progress=progress)


def stream(
    network: Network,
    inputs: Any,
    *,
    engine: str = "fast",
    trace: Sequence[str] = (),
    events: bool = False,
    threads: int | None = None,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Run a network chunk by chunk, holding no more than one chunk: see `run` for the arguments.

    Yields
    ------
    Results in the order of the samples; events are those of the chunk. All inputs are checked before
    the first one.
    """
    ready = planned(network, engine=engine, events=events)
    return ready.stream(inputs, trace=trace, threads=threads, chunk=chunk, progress=progress)


def chunks(
    plan: Plan,
    inputs: Any,
    trace: Sequence[str],
    threads: int | None,
    chunk: int | None,
    progress: Progress | None,
) -> Iterator[Result]:
    """`stream` for a plan."""
    named, batch = check_inputs(plan.network, inputs)
    traced = select(plan.network, trace)
    count = _thread_count(threads)
    size = _chunk_size(plan, traced, chunk, batch, count)
    parts = _chunks(plan, named, batch, traced, size, count, progress)
    own = _own_outputs(plan, traced)
    return (_owned(part, own) for part in parts)


def _own_outputs(plan: Plan, traced: Sequence[str]) -> tuple[str, ...]:
    """Tensors that are no views of others, whatever they look like: those that a tape gives."""
    steps = plan.calls_for(traced)
    return steps[0].outputs if is_tape(steps) else ()


def _owned(part: Result, own: Sequence[str]) -> Result:
    """A chunk's result with arrays of its own, where they are views of others (of the inputs, say)."""
    outputs, trace = (
        {
            name: values if name in own or values.flags.owndata else values.copy()
            for name, values in held.items()
        }
        for held in (part.outputs, part.trace)
    )
    return Result(outputs, trace, part.events, part.batch)


def _chunks(
    plan: Plan,
    named: Mapping[str, Any],
    batch: int,
    traced: tuple[str, ...],
    size: int,
    threads: int,
    progress: Progress | None,
) -> Iterator[Result]:
    done = 0
    for given, held, counts in _executed(plan, named, batch, traced, size, threads):
        begin, done = done, done + next(iter(given.values())).shape[0]
        if isinstance(held, Exception):
            raise _first_refusal(plan, given, begin, threads) or held from None
        if progress is not None:
            progress(done, batch)
        yield _result(plan, held, traced, counts, done - begin)


_Done = tuple[dict[str, Array], "dict[str, Array] | OverflowTrap | InputError", dict[str, Events]]
"""A chunk's inputs, what came out of it or why nothing did, and its overflow counts."""


def _executed(
    plan: Plan, named: Mapping[str, Any], batch: int, traced: tuple[str, ...], size: int, threads: int
) -> Iterator[_Done]:
    """The chunks in order (rule E4)."""

    def work(given: dict[str, Array], inside: int) -> _Done:
        counts = _no_events(plan)
        try:
            return given, execute(plan, given, traced, counts, inside), counts
        except (OverflowTrap, InputError) as error:
            return given, error, counts

    parts = (chunk_of(plan.network, named, at, min(at + size, batch)) for at in range(0, batch, size))
    steps = plan.calls_for(traced)  # made once, not by every thread
    if threads == 1 or batch < size * threads or is_tape(steps):
        for given in parts:
            yield work(given, threads)
        return
    pool = workers(threads)
    waiting: deque[Future[_Done]] = deque()
    for given in parts:
        waiting.append(pool.submit(work, given, 1))
        if len(waiting) > threads:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def collect(
    plan: Plan,
    inputs: Any,
    trace: Sequence[str],
    threads: int | None,
    chunk: int | None,
    progress: Progress | None,
) -> Result:
    """`run` for a plan: the chunks' results put together."""
    named, batch = check_inputs(plan.network, inputs)
    traced = select(plan.network, trace)
    count = _thread_count(threads)
    size = _chunk_size(plan, traced, chunk, batch, count)
    if 0 < batch <= size:
        (part,) = _chunks(plan, named, batch, traced, size, count, progress)
        return _owned(part, _own_outputs(plan, traced))
    whole = _empty(plan, traced, batch)
    total = _no_events(plan)
    done = 0
    for part in _chunks(plan, named, batch, traced, size, count, progress):
        for name, values in (*part.outputs.items(), *part.trace.items()):
            whole[name][done : done + part.batch] = values
        for name, counted in part.events.items():
            total[name].add(counted)
        done += part.batch
    return _result(plan, whole, traced, total, batch)


def execute(
    plan: Plan, given: Mapping[str, Array], kept: Sequence[str], counts: Mapping[str, Events], threads: int
) -> dict[str, Array]:
    """Run every step on one chunk.

    Returns
    -------
    The network's outputs and the tensors named in `kept`, by name.
    """
    held = dict(given)
    batch = next(iter(held.values())).shape[0]
    staying = {*kept, *plan.network.outputs}
    uncounted = Work(threads)
    for step in plan.calls_for(kept):
        work = Work(threads, counts.get(step.name)) if counts else uncounted
        results = step.lowered.call(tuple([held[name] for name in step.inputs]), work)
        if not step.inputs:  # stored values are the same in every sample
            results = tuple(np.broadcast_to(values, (batch, *values.shape[1:])) for values in results)
        held.update(zip(step.outputs, results, strict=True))
        for name in step.freed:
            if name not in staying:
                del held[name]
    return {name: values for name, values in held.items() if name in staying}


def _first_refusal(
    plan: Plan, given: Mapping[str, Array], begin: int, threads: int
) -> OverflowTrap | InputError | None:
    """Rule E2, sample by sample."""
    batch = next(iter(given.values())).shape[0]
    for sample in range(batch):
        alone = {name: values[sample : sample + 1] for name, values in given.items()}
        try:
            execute(plan, alone, (), _no_events(plan), threads)
        except (OverflowTrap, InputError) as error:
            said = f"sample {begin + sample}: "
            return type(error)(Finding(finding.where, said + finding.what) for finding in error.findings)
    return None


def _no_events(plan: Plan) -> dict[str, Events]:
    if not plan.events:
        return {}
    pairs = ((node.name, accumulator_of(node.op)) for node in plan.network.nodes)
    return {name: Events.none(accumulator) for name, accumulator in pairs if accumulator is not None}


def _empty(plan: Plan, traced: Sequence[str], batch: int) -> dict[str, Array]:
    specs = plan.network.specs
    return {
        name: np.empty((batch, *specs[name].shape), specs[name].format.storage)
        for name in (*plan.network.outputs, *traced)
    }


def _result(
    plan: Plan, held: Mapping[str, Array], traced: Sequence[str], counts: Mapping[str, Events], batch: int
) -> Result:
    return Result(
        {name: held[name] for name in plan.network.outputs},
        {name: held[name] for name in traced},
        dict(counts),
        batch,
    )


def _chunk_size(plan: Plan, traced: Sequence[str], chunk: int | None, batch: int, threads: int) -> int:
    if chunk is None:
        each = max(1, plan.sample_bytes)
        fitting = min(_LARGEST_CHUNK, max(_SMALLEST_CHUNK, CACHE // each))
        if batch >= _SMALLEST_CHUNK * threads and not is_tape(plan.calls_for(traced)):  # rule E4
            return max(1, min(fitting, -(-batch // threads), MEMORY // threads // each))
        return max(1, min(fitting * threads, MEMORY // each))
    if chunk < 1:
        raise SpecError(f"chunk must be at least 1, not {chunk}")
    return chunk


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise SpecError(f"threads must be at least 1, not {threads}")
    return threads
