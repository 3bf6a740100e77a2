"""TRANSPOSE_CONV: a sum of products like CONV_2D's, its output's size given as an operand.

The sums meet the arithmetic of CONV_2D's (`contraction_dialects`). With the default resolver XNNPACK takes
int8 and uint8 where their padding is VALID, or the kernel is at least as large as the stride; the bias, if
any, must be quantized. What it leaves, and 32-bit sums of int16, is refused there: the optimized kernel
rounds some elements one way and some the other, by their place in memory.

Sources: LiteRT tflite/kernels/transpose_conv.cc, internal/reference/transpose_conv.h,
internal/reference/integer_ops/transpose_conv.h; tflite/delegates/xnnpack/xnnpack_delegate.cc.
"""

from __future__ import annotations

from dataclasses import replace

from intsim_converters.tflite.contraction import (
    Contraction,
    Pair,
    read_contraction,
    requantization,
    scale_ratio,
    sum_quantization,
    window_padding,
)
from intsim_converters.tflite.contraction_dialects import window_dialect
from intsim_converters.tflite.kernels import require_kernel, xnnpack_reads
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.model import ABSENT
from intsim_converters.tflite.tensors import FORMATS

from intsim.arithmetic import Accumulator
from intsim.arithmetic.dialects import DIALECTS, Dialect
from intsim.formats import IntFormat
from intsim.ops import Requantize, TransposeConv2d


@lowers("TRANSPOSE_CONV", options="TransposeConvOptions")
def lower_transpose_conv(op: Lowering) -> None:
    """Operands: the output's shape, weights (K, KH, KW, C), input, optional bias."""
    size, y = op.ints(0), op.output(0)
    parts = _parts(op)
    x, w = parts.x, parts.w
    op.require(x.rank == 4 and x.batched, f"input must have shape (batch {op.batch}, H, W, C), not {x.shape}")
    op.require(
        w.rank == 4 and w.shape[3] == x.shape[3], f"weights must have depth {x.shape[3]}, not {w.shape}"
    )
    wanted = (x.shape[0], *size[1:3], w.shape[0])
    op.require(size == y.shape == wanted, f"output must have shape {wanted}, not {size} and {y.shape}")
    stride = (op.options.stride_h, op.options.stride_w)
    _check_size(op, stride)
    padding = window_padding(op, (size[1], size[2]), (w.shape[1], w.shape[2]), stride, (1, 1))
    convolution = TransposeConv2d(
        weight=w.data,
        output_size=(size[1], size[2]),
        weight_format=FORMATS[w.dtype],
        bias=parts.bias,
        input_zero_point=x.zero_point,
        weight_zero_point=parts.weight_zero_point,
        stride=stride,
        offset=(padding[0][0], padding[1][0]),
        accumulator=parts.accumulator,
    )
    stands_for = sum_quantization(parts, axis=2)
    sums = op.step(convolution, op.value(2), name="accumulator", quantization=stands_for)
    dialect = _dialect(op, parts, stride)
    ratio = scale_ratio(op, parts, dialect, product=x.dtype == "uint8")
    op.emit(Requantize(requantization(op, parts, dialect, ratio)), sums)


def _check_size(op: Lowering, stride: Pair) -> None:
    """The convolution of the output's size must have the input's, as the runtime asks."""
    x, w, y = op.input(2), op.input(1), op.output(0)
    op.require(min(stride) >= 1, f"stride must be at least 1, not {stride}")
    for axis in (1, 2):
        room = y.shape[axis] if op.options.padding == "SAME" else y.shape[axis] - w.shape[axis] + 1
        rows = -(-room // stride[axis - 1])
        op.require(rows == x.shape[axis], f"output of shape {y.shape} must belong to an input of {x.shape}")


def _dialect(op: Lowering, parts: Contraction, stride: Pair) -> Dialect:
    if op.dialect != "xnnpack" or parts.wide:
        return window_dialect(op, parts)
    scales = op.input(3).tensor.scales if op.has(3) else None
    kernel = parts.w.shape[1:3]
    op.require(
        xnnpack_reads(parts.x, parts.y)
        and (parts.w.dtype == "int8" or xnnpack_reads(parts.w))
        and (not op.has(3) or (scales is not None and scales.scale.size > 0))
        and (op.options.padding == "VALID" or (kernel[0] >= stride[0] and kernel[1] >= stride[1])),
        "XNNPACK does not take it, and the optimized kernel's rounding depends on where an element lies in"
        " memory; use another dialect",
    )
    return DIALECTS["f32-rne-zp-after"]


def _parts(op: Lowering) -> Contraction:
    """The operands, checked as those of CONV_2D are."""
    require_kernel(op, op.input(2), ("int8", "uint8", "int16"), micro=("int8", "int16"))
    bias = op.operator.inputs[3] if op.has(3) else ABSENT
    inputs = (op.operator.inputs[2], op.operator.inputs[1], bias)
    parts = read_contraction(
        Lowering(op.target, replace(op.operator, inputs=inputs), op.dialect), channel_axis=0
    )
    op.require(parts.w.dtype in ("int8", "uint8"), f"weights must be int8 or uint8, not {parts.w.dtype}")
    if parts.x.dtype != "uint8":
        op.require(parts.weight_zero_point == 0, "weights must have zero point 0")
    if op.dialect == "tflm" and parts.x.dtype == "int16":
        narrow = op.has(3) and op.input(3).dtype != "int64"
        op.require(not narrow, "bias of int16 must be int64; TensorFlow Lite Micro reads any as that")
        parts = replace(parts, accumulator=Accumulator(IntFormat(64)))
    return parts
