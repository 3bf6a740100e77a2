"""Cases of convolutions and matrix products, for the contract suite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from intsim.formats import IntFormat, TensorSpec
from intsim.ops import (
    BatchMatmul,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    TransposeConv2d,
)
from intsim.testing import Case
from intsim.testing.strategies import accumulators, batches, codes, formats

Shape = tuple[int, ...]


def case(draw: DrawFn, op: Any, *specs: TensorSpec) -> Case:
    return Case(op, specs, draw(batches(*specs)))


def shapes(least: int, most: int, largest: int = 4) -> SearchStrategy[Shape]:
    return st.lists(st.integers(1, largest), min_size=least, max_size=most).map(tuple)


def filled(draw: DrawFn, format: IntFormat, shape: Shape) -> np.ndarray:
    """Codes of a format, edges likely; few draws whatever the size."""
    few = draw(st.lists(codes(format), min_size=1, max_size=12))
    count = math.prod(shape)
    return np.resize(np.array(few, np.int64), count).reshape(shape)


def channel_values(draw: DrawFn, channels: int, low: int, high: int) -> Any:
    """One value, or one per channel."""
    one = st.integers(low, high)
    return np.array(draw(one | st.lists(one, min_size=channels, max_size=channels)))


def weights(draw: DrawFn, shape: Shape, channels: int, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """The fields that all ops with stored weights share."""
    format = draw(formats(1, 9))
    spread = 2**format.bits
    return {
        "weight": filled(draw, format, shape),
        "weight_format": format,
        "bias": channel_values(draw, channels, -5000, 5000),
        "input_zero_point": draw(st.integers(-130, 130)),
        "weight_zero_point": channel_values(draw, channels, -spread, spread),
        "accumulator": draw(accumulators(sizes, trap=True)),
    }


def pairs(low: int, high: int) -> SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def denses(draw: DrawFn) -> Case:
    channels, depth = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    op = Dense(**weights(draw, (channels, depth), channels, (1, 1, depth)))
    return case(draw, op, TensorSpec((*draw(shapes(0, 2, 3)), depth), draw(formats(1, 9))))


@st.composite
def conv2ds(draw: DrawFn) -> Case:
    groups, each, depth = (draw(st.integers(1, 2)) for _ in range(3))
    kernel = draw(pairs(1, 3))
    fields = weights(draw, (groups * each, *kernel, depth), groups * each, (*kernel, depth))
    op = Conv2d(
        **fields,
        stride=draw(pairs(1, 3)),
        dilation=draw(pairs(1, 2)),
        padding=(draw(pairs(0, 2)), draw(pairs(0, 2))),
        groups=groups,
    )
    return windowed(draw, op, kernel, groups * depth)


@st.composite
def depthwise_conv2ds(draw: DrawFn) -> Case:
    depth, multiple = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    kernel = draw(pairs(1, 3))
    fields = weights(draw, (depth, multiple, *kernel), depth * multiple, (*kernel, 1))
    op = DepthwiseConv2d(
        **fields,
        stride=draw(pairs(1, 3)),
        dilation=draw(pairs(1, 2)),
        padding=(draw(pairs(0, 2)), draw(pairs(0, 2))),
    )
    return windowed(draw, op, kernel, depth)


def windowed(draw: DrawFn, op: Any, kernel: tuple[int, int], channels: int) -> Case:
    """An input that the window fits."""
    size = []
    for axis in range(2):
        reach = (kernel[axis] - 1) * op.dilation[axis] + 1
        least = max(1, reach - sum(op.padding[axis]))
        size.append(draw(st.integers(least, least + 4)))
    return case(draw, op, TensorSpec((*size, channels), draw(formats(1, 9))))


@st.composite
def transpose_conv2ds(draw: DrawFn) -> Case:
    groups, each, depth = (draw(st.integers(1, 2)) for _ in range(3))
    kernel = draw(pairs(1, 3))
    fields = weights(draw, (groups * each, *kernel, depth), groups * each, (*kernel, depth))
    op = TransposeConv2d(
        **fields,
        output_size=draw(pairs(1, 5)),
        stride=draw(pairs(1, 3)),
        dilation=draw(pairs(1, 2)),
        offset=draw(pairs(0, 2)),
        groups=groups,
    )
    return case(draw, op, TensorSpec((*draw(pairs(1, 3)), groups * depth), draw(formats(1, 9))))


@st.composite
def batch_matmuls(draw: DrawFn) -> Case:
    rows, depth, columns = (draw(st.integers(1, 4)) for _ in range(3))
    transpose_x, transpose_y = draw(st.booleans()), draw(st.booleans())
    leading = draw(shapes(0, 2, 3))
    own = [tuple(draw(st.sampled_from([size, 1])) for size in leading) for _ in range(2)]
    x = (depth, rows) if transpose_x else (rows, depth)
    y = (columns, depth) if transpose_y else (depth, columns)
    op = BatchMatmul(
        x_zero_point=draw(st.integers(-130, 130)),
        y_zero_point=draw(st.integers(-130, 130)),
        transpose_x=transpose_x,
        transpose_y=transpose_y,
        accumulator=draw(accumulators((1, 1, depth), trap=True)),
    )
    skipped = draw(st.integers(0, len(leading)))  # leading axes that only the second input has
    specs = [
        TensorSpec((*own[0][skipped:], *x), draw(formats(1, 9))),
        TensorSpec((*own[1], *y), draw(formats(1, 9))),
    ]
    return case(draw, op, *specs)


CASES: dict[str, SearchStrategy[Case]] = {
    "batch_matmul": batch_matmuls(),
    "conv2d": conv2ds(),
    "dense": denses(),
    "depthwise_conv2d": depthwise_conv2ds(),
    "transpose_conv2d": transpose_conv2ds(),
}
