"""QLinearConv, ConvInteger, and Conv between dequantized tensors and a QuantizeLinear.

Rules (C), cited by the lowerings
---------------------------------
C1. Weights are constants of shape (K, C / group, KH, KW), or (K, C / group, KL) for signals.
C2. Scales of weights are one, or one per output channel; so are their zero points, which ort takes equal.
C3. QLinearConv's bias is int32 at the scale of the sums, Conv's by the rules of `fused`.
C4. In onnx-ref weights of signals have one scale and one zero point: onnx.reference has several for images
    only.
C5. Requantization by the rules of `sums`. ConvInteger gives the sums.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/providers/cpu/quantization/qlinearconv.cc, conv_integer.cc;
core/optimizer/qdq_transformer/selectors_actions/qdq_selectors.cc. onnx/reference/ops/op_qlinear_conv.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from intsim_converters.onnx.fused import bias_of, dequantized_pair, pending_reason
from intsim_converters.onnx.lower_blocked_products import bind_convolution
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.sums import accumulator, check_types, ratio, requantization, sum_quantization
from intsim_converters.onnx.values import FORMATS, Blocked, Codes, Layout, Meaning, Pending
from intsim_converters.onnx.windows import Window, image_size, read_window

from intsim.ops import Conv2d, DepthwiseConv2d, Op, Requantize


@dataclass(frozen=True)
class Convolution:
    """A convolution's operands, checked by rules C1 and C2.

    weights : (K, KH, KW, C / group)
    points : zero points of the weights, one or one per output channel
    """

    x: Codes
    x_zero: int
    weights: Array
    dtype: str
    points: Array
    bias: Array
    window: Window
    groups: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The output's, as the file has it."""
        axes = len(self.x.shape) - 2
        height, width = self.x.shape[2:] if axes == 2 else (1, self.x.shape[2])
        size = self.window.size((height, width))
        return (self.x.shape[0], self.weights.shape[0], *(size if axes == 2 else size[1:]))


def read_convolution(
    op: Lowering, x: Codes, x_zero: int, weights: Constant, points: Array, bias: Array
) -> Convolution:
    """The operands of a convolution, whatever it is called in the file."""
    channels = x.shape[1] if len(x.shape) > 1 else 0
    image_size(op, x.shape)
    shape = weights.shape
    op.require(
        len(shape) == len(x.shape) and min(shape) >= 1,
        f"weights must have {len(x.shape)} axes, as the input, and no size 0, not shape {shape}. [C1]",
    )
    op.require(weights.dtype in FORMATS, f"weights must be integers, not {weights.dtype}. [C1]")
    groups = op.attribute("group", 1)
    good = groups >= 1 and shape[0] % max(groups, 1) == 0 and shape[1] * groups == channels
    op.require(good, f"weights of shape {shape} must match {channels} channels in {groups} groups. [C1]")
    op.require(
        points.size in (1, shape[0]), f"zero points must be one or {shape[0]}, not {points.size}. [C2]"
    )
    equal = not op.as_runtime or bool((points == points.flat[0]).all())
    op.require(equal, "zero points of weights must be equal, as the runtime asks. [C2]")
    op.require(bias.size in (1, shape[0]), f"bias must have {shape[0]} values, not {bias.size}. [C3]")
    window = read_window(op, x.shape, tuple(shape[2:]))
    values = weights.values if len(shape) == 4 else weights.values[:, :, None, :]
    return Convolution(
        x,
        x_zero,
        values.transpose(0, 2, 3, 1),
        weights.dtype,
        points.reshape(-1),
        bias.reshape(-1),
        window,
        groups,
    )


def convolution(parts: Convolution) -> Op:
    """The op that makes the sums; one filter bank per channel where that is what the groups say."""
    common = {
        "weight_format": FORMATS[parts.dtype],
        "bias": parts.bias.astype(np.int64),
        "input_zero_point": parts.x_zero,
        "weight_zero_point": parts.points.astype(np.int64),
        "accumulator": accumulator(parts.x.dtype, parts.dtype),
        **parts.window.fields,
    }
    filters, height, width, depth = parts.weights.shape
    if depth == 1 and parts.groups > 1:
        by_channel = parts.weights[..., 0].reshape(parts.groups, filters // parts.groups, height, width)
        return DepthwiseConv2d(weight=by_channel, **common)  # type: ignore[arg-type]
    return Conv2d(weight=parts.weights, groups=parts.groups, **common)  # type: ignore[arg-type]


def finish(op: Lowering, parts: Convolution, x: Meaning, w: Meaning, y: Meaning) -> Codes:
    """The sums, and their requantization."""
    check_types(op, x, w, y)
    _check_signal(op, parts, w.scale)
    op.require(
        w.scale.size in (1, parts.weights.shape[0]), "scales must be one or one per output channel. [C2]"
    )
    sums = op.step(
        convolution(parts),
        op.view(parts.x, Layout.IMAGE),
        name="accumulator",
        quantization=sum_quantization(x, w, 2),
    )
    rule = requantization(op, ratio(op, [x.scale, w.scale], y.scale), y)
    return op.emit(Requantize(rule), sums, shape=parts.shape, dtype=y.dtype, layout=Layout.IMAGE, meaning=y)


def _check_signal(op: Lowering, parts: Convolution, values: Array) -> None:
    """Rule C4."""
    signal = len(parts.x.shape) == 3
    op.require(
        op.fuses or not signal or values.size == 1,
        f"weights of signals must have one scale and zero point, not {values.size}. [C4]",
    )


def weights_of(op: Lowering, i: int) -> Constant:
    """Input i, which must be a constant."""
    op.constant(i)
    value = op.value(i)
    assert isinstance(value, Constant)
    return value


@lowers("QLinearConv")
def lower_qlinear_conv(op: Lowering) -> None:
    x, weights = op.codes(0), weights_of(op, 3)
    meant = op.meaning(1, 2, x.dtype), op.meaning(4, 5, weights.dtype, 0)
    op.constant(7)
    zero = op.value(7)
    assert isinstance(zero, Constant)
    y = op.meaning(6, 7, zero.dtype)
    op.require(meant[0].axis is None, "input must have one scale. [C2]")
    bias = np.zeros(1, np.int64)
    if op.has(8):
        bias = op.constant(8)
        op.require(bias.dtype == np.int32, f"bias must be int32, not {bias.dtype}. [C3]")
    parts = read_convolution(op, x, int(meant[0].zero_point[0]), weights, meant[1].zero_point, bias)
    finish(op, parts, *meant, y)


@lowers("ConvInteger")
def lower_conv_integer(op: Lowering) -> None:
    x, weights = op.codes(0), weights_of(op, 1)
    zeros = [op.constant(i) if op.has(i) else np.zeros(1, np.int64) for i in (2, 3)]
    op.require(zeros[0].size == 1, f"input must have one zero point, not {zeros[0].size}. [C2]")
    parts = read_convolution(op, x, int(zeros[0].flat[0]), weights, zeros[1], np.zeros(1, np.int64))
    _check_signal(op, parts, parts.points)
    op.emit(
        convolution(parts), op.view(x, Layout.IMAGE), shape=parts.shape, dtype="int32", layout=Layout.IMAGE
    )


@lowers("Conv")
def lower_conv(op: Lowering) -> None:
    """Binds what the QuantizeLinear behind it finishes."""
    weights = op.value(1)
    if isinstance(weights, Blocked):
        bind_convolution(op, weights)
        return
    x, w = dequantized_pair(op)
    bias = bias_of(op, x.meaning, w.meaning, scaled=True)

    def finish_conv(quantize: Lowering, y: Meaning) -> Codes:
        assert isinstance(x.codes, Codes)
        assert isinstance(w.codes, Constant)
        zero = int(x.meaning.zero_point[0])
        parts = read_convolution(op, x.codes, zero, w.codes, w.meaning.zero_point, bias)
        return finish(quantize, parts, x.meaning, w.meaning, y)

    op.require(isinstance(x.codes, Codes), "input must be computed, not a constant. [C1]")
    op.require(isinstance(w.codes, Constant), "weights must be a constant, not computed. [C1]")
    op.require(x.meaning.axis is None and w.meaning.axis in (None, 0), "scales must run along channels. [C2]")
    op.bind(Pending(finish_conv, pending_reason(op)))
