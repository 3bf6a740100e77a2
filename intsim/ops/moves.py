"""What ops that only move data share: their bounds, their checks of axes, taking by index.

Every element of their outputs stands unchanged in an input or in a field of the op, so the ends of a
range move as the data do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from intsim.arithmetic import Bounds, Interval
from intsim.errors import InputError
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op
from intsim.record import Array

_INT64 = IntFormat(64)


def carried(op: Op, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
    """Exact bounds, per channel where channels differ, per element where an input's are.

    The op's reference, run on the ranges' ends.
    """
    wide = not all(_INT64.holds(spec.integer.min, spec.integer.max) for spec in specs)
    dtype = np.dtype(object if wide else np.int64)
    pairs = list(zip(inputs, specs, strict=True))
    lows = op.reference(*(_spread(interval.lo, spec, dtype) for interval, spec in pairs))
    highs = op.reference(*(_spread(interval.hi, spec, dtype) for interval, spec in pairs))
    by_element = any(interval.rank > 1 for interval in inputs)
    collect = _per_element if by_element else _per_channel
    outputs = tuple(collect(low, high) for low, high in zip(lows, highs, strict=True))
    return Bounds(outputs, Interval.join(interval.hull() for interval in (*inputs, *outputs)))


def stored(values: Array) -> Bounds:
    """Exact bounds of an output made of the codes of one sample, any of them at any place it may take."""
    output = _per_channel(values[None], values[None])
    return Bounds((output,), output.hull())


def check_axis(axis: int, label: str) -> Iterator[tuple[str, str]]:
    """What the field `axis` must be before any input is known."""
    if axis < 0:
        yield "axis", f"must count from the first axis of a sample, 0, not {axis}. [{label}]"


def require_axis(op: Op, axis: int, rank: int, label: str) -> None:
    """Require that `axis` is one of `rank` axes."""
    op.require(axis < rank, f"axis must be below {rank}, the axes of a sample, not {axis}. [{label}]")


def require_inside(op: Op, indices: Array, count: int, label: str) -> None:
    """Require that all indices are 0 to `count` - 1; InputError, as only the data can be wrong here."""
    outside = (indices < 0) | (indices >= count)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise InputError(
            f"{op.name}: indices must be 0 to {count - 1}, not {int(indices[place])} at {place}. [{label}]"
        )


def _spread(end: Any, spec: TensorSpec, dtype: np.dtype[Any]) -> Array:
    """One sample that holds an end of its range everywhere."""
    return np.broadcast_to(np.asarray(end, dtype=object).astype(dtype), (1, *spec.shape))


def _per_element(low: Array, high: Array) -> Interval:
    return Interval.of_arrays(low[0], high[0])


def _per_channel(low: Array, high: Array) -> Interval:
    """The ranges of the last axis's channels, or one range where all of them agree."""
    leading = tuple(range(max(low.ndim - 1, 1)))
    interval = Interval.of_arrays(np.asarray(low.min(axis=leading)), np.asarray(high.max(axis=leading)))
    hull = interval.hull()
    return hull if interval == hull else interval
