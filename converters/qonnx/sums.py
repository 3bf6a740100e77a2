"""What matrix products and convolutions share: weights, bias, accumulator, and what their sums stand for.

Rules
-----
S1. Weights are constant integers with one scale and zero point, or one per output channel.
S2. A bias is in the sum where it is whole numbers of the sums' scale, or constant integers whose scale is
    that one rounded to float32. Any other is a float step behind it.
S3. The accumulator is what the node's ``accDataType`` says, or the data type of its output where its slope
    is one or the type is SCALEDINT; it wraps, as FINN's does. Where neither says, it has 32 bits, or as
    many as the bounds ask for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from intsim_converters.onnx.values import Layout
from intsim_converters.qonnx.affine import exact, reach, rounding, sum_error
from intsim_converters.qonnx.annotations import DataType, parse
from intsim_converters.qonnx.chain import Step
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.parameters import Array, Shape, compact, one
from intsim_converters.qonnx.values import Carried, Fixed

from intsim.arithmetic import Accumulator, Interval
from intsim.formats import IntFormat
from intsim.ops import Conv2d, Dense, DepthwiseConv2d

Product = Conv2d | Dense | DepthwiseConv2d
REGISTER = "accDataType"


@dataclass(frozen=True, eq=False)
class Matrix:
    """Weights with their output channels first.

    codes : (K, ...)
    slope, zero : one, or one per output channel
    """

    codes: Array
    slope: Array
    zero: Array

    @property
    def channels(self) -> int:
        return len(self.codes)

    def magnitudes(self) -> Array:
        """Per output channel, the sum of |code - zero|."""
        flat = self.codes.reshape(self.channels, -1).astype(np.float64)
        return np.asarray(np.abs(flat - self.zero.reshape(-1, 1)).sum(axis=1))


def matrix(op: QonnxLowering, w: Fixed, axis: int) -> Matrix:
    """Rule S1; `axis` is the one of output channels."""
    parts = []
    for values in (w.slope, w.zero):
        spread = [place for place, size in enumerate(values.shape) if size > 1]
        op.require(
            spread in ([], [axis]),
            f"scales of weights {w.name!r} must be one, or one per output channel, not of shape"
            f" {values.shape}. [S1]",
        )
        parts.append(values.reshape(-1))
    return Matrix(np.moveaxis(w.codes, axis, 0), *parts)


def finish(
    op: QonnxLowering,
    node: Product,
    x: Carried,
    w: Matrix,
    shape: Shape,
    axis: int,
    bias: Array | Fixed | None = None,
    inside: bool = False,
) -> None:
    """Add the node, and bind what its sums stand for.

    Parameters
    ----------
    node : with its accumulator and bias still to be set
    x : the operand, affine
    shape, axis : of the result in the file, and where its channels are
    bias : one, or one per output channel: float32, or constant integers
    inside : whether QONNX' runtime may add the bias before the products, so that it is rounded with them
    """
    wide = [1] * len(shape)
    wide[axis] = -1
    slope = x.slope if x.slope.size == 1 else np.repeat(x.slope, w.channels // x.slope.size)
    slope, weight = slope.reshape(-1), np.broadcast_to(w.slope, (w.channels,))
    terms, scale = w.codes[0].size, slope * weight
    held, rest = _bias(bias, scale, exact(slope, weight, 1))
    layout = Layout.PLAIN if isinstance(node, Dense) else Layout.IMAGE
    given = op.view(op.settled(x), layout)
    magnitude = w.magnitudes() * _largest(x, op.target.ranges[given].hull()) + np.abs(held)
    error = sum_error(slope, weight, magnitude, terms, not x.error.any())
    error = error + x.error.max() * w.magnitudes() * weight * 2
    if rest is not None and inside:
        error = error + rounding(terms) * (magnitude * np.abs(scale) + np.abs(rest))
    node = node.replace(bias=held if held.any() else np.zeros(1, np.int64))
    node = _registered(op, node, given, bool((scale == 1).all()))
    slope, error = (compact(entry.reshape(wide)) for entry in (scale, error))
    zero = one(0, len(shape), np.int64)
    note = op.annotation(slope, zero, shape, layout)
    codes = op.produce(node, given, shape=shape, layout=layout, meaning=note)
    y = Carried(codes, shape, node.accumulator.format, slope, zero, error)
    if rest is not None:
        y = y.then(Step("Add", (compact(rest.reshape(wide)),)))
    op.bind(y)


def _largest(x: Carried, reached: Interval) -> float:
    """The largest |n - zero| that the bounds admit."""
    ends = (float(np.abs(end - x.zero).max()) for end in (reached.min, reached.max))
    return min(float(reach(x).max()), max(ends))


def _bias(bias: Array | Fixed | None, scale: Array, good: Array) -> tuple[Array, Array | None]:
    """Rule S2: what is in the sum, and what is not."""
    none = np.zeros(scale.size, np.int64)
    if bias is None:
        return none, None
    if isinstance(bias, Fixed):
        same = np.broadcast_to(bias.slope.reshape(-1), scale.shape).astype(np.float32) == scale.astype(
            np.float32
        )
        if same.all() and not bias.zero.any():
            return np.broadcast_to(bias.codes.reshape(-1), scale.shape).astype(np.int64), None
        bias = bias.real
    wide = np.broadcast_to(bias.reshape(-1), scale.shape)
    codes = np.rint(wide / scale)
    if (np.abs(codes) < 2.0**31).all() and good.all() and (codes * scale == wide).all():
        return codes.astype(np.int64), None
    return none, wide.astype(np.float32)


def _registered(op: QonnxLowering, node: Product, name: str, plain: bool) -> Product:
    """Rule S3."""
    said = _said(op, plain)
    if said is not None:
        return node.replace(accumulator=Accumulator(said))
    node.infer(op.target.specs[name])  # raises where the input does not fit
    bounds = node.bounds([op.target.specs[name]], [op.target.ranges[name]])
    reached = bounds.partial if bounds.reach is None else bounds.reach.hull()
    if reached.within(IntFormat(32)):
        return node
    covering = IntFormat.covering(min(reached.min, -1), reached.max)
    return node.replace(accumulator=Accumulator(covering))


def _said(op: QonnxLowering, plain: bool) -> IntFormat | None:
    name = op.attribute(REGISTER)
    if name is not None:
        kind = parse(str(name))
        good = kind is not None and isinstance(kind.format, IntFormat)
        op.require(good, f"{REGISTER} must be an integer data type, not {name!r}. [S3]")
        return kind.format if kind is not None and isinstance(kind.format, IntFormat) else None
    kind = op.data_type(op.output)
    if kind is None or not isinstance(kind.format, IntFormat):
        return None
    return kind.format if _fits(kind, plain) else None


def _fits(kind: DataType, plain: bool) -> bool:
    """Whether an output's data type tells the sums' width: its values are the sums, or it is only a width."""
    return kind.step is None or (plain and kind.step == 1)


def read_bias(op: QonnxLowering, i: int, channels: int) -> Array | Fixed | None:
    """Input i as a bias: one value, or one per output channel."""
    if not op.has(i):
        return None
    given = op.given(i)
    bias: Array | Fixed = given if isinstance(given, Fixed) else op.reals(i, "bias")
    size = math.prod(bias.shape)
    op.require(size in (1, channels), f"bias must have 1 or {channels} values, not {size}. [S2]")
    return bias


def weight_format(op: QonnxLowering, w: Fixed) -> dict[str, Any]:
    """The fields of an op that holds weights."""
    outside = w.format.outside(w.codes)
    op.require(not outside.any(), f"weights {w.name!r} must be in {w.format}")
    return {"weight_format": w.format}
