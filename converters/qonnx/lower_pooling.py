"""MaxPool, AveragePool, GlobalAveragePool and ReduceMean over places.

Rules
-----
W1. The largest integer is that of the largest real, where reals rise with integers. Padding never wins.
W2. An average is the exact sum of a window; dividing by the number of its places is a float step behind it,
    as in ONNX Runtime, which adds first. Padding counts, or there is none.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from intsim_converters.onnx.values import Layout
from intsim_converters.onnx.windows import Window, image_size, read_window
from intsim_converters.qonnx.affine import affine, reach, sum_error
from intsim_converters.qonnx.chain import Step, directions
from intsim_converters.qonnx.lowering import QonnxLowering, lowers
from intsim_converters.qonnx.parameters import Array, Shape, axes, one
from intsim_converters.qonnx.values import Carried

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import DepthwiseConv2d, MaxPool2d, Op, Sum


def _window(op: QonnxLowering, x: Carried) -> tuple[Window, Shape]:
    """The window, and the shape of the result."""
    size, window = image_size(op, x.shape), read_window(op, x.shape)
    out = window.size(size)
    ceil = bool(op.attribute("ceil_mode", 0))
    op.require(
        not ceil or window.size(size, ceil) == out, "ceil_mode must not add windows beyond the padding"
    )
    op.require(set(axes(x.parameters)) <= {1}, "scales must run along channels")
    return window, (*x.shape[:2], *(out if len(x.shape) == 4 else out[1:]))


@lowers("MaxPool")
def lower_max_pool(op: QonnxLowering) -> None:
    """Rule W1."""
    op.require(len(op.node.outputs) == 1 or not op.node.outputs[1], "indices must not be asked for. [W1]")
    x = op.carried(0)
    rising = np.where(x.slope < 0, -1, 1) * directions(x.steps)
    op.require(bool((rising > 0).all()), "reals must rise with integers, not fall by a negative factor. [W1]")
    window, shape = _window(op, x)
    pool = MaxPool2d(window.kernel, window.stride, window.dilation, window.padding)
    codes = op.produce(pool, op.view(op.settled(x), Layout.IMAGE), shape=shape, layout=Layout.IMAGE)
    op.bind(replace(x, codes=codes, shape=shape))


@lowers("AveragePool")
def lower_average_pool(op: QonnxLowering) -> None:
    """Rule W2."""
    x = affine(op, op.carried(0))
    window, shape = _window(op, x)
    padded = any(place for pair in window.padding for place in pair)
    op.require(not padded or op.attribute("count_include_pad", 0), "padding must be counted, or be 0. [W2]")
    op.require(x.zero.size == 1, "zero point must be one")
    zero, count = int(x.zero.reshape(())), math.prod(window.kernel)
    low, high = min(x.format.min - zero, 0) * count, max(x.format.max - zero, 0) * count
    node = DepthwiseConv2d(
        weight=np.ones((x.shape[1], 1, *window.kernel), np.int64),
        weight_format=IntFormat(1, signed=False),
        input_zero_point=zero,
        accumulator=Accumulator(IntFormat.covering(low, high)),
        **window.fields,  # type: ignore[arg-type]
    )
    _averaged(op, x, node, shape, count, one(0, len(shape), np.int64))


@lowers("GlobalAveragePool")
def lower_global_average_pool(op: QonnxLowering) -> None:
    """Rule W2, over all places."""
    x = affine(op, op.carried(0))
    _global_average(op, x, (*x.shape[:2], *(1,) * (len(x.shape) - 2)))


@lowers("ReduceMean")
def lower_reduce_mean(op: QonnxLowering) -> None:
    """Rule W2, over all places of an image."""
    x = affine(op, op.carried(0))
    given = op.ints(1) if op.has(1) else tuple(op.attribute("axes", ()))
    rank = len(x.shape)
    places = {axis % rank for axis in given} == set(range(2, rank)) and rank > 2
    op.require(places, f"axes must be all places of an image, not {given} of {x.shape}")
    kept = (1,) * (rank - 2) if op.attribute("keepdims", 1) else ()
    _global_average(op, x, (*x.shape[:2], *kept))


def _global_average(op: QonnxLowering, x: Carried, shape: Shape) -> None:
    size = image_size(op, x.shape)
    op.require(set(axes(x.parameters)) <= {1}, "scales must run along channels")
    count = math.prod(size)
    format = IntFormat.covering(x.format.min * count, x.format.max * count)
    node = Sum((0, 1), keepdims=True, accumulator=Accumulator(format))
    whole = (*x.shape[:2], *(1,) * (len(x.shape) - 2))
    _averaged(op, x, node, whole, count, x.zero * count)
    if shape != whole:
        op.bind(op.target.values[op.output].moved(shape, lambda array: array.reshape(shape)))


def _averaged(op: QonnxLowering, x: Carried, node: Op, shape: Shape, count: int, zero: Array) -> None:
    """The sums, and the division behind them."""
    unit, whole = one(1, len(shape), np.float64), not x.error.any()
    error = sum_error(x.slope, unit, reach(x) * count, count, whole) + 2 * count * x.error
    codes = op.produce(node, op.view(op.settled(x), Layout.IMAGE), shape=shape, layout=Layout.IMAGE)
    format = op.target.specs[codes.views[Layout.IMAGE]].integer
    sums = Carried(codes, shape, format, x.slope, zero, error)
    op.bind(sums.then(Step("Div", (one(count, len(shape), np.float32),))))
