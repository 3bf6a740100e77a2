"""Activations and their quantizers: Brevitas' layers, and torch's functions before them.

A quantizer behind sums becomes a staircase (see `staircase`), with the functions before it in it. A quantizer
of the network's real input becomes a `quantize` node, if that is Brevitas' function: both never fall, and
they agree at the least float32 of every code and at the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from intsim_converters.brevitas.carried import Carried, Moved, Real
from intsim_converters.brevitas.functions import CALLED, KNOWN, Function, function_of
from intsim_converters.brevitas.lowering import Lowering, Noted, lowers
from intsim_converters.brevitas.moving import moving
from intsim_converters.brevitas.quantizers import (
    Quantizer,
    activation_of,
    read_quantizer,
)
from intsim_converters.brevitas.refusals import refuse, require
from intsim_converters.brevitas.requantizing import requantize, table, valley
from intsim_converters.brevitas.staircase import (
    FloatSteps,
    TooManyCodesError,
    before,
    integer_steps,
)

from intsim.arithmetic import Register, Requantization, Rounding
from intsim.formats import Bipolar, IntFormat, Ternary
from intsim.ops import Add, Clamp, Op, Quantize, Requantize


@lowers(
    qnn.QuantReLU, qnn.QuantIdentity, qnn.QuantHardTanh, qnn.QuantSigmoid, qnn.QuantTanh, qnn.QuantHardSwish
)
def lower_activation(op: Lowering) -> Any:
    x = op.args[0]
    if op.module.input_quant.is_quant_enabled:
        x = apply_proxy(op, op.module.input_quant, x, f"{op.where}.input_quant")
    proxy = op.module.act_quant
    if proxy.is_quant_enabled:
        return apply_proxy(op, proxy, x, op.where)
    return _postponed(op, x, activation_of(op.where, proxy))


@lowers(*KNOWN)
def lower_module(op: Lowering) -> Carried:
    return _postponed(op, op.operand(), function_of(op.where, op.module))


@lowers(*CALLED)
def lower_call(op: Lowering) -> Carried:
    rest = {key: value for key, value in op.kwargs.items() if key != "input"}
    numbers = all(isinstance(value, int | float | str | None) for value in (*op.args[1:], *rest.values()))
    op.require(numbers, "the function's limits must be numbers")
    module = CALLED[op.target](*op.args[1:], **rest)
    return _postponed(op, op.operand(), function_of(op.where, module))


@lowers(torch.nn.Identity, torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.AlphaDropout)
def lower_nothing(op: Lowering) -> Any:
    return op.args[0]


@lowers(torch.nn.functional.dropout, torch.nn.functional.dropout1d, torch.nn.functional.dropout2d)
def lower_dropout(op: Lowering) -> Any:
    training = op.args[2] if len(op.args) > 2 else op.kwargs.get("training", True)
    op.require(not training, "training must be False, as dropping elements is by chance")
    return op.args[0]


@lowers(getattr)
def lower_attribute(op: Lowering) -> Any:
    """The float tensor in a quantized one, which stands for the same."""
    op.require(op.args[1] == "value", f"attribute {op.args[1]!r} is no tensor that this converter knows")
    return op.args[0]


def _postponed(op: Lowering, x: Any, function: Function | None) -> Any:
    if function is None:
        return x
    op.require(isinstance(x, Carried), "input must be quantized first: put a QuantIdentity before it")
    return x.replace(after=(*x.after, function))


def apply_proxy(op: Lowering, proxy: Any, x: Any, name: str) -> Carried:
    """What an enabled activation quantizer gives for a tensor."""
    if isinstance(x, Moved) and isinstance(x.source, Carried):
        refuse(name, f"samples must have 1 to 3 axes, not shape {x.shape}")
    if not isinstance(x, Carried | Real | Moved):
        refuse(name, f"must be given a tensor, not {type(x).__name__}")
    require(len(x.shape) <= 3, name, f"samples must have 1 to 3 axes, not shape {x.shape}")
    quantizer = read_quantizer(name, proxy, x.after if isinstance(x, Carried) else (), len(x.shape))
    try:
        floats, falling = quantizer.steps()
    except (TooManyCodesError, ValueError) as error:
        refuse(name, str(error))
    zero = quantizer.zero_point
    furthest = max(abs(quantizer.format.min - zero), abs(quantizer.format.max - zero))
    reach = tuple(scale * furthest for scale in quantizer.scales)
    y = Carried(name, x.shape, quantizer.format, quantizer.affine, (Fraction(0),) * len(reach), reach)
    if isinstance(x, Real | Moved):
        require(
            floats.first is floats.at, name, "input must be quantized before an activation but relu and such"
        )
        return _door(op, x, y, quantizer, floats)
    integers = integer_steps(floats, x.affine)
    if falling is None:
        node = requantize(quantizer, floats, integers, x.affine)
        y = y.replace(name=op.add(node, x.name, name=name, like=y))
        op.noted.append(Noted(y.name, x, (integers,)))
        return y
    both = integers, integer_steps(falling, -x.affine)
    y = _valley(op, x, y, valley(floats, both))
    op.noted.append(Noted(y.name, x, both))
    return y


def _valley(op: Lowering, x: Carried, y: Carried, nodes: tuple[Requantize, Requantize]) -> Carried:
    """A table, or two staircases and their sum."""
    if not isinstance(y.format, IntFormat):
        refuse(y.name, f"codes must be integers behind a function that falls and rises, not {y.format}")
    one = y.affine.channels == x.affine.channels == 1
    if one and isinstance(x.format, IntFormat) and x.format.bits <= 16:
        return y.replace(name=op.add(table(nodes, x.format, y.format), x.name, name=y.name, like=y))
    sides = [
        op.add(node, x.name, name=f"{y.name}.{side}")
        for node, side in zip(nodes, ("rising", "falling"), strict=True)
    ]
    return y.replace(name=op.add(Add(Register(y.format)), *sides, name=y.name, like=y))


def _door(op: Lowering, x: Real | Moved, y: Carried, quantizer: Quantizer, floats: FloatSteps) -> Carried:
    """A `quantize` node, with what narrows and moves its codes."""
    require(quantizer.channels == 1, y.name, "the input's quantizer must have one scale")
    ops = next((ops for ops in _doors(quantizer, floats) if _same(ops, quantizer, floats)), None)
    if ops is None:
        refuse(y.name, "no quantize node is this function of the network's input; use zero point 0")
    if isinstance(x, Real):
        return op.chain(ops, x.name, y.name, y)
    return op.chain([*ops, *moving(x.index, x.source.shape)], x.source.name, y.name, y)


def _doors(quantizer: Quantizer, floats: FloatSteps) -> Iterator[list[Op]]:
    """Ways from a float32 to a code, of which one may be the quantizer's."""
    if isinstance(quantizer.format, Bipolar):  # the sign of x: of x over the least float32 there is
        sign = Requantize(Requantization((), IntFormat(2)), quantizer.format)
        yield [Quantize(np.float32(2.0**-149), format=IntFormat(2)), sign]
        return
    scale = np.array([float(scale) for scale in quantizer.scales], np.float32)
    for rounding in (Rounding.HALF_EVEN, Rounding.FLOOR, Rounding.CEIL, Rounding.TOWARD_ZERO):
        held = quantizer.format if isinstance(quantizer.format, IntFormat) else IntFormat(2)
        ops: list[Op] = [Quantize(scale, quantizer.zero_point, format=held, rounding=rounding)]
        if isinstance(quantizer.format, Ternary):
            ops.append(Requantize(Requantization((), held), quantizer.format))
        elif (floats.lowest, floats.highest) != (held.min, held.max):
            ops.append(Clamp(lo=floats.lowest, hi=floats.highest))
        yield ops


def _same(ops: list[Op], quantizer: Quantizer, floats: FloatSteps) -> bool:
    """Whether both give the same codes at every step and just before it."""
    for probes in (floats.at, before(floats.at)):
        codes: Any = probes
        for node in ops:
            (codes,) = node.reference(codes)
        if not np.array_equal(codes, quantizer.codes(probes)):
            return False
    return True
