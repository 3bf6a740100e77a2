"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM and MINIMUM: two tensors, element by element.

Rules (E), cited by the lowerings
---------------------------------
E1. Both inputs and the output have one element type.
E2. ADD and SUB of int8, uint8 and int16, and SQUARED_DIFFERENCE of int8 (in TensorFlow Lite Micro of int16
    too): each operand, less its zero point, is shifted left by 20 (int16: 15; SQUARED_DIFFERENCE: 7, int16:
    0) and brought to twice the larger scale; the result is brought from there to the output's. All ratios
    are below 1, or the runtime stops.
E3. MUL multiplies the operands less their zero points in 32 bits. The ratio is formed in float32, in
    TensorFlow Lite Micro in float64.
E4. int16 has zero points 0. With the option pot_scale_int16 and scales that are powers of two, ADD and SUB
    instead shift one operand right, half away, and add in 16 bits, saturated. There ADD stops the runtime
    where an operand is broadcast.
E5. int32 and int64 without scales are computed modulo 2**bits and then limited by the activation.
E6. MAXIMUM and MINIMUM compare codes, whatever they stand for.
E7. XNNPACK takes int8 and uint8 ADD, SUB and MUL of at most 6 axes whose scales are written along axis 0:
    see `xnnpack`; the fused activation by rule L2 of `limits`. What it leaves of ADD and SUB goes by
    E2; of MUL it is refused, as the optimized kernel's rounding depends on where an element lies.
E8. The optimized ADD of int16 tensors of one shape takes 16 elements at a time, and shifts each operand once,
    by 15 less its ratio's own shift, before the high product: one rounding where E2 has two. Elements
    that are left over go by E2, so that a size which mixes both rules is refused.

References
----------
LiteRT 2.3.0: tflite/kernels/{add,sub,mul,squared_difference,maximum_minimum}.cc, internal/reference/add.h,
sub.h, integer_ops/mul.h; TensorFlow Lite Micro: micro/kernels/{add,sub,mul}_common.cc.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.tflite import xnnpack
from intsim_converters.tflite.kernels import LEFT, xnnpack_reads
from intsim_converters.tflite.limits import activation_limits, plain_limits
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.scales import finite_ratio, log2_scale, ratio_below_one, widest
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Add as AddStep
from intsim.arithmetic import (
    Overflow,
    Register,
    Requantization,
    Rounding,
    ShiftLeft,
    ShiftRight,
)
from intsim.arithmetic.dialects import ratio_float32, ratio_float64
from intsim.formats import IntFormat
from intsim.ops import Add, Clamp, Maximum, Minimum, Mul, Op, Requantize, SquaredDifference, Sub

_INT16, _INT32 = IntFormat(16), IntFormat(32)
_SUM = Register(_INT32, Overflow.WRAP)
_EIGHT = ("int8", "uint8")
_PLAIN = ("int32", "int64")


@lowers("ADD", options="AddOptions")
def lower_add(op: Lowering) -> None:
    _sum(op, Add)


@lowers("SUB", options="SubOptions")
def lower_sub(op: Lowering) -> None:
    _sum(op, Sub)


def _sum(op: Lowering, kind: Any) -> None:
    a, b, y = _types(op, (*_EIGHT, "int16"))
    if y.dtype in _PLAIN:
        _plain(op, kind)
    elif op.dialect == "xnnpack" and xnnpack_reads(a, b, y):
        lo, hi = activation_limits(op, y, xnnpack=True)
        xnnpack.lower_sum(op, kind, a, b, y, (lo, hi))
    elif y.dtype == "int16" and (shifts := _powers_of_two(op, a, b, y)) is not None:
        _shifted_sum(op, kind, shifts)
    else:
        _scaled(op, kind, 15 if y.dtype == "int16" else 20, 1)


@lowers("SQUARED_DIFFERENCE")
def lower_squared_difference(op: Lowering) -> None:
    types = ("int8", "int16") if op.dialect == "tflm" else ("int8",)
    y = _types(op, types)[2]
    if y.dtype in _PLAIN:
        _plain(op, SquaredDifference, activation="NONE")
    else:
        _scaled(op, SquaredDifference, 0 if y.dtype == "int16" else 7, 2, activation="NONE")


def _scaled(op: Lowering, kind: Any, left: int, power: int, activation: str | None = None) -> None:
    """Rule E2; the result has `power` times the operands' shift."""
    a, b, y = op.input(0), op.input(1), op.output(0)
    lo, hi = activation_limits(op, y, activation)
    larger = 2 * np.float64(max(a.scale, b.scale))
    op.require(larger > 0 and y.scale > 0, "scales must be positive")
    once = _shifts_once(op, a, b, y)
    names = []
    for i, (view, name) in enumerate(zip((a, b), op.operands(), strict=True)):
        ratio = ratio_below_one(op, np.float64(view.scale) / larger)
        if once:
            op.require(ratio[0] >= 2.0**-15, f"ratio of scales must be 2**-15 or more, not {ratio[0]}. [E8]")
            steps = op.fixed_point.steps(ratio * 2.0**left)
        else:
            steps = (ShiftLeft(bits=left), *op.fixed_point.steps(ratio))
        rule = Requantization((AddStep(values=-view.zero_point), *steps), _INT32)
        names.append(op.step(Requantize(rule), name, name=("lhs", "rhs")[i]))
    result = op.step(kind(register=_SUM), *names, name="accumulator")
    ratio = ratio_below_one(op, larger**power / (2.0 ** (left * power) * np.float64(y.scale)))
    rule = op.fixed_point.requantization(ratio, zero_point=y.zero_point, lo=lo, hi=hi, format=y.format)
    op.emit(Requantize(rule), result)


def _shifts_once(op: Lowering, a: TensorView, b: TensorView, y: TensorView) -> bool:
    """Rule E8: whether the optimized kernel's vectors do it all."""
    size = y.tensor.size
    if (op.dialect, op.name, y.dtype) != ("xnnpack", "ADD", "int16") or a.shape != b.shape or size < 16:
        return False
    op.require(size % 16 == 0, f"must have a multiple of 16 elements in dialect xnnpack, not {size}. [E8]")
    return True


def _powers_of_two(op: Lowering, a: TensorView, b: TensorView, y: TensorView) -> tuple[int, int] | None:
    """Rule E4: how far each operand is shifted right; None where the rule is not for this operator."""
    if op.dialect == "tflm" or not op.options.pot_scale_int16:
        return None
    powers = [log2_scale(view.scale) for view in (a, b, y)]
    if any(power is None for power in powers):
        return None
    sizes = [view.tensor.size for view in (a, b, y)]
    op.require(
        op.name != "ADD" or len(set(sizes)) == 1,
        f"operands and output must have one number of elements, or the runtime stops, not {sizes}. [E4]",
    )
    left, right = (int(powers[2]) - int(power) for power in powers[:2])  # type: ignore[arg-type]
    op.require(
        min(left, right) == 0 and max(left, right) <= 15,
        "the output's scale must be that of one input and not below the other's, as the runtime demands, not"
        f" 2**{powers[2]} for 2**{powers[0]} and 2**{powers[1]}. [E4]",
    )
    return left, right


def _shifted_sum(op: Lowering, kind: Any, shifts: tuple[int, int]) -> None:
    y = op.output(0)
    lo, hi = activation_limits(op, y)
    names = []
    for i, (name, shift) in enumerate(zip(op.operands(), shifts, strict=True)):
        if shift == 0:
            names.append(name)
            continue
        rule = Requantization((ShiftRight(bits=shift, rounding=Rounding.HALF_AWAY),), _INT16)
        names.append(op.step(Requantize(rule), name, name=("lhs", "rhs")[i]))
    result = kind(register=Register(_INT16, Overflow.SATURATE))
    _limited(op, result, tuple(names), (lo, hi))


@lowers("MUL", options="MulOptions")
def lower_mul(op: Lowering) -> None:
    """Rule E3."""
    a, b, y = _types(op, (*_EIGHT, "int16"))
    if y.dtype in _PLAIN:
        _plain(op, Mul)
        return
    taken = op.dialect == "xnnpack" and y.dtype in _EIGHT
    op.require(not taken or xnnpack_reads(a, b, y), f"{LEFT}. [E7]")
    lo, hi = activation_limits(op, y, xnnpack=taken)
    op.require(y.scale > 0, "output's scale must be positive")
    form = ratio_float64 if op.dialect == "tflm" else ratio_float32
    with np.errstate(over="ignore", under="ignore"):
        ratio = form([a.scale, b.scale], y.scale)
    finite_ratio(op, ratio[0], widest(a) * widest(b))
    dialect = xnnpack.MULTIPLY if taken else op.fixed_point
    if taken:
        xnnpack.check_product(op, float(ratio[0]))
    names = [
        centred(op, view, name, side)
        for view, name, side in zip((a, b), op.operands(), ("lhs", "rhs"), strict=True)
    ]
    product = op.step(Mul(register=_SUM), *names, name="accumulator")
    rule = dialect.requantization(ratio, zero_point=y.zero_point, lo=lo, hi=hi, format=y.format)
    op.emit(Requantize(rule), product)


def centred(op: Lowering, view: TensorView, name: str, side: str) -> str:
    """An operand less its zero point."""
    if view.zero_point == 0:
        return name
    rule = Requantization((AddStep(values=-view.zero_point),), IntFormat(view.format.bits + 1))
    return op.step(Requantize(rule), name, name=side)


@lowers("MAXIMUM")
def lower_maximum(op: Lowering) -> None:
    _types(op, (*_EIGHT, "int16"))
    op.emit(Maximum(), *op.operands())


@lowers("MINIMUM")
def lower_minimum(op: Lowering) -> None:
    _types(op, (*_EIGHT, "int16"))
    op.emit(Minimum(), *op.operands())


def _plain(op: Lowering, kind: Any, activation: str | None = None) -> None:
    """Rule E5."""
    y = op.output(0)
    _limited(
        op, kind(register=Register(y.format, Overflow.WRAP)), op.operands(), plain_limits(op, y, activation)
    )


def _limited(op: Lowering, node: Op, names: tuple[str, ...], limits: tuple[int, int]) -> None:
    """Emit a node, and a clamp after it where the limits are not the format's own."""
    y = op.output(0)
    if limits == (y.format.min, y.format.max):
        op.emit(node, *names)
    else:
        op.emit(Clamp(*limits), op.step(node, *names, name="accumulator"))


def _types(op: Lowering, quantized: tuple[str, ...]) -> tuple[TensorView, TensorView, TensorView]:
    """The operands, checked by rule E1; int16 by E4."""
    op.require(len(op.operator.inputs) == 2, f"must have 2 inputs, not {len(op.operator.inputs)}")
    a, b, y = op.input(0), op.input(1), op.output(0)
    types = (*quantized, *_PLAIN)
    op.require(
        a.dtype == b.dtype == y.dtype and y.dtype in types,
        f"inputs and output must all be one of {', '.join(types)},"
        f" not {a.dtype}, {b.dtype} and {y.dtype}. [E1]",
    )
    if y.dtype == "int16" and op.name not in ("MAXIMUM", "MINIMUM"):
        points = (a.zero_point, b.zero_point, y.zero_point)
        op.require(not any(points), f"zero points of int16 must be 0, not {points}. [E4]")
    return a, b, y
