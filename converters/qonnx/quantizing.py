"""A quantizer becomes a requantize node, a quantize node at the door, or integers of a constant.

Rules
-----
N1. Behind integers: one requantize node of thresholds (`staircase`), written into Bipolar or Ternary where
    the codes are those.
N2. Behind a float graph input: a quantize node (`door`).
N3. A constant is quantized while converting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.onnx.model import Constant
from intsim_converters.qonnx.door import at_the_door, written
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.parameters import Array, fitted, one
from intsim_converters.qonnx.quantizers import Quantizer
from intsim_converters.qonnx.staircase import NoStaircaseError, Staircase
from intsim_converters.qonnx.values import Carried, Entry, Fixed

from intsim.arithmetic import Interval
from intsim.formats import IntFormat
from intsim.ops import Requantize

_WIDEST = 48


def apply(op: QonnxLowering, x: Any, quantizer: Quantizer) -> Carried | Fixed:
    """What a quantizer makes of a value; binds nothing."""
    if isinstance(x, Carried):
        return _requantized(op, x, quantizer)
    if isinstance(x, Entry):
        return at_the_door(op, x, quantizer)
    if isinstance(x, Fixed):
        return _constant(op, x.name, x.real, quantizer)
    if isinstance(x, Constant):
        op.require(x.dtype == "float32", f"constant {x.name!r} must be float32, not {x.dtype}")
        return _constant(op, x.name, np.asarray(x.values), quantizer)
    return op.refuse(f"input {op.node.inputs[0]!r} must not be read by a quantizer")


def shape_of(op: QonnxLowering, x: Any) -> tuple[int, ...]:
    """The file's shape of a value that is to be quantized."""
    if isinstance(x, Entry):
        return x.now
    op.require(isinstance(x, Carried | Fixed | Constant), "input must be a tensor of numbers")
    shape: tuple[int, ...] = x.shape
    op.require(0 not in shape, f"input must have elements, not shape {shape}")
    return shape


def parameter(op: QonnxLowering, i: int, name: str, shape: tuple[int, ...], positive: bool = False) -> Array:
    """A float32 parameter that broadcasts to a shape."""
    values = op.reals(i, name)
    good = bool(np.isfinite(values).all()) and (not positive or bool((values > 0).all()))
    op.require(good, f"{name} must be {'positive and ' * positive}finite")
    found = fitted(values, shape)
    if found is None:
        op.refuse(f"{name} of shape {values.shape} must broadcast to {shape}")
    return found


def _requantized(op: QonnxLowering, x: Carried, quantizer: Quantizer) -> Carried:
    """Rule N1."""
    thresholds = quantizer.parameters[0] if quantizer.parameters[0].ndim > len(x.shape) else None
    plain = quantizer.parameters if thresholds is None else (thresholds[..., 0], *quantizer.parameters[1:])
    name, layout, axis = op.channel_view(x, (*plain, quantizer.slope, quantizer.zero))
    stairs = _staircase(op, x, quantizer, axis, name)
    try:
        rule = stairs.requantization()
    except NoStaircaseError as error:
        op.refuse(str(error))
    into = written(quantizer.format)
    note = op.annotation(quantizer.slope, quantizer.zero, x.shape, layout)
    codes = op.produce(Requantize(rule, into), name, shape=x.shape, layout=layout, meaning=note)
    op.target.staircases[codes.views[layout]] = stairs
    exact = one(0, len(x.shape), np.float64)
    return Carried(codes, x.shape, into or rule.format, quantizer.slope, quantizer.zero, exact)


def _staircase(op: QonnxLowering, x: Carried, quantizer: Quantizer, axis: int | None, name: str) -> Staircase:
    """The function of one network's tensor, its parameters one or a list along the axis."""
    rank = len(x.shape)

    def pick(values: Array) -> Array:
        if values.ndim > rank:  # thresholds: (channels, steps)
            return values.reshape(-1, values.shape[-1])
        return values.reshape(-1)

    format = op.target.specs[name].integer
    reached = format.bits > _WIDEST or quantizer.steps is None
    ends = op.target.ranges[name].hull() if reached else Interval.of_format(format)
    channels = 1 if axis is None else x.shape[axis]
    steps = tuple(step.flat(pick) for step in x.steps)
    others = tuple(a for a in range(rank) if a != axis)
    error = x.error.max(axis=others, keepdims=True)
    return Staircase(
        pick(x.slope),
        pick(x.zero),
        pick(error),
        steps,
        quantizer.flat(pick),
        channels,
        int(ends.min),
        int(ends.max),
    )


def _constant(op: QonnxLowering, name: str, values: Array, quantizer: Quantizer) -> Fixed:
    """Rule N3."""
    op.require(not np.isnan(values).any(), f"constant {name!r} must hold numbers, not NaN")
    codes = quantizer.least + quantizer.unit * quantizer(values)
    format = quantizer.format or IntFormat.covering(int(codes.min()), int(codes.max()))
    return Fixed(name, np.asarray(codes, np.int64), format, quantizer.slope, quantizer.zero)
