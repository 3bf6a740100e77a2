"""Operands of one operator, broadcast to a common shape, in one layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.values import Codes, Layout, Shape, is_held

Operand = Codes | Constant


@dataclass(frozen=True)
class Spread:
    """The network's tensors of the operands, their layout, and the file's shape of the result."""

    names: tuple[str, ...]
    layout: Layout
    shape: Shape


def operand_of(op: Lowering, i: int) -> Operand:
    """Input i as codes, or the constant that it is; refuses floats of the graph."""
    value = op.value(i)
    return value if isinstance(value, Constant) else op.codes(i)


def broadcast(op: Lowering, *operands: Operand) -> Spread:
    """All operands in the layout that one of them has already, an image rather than not."""
    computed = [operand for operand in operands if isinstance(operand, Codes)]
    op.require(bool(computed), "one operand must be computed, not all constant")
    shape = common_shape(op, *(operand.shape for operand in operands))
    for codes in computed:
        op.require(
            not op.strict or len(codes.shape) == len(shape),
            f"{codes.name!r} must have {len(shape)} axes, as samples of a batch must not mix",
        )
    whole = all(len(codes.shape) == len(shape) for codes in computed)
    image = whole and any(Layout.IMAGE in codes.views for codes in computed)
    layout = Layout.IMAGE if image else Layout.PLAIN
    return Spread(tuple(_named(op, operand, shape, layout) for operand in operands), layout, shape)


def common_shape(op: Lowering, *shapes: Shape) -> Shape:
    """What shapes broadcast to; refuses those that do not."""
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        op.refuse(f"shapes must broadcast, not {' and '.join(map(str, shapes))}")


def _named(op: Lowering, operand: Operand, shape: Shape, layout: Layout) -> str:
    if isinstance(operand, Codes):
        return op.view(operand, layout)
    op.require(is_held(operand.dtype), f"constant {operand.name!r} must hold integers, not {operand.dtype}")
    return op.target.constant(operand, _arranged(op, operand.values, shape, layout), operand.dtype)


def _arranged(op: Lowering, values: Array, shape: Shape, layout: Layout) -> Array:
    """A constant as the samples of a tensor of `shape` meet it."""
    if op.target.batch.batched(shape) and values.ndim == len(shape):
        op.require(
            values.shape[0] == 1,
            f"a constant's first size must be 1, not {values.shape}; samples must not mix",
        )
        values = values[0]
    if layout is Layout.PLAIN:
        return values
    values = values.reshape((1,) * (len(shape) - 1 - values.ndim) + values.shape)
    channels_last = np.moveaxis(values, 0, -1)
    return channels_last if channels_last.ndim == 3 else channels_last[None]


def first_is_spread(a: Shape, b: Shape, image: bool) -> bool:
    """Whether a loop over the innermost axes meets one element of `a` and several of `b` (or one of both).

    image : channels are the innermost axis, not the second
    """
    shape = np.broadcast_shapes(a, b)
    pairs = [_aligned(entry, len(shape)) for entry in (a, b)]
    order = list(range(len(shape)))
    if image:
        order.append(order.pop(1))
    for axis in reversed(order):
        if shape[axis] > 1:
            return pairs[0][axis] == 1
    return True


def _aligned(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape
