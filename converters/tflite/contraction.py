"""What CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED share: operand types, padding, requantization.

Rules (C), cited by the lowerings
---------------------------------
C1. Activations are int8, with int8, int4 or int2 weights; uint8, with uint8 weights; or int16, with
    int8, int4, int2 or int16 weights. The convolutions take no int2 and no int16 weights. TensorFlow Lite
    Micro takes int8 with int8 or int4 weights (FULLY_CONNECTED only with one scale), and int16 with int8.
C2. The sum wraps. It has 32 bits, and an int32 bias, for 8-bit activations, and for int16 ones where the
    option quantized_bias_type is int32; in TensorFlow Lite Micro also where the bias is int32, in the
    optimized FULLY_CONNECTED also where there is none. Otherwise int16 activations have 64 bits and an
    int64 bias; but with int16 weights the bias is int32 unless the option says int64.
C3. Weights with several scales are symmetric: their zero points are 0, and run along output channels.
C4. int16 activations have zero points 0.
C5. A sum, scaled, stays within 32 bits: what the runtimes do beyond is undefined. XNNPACK saturates
    there, but takes ratios below 256 only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from intsim_converters.tflite.limits import activation_limits
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.model import Array
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Accumulator, Requantization
from intsim.arithmetic.dialects import Dialect, ratio_float32_product
from intsim.formats import IntFormat, Quantization

_WEIGHTS = {
    "int8": ("int8", "int4", "int2"),
    "uint8": ("uint8",),
    "int16": ("int8", "int4", "int2", "int16"),
}
_MICRO = {"int8": ("int8", "int4"), "int16": ("int8",)}
_BIAS_SLACK = 0.02  # of an output step per unit of bias, between its scale and the product's

Pair = tuple[int, int]


@dataclass(frozen=True)
class Contraction:
    """The operands of a sum of products, checked by rules C1 to C4.

    channel_axis : the weights' axis of output channels
    weight_zero_point : per tensor; 0 where scales run along channels
    bias : per output channel, or one 0
    """

    x: TensorView
    w: TensorView
    y: TensorView
    channel_axis: int
    bias: Array
    weight_zero_point: int
    accumulator: Accumulator

    @property
    def wide(self) -> bool:
        """Whether the sum has 64 bits."""
        return self.accumulator.format.bits == 64


def read_contraction(op: Lowering, channel_axis: int) -> Contraction:
    """The operands of an operator (input, weights, optional bias -> output).

    channel_axis : the weights' axis of output channels
    """
    x, w, y = op.input(0), op.input(1), op.output(0)
    _check_types(op, x, w)
    op.require(y.dtype == x.dtype, f"output must be {x.dtype} as the input is, not {y.dtype}. [C1]")
    op.require(w.is_constant, f"weights {w.name!r} must be a constant, not computed. [C1]")
    op.require(y.scale > 0, "output's scale must be positive")
    if x.dtype == "int16":
        points = (x.zero_point, y.zero_point)
        op.require(points == (0, 0), f"zero points of int16 must be 0, not {points}. [C4]")
    bits, bias = _read_bias(op, x, w, w.shape[channel_axis])
    zero_point = _weight_zero_point(op, x, w, channel_axis)
    return Contraction(x, w, y, channel_axis, bias, zero_point, Accumulator(IntFormat(bits)))


def _check_types(op: Lowering, x: TensorView, w: TensorView) -> None:
    """Rule C1."""
    known = _MICRO if op.dialect == "tflm" else _WEIGHTS
    pairs = "; ".join(f"{activation} with {' or '.join(found)}" for activation, found in known.items())
    op.require(
        w.dtype in known.get(x.dtype, ()),
        f"input and weights must be {pairs}; not {x.dtype} with {w.dtype}. [C1]",
    )
    packed = op.dialect == "tflm" and op.name == "FULLY_CONNECTED" and w.dtype == "int4"
    op.require(not packed or w.scales.size == 1, "int4 weights must have one scale in this dialect. [C1]")


def _weight_zero_point(op: Lowering, x: TensorView, w: TensorView, channel_axis: int) -> int:
    """Rule C3."""
    scales, points = w.scales, w.zero_points
    if scales.size == 1:
        return w.zero_point
    op.require(x.dtype != "uint8", f"weights of uint8 must have one scale, not {scales.size}. [C3]")
    fits = w.quantized_axis == channel_axis and scales.size == w.shape[channel_axis]
    op.require(
        fits,
        f"scales of weights must run along axis {channel_axis} of {w.shape},"
        f" not {scales.size} along axis {w.quantized_axis}. [C3]",
    )
    op.require(not points.any(), "zero points of weights with several scales must be 0. [C3]")
    return 0


def _read_bias(op: Lowering, x: TensorView, w: TensorView, channels: int) -> tuple[int, Array]:
    """Bits of the sum, and the bias."""
    announced = op.options.get("quantized_bias_type", "FLOAT32").lower()
    given = op.input(2) if op.has(2) else None
    bits, wanted = _widths(op, x, w, announced, given.dtype if given is not None else "")
    if given is None:
        return bits, np.zeros((), np.int64)
    op.require(
        given.dtype == wanted,
        f"bias must be {wanted} with {x.dtype} input, {w.dtype} weights and quantized_bias_type {announced},"
        f" not {given.dtype}. [C2]",
    )
    values = given.data.reshape(-1)
    op.require(values.size == channels, f"bias must have {channels} values, not {values.size}. [C1]")
    if given.tensor.scales is not None:
        op.require(not given.zero_points.any(), "bias must have zero point 0. [C1]")
    return bits, values.astype(np.int64)


def _widths(op: Lowering, x: TensorView, w: TensorView, announced: str, bias: str) -> tuple[int, str]:
    """Rule C2: bits of the sum, and the bias's type.

    announced : the option quantized_bias_type
    bias : the type that the file's bias has; empty where it has none
    """
    if x.dtype != "int16":
        return 32, "int32"
    if w.dtype == "int16":
        return 64, "int64" if announced == "int64" else "int32"
    micro = op.dialect == "tflm" and bias == "int32"
    optimized = not bias and op.dialect == "xnnpack" and op.name == "FULLY_CONNECTED"
    if announced == "int32" or micro or (optimized and announced != "int64"):
        return 32, "int32"
    return 64, "int64"


def sum_quantization(parts: Contraction, axis: int) -> Quantization | None:
    """What the sums stand for: the exact product of the input's and the weights' scales.

    axis : of the sums' channels in a sample
    """
    scale = np.float64(parts.x.scale) * parts.w.scales.astype(np.float64)  # 48 bits at most
    if not (np.isfinite(scale) & (scale > 0)).all():
        return None
    return Quantization(scale, np.zeros(scale.size, np.int64), axis if scale.size > 1 else None)


def scale_ratio(op: Lowering, parts: Contraction, dialect: Dialect, product: bool = False) -> Array:
    """The ratio input * weights / output, one or one per channel, as the runtime forms it.

    product : LiteRT's fixed-point kernels of one scale multiply input's and weights' scales in float32;
        TensorFlow Lite Micro's, the kernels that multiply sums in floating point, and all per-channel
        ones go by the dialect
    """
    form = dialect.ratio
    one = parts.w.scales.size == 1 and op.dialect != "tflm"
    if product and one and dialect.name.startswith("tflite-"):
        form = ratio_float32_product
    with np.errstate(all="ignore"):
        ratio = form([parts.x.scale, parts.w.scales], parts.y.scale)
    op.require(np.isfinite(ratio).all(), "ratio of scales must be finite")
    return ratio


def check_bias_scale(op: Lowering, parts: Contraction) -> None:
    """The per-tensor kernels' own check, without which the runtime refuses the model."""
    if not op.has(2) or parts.w.scales.size != 1:
        return
    scales = op.input(2).tensor.scales
    bias = np.float64(scales.scale[0]) if scales is not None and scales.scale.size == 1 else np.float64(0)
    product = np.float64(parts.x.scale) * np.float64(parts.w.scale)
    with np.errstate(all="ignore"):
        slack = abs(product - bias) / np.float64(parts.y.scale)
    op.require(
        slack <= _BIAS_SLACK,
        f"bias must have scale {product:.9g}, input's times weights', not {bias:.9g}",
    )


def requantization(op: Lowering, parts: Contraction, dialect: Dialect, ratio: Array) -> Requantization:
    """The steps from the sum to the output, with its zero point and activation."""
    lo, hi = activation_limits(op, parts.y, xnnpack=dialect.name.startswith("f32-"))
    _check_reach(op, parts, dialect, ratio)
    return dialect.requantization(ratio, zero_point=parts.y.zero_point, lo=lo, hi=hi, format=parts.y.format)


def _check_reach(op: Lowering, parts: Contraction, dialect: Dialect, ratio: Array) -> None:
    """Rule C5, by the largest sum that each channel's weights allow.

    A 32-bit sum by a ratio below 1 always fits.
    """
    if dialect.name.startswith("f32-"):
        op.require(ratio.max() < 256, f"ratio of scales must be below 256 for XNNPACK, not {ratio.max():.6g}")
        return
    if not parts.wide and ratio.max() < 1 - 2**-15:
        return
    x, y = parts.x, parts.y
    weights = np.abs(parts.w.data.astype(np.int64) - parts.weight_zero_point)
    taps = tuple(axis for axis in range(weights.ndim) if axis != parts.channel_axis)
    widest = max(x.format.max - x.zero_point, x.zero_point - x.format.min)
    reach = weights.sum(axis=taps).astype(object) * widest + abs(parts.bias.astype(object))
    op.require(
        not parts.wide or reach.max() < 2**47, f"sums must stay below 2**47, not reach {reach.max()}. [C5]"
    )
    held = np.minimum(reach, 2 ** (parts.accumulator.format.bits - 1)).astype(np.float64)
    scaled = float((held * ratio).max())
    op.require(
        scaled + abs(y.zero_point) + 1 < 2**31,
        f"scaled sums must fit 32 bits, not reach {scaled:.4g}: the runtime's result is undefined there."
        " [C5]",
    )


def window_padding(op: Lowering, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """SAME or VALID as explicit numbers; the odd element of SAME comes after."""
    if op.options.padding == "VALID":
        return (0, 0), (0, 0)
    pads = []
    for extent, taps, step, gap in zip(size, kernel, stride, dilation, strict=True):
        op.require(min(step, gap) >= 1, f"stride and dilation must be at least 1, not {stride}, {dilation}")
        total = max((-(-extent // step) - 1) * step + (taps - 1) * gap + 1 - extent, 0)
        pads.append((total // 2, total - total // 2))
    return pads[0], pads[1]
