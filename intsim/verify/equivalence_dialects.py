"""A node's requantization made anew by another dialect, from what its tensors stand for.

Rules
-----
L1. The ratio is the input's scale over the output's, both as the network's annotations say; a sum's scale
    is the exact product of those of its operands, which a dialect that multiplies in float32 rounds first.
    A runtime that does so against its dialect's habit (LiteRT, in its fixed-point kernels of weights with
    one scale) has a ratio that may be another in its last bits.
L2. The input's zero point is subtracted first. Zero point, format and limits of the output stay: the limits
    are those of the clamp that the requantization ends with, else the format's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic import Add, Clamp, Requantization
from intsim.arithmetic.dialects import DIALECTS, Dialect, ratio_float64
from intsim.errors import SpecError
from intsim.formats import Quantization
from intsim.network import Network, Node
from intsim.record import Array


def dialect_named(name: str) -> Dialect:
    """The dialect of requantization of this name.

    Raises
    ------
    SpecError
        There is none.
    """
    if name not in DIALECTS:
        raise SpecError(f"dialect of requantization must be one of {', '.join(DIALECTS)}, not {name!r}")
    return DIALECTS[name]


def by_dialect(network: Network, node: Node, dialect: Dialect) -> Requantization:
    """The requantization that a dialect makes of a `requantize` node (rules L1 and L2).

    Raises
    ------
    SpecError
        The node's input or output has no scale in the network, or the dialect no steps for them.
    """
    x, y = (network.specs[name].quantization for name in (node.inputs[0], node.outputs[0]))
    if x is None or y is None:
        which = "input" if x is None else "output"
        raise SpecError(f"its {which} has no scale in the network")
    rule: Requantization = node.op.requantization  # type: ignore[attr-defined]
    if node.op.format is not None:  # type: ignore[attr-defined]
        raise SpecError(f"its output is {network.specs[node.outputs[0]].format}, which no dialect makes")
    last = rule.steps[-1] if rule.steps else None
    lo, hi = (last.lo, last.hi) if isinstance(last, Clamp) else (None, None)
    _along_channels(network, node, x, y)
    made = dialect.requantization(
        _ratio(dialect, x, y), zero_point=_plain(y.zero_point), lo=lo, hi=hi, format=rule.format
    )
    if x.zero_point.any():
        made = made.replace(steps=(Add(values=_plain(-x.zero_point)), *made.steps))
    return made


def _along_channels(network: Network, node: Node, *quantizations: Quantization) -> None:
    """Refuse scales along another axis than the last."""
    rank = len(network.specs[node.inputs[0]].shape)
    for entry in quantizations:
        if entry.scale.size > 1 and entry.axis != rank - 1:
            raise SpecError(f"its scales must run along the last axis, not axis {entry.axis}")


def _ratio(dialect: Dialect, x: Quantization, y: Quantization) -> Array:
    """Rule L1."""
    if dialect.ratio is ratio_float64:
        return np.atleast_1d(x.scale / y.scale)
    return dialect.ratio([x.scale], y.scale)


def _plain(values: Array) -> Any:
    """One value where all are the same."""
    return values.reshape(-1)[0] if (values == values.reshape(-1)[0]).all() else values
