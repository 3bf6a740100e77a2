"""Cases of poolings and reductions, for the contract suite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from intsim.arithmetic import Rounding
from intsim.errors import SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import ArgMax, ArgMin, AvgPool2d, FloatAvgPool2d, MaxPool2d, Mean, ReduceMax, ReduceMin, Sum
from intsim.testing import Case
from intsim.testing.strategies import accumulators, batches, codes, formats

ROUNDINGS = st.sampled_from([rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC])


def case(draw: DrawFn, op: Any, *specs: TensorSpec) -> Case:
    return Case(op, specs, draw(batches(*specs)))


def pairs(low: int, high: int) -> SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def pooled(draw: DrawFn, kind: Any, source: IntFormat, **fields: Any) -> Case:
    kernel, dilation = draw(pairs(1, 3)), draw(pairs(1, 2))
    padding, size = [], []
    for taps, gap in zip(kernel, dilation, strict=True):
        reach = (taps - 1) * gap + 1
        padding.append(draw(pairs(0, min(2, reach - 1))))
        least = max(1, reach - sum(padding[-1]))
        size.append(draw(st.integers(least, least + 5)))
    op = kind(kernel=kernel, stride=draw(pairs(1, 3)), dilation=dilation, padding=tuple(padding), **fields)
    spec = TensorSpec((*size, draw(st.integers(1, 3))), source)
    try:
        op.infer(spec)
    except SpecError:
        assume(False)  # a window with gaps lies in the padding alone
    return case(draw, op, spec)


@st.composite
def avg_pool2ds(draw: DrawFn) -> Case:
    format = draw(formats(1, 60))
    return pooled(
        draw,
        AvgPool2d,
        format,
        rounding=draw(ROUNDINGS),
        zero_point=draw(codes(format)),
        count_padding=draw(st.booleans()),
    )


@st.composite
def float_avg_pool2ds(draw: DrawFn) -> Case:
    source, target = draw(formats(1, 9)), draw(formats(1, 16))
    step = np.float32(draw(st.sampled_from([0.5, 1.0]) | st.floats(1e-3, 10)))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    lines = (np.arange(1 << source.bits) - draw(st.integers(0, 300))).astype(np.float32) * step
    table = draw(st.sampled_from([lines, (seed.normal(0, 50, lines.size) * step).astype(np.float32)]))
    return pooled(
        draw,
        FloatAvgPool2d,
        source,
        table=table,
        scale=np.float32(step * draw(st.sampled_from([1.0, 0.25, 3.0]) | st.floats(0.01, 10))),
        zero_point=draw(codes(target)),
        count_padding=draw(st.booleans()),
        input_format=source,
        format=target,
    )


@st.composite
def max_pool2ds(draw: DrawFn) -> Case:
    return pooled(draw, MaxPool2d, draw(formats(1, 63)))


@st.composite
def reduced(draw: DrawFn, kind: Any) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    axes = tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    fields: dict[str, Any] = {"axes": axes, "keepdims": draw(st.booleans())}
    format = draw(formats(1, 40))
    if kind is Mean:
        fields |= {"rounding": draw(ROUNDINGS), "zero_point": draw(codes(format))}
    if kind is Sum:
        sizes: tuple[int, ...] = (1, 1, math.prod(shape[axis] for axis in axes))
        if len(shape) == 3:
            sizes = tuple(size if axis in axes else 1 for axis, size in enumerate(shape))
        fields["accumulator"] = draw(accumulators(sizes, trap=True))  # type: ignore[arg-type]
    return case(draw, kind(**fields), TensorSpec(shape, format))


@st.composite
def arguments(draw: DrawFn, kind: Any) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    axis = draw(st.integers(0, len(shape) - 1))
    op = kind(axis, draw(st.booleans()), draw(st.booleans()), draw(formats(4, 63)))
    return case(draw, op, TensorSpec(shape, draw(formats(1, 3) | formats(1, 63))))


CASES: dict[str, SearchStrategy[Case]] = {
    "arg_max": arguments(ArgMax),
    "arg_min": arguments(ArgMin),
    "avg_pool2d": avg_pool2ds(),
    "float_avg_pool2d": float_avg_pool2ds(),
    "max_pool2d": max_pool2ds(),
    "mean": reduced(Mean),
    "reduce_max": reduced(ReduceMax),
    "reduce_min": reduced(ReduceMin),
    "sum": reduced(Sum),
}
