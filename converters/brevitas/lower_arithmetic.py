"""Sums, differences and products of two tensors, and of a tensor and a number.

Rules
-----
B1. Both tensors stand for scale * (n - zero). Sums and differences need one scale (`common`); products have
    the product of both, of n - zero.
B2. Results are exact, in a register that holds every one.
B3. A number changes what the integers stand for, and no integer; Brevitas rounds its float once.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant_tensor import IntQuantTensor
from intsim_converters.brevitas.affine import Affine, Span
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.common import of_one_scale
from intsim_converters.brevitas.floats import UNIT, exact_sum, is_power_of_two, sum_error
from intsim_converters.brevitas.lower_activations import apply_proxy
from intsim_converters.brevitas.lowering import Lowering, lowers

from intsim.arithmetic import Add as AddStep
from intsim.arithmetic import Register, Requantization
from intsim.formats import IntFormat
from intsim.ops import Add, Mul, Requantize, Sub


@lowers(operator.add, operator.iadd, torch.add, "add", "add_")
def lower_add(op: Lowering) -> Carried:
    op.require(op.kwargs.get("alpha", 1) == 1, "alpha must be 1")
    return _with_number(op, *op.args, 1) if _has_number(op) else _sum(op, op.where, 1)


@lowers(operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "sub_")
def lower_subtract(op: Lowering) -> Carried:
    op.require(op.kwargs.get("alpha", 1) == 1, "alpha must be 1")
    if _has_number(op):
        return _with_number(op, *op.args, -1)
    _check_negative(op)
    return _sum(op, op.where, -1)


@lowers(operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_")
def lower_multiply(op: Lowering) -> Carried:
    if not _has_number(op):
        return _product(op)
    x, number = op.args if isinstance(op.args[1], int | float) else op.args[::-1]
    return _times(op, x, Fraction(float(np.float32(number))))


@lowers(operator.truediv, torch.div, "div")
def lower_divide(op: Lowering) -> Carried:
    x, number = op.args
    op.require(isinstance(number, int | float) and number, "divisor must be a number, and not 0")
    op.require(not op.kwargs, f"arguments {sorted(op.kwargs)} are unknown")
    return _times(op, x, 1 / Fraction(float(np.float32(number))))


@lowers(operator.neg, torch.neg, "neg")
def lower_negative(op: Lowering) -> Carried:
    _check_negative(op)
    return _times(op, op.args[0], Fraction(-1))


@lowers(qnn.QuantEltwiseAdd)
def lower_eltwise_add(op: Lowering) -> Any:
    layer = op.module
    if layer.input_quant.is_quant_enabled:
        names = (f"{op.where}.input_quant", f"{op.where}.other_quant")
        pairs = zip(op.args, names, strict=True)
        op = replace(op, args=tuple(apply_proxy(op, layer.input_quant, x, name) for x, name in pairs))
    y = _sum(op, op.where, 1)
    quantizer = layer.output_quant
    return apply_proxy(op, quantizer, y, f"{op.where}.output_quant") if quantizer.is_quant_enabled else y


def _check_negative(op: Lowering) -> None:
    """Brevitas negates the integers of a quantized tensor as if 0 stood for 0."""
    quantized = [value for value in op.values if isinstance(value, IntQuantTensor)]
    plain = all(not value.zero_point.any() for value in quantized)
    op.require(plain, "Brevitas gives no negative of a tensor with a zero point")


def _has_number(op: Lowering) -> bool:
    op.require(len(op.args) == 2, f"must have two operands, not {len(op.args)}")
    return any(isinstance(entry, int | float) for entry in op.args)


def _sum(op: Lowering, name: str, sign: int) -> Carried:
    """Rules B1 and B2."""
    pair = [op.integers(i)[0] for i in range(2)]
    _check_shapes(op, *pair)
    found = of_one_scale(op, pair)
    if found is None:
        op.refuse(
            f"{pair[0].name!r} and {pair[1].name!r} must have equal scales; quantize both with one shared"
            " quantizer"
        )
    a, b = found
    scales = a.affine.scales() or ()
    other = (b.format.min, b.format.max) if sign > 0 else (-b.format.max, -b.format.min)
    format = IntFormat.covering(min(a.format.min + other[0], 0), a.format.max + other[1])
    magnitude = max(a.reach) + max(b.reach)
    exact = exact_sum((min(scales),), magnitude) and exact_sum((max(scales),), magnitude)
    error = max(a.error) + max(b.error) + (0 if exact else sum_error(2, magnitude))
    affine = Affine.scaled(scales, op.zero_of(a) + sign * op.zero_of(b))
    y = Carried("", a.shape, format, affine, (Fraction(error),), (magnitude,))
    node = Add(Register(format)) if sign > 0 else Sub(Register(format))
    return y.replace(name=op.add(node, a.name, b.name, name=name, like=y))


def _product(op: Lowering) -> Carried:
    """Rules B1 and B2."""
    (a, zero_a), (b, zero_b) = op.integers(0), op.integers(1)
    _check_shapes(op, a, b)
    a, b = _centered(op, a, zero_a, 0), _centered(op, b, zero_b, 1)
    ends = [m * n for m in (a.format.min, a.format.max) for n in (b.format.min, b.format.max)]
    format = IntFormat.covering(min(*ends, 0), max(*ends, 0))
    op.require(format.bits <= 64, f"products must fit 64 bits, not {format.bits}")
    pairs = [x.affine.spread(max(a.affine.channels, b.affine.channels)).scales() or () for x in (a, b)]
    scales = tuple(m * n for m, n in zip(*pairs, strict=True))
    reach = max(a.reach) * max(b.reach)
    exact = (
        not (max(a.error) or max(b.error))
        and all(map(is_power_of_two, scales))
        and exact_sum((min(scales),), reach)
    )
    inherited = max(a.error) * max(b.reach) + max(b.error) * max(a.reach) + max(a.error) * max(b.error)
    error = Fraction(0) if exact else sum_error(1, reach) + inherited * 2
    y = Carried("", a.shape, format, Affine.scaled(scales), (error,), (reach,))
    return y.replace(name=op.add(Mul(Register(format)), a.name, b.name, name=op.where, like=y))


def _centered(op: Lowering, x: Carried, zero: int, side: int) -> Carried:
    """n - zero."""
    if not zero:
        return x
    format = IntFormat.covering(min(x.format.min - zero, 0), max(x.format.max - zero, 0))
    y = x.replace(format=format, affine=Affine.scaled(x.affine.scales() or ()))
    node = Requantize(Requantization((AddStep(values=-zero),), format))
    return y.replace(name=op.add(node, x.name, name=f"{op.where}.{side}", like=y))


def _check_shapes(op: Lowering, a: Carried, b: Carried) -> None:
    op.require(a.shape == b.shape, f"shapes must be equal, not {a.shape} and {b.shape}")


def _with_number(op: Lowering, a: Any, b: Any, sign: int) -> Carried:
    """Rule B3, of a sum or difference."""
    if isinstance(b, int | float):
        x, number, turned = a, sign * Fraction(float(np.float32(b))), False
    else:
        x, number, turned = b, Fraction(float(np.float32(a))), sign < 0
    if turned:
        x = _times(op, x, Fraction(-1))
    op = replace(op, args=(x,))
    x = op.settled(op.operand())
    op.require(not x.after, _AFTER)
    reach = tuple(entry + abs(number) for entry in x.reach)
    error = tuple(_at(x.error, c) + UNIT * entry for c, entry in enumerate(reach))
    return x.replace(affine=x.affine.plus([number]), reach=reach, error=error)


def _times(op: Lowering, given: Any, number: Fraction) -> Carried:
    """Rule B3, of a product."""
    x = op.settled(replace(op, args=(given,)).operand())
    op.require(not x.after, _AFTER)
    factor, channels = Span.of(number), x.affine.channels
    affine = x.affine.then([factor] * channels, [Span.of(0)] * channels)
    reach = tuple(entry * abs(number) for entry in x.reach)
    rounds = 0 if is_power_of_two(abs(number)) and not any(x.error) else 2 * UNIT
    error = tuple(_at(x.error, c) * abs(number) + rounds * entry for c, entry in enumerate(reach))
    return x.replace(affine=affine, reach=reach, error=error)


def _at(values: tuple[Fraction, ...], channel: int) -> Fraction:
    return values[channel % len(values)]


_AFTER = "must be quantized after its activation, before it is computed with"
