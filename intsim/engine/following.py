"""The nodes after a sum, as one epilogue: a requantize, then clamps, then what a table of codes can do.

Rules
-----
Q5. A clamp is a step more of the requantization, after its code's register.
Q6. Where the code has at most 8 bits, what follows is a table: an op of one input that works element by
    element, the same for all channels, is evaluated by its reference on every code that its input holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from intsim import arithmetic
from intsim.arithmetic import Interval, Register, Requantization
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.kernels.epilogue import Epilogue
from intsim.kernels.finishing import epilogue_of
from intsim.network import Node
from intsim.ops import Clamp, HardSwish, LeakyRelu, Lookup, Op, Requantize
from intsim.record import Array

POINTWISE: tuple[type[Op], ...] = (Clamp, HardSwish, LeakyRelu, Lookup, Requantize)
"""Ops of one input that work element by element, by the element alone."""


def following(
    nodes: Sequence[Node], interval: Interval, channels: int, register: IntFormat
) -> tuple[Epilogue, str] | str:
    """The epilogue of a requantize and the nodes after it, and the proof; or why there is none.

    Parameters
    ----------
    nodes : the first is a requantize, each reads the one before it
    interval, channels, register : of the sums, as in `epilogue_of`
    """
    first: Any = nodes[0].op
    rule, rest = with_clamps(first.rule, nodes[1:])
    made = epilogue_of(rule, interval, channels, register)
    if isinstance(made, str) or not rest:
        return made
    if rule.format.bits > 8:
        return f"codes are {rule.format}, too many for a table"
    if not all(pointwise(node.op) for node in rest):
        return "an op after it is not the same for all elements"
    epilogue, proof = made
    try:
        table = table_of([node.op for node in rest], rule.format)
    except (OverflowTrap, IndexError):
        return "an op after it does not take every code"
    words = ", ".join(node.op.name for node in rest)
    return epilogue._replace(table=table, first=rule.format.min), f"{proof}; {words} by a table"


def pointwise(op: Op) -> bool:
    """Whether the op gives each element by that element alone, whatever its place."""
    rules = [value for value in vars(op).values() if isinstance(value, Requantization)]
    return type(op) in POINTWISE and all(rule.channels() == 1 and not _draws(rule) for rule in rules)


def _draws(rule: Requantization) -> bool:
    stochastic = arithmetic.Rounding.STOCHASTIC
    return any(getattr(step, "rounding", None) is stochastic for step in rule.steps)


def table_of(ops: Sequence[Op], format: IntFormat) -> Array:
    """What the ops make of every code, int64 (256): entry i is that of code min + i."""
    codes = np.arange(format.min, format.max + 1)
    for op in ops:
        (codes,) = op.reference(codes)
    table = np.zeros(256, np.int64)
    table[: codes.size] = codes
    return table


def with_clamps(rule: Requantization, nodes: Sequence[Node]) -> tuple[Requantization, Sequence[Node]]:
    """Rule Q5: the requantization with the clamps that follow it, and the nodes after them."""
    place = 0
    while place < len(nodes) and isinstance(nodes[place].op, Clamp):
        op: Any = nodes[place].op
        held = arithmetic.Add(values=0, into=Register(rule.format, rule.overflow))
        limits = arithmetic.Clamp(lo=op.lo, hi=op.hi)
        rule = Requantization((*rule.steps, held, limits), rule.format, rule.overflow)
        place += 1
    return rule, nodes[place:]
