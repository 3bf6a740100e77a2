"""Strategies for what is known of inputs: ranges narrower than the format, and values inside them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from intsim.arithmetic import Interval
from intsim.formats import Discrete, TensorSpec
from intsim.network import Network
from intsim.record import Array
from intsim.testing.strategies import INT64_MAX, arrays, codes


@st.composite
def intervals(draw: st.DrawFn, spec: TensorSpec) -> Interval:
    """A range for a tensor: its format's, or a narrower one, per tensor, per channel or per element.

    Ranges of one value, and such as do not hold 0, are likely.
    """
    whole = Interval.of_format(spec.integer)
    shapes: list[Any] = [None, (), spec.shape[-1:], spec.shape, spec.shape]
    shape = draw(st.sampled_from(shapes))
    if shape is None or whole.max > INT64_MAX:
        return whole
    a, b = (draw(arrays(shape, codes(spec.integer))).astype(object) for _ in range(2))
    if draw(st.integers(0, 3)) == 0:
        b = a
    return Interval.of_arrays(np.minimum(a, b), np.maximum(a, b))


@st.composite
def values_within(draw: st.DrawFn, interval: Interval, spec: TensorSpec, batch: int | None = None) -> Array:
    """int64 values inside a range, batch axis first, the range's ends likely."""
    batch = draw(st.integers(1, 3)) if batch is None else batch
    shape = (batch, *spec.shape)
    ends = interval.clamp(-INT64_MAX - 1, INT64_MAX)
    low, high = (np.broadcast_to(np.asarray(end, dtype=object), shape) for end in (ends.lo, ends.hi))
    kind = draw(st.sampled_from(["ends", "codes", "low", "high"]))
    if kind in ("low", "high"):
        return np.asarray((low if kind == "low" else high).astype(np.int64))
    if kind == "ends":
        upper = draw(st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)))
        chosen = np.where(np.array(upper, dtype=bool).reshape(shape), high, low)
    else:
        chosen = np.minimum(np.maximum(draw(arrays(shape, codes(spec.integer))).astype(object), low), high)
    return np.asarray(chosen.astype(np.int64))


@st.composite
def input_ranges(draw: st.DrawFn, network: Network) -> dict[str, Interval]:
    """Ranges for some of a network's integer inputs, as `network_bounds` and `prove` take them."""
    integer = [entry for entry in network.inputs if isinstance(entry.spec.format, Discrete)]
    return {entry.name: draw(intervals(entry.spec)) for entry in integer if draw(st.integers(0, 2))}


@st.composite
def inputs_within(draw: st.DrawFn, network: Network, ranges: dict[str, Interval]) -> dict[str, Array]:
    """Values for every input of a network inside the ranges, all of one batch size."""
    batch = draw(st.integers(1, 3))
    return {
        entry.name: draw(
            values_within(
                ranges.get(entry.name, Interval.of_format(entry.spec.integer)),
                entry.spec,
                batch,
            )
        )
        for entry in network.inputs
    }
