"""`diff`: a network against the framework that it came from, tensor by tensor.

Rules
-----
V1. Both sides are given the same inputs, so both must have them alike: names, shapes and formats. Tensors
    that both sides name are compared in the network's order, in the network's layout, by the rules of
    `intsim.verify.compare`; those that the other side leaves out are told with its reason.
V2. The first tensor that differs is where a reason is looked for (`diff_reasons`), on the first batch in
    which it does: what came before it is the same on both sides.
V3. Differences that the other side's floats leave open are counted apart (`diff_doubts`). Then the reason is
    that of the first tensor that has others, made of the other side's tensors; "float" where none has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import numpy as np

from intsim.converter import DoubtingRunner, Runner
from intsim.engine import plan
from intsim.errors import Finding, SpecError
from intsim.network import Network
from intsim.record import Array
from intsim.verify.compare import TensorDifference, compare
from intsim.verify.diff_doubts import Undecided, own_differences
from intsim.verify.diff_reasons import Reason, reason_of

Batch = Mapping[str, Any]


@dataclass(frozen=True)
class TensorCount:
    """One tensor on both sides, over all batches.

    difference : elements, how many differ, and the first that does
    largest : the largest absolute difference of integers; 0 where there are none
    """

    difference: TensorDifference
    largest: int


@dataclass(frozen=True)
class Diff:
    """What `diff` found.

    against : the other side, in a reader's words
    samples : how many were run
    tensors : those that both sides name, in the network's order
    at : name of the tensor that `reason` is looked for; none where nothing differs
    reason : of its differences, where one explains every differing integer of a batch
    undecided : tensors with differences of their own, and how many of these the other side's floats leave
        open; none where the other side computes with integers
    left_out : tensors that both sides name and that cannot be compared -> why
    """

    against: str
    samples: int
    tensors: tuple[TensorCount, ...]
    at: str | None = None
    reason: Reason | None = None
    undecided: tuple[Undecided, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> TensorDifference | None:
        """The first tensor that differs, if any."""
        return next((entry.difference for entry in self.tensors if not entry.difference.equal), None)


def diff(
    network: Network,
    runner: Runner,
    batches: Iterable[Batch],
    engine: str = "fast",
    threads: int | None = None,
) -> Diff:
    """Run both sides on the same inputs (rules V1 and V2).

    Parameters
    ----------
    network : Network
    runner : the other side
    batches : inputs by name, batch axis first, in the dtypes of the network's inputs
    engine, threads : of the network, as for `intsim.engine.plan` and its `run`

    Raises
    ------
    SpecError
        The two sides have other inputs, or name no tensor alike, or there is nothing to run.
    """
    findings = list(_unlike_inputs(network, runner))
    if findings:
        raise SpecError(findings)
    names = tuple(name for name in network.specs if name in runner.axes and name in network.producers)
    if not names:
        raise SpecError("the two sides must name a tensor alike; was the network converted from this file?")
    ready, samples = plan(network, engine=engine), 0
    counts: dict[str, TensorCount] = {}
    shown: dict[str, tuple[Batch, Array, Batch]] = {}
    undecided: dict[str, Undecided] = {}
    for inputs in batches:
        result = ready.run(inputs, trace=names, threads=threads)
        theirs = {name: _turned(runner.axes[name], x) for name, x in runner.run(inputs, names).items()}
        ours = {name: result.trace[name] for name in names}
        found = compare(ours, theirs)
        for entry in found.tensors:
            counts[entry.name] = _added(counts.get(entry.name), entry, samples, ours, theirs)
        unlike = {entry.name: theirs[entry.name] for entry in found.tensors if not entry.equal}
        given = {name: x for name, x in theirs.items() if name not in unlike}
        if unlike and isinstance(runner, DoubtingRunner):
            given, unlike = {**inputs, **theirs}, {}
            for own in own_differences(network, runner, ours, given, engine):
                name = own.count.name
                undecided[name] = own.count.added(undecided.get(name))
                if own.decided:
                    unlike[name] = own.rest
        for name, rest in unlike.items():
            shown.setdefault(name, (dict(inputs), rest, given))
        samples += result.batch
    if not samples:
        raise SpecError("inputs must have a sample")
    left_out = {name: why for name, why in runner.left_out.items() if name in network.specs}
    told = Diff(
        runner.what, samples, tuple(counts.values()), undecided=tuple(undecided.values()), left_out=left_out
    )
    if told.first is None:
        return told
    if isinstance(runner, DoubtingRunner) and not shown:
        return replace(told, at=told.first.name, reason=Reason("float", runner.doubt))
    at = next(name for name in names if name in shown)
    inputs, rest, others = shown[at]
    before = takewhile(lambda name: name != at, network.specs)
    given = {name: others[name] for name in before if name in others}
    return replace(told, at=at, reason=reason_of(network, at, inputs, rest, given, runner.network, engine))


def _unlike_inputs(network: Network, runner: Runner) -> Iterator[Finding]:
    """Where the two sides cannot be given the same (rule V1)."""
    hint = "; was the network converted from this file?"
    ours = {entry.name: entry.spec for entry in network.inputs}
    wanted = {entry.name: entry.spec for entry in runner.network.inputs}
    for name in ours.keys() - wanted.keys():
        yield Finding(f"input {name!r}", f"must be one of {', '.join(wanted)}, as of the file{hint}")
    for name, theirs in wanted.items():
        if name not in ours:
            yield Finding(f"input {name!r}", f"must be the network's too, as the file has it{hint}")
        elif (ours[name].shape, ours[name].format) != (theirs.shape, theirs.format):
            said = f"must be {theirs.format} of {theirs.shape}, as the file has it"
            yield Finding(f"input {name!r}", f"{said}, not {ours[name].format} of {ours[name].shape}{hint}")


def _turned(axes: tuple[int, ...] | None, x: Array) -> Array:
    """A batch of the framework's in the network's layout."""
    if axes is None or x.ndim != len(axes) + 1:
        return x
    return x.transpose(0, *(axes.index(axis) + 1 for axis in range(len(axes))))


def _added(
    before: TensorCount | None,
    entry: TensorDifference,
    begin: int,
    ours: Mapping[str, Array],
    theirs: Mapping[str, Array],
) -> TensorCount:
    """One tensor's count with one more batch; the first difference stays the first."""
    largest = _largest(ours[entry.name], theirs[entry.other]) if entry.differing and not entry.why else 0
    if entry.index is not None:
        entry = replace(entry, index=(entry.index[0] + begin, *entry.index[1:]))
    if before is None:
        return TensorCount(entry, largest)
    first = entry if before.difference.equal else before.difference
    size, differing = (
        getattr(before.difference, field) + getattr(entry, field) for field in ("size", "differing")
    )
    return TensorCount(replace(first, size=size, differing=differing), max(before.largest, largest))


def _largest(a: Array, b: Array) -> int:
    if a.dtype.kind == "f" or b.dtype.kind == "f":
        return 0
    wide = np.int64 if a.dtype.itemsize < 8 and b.dtype.itemsize < 8 else object
    return int(np.abs(a.astype(wide) - b.astype(wide)).max())
