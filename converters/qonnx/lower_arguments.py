"""ArgMax, and TopK of one: the place of the largest real, from the integers.

Rules
-----
G1. One scale, and the same float steps, along the axis. Where two integers that can occur stand for one
    float32, both become one rank first, so that ties are QONNX' ties. Of equal ones the first is taken.
G2. TopK gives the one largest; its values are not read.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.values import Layout
from intsim_converters.qonnx.chain import directions
from intsim_converters.qonnx.lowering import QonnxLowering, lowers
from intsim_converters.qonnx.parameters import axes, one
from intsim_converters.qonnx.values import Carried

from intsim.arithmetic import Requantization, Thresholds
from intsim.formats import IntFormat
from intsim.ops import ArgMax, ArgMin, Requantize

_MOST_SUMS = 1 << 22


@lowers("ArgMax")
def lower_arg_max(op: QonnxLowering) -> None:
    _place(
        op,
        0,
        op.attribute("axis", 0),
        bool(op.attribute("keepdims", 1)),
        bool(op.attribute("select_last_index", 0)),
    )


@lowers("TopK")
def lower_top_k(op: QonnxLowering) -> None:
    """Rule G2."""
    values, _ = op.node.outputs
    unread = not op.target.readers(values) and values not in op.target.outputs
    op.require(unread, f"values {values!r} must not be read, only the places. [G2]")
    op.require(op.ints(1) == (1,), f"K must be 1, not {op.ints(1)}. [G2]")
    op.require(bool(op.attribute("largest", 1)), "largest must be 1. [G2]")
    _place(op, 1, op.attribute("axis", -1), True, False)


def _place(op: QonnxLowering, output: int, axis: int, keep: bool, last: bool) -> None:
    x = op.carried(0)
    rank = len(x.shape)
    place = op.axis(axis, x.shape)
    axis %= rank
    op.require(not axes(x.parameters), "scales and float steps must be one for all. [G1]")
    codes = op.settled(x)
    name = op.view(codes, Layout.PLAIN)
    name = _ranked(op, x, name)
    falls = int(np.sign(x.slope).reshape(())) * int(np.asarray(directions(x.steps)).reshape(-1)[0]) < 0
    kind = data.format if (data := op.data_type(op.node.outputs[output])) is not None else None
    format = kind if isinstance(kind, IntFormat) and kind.bits <= 64 else IntFormat(64)
    node = (ArgMin if falls else ArgMax)(axis=place, keepdims=keep, last=last, format=format)
    shape = tuple(1 if a == axis else size for a, size in enumerate(x.shape) if keep or a != axis)
    codes = op.emit(node, name, shape=shape, dtype="int64", output=output)
    steps = one(1, len(shape), np.float64), one(0, len(shape), np.int64), one(0, len(shape), np.float64)
    op.bind(Carried(codes, shape, format, *steps), output)


def _ranked(op: QonnxLowering, x: Carried, name: str) -> str:
    """Rule G1: the tensor itself where every integer has a float of its own, else ranks."""
    ends = op.target.ranges[name].hull()
    op.require(ends.max - ends.min < _MOST_SUMS, f"integers must be fewer than {_MOST_SUMS}, not {ends}")
    n = np.arange(ends.min, ends.max + 1)
    slope, zero = x.slope.reshape(()), x.zero.reshape(())
    value = ((n - zero).astype(np.float64) * slope).astype(np.float32)
    for step in x.steps:
        value = step.flat(lambda entry: entry.reshape(()))(value)
    op.require(not np.isnan(value).any(), "every integer must have a number")
    new = np.flatnonzero(np.diff(value))
    if new.size == n.size - 1 or not new.size:
        return name
    rule = Requantization((Thresholds(values=n[new + 1]),), IntFormat.covering(0, new.size))
    return op.step(Requantize(rule), name, name="ranks")
