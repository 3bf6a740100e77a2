"""Quantizers behind float graph inputs.

Rules
-----
D1. A quantize node takes the place of a Quant whose zero point is 0, or of a QuantizeLinear: they round as
    it does, the quotient in float32. HALF_UP adds in float32 before it rounds, and so does a zero point of
    a Quant: they are refused.
D2. A sign is what the quotient rounded down has: it reaches 0 or not.
D3. Codes that are fewer than the format's are clamped behind it, or written into Bipolar or Ternary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.onnx.values import Layout
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.parameters import axes, one
from intsim_converters.qonnx.quantizers import Quantizer, sign
from intsim_converters.qonnx.values import Carried, Entry

from intsim.arithmetic import Add, Clamp, Multiply, Requantization, Rounding, Thresholds
from intsim.formats import Bipolar, IntFormat, Ternary
from intsim.ops import Op, Quantize, Requantize, Reshape


def at_the_door(op: QonnxLowering, x: Entry, quantizer: Quantizer) -> Carried:
    """The codes of a float graph input."""
    _check(op, x, quantizer)
    nodes: list[Op] = [_quantize(op, x, quantizer)]
    if x.now != x.shape:
        nodes.append(Reshape(op.target.batch.sample(x.now)))
    rule = _rule(quantizer)
    if rule is not None:
        nodes.append(Requantize(rule, written(quantizer.format)))
    held = x.name
    for node in nodes[:-1]:
        held = op.step(node, held, name="door" if isinstance(node, Quantize) else "reshaped")
    note = op.annotation(quantizer.slope, quantizer.zero, x.now, Layout.PLAIN)
    codes = op.produce(nodes[-1], held, shape=x.now, layout=Layout.PLAIN, meaning=note)
    format = op.target.specs[codes.views[Layout.PLAIN]].integer
    error = one(0, len(x.now), np.float64)
    return Carried(codes, x.now, format, quantizer.slope, quantizer.zero, error)


def written(format: Any) -> Bipolar | Ternary | None:
    """The format that a requantize node writes its codes into, where it is not the rule's own."""
    return format if isinstance(format, Bipolar | Ternary) else None


def _check(op: QonnxLowering, x: Entry, quantizer: Quantizer) -> None:
    """Rule D1."""
    op.require(
        quantizer.rounding is not None or quantizer.climbed is sign,
        f"{op.name} of float input {x.name!r} cannot be exact at the door: give the input an integer data"
        " type, or put a Quant before it. [D1]",
    )
    along = axes(quantizer.parameters)
    op.require(len(along) <= 1, "scales must be one, or one per channel")
    op.require(x.now == x.shape or not along, "scales of a reshaped input must be one")
    op.require(
        quantizer.after or not quantizer.parameters[1].any(),
        f"zero point of float input {x.name!r} must be 0: QONNX adds it in float before it rounds. [D1]",
    )


def _quantize(op: QonnxLowering, x: Entry, quantizer: Quantizer) -> Quantize:
    scale, zero = quantizer.parameters
    along = axes(quantizer.parameters)
    size = max(scale.size, zero.size)
    wide = [np.broadcast_to(entry.reshape(-1), (size,)) for entry in (scale, zero)]
    rounding = Rounding.FLOOR if quantizer.climbed is sign else quantizer.rounding
    return Quantize(
        scale=wide[0],
        zero_point=wide[1].astype(np.int64),
        axis=along[0] - op.target.batch.batched(x.shape) if along else None,
        format=_door_format(quantizer),
        rounding=rounding or Rounding.FLOOR,
    )


def _door_format(quantizer: Quantizer) -> IntFormat:
    """What holds the codes before rule D3."""
    if quantizer.climbed is sign:
        return IntFormat(8)
    if isinstance(quantizer.format, IntFormat):
        return quantizer.format
    return IntFormat.covering(quantizer.least, quantizer.highest)


def _rule(quantizer: Quantizer) -> Requantization | None:
    """Rules D2 and D3; None: the codes are what the door gives."""
    if quantizer.climbed is sign:
        return Requantization(
            (Thresholds(values=(0,)), Multiply(multipliers=2), Add(values=-1)), IntFormat(2)
        )
    format = _door_format(quantizer)
    if (format.min, format.max) == (quantizer.least, quantizer.highest):
        return None
    return Requantization((Clamp(lo=quantizer.least, hi=quantizer.highest),), format)
