"""A layer's sums as the closed forms see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from intsim.arithmetic import Interval
from intsim.bounds.closed_forms import Channels
from intsim.formats import IntFormat


def channels_of(op: Any, inputs: Sequence[Interval]) -> Channels | None:
    """Weights and operands without their zero points; None for an op that has no weights, or scales in them.

    Parameters
    ----------
    op : an op that accumulates
    inputs : the ranges of its inputs
    """
    weight = getattr(op, "filters", getattr(op, "weight", None))
    if weight is None or not hasattr(op, "weight_zero_point"):
        return None
    rows = np.asarray(weight).reshape(len(weight), -1).astype(object)
    zeros = np.broadcast_to(np.asarray(op.weight_zero_point, dtype=object).ravel(), (len(rows),))
    format: IntFormat = op.weight_format
    ends = [limit - zero for limit in (format.min, format.max) for zero in set(zeros.tolist())]
    hull = inputs[0].hull()
    zx = op.input_zero_point
    low = hull.min - zx
    high = hull.max - zx
    bias = np.broadcast_to(np.asarray(op.bias, dtype=object).ravel(), (len(rows),))
    bits = IntFormat.covering(min(*ends, -1), max(ends)).bits
    if bool(getattr(op, "padding", None)) and any(map(any, op.padding)):
        low, high = min(low, 0), max(high, 0)  # a tap outside the image adds nothing
    return Channels(rows - zeros[:, None], bits, Interval(low, high), bias)
