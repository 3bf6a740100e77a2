"""What ops with stored weights share: the checks of their fields, and per-channel parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator
from intsim.formats import Discrete
from intsim.ops.base import kind_of
from intsim.record import Array


def check_weights(op: Any, rank: int, label: str, channel_axes: int = 1) -> Iterator[tuple[str, str]]:
    """Check the fields weight, weight_format, weight_zero_point and bias of an op, and narrow the weight.

    Parameters
    ----------
    op : the op, whose `weight` gets `weight_format`'s storage when its values fit
    rank : of the weight
    label : the rule that the messages cite
    channel_axes : how many leading axes of the weight count the output channels
    """
    if op.weight.ndim != rank or op.weight.size == 0:
        yield "weight", f"must have {rank} axes and no size 0, not shape {op.weight.shape}. [{label}]"
        return
    yield from check_codes(op, "weight", op.weight_format, label)
    channels = math.prod(op.weight.shape[:channel_axes])
    for name in ("weight_zero_point", "bias"):
        values = getattr(op, name, None)
        if values is not None and (values.ndim > 1 or values.size not in (1, channels)):
            yield name, f"must be one value or {channels}, not of shape {values.shape}. [{label}]"


def check_codes(op: Any, name: str, format: Discrete, label: str) -> Iterator[tuple[str, str]]:
    """Check that a code array fits its format, and narrow it to the format's storage."""
    values = getattr(op, name)
    outside = format.outside(values)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        yield (
            name,
            f"values must fit {format} ({format.min} to {format.max}), not {int(values[index])}"
            f" at {index}. [{label}]",
        )
    else:
        op.narrow(name, format.storage)


def check_order(accumulator: Accumulator, taps: int) -> Iterator[tuple[str, str]]:
    """Check that an explicit order lists as many terms as a sum has."""
    if not isinstance(accumulator.order, str) and len(accumulator.order) != taps:
        yield "accumulator.order", f"must list {taps} terms, not {len(accumulator.order)}. [A4]"


def per_channel(values: Array, channels: int, like: Array) -> Array:
    """One value per channel, of the kind (int64 or Python int) that `like` is of."""
    return np.broadcast_to(values.reshape(-1), (channels,)).astype(kind_of(like))
