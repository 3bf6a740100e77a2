"""MaxPool and GlobalMaxPool of codes, com.microsoft QLinearGlobalAveragePool, and GlobalAveragePool between
DequantizeLinear and QuantizeLinear.

Rules (P), cited by the lowerings
---------------------------------
P1. The largest code is the code of the largest real: a MaxPool of dequantized codes is one of codes.
    Padding never wins. Indices are not given.
P2. QLinearGlobalAveragePool: the sum of the codes less their zero points, rounded to float32, times input's
    scale over (output's scale times count), all in float32; half to even; then the zero point, saturated.
P3. In ort GlobalAveragePool of 8-bit codes of the output's type is P2. AveragePool sums floats, in ort too:
    refused.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/qlgavgpool.cpp, contrib_ops/cpu/quantization/qlinear_pool.cc.
"""

from __future__ import annotations

import math

import numpy as np
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.moving import moved
from intsim_converters.onnx.sums import accumulator, requantization
from intsim_converters.onnx.values import Codes, Layout, Meaning, Pending, Real, Shape
from intsim_converters.onnx.windows import image_size, read_window

from intsim.arithmetic import Add, Requantization
from intsim.ops import MaxPool2d, Requantize, Sum

_EIGHT = ("int8", "uint8")


@lowers("MaxPool")
def lower_max_pool(op: Lowering) -> None:
    """Rule P1."""
    op.require(len(op.node.outputs) == 1 or not op.node.outputs[1], "indices must not be asked for. [P1]")
    moved(op, _max_pool)


def _max_pool(op: Lowering, x: Codes, name: str | None) -> Codes:
    size = image_size(op, x.shape)
    window = read_window(op, x.shape)
    ceil = bool(op.attribute("ceil_mode", 0))
    if ceil and window.size(size, ceil) != window.size(size):
        op.refuse("ceil_mode must not add windows beyond the padding. [P1]")
    pool = MaxPool2d(window.kernel, window.stride, window.dilation, window.padding)
    found = window.size(size)
    shape = (*x.shape[:2], *(found if len(x.shape) == 4 else found[1:]))
    return op.emit(pool, op.view(x, Layout.IMAGE), shape=shape, dtype=x.dtype, layout=Layout.IMAGE, name=name)


@lowers("GlobalMaxPool")
def lower_global_max_pool(op: Lowering) -> None:
    moved(op, _global_max_pool)


def _global_max_pool(op: Lowering, x: Codes, name: str | None) -> Codes:
    pool = MaxPool2d(image_size(op, x.shape))
    shape = _pooled(x.shape)
    return op.emit(pool, op.view(x, Layout.IMAGE), shape=shape, dtype=x.dtype, layout=Layout.IMAGE, name=name)


def _pooled(shape: Shape) -> Shape:
    return (*shape[:2], *(1,) * (len(shape) - 2))


def global_average(op: Lowering, x: Codes, meaning: Meaning, y: Meaning) -> Codes:
    """Rule P2."""
    op.require(
        x.dtype in _EIGHT and y.dtype == x.dtype, f"input and output must be int8 or uint8, not {x.dtype}"
    )
    op.require(meaning.axis is None and y.axis is None, "input and output must have one scale")
    count = math.prod(image_size(op, x.shape))
    sums = op.step(
        Sum((0, 1), keepdims=True, accumulator=accumulator(x.dtype)),
        op.view(x, Layout.IMAGE),
        name="accumulator",
    )
    with np.errstate(all="ignore"):
        ratios = np.atleast_1d(meaning.scale[0] / (y.scale[0] * np.float32(count)))
    op.require(
        np.isfinite(ratios).all() and ratios[0] < 2.0**30, f"ratio of scales must be finite, not {ratios[0]}"
    )
    rule = requantization(op, ratios, y)
    offset = -int(meaning.zero_point[0]) * count
    if offset:
        rule = Requantization((Add(values=offset), *rule.steps), rule.format)
    return op.emit(
        Requantize(rule), sums, shape=_pooled(x.shape), dtype=y.dtype, layout=Layout.IMAGE, meaning=y
    )


@lowers("QLinearGlobalAveragePool", domain=MICROSOFT)
def lower_qlinear_global_average_pool(op: Lowering) -> None:
    op.require_own()
    op.require(not op.attribute("channels_last", 0), "channels_last must be 0")
    x = op.codes(0)
    global_average(op, x, op.meaning(1, 2, x.dtype), op.meaning(3, 4, x.dtype))


@lowers("GlobalAveragePool")
def lower_global_average_pool(op: Lowering) -> None:
    """Rule P3."""
    x = op.value(0)
    op.require(op.fuses, f"float region: {op.name} computes in float in dialect {op.dialect}. [P3]")
    if not isinstance(x, Real) or x.functions or isinstance(x.codes, Constant):
        op.refuse(
            op.float_reason(0)
            if isinstance(x, (Pending, Real))
            else "input must come from a DequantizeLinear"
        )
    codes, meaning = x.codes, x.meaning
    op.bind(Pending(lambda quantize, y: global_average(quantize, codes, meaning, y), pending_reason(op)))
