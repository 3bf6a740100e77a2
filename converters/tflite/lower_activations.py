"""RELU and its kin, LEAKY_RELU, PRELU, HARD_SWISH, ABS and NEG: branches and limits on rescaled codes.

Rules (A), cited by the lowerings
---------------------------------
A1. Input and output have one element type; int16 has zero points 0.
A2. RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1: the code less its zero point times the ratio of scales; then the
    output's zero point and the limits, each zero_point + round(limit / scale) in float32, half away. In
    TensorFlow Lite Micro RELU6 only limits the codes, by the input's scale, whatever the output's is.
A3. LEAKY_RELU: two ratios, for values from 0 up and below. A negative one multiplies by its magnitude and
    negates. Where XNNPACK takes it, by rule X3 of `xnnpack`; the optimized kernel of int16 rounds a
    negative ratio's product otherwise: refused.
A4. PRELU of int8 and uint8: below 0, the value is multiplied by the slope less its zero point first.
A5. HARD_SWISH of int8 and uint8: by the op's fixed-point pipeline. The ratios are formed in float32; one
    above 1 to the output stops the runtime.
A6. ABS of int8 and int16 as A2, of the magnitude. NEG of int8 and int16 negates the code as it is,
    whatever its scale and zero point say, and wraps.
A7. Ratios of scales are formed in float32, in TensorFlow Lite Micro in float64 but for A5. TensorFlow Lite
    Micro has no uint8, and none of the operators that `not_micro` refuses.

References
----------
LiteRT 2.3.0: tflite/kernels/{activations,elementwise,neg}.cc, internal/reference/{leaky_relu,prelu,
hard_swish}.h; TensorFlow Lite Micro: micro/kernels/{activations,leaky_relu,prelu,hard_swish}_common.cc.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.tflite import xnnpack
from intsim_converters.tflite.kernels import xnnpack_reads
from intsim_converters.tflite.limits import real_limits
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.scales import finite_ratio, widest
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Add, Multiply, Overflow, Requantization
from intsim.arithmetic.dialects import quantize_multiplier
from intsim.ops import Clamp, HardSwish, LeakyRelu, Prelu, Requantize

_EIGHT = ("int8", "uint8")
_LIMITS = {"RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1), "RELU_0_TO_1": (0, 1)}


def not_micro(op: Lowering, condition: bool = True) -> None:
    """Refuse an operator on codes that TensorFlow Lite Micro does not have."""
    op.require(
        op.dialect != "tflm" or not condition,
        "must be left to another dialect: TensorFlow Lite Micro has none",
    )


def unary(op: Lowering, types: tuple[str, ...]) -> tuple[TensorView, TensorView]:
    """Input and output, checked by rule A1."""
    x, y = op.input(0), op.output(0)
    types = tuple(dtype for dtype in types if op.dialect != "tflm" or dtype != "uint8")
    op.require(
        x.dtype == y.dtype and x.dtype in types,
        f"input and output must both be one of {', '.join(types)}, not {x.dtype} and {y.dtype}. [A1]",
    )
    op.require(x.scale > 0 and y.scale > 0, "scales must be positive")
    if x.dtype == "int16":
        points = (x.zero_point, y.zero_point)
        op.require(points == (0, 0), f"zero points of int16 must be 0, not {points}. [A1]")
    return x, y


def _quotient(op: Lowering, *scales: Any) -> Any:
    """The first scales' product over the last one, in the kernel's own floats (rule A7)."""
    kind = np.float64 if op.dialect == "tflm" else np.float32
    *factors, divisor = (kind(scale) for scale in scales)
    with np.errstate(over="ignore", under="ignore"):
        product = factors[0]
        for factor in factors[1:]:
            product = product * factor
        return product / divisor


@lowers("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
def lower_relu(op: Lowering) -> None:
    """Rule A2."""
    wide = op.name in ("RELU", "RELU6")
    not_micro(op, op.name.startswith("RELU_"))
    x, y = unary(op, (*_EIGHT, "int16") if wide else _EIGHT)
    if op.dialect == "tflm" and op.name == "RELU6":
        op.emit(Clamp(*real_limits(op, x, 0, 6)), op.value(0))
        return
    lo, hi = real_limits(op, y, *_LIMITS[op.name])
    ratio = finite_ratio(op, _quotient(op, x.scale, y.scale), widest(x))
    rule = op.fixed_point.requantization(ratio, zero_point=y.zero_point, lo=lo, hi=hi, format=y.format)
    op.emit(Requantize(_centred(x, rule)), op.value(0))


def _centred(x: TensorView, rule: Requantization) -> Requantization:
    """A rule for codes, from one for codes less their zero point."""
    if x.zero_point == 0:
        return rule
    return rule.replace(steps=(Add(values=-x.zero_point), *rule.steps))


@lowers("LEAKY_RELU", options="LeakyReluOptions")
def lower_leaky_relu(op: Lowering) -> None:
    """Rule A3."""
    x, y = unary(op, (*_EIGHT, "int16"))
    slope = _quotient(op, x.scale, np.float32(op.options.alpha), y.scale)
    ratio = _quotient(op, x.scale, y.scale)
    if op.dialect == "xnnpack" and xnnpack_reads(x, y):
        positive, negative = xnnpack.leaky_relu(op, ratio, x, y)
    else:
        op.require(
            op.dialect != "xnnpack" or x.dtype != "int16" or op.options.alpha >= 0,
            f"alpha of int16 must not be negative, as the optimized kernel rounds otherwise, not"
            f" {op.options.alpha:.9g}; use another dialect. [A3]",
        )
        positive, negative = (_scaled(op, factor, y, widest(x)) for factor in (ratio, slope))
    op.emit(LeakyRelu(positive, negative, x.zero_point), op.value(0))


def _scaled(op: Lowering, ratio: Any, y: TensorView, most: int) -> Requantization:
    """A value of at most this magnitude to the output; a negative ratio negates last."""
    factor = finite_ratio(op, ratio, most)
    rule = op.fixed_point.requantization(np.abs(factor), zero_point=y.zero_point, format=y.format)
    if factor[0] >= 0:
        return rule
    steps = op.fixed_point.steps(np.abs(factor))
    return rule.replace(steps=(*steps, Multiply(multipliers=-1), *rule.steps[len(steps) :]))


@lowers("ABS")
def lower_abs(op: Lowering) -> None:
    """Rule A6."""
    x, y = unary(op, ("int8", "int16"))
    positive = _scaled(op, _quotient(op, x.scale, y.scale), y, widest(x))
    negative = positive.replace(steps=(Multiply(multipliers=-1), *positive.steps))
    op.emit(LeakyRelu(positive, negative, x.zero_point), op.value(0))


@lowers("NEG")
def lower_neg(op: Lowering) -> None:
    """Rule A6."""
    not_micro(op)
    x, y = op.input(0), op.output(0)
    types = ("int8", "int16", "int32", "int64")
    op.require(
        x.dtype == y.dtype and x.dtype in types,
        f"input and output must both be one of {', '.join(types)}, not {x.dtype} and {y.dtype}. [A6]",
    )
    rule = Requantization((Multiply(multipliers=-1),), y.format, Overflow.WRAP)
    op.emit(Requantize(rule), op.value(0))


@lowers("PRELU")
def lower_prelu(op: Lowering) -> None:
    """Rule A4."""
    x, y = unary(op, _EIGHT)
    slope = op.input(1)
    op.require(slope.dtype == x.dtype, f"slopes must be {x.dtype} as the input is, not {slope.dtype}. [A4]")
    up = _quotient(op, x.scale, y.scale)
    down = _quotient(op, x.scale, slope.scale, y.scale)
    node = Prelu(
        slope=slope.data.reshape(slope.sample_shape),
        positive=_scaled(op, up, y, widest(x)),
        negative=_scaled(op, down, y, widest(x) * widest(slope)),
        slope_format=slope.format,
        slope_zero_point=slope.zero_point,
        input_zero_point=x.zero_point,
    )
    op.emit(node, op.value(0))


@lowers("HARD_SWISH")
def lower_hard_swish(op: Lowering) -> None:
    """Rule A5."""
    x, y = unary(op, _EIGHT)
    fine = np.float32(np.float32(1 / 128) * x.scale)
    output, shift = quantize_multiplier(float(np.float32(fine / y.scale)))
    op.require(
        -15 <= shift <= 0,
        f"ratio of scales must be from 2**-9 to 2**7, not {float(x.scale / y.scale):.9g}:"
        " beyond, the runtime stops or its result is undefined. [A5]",
    )
    relu, relu_shift = quantize_multiplier(float(np.float32(fine / (np.float32(3) / np.float32(32768)))))
    op.require(
        -15 <= relu_shift <= 30,
        f"input's scale must be in reach of 16-bit fixed point, not {float(x.scale):.9g}:"
        " beyond, the runtime's result is undefined. [A5]",
    )
    node = HardSwish(
        output_multiplier=_sixteen_bits(output),
        output_shift=-shift,
        relu_multiplier=_sixteen_bits(relu),
        relu_shift=relu_shift,
        input_zero_point=x.zero_point,
        output_zero_point=y.zero_point,
        format=y.format,
    )
    op.emit(node, op.value(0))


def _sixteen_bits(multiplier: int) -> int:
    """A 31-bit multiplier in 15 bits, ties up (DownScaleInt32ToInt16Multiplier)."""
    return min((multiplier + (1 << 15)) >> 16, 32767)
