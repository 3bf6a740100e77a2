"""Strategies for ops at work: sums of every kind, and what stands between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from intsim.formats import TensorSpec
from intsim.ops import Conv2d, Dense, DepthwiseConv2d, Op, Pad, Reshape, Sum, Transpose
from intsim.testing.case import Case
from intsim.testing.strategies import accumulators, arrays, codes, formats, tensors


@st.composite
def summing_ops(
    draw: st.DrawFn,
    spec: TensorSpec,
    max_channels: int = 3,
    min_bits: int = 4,
    max_bits: int = 40,
    trap: bool = False,
) -> Op:
    """An op that accumulates, for an input (H, W, C): a convolution, a depthwise one, dense, or a sum.

    Convolutions keep the image's size. Weights, zero points of both operands, bias and accumulator are
    drawn.

    Parameters
    ----------
    spec : of the input
    max_channels : output channels are drawn from 1 to this
    min_bits, max_bits, trap : of the accumulator, see `accumulators`
    """
    depth = spec.shape[2]
    kind = draw(st.sampled_from([Dense, Conv2d, DepthwiseConv2d, Sum]))
    registers = {"min_bits": min_bits, "max_bits": max_bits, "trap": trap}
    if kind is Sum:
        axes = draw(st.sampled_from([(2,), (0, 1), (0, 1, 2)]))
        size = tuple(spec.shape[axis] if axis in axes else 1 for axis in range(3))
        accumulator = draw(accumulators(size, **registers))  # type: ignore[arg-type]
        return Sum(axes=axes, keepdims=True, accumulator=accumulator)
    side = draw(st.sampled_from([1, 3])) if kind is not Dense else 1
    pad = (side // 2, side // 2)
    window = {} if kind is Dense else {"padding": (pad, pad)}
    channels = draw(st.integers(1, max_channels))
    shape = {
        Dense: (channels, depth),
        Conv2d: (channels, side, side, depth),
        DepthwiseConv2d: (depth, 1, side, side),
    }[kind]
    inside = 1 if kind is DepthwiseConv2d else depth
    return draw(weighted(kind, shape, (side, side, inside), registers, **window))


@st.composite
def weighted(
    draw: st.DrawFn,
    /,
    kind: Any,
    shape: tuple[int, ...],
    sizes: tuple[int, int, int],
    registers: dict[str, Any],
    **fields: Any,
) -> Op:
    """An op of a kind with stored weights of a shape; `sizes` of its reduction axes h, w, c."""
    format = draw(formats(2, 8))
    channels = shape[0]
    zeros = st.just(np.array(0)) | arrays((channels,), st.integers(-4, 4))
    op: Op = kind(
        weight=draw(arrays(shape, codes(format))),
        weight_format=format,
        bias=draw(arrays((channels,), st.integers(-5000, 5000) | st.integers(-9, 9))),
        input_zero_point=draw(st.integers(-8, 8)),
        weight_zero_point=draw(zeros),
        accumulator=draw(accumulators(sizes, **registers)),
        **fields,
    )
    return op


@st.composite
def movements(draw: st.DrawFn, spec: TensorSpec) -> Op:
    """An op that moves an image (H, W, C) about, padding or turning it; it stays an image."""
    height, width, depth = spec.shape
    low, high = spec.integer.min, min(spec.integer.max, 100)
    return draw(
        st.sampled_from(
            [
                Pad(padding=((1, 0), (0, 1), (0, 0)), value=draw(st.integers(max(low, -100), high))),
                Transpose(permutation=(1, 0, 2)),
                Transpose(permutation=(2, 1, 0)),
                Reshape(shape=(width, height, depth)),
                Reshape(shape=(1, height, width * depth)),
            ]
        )
    )


@st.composite
def sums_at_work(draw: st.DrawFn, min_bits: int = 4, max_bits: int = 40, trap: bool = False) -> Case:
    """A `Case` of an op that accumulates, on a small image of any format of 2 to 8 bits."""
    height, width, depth = (draw(st.integers(1, 3)) for _ in range(3))
    spec = TensorSpec((height, width, depth), draw(formats(2, 8)))
    op = draw(summing_ops(spec, min_bits=min_bits, max_bits=max_bits, trap=trap))
    return Case(op, (spec,), (draw(tensors(spec)),))
