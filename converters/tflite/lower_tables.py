"""LOGISTIC, TANH, ELU, EXP, GELU, LOG, SQRT and RSQRT: functions of one code, as tables.

Rules (T), cited by the lowerings
---------------------------------
T1. Input and output have one element type. 8-bit codes: one entry each, filled in float32 (`float_tables`),
    for RSQRT in fixed point. int16: 513 entries, with a line between two of them.
T2. LOGISTIC gives codes of 1/256 (int16: 1/32768, zero point 0). LOGISTIC and TANH of int16 use a table of
    the logistic function with 256 entries, their own lines between them, and take zero points 0.
T3. SQRT is float32 throughout, cut toward zero. SQRT and RSQRT stop at a code below the zero point; so
    does the network, by a register that traps.
T4. TensorFlow Lite Micro computes LOGISTIC and TANH of int8 in fixed point: outside a radius they are the
    extremes. It computes RSQRT of int16 as that of int8, and has no EXP, GELU, LOG and SQRT of codes.
T5. XNNPACK takes LOGISTIC, TANH and ELU of 8-bit codes: the zero point is added before rounding, half to
    even; its logistic is computed in float64. LOGISTIC and TANH of int16 are left to T2, but for the scales
    that are powers of two and multiplied exactly, where the optimized kernel has its own way: refused.

References
----------
LiteRT 2.3.0: tflite/kernels/{activations,elementwise,exp}.cc; TensorFlow Lite Micro:
micro/kernels/{logistic,tanh}_common.cc, internal/reference/integer_ops/{logistic,tanh}.h.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from intsim_converters.tflite import float_tables as real
from intsim_converters.tflite import integer_tables
from intsim_converters.tflite.kernels import xnnpack_reads
from intsim_converters.tflite.libm import Array
from intsim_converters.tflite.lower_activations import not_micro
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.scales import finite_ratio, log2_scale
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Add, Overflow, Requantization
from intsim.formats import IntFormat
from intsim.ops import Lookup, Requantize

_EIGHT = ("int8", "uint8")
_INT16 = IntFormat(16)
_STEPS = 7  # low bits of an int16 code that interpolate


def _types(op: Lowering, *types: str, centred: bool = True) -> tuple[TensorView, TensorView]:
    """Rule T1; int16 has zero points 0 where `centred`."""
    x, y = op.input(0), op.output(0)
    op.require(
        x.dtype == y.dtype and x.dtype in types,
        f"input and output must both be one of {', '.join(types)}, not {x.dtype} and {y.dtype}. [T1]",
    )
    op.require(x.scale > 0 and y.scale > 0, "scales must be positive")
    if x.dtype == "int16" and centred:
        points = (x.zero_point, y.zero_point)
        op.require(points == (0, 0), f"zero points of int16 must be 0, not {points}. [T2]")
    return x, y


def _emit_function(op: Lowering, x: TensorView, y: TensorView, function: real.Function) -> None:
    """Rule T1: the table that LiteRT fills."""
    try:
        if x.dtype == "int16":
            meanings = [(view.scale, view.zero_point) for view in (x, y)]
            entries = real.interpolated_table(function, *meanings)
            op.emit(Lookup(entries, x.format, y.format, _STEPS), op.value(0))
            return
        taken = op.name in ("LOGISTIC", "TANH", "ELU") and _xnnpack_takes(op, x, y)
        entries = real.direct_table(function, x, y, sum_half_even=taken)
    except real.OutOfReach as error:
        op.refuse(f"{error}. [T1]")
    op.emit(Lookup(entries, x.format, y.format), op.value(0))


@lowers("LOGISTIC")
def lower_logistic(op: Lowering) -> None:
    x, y = _types(op, *_EIGHT, "int16")
    wanted = 1 / 32768 if x.dtype == "int16" else 1 / 256
    op.require(float(y.scale) == wanted, f"output's scale must be {wanted}, not {float(y.scale):.9g}. [T2]")
    if x.dtype == "int16":
        _emit_sixteen(op, x, y, integer_tables.logistic16, shifts=(0,))
    elif op.dialect == "tflm":
        op.require(y.zero_point == -128, f"output's zero point must be -128, not {y.zero_point}. [T4]")
        _emit_micro(op, x, y, integer_tables.logistic8)
    else:
        _emit_function(op, x, y, real.logistic_double if _xnnpack_takes(op, x, y) else real.logistic)


def _xnnpack_takes(op: Lowering, x: TensorView, y: TensorView) -> bool:
    """Rule T5, of the operators that it names."""
    return op.dialect == "xnnpack" and xnnpack_reads(x, y)


@lowers("TANH")
def lower_tanh(op: Lowering) -> None:
    x, y = _types(op, *_EIGHT, "int16")
    if x.dtype == "int16":
        power = log2_scale(y.scale)
        op.require(power == -15, f"output's scale must be 2**-15, not {float(y.scale):.9g}. [T2]")
        _emit_sixteen(op, x, y, integer_tables.tanh16, shifts=(0, 1))
    elif op.dialect == "tflm":
        _emit_micro(op, x, y, integer_tables.tanh8)
    else:
        _emit_function(op, x, y, real.tanh)


def _emit_sixteen(
    op: Lowering,
    x: TensorView,
    y: TensorView,
    function: Callable[[Array, int, int], Array],
    shifts: tuple[int, ...],
) -> None:
    """Rule T2: one entry for each of 65536 codes. Scales 2**(shift - 12) are multiplied exactly."""
    power = log2_scale(x.scale)
    exact = power is not None and power + 12 in shifts
    op.require(
        not (exact and op.dialect == "xnnpack"),
        "input's scale must not be a power of two that the optimized kernel treats by itself. [T5]",
    )
    multiplier, shift = (3 << (power + 12), 0) if exact and power is not None else _table_steps(op, x)
    op.emit(Lookup(function(np.arange(-32768, 32768), multiplier, shift), x.format, y.format), op.value(0))


def _table_steps(op: Lowering, x: TensorView) -> tuple[int, int]:
    """From the input's scale to steps of 1 / (3 * 4096): a multiplier, and a shift to the right."""
    factor, shift = float(x.scale) * 4096.0 * 3.0, 0
    while factor <= 32767.0 / 2.0 and shift <= 30:
        factor, shift = factor * 2.0, shift + 1
    op.require(
        factor < 65535, f"input's scale must be below 5.3, not {x.scale}: the runtime's result is undefined"
    )
    return int(factor), shift


def _emit_micro(
    op: Lowering, x: TensorView, y: TensorView, function: Callable[[Array, float, Lowering], Array]
) -> None:
    """Rule T4."""
    op.require(x.dtype == "int8", f"input must be int8, not {x.dtype}. [T4]")
    values = np.arange(-128, 128) - x.zero_point
    op.emit(Lookup(function(values, float(x.scale), op), x.format, y.format), op.value(0))


@lowers("ELU")
def lower_elu(op: Lowering) -> None:
    _emit_function(op, *_types(op, "int8"), real.elu)


@lowers("EXP")
def lower_exp(op: Lowering) -> None:
    not_micro(op)
    _emit_function(op, *_types(op, "int8", "int16"), real.exp)


@lowers("GELU", options="GeluOptions")
def lower_gelu(op: Lowering) -> None:
    not_micro(op)
    x, y = _types(op, *_EIGHT, "int16", centred=False)
    _emit_function(op, x, y, real.gelu_approximate if op.options.approximate else real.gelu)


@lowers("LOG")
def lower_log(op: Lowering) -> None:
    not_micro(op)
    x, y = _types(op, "int8", "int16")
    lowest = np.float32(y.format.min - y.zero_point) * y.scale
    _emit_function(op, x, y, real.log_from(lowest))


@lowers("SQRT")
def lower_sqrt(op: Lowering) -> None:
    """Rule T3."""
    not_micro(op)
    x, y = _types(op, "int8", "int16")
    values = np.arange(1 << (x.format.bits - (x.dtype == "int16")))
    with np.errstate(over="ignore"):
        quotient = np.sqrt(x.scale * values.astype(np.float32)) / y.scale
    good = bool((quotient < 2.0**31).all())
    op.require(good, "scales must keep the root within int32: beyond, the runtime's result is undefined")
    codes = np.clip(quotient.astype(np.int64) + y.zero_point, y.format.min, y.format.max)
    op.emit(Lookup(codes, _above(x), y.format), _from_zero(op, x))


@lowers("RSQRT")
def lower_rsqrt(op: Lowering) -> None:
    """Rules T1 and T3."""
    x, y = _types(op, "int8", "int16")
    micro = op.dialect == "tflm"
    if micro or x.dtype == "int8":
        kind = np.float64 if micro else np.float32
        with np.errstate(all="ignore"):
            ratio = 1.0 / float(np.sqrt(kind(x.scale)) * kind(y.scale))
        finite_ratio(op, ratio, 1)
        op.require(ratio >= 2.0**-11, "scales must be smaller: the runtime's result is undefined")
        entries = integer_tables.rsqrt(ratio, _above(x).max, y, op.dialect == "single-rounding")
        op.emit(Lookup(entries, _above(x), y.format), _from_zero(op, x))
        return
    highest = np.float32(32767) * y.scale
    try:
        entries = real.interpolated_table(real.rsqrt_to(highest), (x.scale, 0), (y.scale, 0))
    except real.OutOfReach as error:
        op.refuse(f"{error}. [T1]")
    op.emit(Lookup(entries[256:], _above(x), y.format, _STEPS), _from_zero(op, x))


def _above(x: TensorView) -> IntFormat:
    """The format of codes less a zero point below which none may be."""
    return IntFormat(8 if x.dtype == "int8" else 15, signed=False)


def _from_zero(op: Lowering, x: TensorView) -> str:
    """Codes less their zero point; a negative one traps."""
    steps = (Add(values=-x.zero_point),) if x.zero_point else ()
    rule = Requantization(steps, _above(x), Overflow.TRAP)
    return op.step(Requantize(rule), op.value(0), name="centred")
