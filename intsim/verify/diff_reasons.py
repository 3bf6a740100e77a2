"""Why two sides differ: the one change to the network that makes the other side's integers of its own.

Rules
-----
Y1. A reason is a network with one thing changed that gives the other side's tensor, every integer of a batch.
    Nothing is told that was not run.
Y2. Looked for, in this order: layout (the same integers in other places), a fused op (the other side's tensor
    is another of the network's), the order of the zero point, the arithmetic of the scale, a clamp that is
    not there, the requantization of another dialect, another rounding of a step, overflow (another register),
    another op (the file's own, as it is converted for that runtime: a scale, a weight, a table).
Y3. Changes are made to the nodes between the tensor and those that both sides have alike (`diff_region`), the
    nearest first. Each is tried on one sample that differs, and if it explains that, on the whole batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from intsim.arithmetic import (
    Accumulator,
    Add,
    Clamp,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
)
from intsim.arithmetic.dialects import DIALECTS, Dialect
from intsim.engine import run
from intsim.errors import IntsimError, SpecError
from intsim.formats import IntFormat
from intsim.network import Network, Node
from intsim.network.datapath import accumulator_of
from intsim.ops import Requantize
from intsim.record import Array
from intsim.verify.diff_region import Region, region_of
from intsim.verify.equivalence_dialects import by_dialect

_REGISTERS = (
    ("the register holds every sum", Accumulator(IntFormat(64))),
    *(
        (f"the register is int{bits} and does {overflow.name}", Accumulator(IntFormat(bits), overflow))
        for bits in (32, 24, 16)
        for overflow in (Overflow.WRAP, Overflow.SATURATE)
    ),
    (
        "pairs of products saturate in 16 bits (x86 without VNNI)",
        Accumulator(IntFormat(32), tile=2, inner=Accumulator(IntFormat(16), Overflow.SATURATE)),
    ),
)

Ops = Mapping[str, Any]
"""Node -> the op in its place."""


@dataclass(frozen=True)
class Reason:
    """What explains a difference.

    kind : "layout", "fused op", "zero point", "scale", "rounding", "clamp", "overflow", "op"; or "float", for
        integers that the other side's floats leave open (`diff_doubts`)
    words : what the other side does, in one line
    also : other changes of the same kind that give the same integers on this batch
    """

    kind: str
    words: str
    also: tuple[str, ...] = ()


def reason_of(
    network: Network,
    tensor: str,
    inputs: Mapping[str, Any],
    theirs: Array,
    given: Mapping[str, Array] = MappingProxyType({}),
    file: Network | None = None,
    engine: str = "fast",
) -> Reason | None:
    """What makes the other side's tensor of the network's (rules Y1 to Y3); None where nothing tried does.

    Parameters
    ----------
    tensor : name of the first tensor that differs
    inputs : a batch in which it does
    theirs : the other side's tensor for it, in the network's layout
    given : the other side's tensors before it, likewise: what the tensor is made of
    file : the other side's file as it is converted, with the network's names
    engine : what runs the network
    """
    ours = {**inputs, **run(network, inputs, trace=("*",), engine=engine).trace, **given}
    region = region_of(network, tensor, given.keys(), ours)
    made = None if region is None else region.traced(engine)
    if region is None or made is None:
        return None
    ours |= made
    moved = _layout(ours[tensor], theirs) or _fused(network, tensor, ours, theirs)
    if moved is not None:
        return moved
    if ours[tensor].shape != theirs.shape:
        return None
    sample = int(np.argwhere(ours[tensor] != theirs)[0][0])
    found: list[Reason] = []
    for reason, ops in _variants(network, region, file):
        if found and reason.kind != found[0].kind:
            break
        if _explains(region, ops, theirs, sample, engine) and reason not in found:
            found.append(reason)
    if not found:
        return None
    return Reason(found[0].kind, found[0].words, tuple(reason.words for reason in found[1:]))


def _explains(region: Region, ops: Ops, theirs: Array, sample: int, engine: str) -> bool:
    """Rule Y3."""
    one = region.made(ops, engine, sample)
    if one is None or not np.array_equal(one, theirs[sample : sample + 1]):
        return False
    every = region.made(ops, engine)
    return every is not None and np.array_equal(every, theirs)


def _layout(ours: Array, theirs: Array) -> Reason | None:
    axes = range(1, ours.ndim)
    for order in itertools.permutations(axes):
        if order != tuple(axes) and np.array_equal(theirs.transpose(0, *order), ours):
            said = tuple(axis - 1 for axis in order)
            return Reason("layout", f"the same integers, with a sample's axes in the order {said}")
    same = theirs.shape[0] == ours.shape[0] and theirs.size == ours.size and theirs.shape != ours.shape
    if same and np.array_equal(theirs.reshape(ours.shape), ours):
        return Reason("layout", f"the same integers in the shape {theirs.shape[1:]}")
    return None


def _fused(network: Network, tensor: str, ours: Mapping[str, Array], theirs: Array) -> Reason | None:
    for name, values in ours.items():
        if name != tensor and name in network.producers and np.array_equal(values, theirs):
            return Reason("fused op", f"its tensor is what the network calls {name}")
    return None


def _variants(network: Network, region: Region, file: Network | None) -> Iterator[tuple[Reason, Ops]]:
    """Rules Y2 and Y3: reasons, and node -> its other op."""
    scaling = [node for node in region.nodes if isinstance(node.op, Requantize)]
    for makes in (_rules, _dialects, _roundings):
        for node in scaling:
            for reason, rule in makes(network, node):
                yield reason, {node.name: node.op.replace(requantization=rule)}
    for node in region.nodes:
        accumulator = accumulator_of(node.op)
        if accumulator is None:
            continue
        for words, other in _REGISTERS:
            register = other.replace(order=accumulator.order, zero_point=accumulator.zero_point)
            if register == accumulator:
                continue
            try:
                op = node.op.replace(accumulator=register)
            except SpecError:  # of groups, tiles have the size
                continue
            yield Reason("overflow", words), {node.name: op}
    yield from _files(region, file)


def _files(region: Region, file: Network | None) -> Iterator[tuple[Reason, Ops]]:
    """The file's ops in the place of the network's: one of them, then all."""
    others = {}
    for node in region.nodes if file is not None else ():
        maker = file.producers.get(node.outputs[0])  # type: ignore[union-attr]
        if maker is not None and type(maker.op) is type(node.op) and maker.op != node.op:
            others[node.name] = maker.op
            yield Reason("op", _other(node, maker.op)), {node.name: maker.op}
    if len(others) > 1:
        said = "; ".join(_other(node, others[node.name]) for node in region.nodes if node.name in others)
        yield Reason("op", said), others


def _other(node: Node, op: Any) -> str:
    return f"{node.name} has another {', '.join(_unlike(node.op, op))} in the file"


def _unlike(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Where two records differ, by field."""
    if is_dataclass(a) and type(a) is type(b):
        for entry in fields(a):
            inner = f"{path}.{entry.name}" if path else entry.name
            yield from _unlike(getattr(a, entry.name), getattr(b, entry.name), inner)
    elif isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        for place, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _unlike(x, y, f"{path}[{place}]")
    elif not np.array_equal(a, b):
        yield path


def _dialects(network: Network, node: Node) -> Iterator[tuple[Reason, Requantization]]:
    """The requantization as other runtimes make it: of the tensors' scales where they are known, else of the
    ratio that the integers of this one stand for."""
    rule: Requantization = node.op.requantization  # type: ignore[attr-defined]
    annotated = all(network.specs[name].quantization for name in (node.inputs[0], node.outputs[0]))
    for name, dialect in DIALECTS.items():
        try:
            other = by_dialect(network, node, dialect) if annotated else _remade(rule, dialect)
        except IntsimError:
            continue
        if other is not None:
            yield Reason("rounding", f"as {name}: {dialect.summary}"), other


def _remade(rule: Requantization, dialect: Dialect) -> Requantization | None:
    """Another dialect's steps for a multiplier and shifts, a zero point and limits; None for other steps."""
    steps = list(rule.steps)
    scaling = [step for step in steps if isinstance(step, Multiply | ShiftRight | ShiftLeft)]
    rest = steps[len(scaling) :]
    zero = rest.pop(0) if rest and isinstance(rest[0], Add) else Add()
    limits = rest.pop(0) if rest and isinstance(rest[0], Clamp) else None
    if rest or not scaling or steps[: len(scaling)] != scaling:
        return None
    if not isinstance(zero, Add) or not isinstance(limits, Clamp | None) or zero.values.size > 1:
        return None
    ratio = np.ones(1, np.float64)
    for step in scaling:
        if isinstance(step, Multiply):
            ratio = ratio * step.multipliers
        else:
            ratio = np.ldexp(ratio, step.bits if isinstance(step, ShiftLeft) else -step.bits)
    ends = (None, None) if limits is None else (limits.lo, limits.hi)
    return dialect.requantization(
        np.atleast_1d(ratio),
        zero_point=int(zero.values.reshape(-1)[0]),
        lo=ends[0],
        hi=ends[1],
        format=rule.format,
    )


def _rules(network: Network, node: Node) -> Iterator[tuple[Reason, Requantization]]:
    """A requantization with one thing but a rounding changed."""
    rule: Requantization = node.op.requantization  # type: ignore[attr-defined]
    steps = rule.steps
    for place, step in enumerate(steps):
        if isinstance(step, Scale):
            yield from _scales(rule, place, step)
    for place, step in enumerate(steps):
        if isinstance(step, Clamp):
            without = rule.replace(steps=(*steps[:place], *steps[place + 1 :]))
            yield Reason("clamp", f"step {place + 1}, a clamp, is not made here"), without


def _roundings(network: Network, node: Node) -> Iterator[tuple[Reason, Requantization]]:
    rule: Requantization = node.op.requantization  # type: ignore[attr-defined]
    for place, step in enumerate(rule.steps):
        if isinstance(step, Scale | ShiftRight):
            for rounding in Rounding:
                if rounding not in (step.rounding, Rounding.STOCHASTIC):
                    words = f"step {place + 1} rounds {rounding.name}, not {step.rounding.name}"
                    yield Reason("rounding", words), _changed(rule, place, step.replace(rounding=rounding))


def _scales(rule: Requantization, place: int, step: Scale) -> Iterator[tuple[Reason, Requantization]]:
    following = rule.steps[place + 1] if place + 1 < len(rule.steps) else None
    kind = step.factors.dtype.type
    if step.after is None and isinstance(following, Add) and following.into is None:
        inside = step.replace(after=following.values.astype(kind))
        steps = (*rule.steps[:place], inside, *rule.steps[place + 2 :])
        yield Reason("zero point", "it is added before the rounding, not after"), rule.replace(steps=steps)
    if step.after is not None and np.array_equal(step.after, np.rint(step.after)):
        outside = (step.replace(after=None), Add(values=step.after.astype(np.int64)))
        steps = (*rule.steps[:place], *outside, *rule.steps[place + 1 :])
        yield Reason("zero point", "it is added after the rounding, not before"), rule.replace(steps=steps)
    other = np.float64 if kind is np.float32 else np.float32
    parts = {
        name: None if getattr(step, name) is None else getattr(step, name).astype(other)
        for name in ("factors", "before", "after")
    }
    words = f"step {place + 1} computes in {np.dtype(other)}, not {np.dtype(kind)}"
    yield Reason("scale", words), _changed(rule, place, step.replace(**parts))


def _changed(rule: Requantization, place: int, step: Any) -> Requantization:
    return rule.replace(steps=(*rule.steps[:place], step, *rule.steps[place + 1 :]))
