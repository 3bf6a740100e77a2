"""QuantReLU, QuantIdentity, QuantHardTanh and torch's relu and hardtanh.

A quantizer behind sums becomes a staircase (see `staircase`). A quantizer of the network's real input
becomes a `quantize` node, if that is Brevitas' function: both never fall, and they agree at the least float32
of every code and at the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from intsim_converters.brevitas.carried import Carried, Real
from intsim_converters.brevitas.lowering import Lowering, Noted, lowers
from intsim_converters.brevitas.moving import reshaping
from intsim_converters.brevitas.quantizers import (
    Quantizer,
    activation_of,
    known_activation,
    read_quantizer,
)
from intsim_converters.brevitas.refusals import refuse, require
from intsim_converters.brevitas.requantizing import requantize
from intsim_converters.brevitas.staircase import (
    FloatSteps,
    TooManyCodesError,
    before,
    float_steps,
    integer_steps,
)

from intsim.arithmetic import Rounding
from intsim.formats import IntFormat
from intsim.ops import Clamp, Op, Quantize


@lowers(qnn.QuantReLU, qnn.QuantIdentity, qnn.QuantHardTanh)
def lower_activation(op: Lowering) -> Any:
    x = op.args[0]
    if op.module.input_quant.is_quant_enabled:
        x = apply_proxy(op, op.module.input_quant, x, f"{op.where}.input_quant")
    proxy = op.module.act_quant
    if proxy.is_quant_enabled:
        return apply_proxy(op, proxy, x, op.where)
    function = activation_of(op.where, proxy)
    return x if function is None else _postponed(op, function)


@lowers(torch.nn.ReLU, torch.nn.ReLU6, torch.nn.Hardtanh)
def lower_float_activation(op: Lowering) -> Carried:
    return _postponed(op, known_activation(op.where, op.module))


@lowers(torch.relu, torch.nn.functional.relu, "relu")
def lower_relu(op: Lowering) -> Carried:
    return _postponed(op, torch.nn.ReLU())


@lowers(torch.nn.Identity, torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d)
def lower_nothing(op: Lowering) -> Any:
    return op.args[0]


def _postponed(op: Lowering, function: Any) -> Carried:
    x = op.operand()
    return x.replace(after=(*x.after, function))


def apply_proxy(op: Lowering, proxy: Any, x: Any, name: str) -> Carried:
    """What an enabled activation quantizer gives for a tensor."""
    if not isinstance(x, Carried | Real):
        refuse(name, f"must be given a tensor, not {type(x).__name__}")
    quantizer = read_quantizer(name, proxy, x.after if isinstance(x, Carried) else (), len(x.shape))
    try:
        floats = float_steps(quantizer.codes, quantizer.channels)
    except (TooManyCodesError, ValueError) as error:
        refuse(name, str(error))
    zero = quantizer.zero_point
    furthest = max(abs(quantizer.format.min - zero), abs(quantizer.format.max - zero))
    reach = tuple(scale * furthest for scale in quantizer.scales)
    y = Carried(name, x.shape, quantizer.format, quantizer.affine, (Fraction(0),) * len(reach), reach)
    if isinstance(x, Real):
        return _door(op, x, y, quantizer, floats)
    integers = integer_steps(floats, x.affine)
    node = requantize(quantizer, floats, integers, x.affine)
    y = y.replace(name=op.add(node, x.name, name=name, like=y))
    op.noted.append(Noted(y.name, x, integers))
    return y


def _door(op: Lowering, x: Real, y: Carried, quantizer: Quantizer, floats: FloatSteps) -> Carried:
    """A `quantize` node, with what narrows and reshapes it."""
    require(quantizer.channels == 1, y.name, "the input's quantizer must have one scale")
    ops: list[Op] = [_quantize(y.name, quantizer, floats)]
    if (floats.lowest, floats.highest) != (y.format.min, y.format.max):
        ops.append(Clamp(lo=floats.lowest, hi=floats.highest))
    if x.shape != x.given:
        ops += reshaping(x.given, x.shape)
    return op.chain(ops, x.name, y.name, y)


def _quantize(where: str, quantizer: Quantizer, floats: FloatSteps) -> Quantize:
    """The `quantize` that is the same function of all float32 numbers."""
    found = next((op for op in _candidates(quantizer) if _same(op, floats)), None)
    if found is None:
        refuse(
            where,
            "no quantize node is this function of the network's input. Quantize the input with zero point 0,"
            " and two bits or more",
        )
    return found


def _candidates(quantizer: Quantizer) -> Iterator[Quantize]:
    if isinstance(quantizer.format, IntFormat):
        scale = np.array([float(scale) for scale in quantizer.scales], np.float32)
        for rounding in (Rounding.HALF_EVEN, Rounding.FLOOR, Rounding.CEIL, Rounding.TOWARD_ZERO):
            yield Quantize(scale, quantizer.zero_point, format=quantizer.format, rounding=rounding)


def _same(op: Quantize, floats: FloatSteps) -> bool:
    wanted = np.arange(floats.lowest + 1, floats.highest + 1)[:, None]
    (at,), (below,) = op.reference(floats.at), op.reference(before(floats.at))
    return bool((at.clip(floats.lowest) == wanted).all() and (below.clip(floats.lowest) == wanted - 1).all())
