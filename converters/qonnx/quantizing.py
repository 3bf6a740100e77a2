"""A quantizer becomes a requantize node, a quantize node at the door, or integers of a constant.

Rules
-----
N1. Behind integers: one requantize node of thresholds (`staircase`), written into Bipolar or Ternary where
    the codes are those.
N2. Behind a float graph input: a quantize node, where that rounds as QONNX does: the zero point is 0 or
    added after rounding, and the rounding is not HALF_UP. A sign is the floor of the quotient against 0.
N3. A constant is quantized while converting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.values import Codes, Layout
from intsim_converters.qonnx.annotations import Format
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.parameters import Array, axes, fitted, one
from intsim_converters.qonnx.quantizers import Quantizer, sign
from intsim_converters.qonnx.staircase import NoStaircaseError, Staircase, written
from intsim_converters.qonnx.values import Carried, Entry, Fixed

from intsim.arithmetic import Add, Clamp, Multiply, Requantization, Rounding, Thresholds
from intsim.formats import IntFormat
from intsim.ops import Quantize, Requantize, Reshape

_WIDEST = 48


def apply(op: QonnxLowering, x: Any, quantizer: Quantizer) -> Carried | Fixed:
    """What a quantizer makes of a value; binds nothing."""
    if isinstance(x, Carried):
        return _requantized(op, x, quantizer)
    if isinstance(x, Entry):
        return _at_the_door(op, x, quantizer)
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
    return _result(codes, x.shape, into or rule.format, quantizer)


def _result(codes: Codes, shape: tuple[int, ...], format: Format, quantizer: Quantizer) -> Carried:
    error = one(0, len(shape), np.float64)
    return Carried(codes, shape, format, quantizer.slope, quantizer.zero, error)


def _staircase(op: QonnxLowering, x: Carried, quantizer: Quantizer, axis: int | None, name: str) -> Staircase:
    """The function of one network's tensor, its parameters one or a list along the axis."""
    rank = len(x.shape)

    def pick(values: Array) -> Array:
        if values.ndim > rank:  # thresholds: (channels, steps)
            return values.reshape(-1, values.shape[-1])
        return values.reshape(-1)

    wide = op.target.specs[name].format.bits > _WIDEST or quantizer.steps is None
    ends = op.target.ranges[name].hull() if wide else op.target.specs[name].format
    channels = 1 if axis is None else x.shape[axis]
    steps = tuple(step.flat(pick) for step in x.steps)
    others = tuple(a for a in range(rank) if a != axis)
    picked = (pick(entry) for entry in (x.slope, x.zero, x.error.max(axis=others, keepdims=True)))
    return Staircase(*picked, steps, quantizer.flat(pick), channels, int(ends.min), int(ends.max))


def _constant(op: QonnxLowering, name: str, values: Array, quantizer: Quantizer) -> Fixed:
    """Rule N3."""
    op.require(not np.isnan(values).any(), f"constant {name!r} must hold numbers, not NaN")
    codes = quantizer.least + quantizer.unit * quantizer(values)
    format = quantizer.format or IntFormat.covering(int(codes.min()), int(codes.max()))
    return Fixed(name, np.asarray(codes, np.int64), format, quantizer.slope, quantizer.zero)


def _at_the_door(op: QonnxLowering, x: Entry, quantizer: Quantizer) -> Carried:
    """Rule N2."""
    op.require(
        x.now == x.shape or not axes(quantizer.parameters), "scales of a reshaped input must be one. [N2]"
    )
    signs = quantizer.climbed is sign
    op.require(
        quantizer.rounding is not None or signs,
        f"{op.name} of float input {x.name!r} must be integers already: give the input an integer data type",
    )
    scale, zero = quantizer.parameters
    op.require(
        quantizer.after or not zero.any(),
        f"zero point of float input {x.name!r} must be 0: QONNX adds it in float before it rounds. [N2]",
    )
    shape = (1,) * (len(x.shape) - scale.ndim) + scale.shape
    varying = [axis for axis, size in enumerate(shape) if size > 1]
    op.require(len(varying) <= 1, "scales must be one, or one per channel")
    axis = varying[0] - op.target.batch.batched(x.shape) if varying else None
    size = max(scale.size, zero.size)
    fields = {
        "scale": np.broadcast_to(scale.reshape(-1), (size,)),
        "axis": axis,
        "format": _door_format(quantizer, signs),
        "rounding": Rounding.FLOOR if signs else quantizer.rounding,
    }
    if quantizer.after:
        fields["zero_point"] = np.broadcast_to(zero.reshape(-1), (size,))
    rule = _behind_the_door(quantizer, fields["format"], signs)
    names = [op.target.fresh(f"{op.output}/door")] if rule or x.now != x.shape else []
    held = x.name
    note = op.annotation(quantizer.slope, quantizer.zero, x.now, Layout.PLAIN)
    if names:
        held = op.target.add(Quantize(**fields), held, name=names[0])
    if names and x.now != x.shape and rule:
        held = op.target.add(
            Reshape(op.target.batch.sample(x.now)), held, name=op.target.fresh(f"{op.output}/reshaped")
        )
    last: Any = Quantize(**fields)
    if rule:
        last = Requantize(rule, written(quantizer.format))
    elif names:
        last = Reshape(op.target.batch.sample(x.now))
    codes = op.produce(last, held, shape=x.now, layout=Layout.PLAIN, meaning=note)
    format = op.target.specs[codes.views[Layout.PLAIN]].format
    return _result(codes, x.now, format, quantizer)


def _door_format(quantizer: Quantizer, signs: bool) -> IntFormat:
    if signs:
        return IntFormat(8)
    if isinstance(quantizer.format, IntFormat):
        return quantizer.format
    return IntFormat.covering(quantizer.least, quantizer.highest)


def _behind_the_door(quantizer: Quantizer, format: IntFormat, signs: bool) -> Requantization | None:
    """What makes the codes of what the door gives; None: nothing."""
    if signs:
        return Requantization(
            (Thresholds(values=(0,)), Multiply(multipliers=2), Add(values=-1)), IntFormat(2)
        )
    if (format.min, format.max) == (quantizer.least, quantizer.highest):
        return None
    return Requantization((Clamp(lo=quantizer.least, hi=quantizer.highest),), format)
