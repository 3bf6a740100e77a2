"""Two branches by sign: what leaky_relu and prelu share.

Rules (L), cited by the ops
---------------------------
L1. With v = x - input_zero_point, the output is positive(v) where v >= 0, else negative of v, or of v
    times a slope.
L2. Both requantizations give one format, which is the output's, and hold one value for all channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from intsim.arithmetic import Bounds, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import integer_input
from intsim.record import Array


def check_branches(op: Any) -> Iterator[tuple[str, str]]:
    """Rule L2 for the fields positive and negative."""
    if op.negative.format != op.positive.format:
        yield "negative", f"must give {op.positive.format} as positive does, not {op.negative.format}. [L2]"
    for name in ("positive", "negative"):
        channels = getattr(op, name).channels()
        if channels != 1:
            yield name, f"must have one value for all channels, not {channels}. [L2]"


def infer_branches(op: Any, x: TensorSpec) -> tuple[TensorSpec, ...]:
    """The output: the input's shape in the branches' format."""
    integer_input(op, x)
    return (TensorSpec(x.shape, op.positive.format),)


def by_sign(op: Any, value: Array, scaled: Array) -> Array:
    """Rule L1: positive(value) where value >= 0, else negative(scaled)."""
    above = value >= 0
    result = value
    if above.any():
        result = op.positive.apply(_only(value, above))
    if not above.all():
        result = np.where(above, result, op.negative.apply(_only(scaled, ~above)))
    return np.asarray(result)


def _only(values: Array, wanted: Array) -> Array:
    """The values that a branch takes, and one of them in all other places, so that nothing else is met."""
    return np.where(wanted, values, values.flat[int(np.argmax(wanted))])


def branch_bounds(op: Any, x: Interval, slope: Interval | None = None) -> Bounds:
    """The hull of what each branch that is reached can give."""
    value = Interval(x.min - op.input_zero_point, x.max - op.input_zero_point)
    outputs, met = [], [x.hull(), value]
    if value.max >= 0:
        output, way = op.positive.bounds(Interval(max(value.min, 0), value.max))
        outputs.append(output)
        met += [way, output.hull()]
    if value.min < 0:
        scaled = below = Interval(value.min, min(value.max, -1))
        if slope is not None:
            ends = [v * s for v in (below.min, below.max) for s in (slope.min, slope.max)]
            scaled = Interval(min(ends), max(ends))
            every = [v * s for v in (value.min, value.max) for s in (slope.min, slope.max)]
            met += [slope, Interval(min(every), max(every))]
        output, way = op.negative.bounds(scaled)
        outputs.append(output)
        met += [way, output.hull()]
    return Bounds((Interval.join(output.hull() for output in outputs),), Interval.join(met))
