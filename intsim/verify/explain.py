"""`explain`: how one integer of a network came about, step by step.

A sum of products is shown addition by addition, through the registers of its accumulator; a requantization
step by step, and then the sum that it was made of; of an op that works element by element, the elements
that it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import numpy as np

from intsim.arithmetic import Register, Step, fit
from intsim.engine import run
from intsim.network import Network, Node
from intsim.ops import Requantize
from intsim.record import Array
from intsim.verify.stepping import Addition, additions
from intsim.verify.terms import Terms, terms_of

ELEMENTWISE = frozenset(
    [
        "add",
        "sub",
        "mul",
        "maximum",
        "minimum",
        "float_elementwise",
        "select",
        "squared_difference",
        "clamp",
        "lookup",
        "leaky_relu",
        "prelu",
        "hard_swish",
        "quantize",
        "dequantize",
    ]
)
"""Ops whose output at a place depends on nothing but their inputs at that place."""

_SUM_HEADER = ("step", "level", "input at", "x", "w", "enters", "register", "")
_REGISTER = _SUM_HEADER.index("register")


@dataclass(frozen=True)
class Section:
    """One table of an explanation."""

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Explanation:
    """How one integer came about.

    sections : in reading order
    value : what the steps lead to, where there are steps
    missing : why there are no sections, where too little is known
    """

    sections: tuple[Section, ...] = ()
    value: int | None = None
    missing: str = ""


def explain(network: Network, tensor: str, index: tuple[int, ...], known: Mapping[str, Any]) -> Explanation:
    """How the network makes one element of a tensor.

    Parameters
    ----------
    network : Network
    tensor : name
    index : of the element, batch first
    known : tensors of a run, batch first: the inputs of the node that makes `tensor`, or the network's
        inputs, from which the rest is computed anew
    """
    if tensor not in network.producers:
        said = "is an input of the network" if tensor in network.specs else "is not in the network"
        return Explanation(missing=f"{tensor} {said}")
    sample = _Sample(network, known, index[0])
    node = network.producers[tensor]
    absent = [name for name in node.inputs if not sample.has(name)]
    if absent:
        return Explanation(missing=f"{tensor} is made of {', '.join(absent)}, which the file does not hold")
    return _explained(network, node, tensor, index[1:], sample)


class _Sample:
    """The tensors of one sample: as they were recorded, else computed anew from the network's inputs."""

    def __init__(self, network: Network, known: Mapping[str, Any], number: int) -> None:
        self._network, self._known, self._number = network, known, number
        self._whole = all(entry.name in known for entry in network.inputs)

    def has(self, name: str) -> bool:
        return name in self._known or self._whole

    def get(self, name: str) -> Array:
        begin = self._number
        if name in self._known:
            return np.asarray(np.asarray(self._known[name][begin : begin + 1])[0])
        inputs = {
            entry.name: np.asarray(self._known[entry.name][begin : begin + 1])
            for entry in self._network.inputs
        }
        return np.asarray(run(self._network, inputs, trace=(name,), threads=1).trace[name][0])


def _explained(
    network: Network, node: Node, tensor: str, index: tuple[int, ...], sample: _Sample
) -> Explanation:
    op = node.op
    inputs = [sample.get(name) for name in node.inputs]
    terms = terms_of(op, inputs, index)
    if terms is not None:
        section = _sum_section(node, index, terms)
        return Explanation((section,), section.rows[-1][_REGISTER])
    if isinstance(op, Requantize):
        section = _steps_section(node, op, index, inputs[0])
        return Explanation((section, *_sum_before(network, node, index, sample)), section.rows[-1][1])
    if op.name in ELEMENTWISE:
        return Explanation((_elements_section(network, node, tensor, index, inputs),))
    return Explanation(missing=f"{tensor} is made by {op.name}, which is not shown step by step")


def _sum_before(network: Network, node: Node, index: tuple[int, ...], sample: _Sample) -> tuple[Section, ...]:
    """The sum that a requantization was given, if it was given one."""
    source = network.producers.get(node.inputs[0])
    if source is None or not all(sample.has(name) for name in source.inputs):
        return ()
    terms = terms_of(source.op, [sample.get(name) for name in source.inputs], index)
    return () if terms is None else (_sum_section(source, index, terms),)


def _sum_section(node: Node, index: tuple[int, ...], terms: Terms) -> Section:
    """Every addition, in the order in which the registers make them."""
    title = f"{node.name} at {index}: {node.op.name} of {', '.join(node.inputs)}, by {_registers(terms)}"
    return Section(title, _SUM_HEADER, tuple(_sum_row(terms, step) for step in additions(terms)))


def _sum_row(terms: Terms, step: Addition) -> tuple[Any, ...]:
    note = "overflow" if step.overflow else ""
    if step.place is None:
        return (step.what, step.level, "", "", "", step.entering, step.register, note)
    where = terms.places[step.place]
    at = "outside" if where is None else str(where)
    w = _weight(terms, step.place)
    return (step.what, step.level, at, terms.x[step.place], w, step.entering, step.register, note)


def _weight(terms: Terms, place: int) -> int | str:
    """The weight as the file has it, less the zero point of its group."""
    if terms.w is None:
        return ""
    zero = 0 if terms.groups is None else terms.zero_of(place)
    return f"{terms.w[place]} - {zero}" if zero else terms.w[place]


def _registers(terms: Terms) -> str:
    levels = terms.accumulator.levels()
    said = ", inside it ".join(str(level.register) for level in levels)
    subtracted = terms.accumulator.zero_point.name == "SUBTRACT" and terms.w is not None
    weights = "" if terms.groups else f", w {terms.zw}"
    zero_points = f"; zero points x {terms.zx}{weights}" if terms.zx or terms.zw else ""
    groups = "" if terms.groups is None else f"; groups of {terms.groups.size}, each times its scale"
    return said + zero_points + (" (subtracted)" if zero_points and subtracted else "") + groups


def _steps_section(node: Node, op: Requantize, index: tuple[int, ...], x: Array) -> Section:
    """The value after every step and every register of a requantization."""
    rule = op.rule
    place, channel = (0, *index), (index[-1] if index else 0)
    values = x[None].astype(object)  # all of the sample, because a random rounding depends on the place
    rows: list[tuple[Any, ...]] = [("sum", int(values[place]))]
    for step in rule.steps:
        values = np.asarray(step.exact(values))
        rows.append((_said(step, channel), int(values[place])))
        if step.into is not None:
            values = np.asarray(fit(values, step.into.format, step.into.overflow))
            rows.append((f"into {step.into}", int(values[place])))
    values = np.asarray(fit(values, rule.format, rule.overflow))
    rows.append((f"into {Register(rule.format, rule.overflow)}", int(values[place])))
    title = f"{node.name} at {index}: {node.op.name} of {', '.join(node.inputs)}"
    return Section(title, ("step", "value"), tuple(rows))


def _said(step: Step, channel: int) -> str:
    """A step as code, with the parameters of one channel."""
    said = []
    for entry in fields(step):
        value = getattr(step, entry.name)
        if entry.name == "into" or value is None:
            continue
        if isinstance(value, np.ndarray) and value.size == 1:
            shown = repr(value.item())
        elif isinstance(value, np.ndarray):
            by_channel = value.ndim == 1 and value.size == step.channels()
            shown = repr(value[channel].item()) if by_channel else f"<{value.size} values>"
        else:
            shown = value.name.lower() if isinstance(value, Enum) else repr(value)
        said.append(f"{entry.name}={shown}")
    return f"{type(step).__name__}({', '.join(said)})"


def _elements_section(
    network: Network, node: Node, tensor: str, index: tuple[int, ...], inputs: list[Array]
) -> Section:
    """What an op that works element by element was given at this place."""
    shape = network.specs[tensor].shape
    rows = tuple(
        (name, np.broadcast_to(x, shape)[index].item(), str(network.specs[name]))
        for name, x in zip(node.inputs, inputs, strict=True)
    )
    title = f"{tensor} at {index}: {node.op.name} of {', '.join(node.inputs)}"
    return Section(title, ("input", "there", "what it is"), rows)
