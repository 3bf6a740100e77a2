"""Sums of two tensors of one scale."""

from __future__ import annotations

import operator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import torch
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.floats import exact_sum, sum_error
from intsim_converters.brevitas.lower_activations import apply_proxy
from intsim_converters.brevitas.lowering import Lowering, lowers

from intsim.arithmetic import Register
from intsim.formats import IntFormat
from intsim.ops import Add


@lowers(operator.add, operator.iadd, torch.add, "add", "add_")
def lower_add(op: Lowering) -> Carried:
    op.require(op.kwargs.get("alpha", 1) == 1, "alpha must be 1")
    return _sum(op, op.where)


@lowers(qnn.QuantEltwiseAdd)
def lower_eltwise_add(op: Lowering) -> Any:
    layer = op.module
    if layer.input_quant.is_quant_enabled:
        names = (f"{op.where}.input_quant", f"{op.where}.other_quant")
        pairs = zip(op.args, names, strict=True)
        op = replace(op, args=tuple(apply_proxy(op, layer.input_quant, x, name) for x, name in pairs))
    y = _sum(op, op.where)
    quantizer = layer.output_quant
    return apply_proxy(op, quantizer, y, f"{op.where}.output_quant") if quantizer.is_quant_enabled else y


def _sum(op: Lowering, name: str) -> Carried:
    """Exact, in a register that holds every sum."""
    (a, zero_a), (b, zero_b) = op.integers(0), op.integers(1)
    op.require(a.shape == b.shape, f"shapes must be equal, not {a.shape} and {b.shape}")
    scales = a.affine.scales() or ()
    op.require(
        scales == b.affine.scales(),
        f"{a.name!r} and {b.name!r} must have equal scales; quantize both with one shared quantizer",
    )
    format = IntFormat.covering(a.format.min + b.format.min, a.format.max + b.format.max)
    magnitude = max(a.reach) + max(b.reach)
    exact = exact_sum((min(scales),), magnitude) and exact_sum((max(scales),), magnitude)
    error = max(a.error) + max(b.error) + (0 if exact else sum_error(2, magnitude))
    affine = Affine.scaled(scales, zero_a + zero_b)
    y = Carried("", a.shape, format, affine, (Fraction(error),), (magnitude,))
    return y.replace(name=op.add(Add(Register(format)), a.name, b.name, name=name, like=y))
