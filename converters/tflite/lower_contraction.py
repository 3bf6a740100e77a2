"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: sums of products, then a requantization."""

from __future__ import annotations

from typing import Any

from intsim_converters.tflite.contraction import (
    Contraction,
    Pair,
    check_bias_scale,
    read_contraction,
    requantization,
    scale_ratio,
    sum_quantization,
    window_padding,
)
from intsim_converters.tflite.contraction_dialects import dense_dialect, window_dialect
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.tensors import FORMATS, TensorView

from intsim.ops import Conv2d, Dense, DepthwiseConv2d, Requantize, Reshape


@lowers("CONV_2D", options="Conv2DOptions")
def lower_conv_2d(op: Lowering) -> None:
    """Weights (K, KH, KW, C / groups); the groups follow from the depths."""
    op.require(op.input(1).rank == 4, f"weights must have 4 axes, not shape {op.input(1).shape}")
    parts = read_contraction(op, channel_axis=0)
    height, width, depth = _image(op, parts.x)
    _, *kernel, taps = parts.w.shape
    op.require(depth % max(taps, 1) == 0, f"input channels must be a multiple of {taps}, not {depth}")
    _window_weights(op, parts)
    window = _window(op, (height, width), (kernel[0], kernel[1]))
    convolution = Conv2d(
        weight=parts.w.data,
        weight_format=FORMATS[parts.w.dtype],
        bias=parts.bias,
        input_zero_point=parts.x.zero_point,
        weight_zero_point=parts.weight_zero_point,
        groups=depth // taps,
        accumulator=parts.accumulator,
        **window,
    )
    _finish(op, parts, _sums(op, parts, convolution), depth // taps)


@lowers("DEPTHWISE_CONV_2D", options="DepthwiseConv2DOptions")
def lower_depthwise_conv_2d(op: Lowering) -> None:
    """Weights (1, KH, KW, C * M); output channel c * M + m sees input channel c."""
    shape = op.input(1).shape
    op.require(len(shape) == 4 and shape[0] == 1, f"weights must have shape (1, H, W, C), not {shape}")
    parts = read_contraction(op, channel_axis=3)
    height, width, depth = _image(op, parts.x)
    _, *kernel, channels = shape
    op.require(channels % depth == 0, f"output channels must be a multiple of {depth}, not {channels}")
    multiple = channels // depth
    op.require(
        op.options.depth_multiplier == multiple,
        f"depth_multiplier must be {multiple}, as the channels say, not {op.options.depth_multiplier}",
    )
    _window_weights(op, parts)
    window = _window(op, (height, width), (kernel[0], kernel[1]))
    weight = parts.w.data[0].transpose(2, 0, 1).reshape(depth, multiple, *kernel)
    convolution = DepthwiseConv2d(
        weight=weight,
        weight_format=FORMATS[parts.w.dtype],
        bias=parts.bias,
        input_zero_point=parts.x.zero_point,
        weight_zero_point=parts.weight_zero_point,
        accumulator=parts.accumulator,
        **window,
    )
    _finish(op, parts, _sums(op, parts, convolution))


@lowers("FULLY_CONNECTED", options="FullyConnectedOptions")
def lower_fully_connected(op: Lowering) -> None:
    """Weights (K, C); the input is cut into rows of C, whatever its axes."""
    op.require(op.options.weights_format == "DEFAULT", "weights_format must be DEFAULT, not shuffled")
    op.require(op.input(1).rank == 2, f"weights must have 2 axes, not shape {op.input(1).shape}")
    parts = read_contraction(op, channel_axis=0)
    check_bias_scale(op, parts)
    units, depth = parts.w.shape
    wanted = _rows_shape(op, parts.x, units, depth)
    op.require(parts.y.shape == wanted, f"output must have shape {wanted}, not {parts.y.shape}")
    rows = parts.y.sample_shape[:-1]
    x = op.value(0)
    if parts.x.sample_shape != (*rows, depth):
        x = op.step(Reshape((*rows, depth)), x, name="rows")
    dense = Dense(
        weight=parts.w.data,
        weight_format=FORMATS[parts.w.dtype],
        bias=parts.bias,
        input_zero_point=parts.x.zero_point,
        weight_zero_point=parts.weight_zero_point,
        accumulator=parts.accumulator,
    )
    sums = op.step(dense, x, name="accumulator", quantization=sum_quantization(parts, len(rows)))
    dialect = dense_dialect(op, parts)
    rule = requantization(op, parts, dialect, scale_ratio(op, parts, dialect, product=True))
    if parts.y.sample_shape:
        op.emit(Requantize(rule), sums)
    else:  # a batch of one unit and no other axis: the sample is a scalar
        op.emit(Reshape(()), op.step(Requantize(rule), sums, name="units"))


def _rows_shape(op: Lowering, x: TensorView, units: int, depth: int) -> tuple[int, ...]:
    """TFLite's shape of the output of FULLY_CONNECTED."""
    if op.options.keep_num_dims:
        op.require(x.rank >= 1 and x.shape[-1] == depth, f"input's last axis must be {depth}, not {x.shape}")
        return (*x.shape[:-1], units)
    op.require(depth >= 1 and x.tensor.size % depth == 0, f"input must have rows of {depth}, not {x.shape}")
    return (x.tensor.size // depth, units)


def _image(op: Lowering, x: TensorView) -> tuple[int, int, int]:
    """Height, width and channels of a convolution's input."""
    op.require(x.rank == 4 and x.batched, f"input must have shape (batch {op.batch}, H, W, C), not {x.shape}")
    return x.shape[1], x.shape[2], x.shape[3]


def _window_weights(op: Lowering, parts: Contraction) -> None:
    """What the convolutions ask beyond rules C1 to C4."""
    taken = ("int8", "int4", "uint8")
    op.require(parts.w.dtype in taken, f"weights must be int8, int4 or uint8, not {parts.w.dtype}. [C1]")
    if parts.x.dtype == "uint8":
        check_bias_scale(op, parts)
    else:
        op.require(parts.weight_zero_point == 0, "weights must have zero point 0. [C3]")


def _window(op: Lowering, size: Pair, kernel: Pair) -> dict[str, Any]:
    """Stride, dilation and padding as the ops have them."""
    stride = (op.options.stride_h, op.options.stride_w)
    dilation = (op.options.dilation_h_factor, op.options.dilation_w_factor)
    return {
        "stride": stride,
        "dilation": dilation,
        "padding": window_padding(op, size, kernel, stride, dilation),
    }


def _sums(op: Lowering, parts: Contraction, convolution: Conv2d | DepthwiseConv2d) -> str:
    """The node that makes the sums."""
    return op.step(convolution, op.value(0), name="accumulator", quantization=sum_quantization(parts, axis=2))


def _finish(op: Lowering, parts: Contraction, sums: str, groups: int = 1) -> None:
    """A convolution's requantization, by the dialect's arithmetic."""
    dialect = window_dialect(op, parts, groups)
    ratio = scale_ratio(op, parts, dialect, product=parts.x.dtype == "uint8")
    op.emit(Requantize(requantization(op, parts, dialect, ratio)), sums)
