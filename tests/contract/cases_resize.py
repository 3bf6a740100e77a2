"""Cases of resizing, for the contract suite."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from intsim.arithmetic import Rounding
from intsim.formats import TensorSpec
from intsim.ops import Between, ResizeBilinear, ResizeNearest
from intsim.testing import Case
from intsim.testing.strategies import batches, formats

ROUNDINGS = st.sampled_from([rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC])


def spec_of(draw: DrawFn, most_bits: int) -> TensorSpec:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 2)))
    return TensorSpec(shape, draw(formats(1, most_bits)))


def numbers(draw: DrawFn, count: int, most: int) -> np.ndarray:
    value = st.integers(0, most) | st.sampled_from([0, most])
    return np.array(draw(st.lists(value, min_size=count, max_size=count)))


@st.composite
def resize_nearests(draw: DrawFn) -> Case:
    spec = spec_of(draw, 63)
    indices = [numbers(draw, draw(st.integers(1, 5)), size - 1) for size in spec.shape[:2]]
    return Case(ResizeNearest(*indices), (spec,), draw(batches(spec)))


@st.composite
def resize_bilinears(draw: DrawFn) -> Case:
    spec, bits = spec_of(draw, 50), draw(st.integers(0, 12) | st.just(30))
    between = []
    for size in spec.shape[:2]:
        count = draw(st.integers(1, 4))
        ends = numbers(draw, count, size - 1), numbers(draw, count, size - 1)
        between.append(Between(*ends, weight=numbers(draw, count, 2**bits)))
    return Case(ResizeBilinear(*between, bits, draw(ROUNDINGS)), (spec,), draw(batches(spec)))


CASES: dict[str, SearchStrategy[Case]] = {
    "resize_bilinear": resize_bilinears(),
    "resize_nearest": resize_nearests(),
}
