"""XNNPACK's arithmetic of elementwise operators on 8-bit codes, as LiteRT's delegate calls it on x86.

Rules (X), measured on LiteRT 2.3.0 with its default resolver
-------------------------------------------------------------
X1. ADD and SUB: each operand's ratio to the output's scale, in float32, becomes an integer of at most 21
    bits by 2**shift, shift = 20 - the exponent of the larger ratio; operands less their zero points times
    these, added in 32 bits, shifted right by `shift`, ties up; then the zero point and the limits.
X2. MUL: the product times a float32 ratio, half to even; then the zero point and the limits.
X3. LEAKY_RELU and QUANTIZE of codes: ratios as integers by 2**8, one right shift by 8, ties up.
X4. Ratios outside what XNNPACK's kernels are made for are refused.
X5. QUANTIZE from one 8-bit type to another is left to the optimized kernel, which rounds by place; with
    equal scales nothing is rounded. What XNNPACK does not read, for its axes, goes the same way.

References
----------
XNNPACK, src/microparams-init.c (qs8_add_minmax, qs8_mul_minmax, qs8_cvt, qs8_lrelu).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from intsim_converters.tflite.kernels import LEFT, xnnpack_reads
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Multiply,
    Overflow,
    Register,
    Requantization,
    Rounding,
    Scale,
    ShiftRight,
)
from intsim.arithmetic.dialects import Dialect, ratio_float32
from intsim.formats import IntFormat
from intsim.ops import Requantize

Array = np.ndarray[Any, Any]
_INT32 = IntFormat(32)


def _float32_half_even(ratios: Array) -> tuple[AnyStep, ...]:
    return (Scale(factors=ratios.astype(np.float32), rounding=Rounding.HALF_EVEN),)


MULTIPLY = Dialect(
    "f32-rne-zp-after",
    "one float32 product, half to even, then the zero point",
    "XNNPACK src/qs8-vmul, fp32",
    _float32_half_even,
    ratio_float32,
)


def lower_sum(
    op: Lowering, kind: Any, a: TensorView, b: TensorView, y: TensorView, limits: tuple[int, int]
) -> None:
    """Rule X1."""
    op.require(y.scale > 0, "output's scale must be positive")
    with np.errstate(over="ignore", under="ignore"):
        ratios = [np.float32(view.scale / y.scale) for view in (a, b)]
    for ratio in ratios:
        op.require(
            2.0**-10 <= ratio < 2.0**8,
            f"ratios of scales must be from 2**-10 to below 2**8 for XNNPACK, not {ratio:.9g}. [X4]",
        )
    shift = 20 - (math.frexp(float(max(ratios)))[1] - 1)
    names = []
    for i, (view, ratio, name) in enumerate(zip((a, b), ratios, op.operands(), strict=True)):
        multiplier = round(float(ratio) * 2.0**shift)
        steps = (Add(values=-view.zero_point), Multiply(multipliers=multiplier))
        names.append(op.step(Requantize(Requantization(steps, _INT32)), name, name=("lhs", "rhs")[i]))
    result = op.step(kind(register=Register(_INT32, Overflow.WRAP)), *names, name="accumulator")
    op.emit(Requantize(_shifted(shift, y, limits)), result)


def _shifted(shift: int, y: TensorView, limits: tuple[int, int]) -> Requantization:
    return Requantization(
        (
            ShiftRight(bits=shift, rounding=Rounding.HALF_UP),
            Add(values=y.zero_point),
            Clamp(lo=limits[0], hi=limits[1]),
        ),
        y.format,
    )


def check_product(op: Lowering, ratio: float) -> None:
    """What XNNPACK's MUL takes."""
    op.require(
        2.0**-16 <= ratio < 2.0**8,
        f"ratio of scales must be from 2**-16 to below 2**8 for XNNPACK, not {ratio:.9g}. [X4]",
    )


def eighth_bits(op: Lowering, ratio: np.float32, y: TensorView) -> Requantization:
    """Rule X3, of a value less its zero point."""
    scaled = np.rint(np.float32(256) * ratio)
    op.require(
        abs(ratio) >= 2.0**-8 and abs(scaled) < 2**15,
        f"ratio of scales must be from 2**-8 to below 2**7 for XNNPACK, not {float(ratio):.9g}. [X4]",
    )
    steps = (
        Multiply(multipliers=int(scaled)),
        ShiftRight(bits=8, rounding=Rounding.HALF_UP),
        Add(values=y.zero_point),
        Clamp(lo=y.format.min, hi=y.format.max),
    )
    return Requantization(steps, y.format)


def leaky_relu(
    op: Lowering, ratio: np.float32, x: TensorView, y: TensorView
) -> tuple[Requantization, Requantization]:
    """Rule X3, for values from 0 up and below."""
    with np.errstate(over="ignore", under="ignore"):
        slope = np.float32(ratio * np.float32(op.options.alpha))
    return eighth_bits(op, ratio, y), eighth_bits(op, slope, y)


def requantize(op: Lowering, x: TensorView, y: TensorView) -> Requantization:
    """Rule X3, of a code less its zero point; X5."""
    if x.dtype != y.dtype and x.scale == y.scale:
        steps = (Add(values=y.zero_point), Clamp(lo=y.format.min, hi=y.format.max))
        return Requantization(steps, y.format)
    op.require(
        x.dtype == y.dtype,
        f"{x.dtype} to {y.dtype} of another scale must be left to another dialect: the optimized kernel's"
        " rounding depends on where an element lies in memory. [X5]",
    )
    op.require(xnnpack_reads(x, y), f"{LEFT}. [X5]")
    with np.errstate(over="ignore", under="ignore"):
        ratio = np.float32(x.scale / y.scale)
    return eighth_bits(op, ratio, y)
