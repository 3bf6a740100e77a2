"""SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION: rows over the last axis.

Rules (S), cited by the lowerings
---------------------------------
S1. SOFTMAX of int8 and uint8 to the same type or to int16: gemmlowp's fixed point; what the output's
    scale and zero point say is not looked at, but int8 to int8 must have about 1/256 and -128. The option
    beta times the scale is formed in float64.
S2. SOFTMAX of int16: two tables filled in float64, the scale times beta formed in float32; in TensorFlow
    Lite Micro, which has no uint8, the other way round. Zero points 0, the output's scale about 1/32768.
S3. LOG_SOFTMAX of int8 and uint8: scale 1/16, the largest code as zero point.
S4. L2_NORMALIZATION of int8 and uint8: scale 1/128, the middle code as zero point.
S5. XNNPACK takes none of them. The optimized SOFTMAX of 8-bit codes is a float32 table, sum and reciprocal;
    its LOG_SOFTMAX takes a float32 logarithm of a sum, which differs between C libraries: refused.

References
----------
LiteRT 2.3.0: tflite/kernels/activations.cc (SoftmaxPrepare, LogSoftmaxPrepare), l2norm.cc,
internal/quantization_util.cc (PreprocessSoftmaxScaling, PreprocessLogSoftmaxScalingExp,
CalculateInputRadius), internal/optimized/optimized_ops.h (PopulateSoftmaxLookupTable).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from intsim_converters.tflite import float_tables
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.scales import ratio_below_one
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import FixedPointSoftmax, FloatSoftmax, Requantization, TableSoftmax
from intsim.arithmetic.dialects import quantize_multiplier
from intsim.formats import IntFormat
from intsim.ops import L2Normalization, LogSoftmax, Softmax

_INT32 = IntFormat(32)
_EIGHT = ("int8", "uint8")


@lowers("SOFTMAX", options="SoftmaxOptions")
def lower_softmax(op: Lowering) -> None:
    x, y = op.input(0), op.output(0)
    op.require(x.rank >= 1, "input must have an axis")
    pairs = {"int8": ("int8", "int16"), "uint8": ("uint8", "int16"), "int16": ("int16",)}
    if op.dialect == "tflm":
        del pairs["uint8"]
    op.require(
        y.dtype in pairs.get(x.dtype, ()),
        f"must be {', '.join(f'{a} to {b}' for a, both in pairs.items() for b in both)},"
        f" not {x.dtype} to {y.dtype}. [S1]",
    )
    op.require(x.scale > 0 and op.options.beta > 0, "input's scale and beta must be positive")
    _check_output(op, x, y)
    op.emit(Softmax(_recipe(op, x, y), y.format), op.value(0))


def _check_output(op: Lowering, x: TensorView, y: TensorView) -> None:
    """Rules S1 and S2."""
    if x.dtype != y.dtype or x.dtype == "uint8":
        return
    wanted, zero = (2.0**-15, 0) if x.dtype == "int16" else (2.0**-8, -128)
    op.require(
        abs(float(y.scale) - wanted) <= 0.001 * wanted and y.zero_point == zero,
        f"output must have scale {wanted} and zero point {zero}, not {float(y.scale):.9g} and {y.zero_point}."
        " [S1]",
    )
    if x.dtype == "int16":
        op.require(x.zero_point == 0, f"zero points of int16 must be 0, not {x.zero_point}. [S2]")


def _recipe(op: Lowering, x: TensorView, y: TensorView) -> Any:
    beta = np.float32(op.options.beta)
    if x.dtype == "int16":
        kind = np.float64 if op.dialect == "tflm" else np.float32
        with np.errstate(over="ignore", under="ignore"):
            ratio = np.float64(kind(x.scale) * kind(beta)) / (10.0 / 65535.0)
        op.require(
            ratio < 2.0**14, "input's scale must be below 2: beyond, the runtime's result is undefined"
        )
        rescale = Requantization(op.fixed_point.steps(np.array([ratio])), _INT32)
        return TableSoftmax(rescale, *_tables(op))
    if op.dialect == "xnnpack":
        steps = np.arange(255, -1, -1).astype(np.float32)
        with np.errstate(under="ignore"):
            table = float_tables.exp(np.float32(-x.scale * beta) * steps)
        return FloatSoftmax(table, y.scale, y.zero_point)
    return FixedPointSoftmax(*_exponent(op, float(beta) * float(x.scale)))


def _exponent(op: Lowering, scale: float) -> tuple[Requantization, int]:
    """Differences of codes to Q5.26, and the least that stays inside; a large scale is capped."""
    single = op.dialect == "single-rounding"
    most = 2.0**30 - 1 if single else 2.0**31 - 1
    ratio = min(scale * 2.0**26, most)
    op.require(ratio > 1, f"input's scale must be above 2**-26, not {scale:.9g}: the runtime stops there")
    _, shift = quantize_multiplier(ratio, single)
    steps = op.fixed_point.steps(np.array([ratio]))
    return Requantization(steps, _INT32), -math.floor(31 * 2.0**26 / 2.0**shift)


def _tables(op: Lowering) -> tuple[Any, Any]:
    """Rule S2: exp on [-10, 0] and 1 / (1 + x) on [0, 1], int16 by 2**15."""
    if op.dialect == "tflm":
        zero, one = np.float32(0), np.float32(1)
        ends = ((float_tables.exp, (-10 * one, zero)), (float_tables.inverse, (zero, one)))
        exponential, reciprocal = (float_tables.table_between(f, reach, (-one, one)) for f, reach in ends)
        return exponential, reciprocal
    unit, double = 1.0 / 65535.0, np.float64
    exponential = float_tables.interpolated_table(
        float_tables.exp_double, (10.0 / 65535.0, 32767), (2.0 / 65535.0, 0), double
    )
    reciprocal = float_tables.interpolated_table(
        float_tables.inverse, (unit, -32768), (2.0 / 65535.0, 0), double
    )
    return exponential, reciprocal


@lowers("LOG_SOFTMAX")
def lower_log_softmax(op: Lowering) -> None:
    """Rules S3 and S5."""
    x, y = _same(op, "S3")
    op.require(
        op.dialect != "xnnpack", "must be of another dialect: the optimized kernel takes a float log. [S5]"
    )
    _demand(op, y, 16 / 256, y.format.max, "S3")
    rescale, least = _exponent(op, float(x.scale))
    multiplier, shift = quantize_multiplier(
        min(float(x.scale) * 2.0**26, 2.0**31 - 1), op.dialect == "single-rounding"
    )
    reverse = ratio_below_one(op, math.ldexp(1.0, 31 - shift) / multiplier)
    back = Requantization(op.fixed_point.steps(reverse), _INT32)
    op.emit(LogSoftmax(rescale, back, least, y.format), op.value(0))


@lowers("L2_NORMALIZATION", options="L2NormOptions")
def lower_l2_normalization(op: Lowering) -> None:
    """Rule S4."""
    x, y = _same(op, "S4")
    activation = op.options.fused_activation_function
    op.require(activation == "NONE", f"fused activation must be NONE, not {activation}. [S4]")
    _demand(op, y, 1 / 128, 128 if y.dtype == "uint8" else 0, "S4")
    node = L2Normalization(
        input_zero_point=x.zero_point,
        output_zero_point=y.zero_point,
        format=y.format,
        scaled_first=y.dtype == "uint8",
        single_rounding=op.dialect == "single-rounding",
    )
    op.emit(node, op.value(0))


def _same(op: Lowering, label: str) -> tuple[TensorView, TensorView]:
    x, y = op.input(0), op.output(0)
    types = ("int8",) if op.dialect == "tflm" else _EIGHT
    op.require(
        x.dtype == y.dtype and x.dtype in types,
        f"input and output must both be one of {', '.join(types)}, not {x.dtype} and {y.dtype}. [{label}]",
    )
    op.require(x.rank >= 1 and x.scale > 0, f"input must have an axis and a positive scale. [{label}]")
    return x, y


def _demand(op: Lowering, y: TensorView, scale: float, zero_point: int, label: str) -> None:
    op.require(
        float(y.scale) == scale and y.zero_point == zero_point,
        f"output must have scale {scale} and zero point {zero_point},"
        f" not {float(y.scale):.9g} and {y.zero_point}. [{label}]",
    )
