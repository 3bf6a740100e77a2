"""MaxPool and GlobalMaxPool of codes, com.microsoft NhwcMaxPool, QLinearAveragePool and
QLinearGlobalAveragePool, and AveragePool and GlobalAveragePool between DequantizeLinear and QuantizeLinear.

Rules (P), cited by the lowerings
---------------------------------
P1. The largest code is the code of the largest real: a MaxPool of dequantized codes is one of codes.
    Padding never wins, nor does what ceil_mode adds behind it. Indices are not given.
P2. QLinearGlobalAveragePool: the sum of the codes less their zero points, rounded to float32, times input's
    scale over (output's scale times count), all in float32; half to even; then the zero point, saturated.
P3. QLinearAveragePool: what the codes stand for, their difference from the zero point times input's scale,
    is added up in float32, row by row, and divided by the count and then by output's scale; the zero point
    is added, then comes half to even, saturated. A window of ceil_mode that leaves the padding counts as one
    inside it. A window that is the whole image, without padding, is P2.
P4. GlobalAveragePool and AveragePool between 8-bit codes of one type are P2 and P3, as the runtime makes
    them; of other types it computes them in float. In dialect integer these are P2 and P3 too, up to 16 bits.
P5. Refused: dilations, which P3 has not, and scales so far apart that averages need 2**31 codes: there the
    runtime converts a float that int32 does not hold, which C leaves undefined.
P6. com.microsoft NhwcMaxPool, and QLinear operators with channels_last, read images whose channels are last.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/qlgavgpool.cpp, contrib_ops/cpu/quantization/qlinear_pool.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from intsim_converters.onnx.floating import check_codes, codes_behind, emit_in_turn, limits_of
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.moving import moved
from intsim_converters.onnx.sums import accumulator, requantization
from intsim_converters.onnx.values import Codes, Layout, Meaning, Pending, Shape
from intsim_converters.onnx.windows import Pair, Window, image_size, read_window

from intsim.arithmetic import Add, Requantization
from intsim.ops import FloatAvgPool2d, MaxPool2d, Requantize, Sum


@lowers("MaxPool")
def lower_max_pool(op: Lowering) -> None:
    """Rule P1."""
    op.require(len(op.node.outputs) == 1 or not op.node.outputs[1], "indices must not be asked for. [P1]")
    moved(op, _max_pool, ordered=True)


@lowers("NhwcMaxPool", domain=MICROSOFT)
def lower_nhwc_max_pool(op: Lowering) -> None:
    """Rules P1 and P6."""
    op.require_own()
    x = op.codes(0)
    op.require(x.dtype in ("int8", "uint8"), f"input must be int8 or uint8, not {x.dtype}. [P6]")
    _max_pool(op, x, None)


def _max_pool(op: Lowering, x: Codes, name: str | None) -> Codes:
    layout, shape = _images(op, x.shape)
    size, window = image_size(op, shape), read_window(op, shape)
    found = window.size(size, bool(op.attribute("ceil_mode", 0)))
    pool = MaxPool2d(window.kernel, window.stride, window.dilation, _grown(window, size, found))
    to = _in_file(shape, found, layout)
    return op.emit(pool, op.view(x, layout), shape=to, dtype=x.dtype, layout=layout, name=name)


@lowers("GlobalMaxPool")
def lower_global_max_pool(op: Lowering) -> None:
    moved(op, _global_max_pool, ordered=True)


def _global_max_pool(op: Lowering, x: Codes, name: str | None) -> Codes:
    pool = MaxPool2d(image_size(op, x.shape))
    shape = (*x.shape[:2], *(1,) * (len(x.shape) - 2))
    return op.emit(pool, op.view(x, Layout.IMAGE), shape=shape, dtype=x.dtype, layout=Layout.IMAGE, name=name)


def _images(op: Lowering, shape: Shape) -> tuple[Layout, Shape]:
    """Rule P6: the layout in which the network holds images, and their shape with channels second."""
    if op.name != "NhwcMaxPool" and not op.attribute("channels_last", 0):
        return Layout.IMAGE, shape
    op.require(len(shape) == 4, f"input must have shape (N, H, W, C), not {shape}. [P6]")
    return Layout.PLAIN, (shape[0], shape[3], shape[1], shape[2])


def _in_file(shape: Shape, size: Pair, layout: Layout) -> Shape:
    """The file's shape of images of another size; `shape` has channels second."""
    if layout is Layout.PLAIN:
        return (shape[0], *size, shape[1])
    return (*shape[:2], *size[4 - len(shape) :])


def _grown(window: Window, size: Pair, found: Pair) -> tuple[Pair, Pair]:
    """The padding with which so many windows fit."""
    pairs = []
    for axis in range(2):
        before, after = window.padding[axis]
        reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1
        reached = (found[axis] - 1) * window.stride[axis] + reach
        pairs.append((before, max(after, reached - size[axis] - before)))
    return pairs[0], pairs[1]


Average = Callable[[Lowering, Codes, Meaning, Meaning], Codes]
"""Adds the nodes of an average, given codes and what they and the output mean."""


def _global_average(pool: Lowering, given: Shape) -> Average:
    """Rule P2, for an input of this shape."""
    layout, shape = _images(pool, given)
    count = math.prod(image_size(pool, shape))

    def average(op: Lowering, x: Codes, meaning: Meaning, y: Meaning) -> Codes:
        check_codes(op, x, meaning, y, carried=True)
        exact = Sum((0, 1), keepdims=True, accumulator=accumulator(x.dtype, x.dtype))
        sums = op.step(exact, op.view(x, layout), name="accumulator")
        rule = mean_of_sum(op, meaning, y, count)
        to = _in_file(shape, (1, 1), layout)
        return op.emit(Requantize(rule), sums, shape=to, dtype=y.dtype, layout=layout, meaning=y)

    return average


def mean_of_sum(
    op: Lowering, x: Meaning, y: Meaning, count: int, divisor: int | None = None
) -> Requantization:
    """Rule P2, behind the sum of so many codes; the divisor is the count where it is not another."""
    with np.errstate(all="ignore"):
        ratios = np.atleast_1d(x.scale[0] / (y.scale[0] * np.float32(divisor or count)))
    good = bool(np.isfinite(ratios).all() and ratios[0] < 2.0**30)
    op.require(good, f"ratio of scales must be finite, not {ratios[0]}")
    rule = requantization(op, ratios, y)
    offset = -int(x.zero_point[0]) * count
    return Requantization((Add(values=offset), *rule.steps), rule.format) if offset else rule


def _average(pool: Lowering, given: Shape) -> Average:
    """Rule P3, for an input of this shape."""
    layout, shape = _images(pool, given)
    size, window = image_size(pool, shape), read_window(pool, shape)
    pool.require(window.dilation == (1, 1), f"dilations must be 1, not {window.dilation}. [P5]")
    if window.kernel == size and not any(map(any, window.padding)):
        return _global_average(pool, given)
    found = window.size(size, bool(pool.attribute("ceil_mode", 0)))
    padding = _grown(window, size, found)
    count_padding = bool(pool.attribute("count_include_pad", 0))

    def average(op: Lowering, x: Codes, meaning: Meaning, y: Meaning) -> Codes:
        check_codes(op, x, meaning, y, carried=True)
        differences = np.arange(x.format.min, x.format.max + 1) - meaning.zero_point[0]
        pool_of_codes = FloatAvgPool2d(
            window.kernel,
            window.stride,
            padding=padding,
            table=meaning.scale[0] * differences.astype(np.float32),
            scale=y.scale[0],
            zero_point=int(y.zero_point[0]),
            count_padding=count_padding,
            input_format=x.format,
            format=y.format,
        )
        nodes = [("average", pool_of_codes), *limits_of(y)]
        to = _in_file(shape, found, layout)
        return emit_in_turn(op, op.view(x, layout), nodes, shape=to, layout=layout, y=y)

    return average


@lowers("QLinearGlobalAveragePool", "QLinearAveragePool", domain=MICROSOFT)
def lower_qlinear_average(op: Lowering) -> None:
    op.require_own()
    x = op.codes(0)
    average = (_global_average if op.name == "QLinearGlobalAveragePool" else _average)(op, x.shape)
    average(op, x, op.meaning(1, 2, x.dtype), op.meaning(3, 4, x.dtype))


@lowers("GlobalAveragePool", "AveragePool")
def lower_average(op: Lowering) -> None:
    """Rule P4."""
    op.require(op.fuses, f"float region: {op.name} computes in float in dialect {op.dialect}. [P4]")
    codes, meaning = codes_behind(op)
    average = (_global_average if op.name == "GlobalAveragePool" else _average)(op, codes.shape)
    op.bind(Pending(lambda quantize, y: average(quantize, codes, meaning, y), pending_reason(op)))
