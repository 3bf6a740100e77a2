"""PAD, TRANSPOSE, RESHAPE and their kin: the data of one tensor in other places.

Sources: LiteRT 2.3.0, tflite/kernels/{pad,mirror_pad,transpose,tile,broadcast_to,reshape,squeeze,
expand_dims,space_to_depth,depth_to_space,cast}.cc.
"""

from __future__ import annotations

import math

from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import (
    Operands,
    axis_of,
    one,
    operands,
    require_same_meaning,
    require_shape,
    yields,
    zero_of,
)
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Overflow, Requantization
from intsim.ops import DepthToSpace, Pad, PadMode, Requantize, Reshape, SpaceToDepth, Tile, Transpose


@lowers("PAD", "PADV2")
def lower_pad(op: Lowering) -> None:
    """A border of zeros (the output's zero point), or of a stored code."""
    x, y = op.input(0), op.output(0)
    value = zero_of(y)
    if op.name == "PADV2":
        value = one(op, 2)
        fill = op.input(2)
        op.require(fill.dtype == x.dtype, f"fill must be {x.dtype}, not {fill.dtype}")
        op.require(
            zero_of(fill) == zero_of(y),
            f"fill must have the output's zero point, {zero_of(y)}, not {zero_of(fill)}",
        )
    _pad(op, value, PadMode.CONSTANT)


@lowers("MIRROR_PAD", options="MirrorPadOptions")
def lower_mirror_pad(op: Lowering) -> None:
    require_same_meaning(op, op.input(0), op.output(0))
    _pad(op, 0, PadMode[op.options.mode])


def _pad(op: Lowering, value: int, mode: PadMode) -> None:
    x = op.input(0)
    flat = op.ints(1)
    op.require(len(flat) == 2 * x.rank, f"paddings must be {x.rank} pairs, not {len(flat)} values")
    pairs = tuple(zip(flat[::2], flat[1::2], strict=True))
    given = operands(op, [0], keeps_batch=bool(pairs) and pairs[0] == (0, 0))
    shape = tuple(size + sum(pair) for size, pair in zip(x.shape, pairs, strict=True))
    yields(op, Pad(pairs[given.lead :], value, mode), given, shape)


@lowers("TRANSPOSE")
def lower_transpose(op: Lowering) -> None:
    x = op.input(0)
    kind = op.input(1).dtype
    op.require(kind == "int32", f"permutation must be int32, which is all the runtime reads, not {kind}")
    order = [axis_of(op, axis, x.rank) for axis in op.ints(1)]
    op.require(sorted(order) == list(range(x.rank)), f"permutation must name {x.rank} axes once, not {order}")
    given = operands(op, [0], keeps_batch=order[:1] == [0])
    rule = Transpose(tuple(given.axis(axis) for axis in order[given.lead :]))
    yields(op, rule, given, tuple(x.shape[axis] for axis in order))


@lowers("TILE")
def lower_tile(op: Lowering) -> None:
    x = op.input(0)
    multiples = op.ints(1)
    op.require(len(multiples) == x.rank, f"multiples must have {x.rank} entries, not {len(multiples)}")
    given = operands(op, [0], keeps_batch=multiples[:1] == (1,))
    shape = tuple(size * times for size, times in zip(x.shape, multiples, strict=True))
    yields(op, Tile(multiples[given.lead :]), given, shape)


@lowers("BROADCAST_TO")
def lower_broadcast_to(op: Lowering) -> None:
    """Axes of size 1, and missing leading ones, repeated."""
    x, shape = op.input(0), op.ints(1)
    missing = len(shape) - x.rank
    op.require(missing >= 0, f"shape must have at least {x.rank} axes, not {len(shape)}")
    padded = (1,) * missing + x.shape
    fits = all(size in (1, wanted) for size, wanted in zip(padded, shape, strict=True))
    op.require(fits, f"{x.shape} must broadcast to shape {shape}")
    multiples = tuple(wanted // size for size, wanted in zip(padded, shape, strict=True))
    given = operands(op, [0], keeps_batch=missing == 0 and multiples[:1] == (1,))
    if missing:
        whole = op.step(Reshape(padded), *given.names, name="widened")
        given = Operands((whole,), 0)
    yields(op, Tile(multiples[given.lead :]), given, shape)


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def lower_reshape(op: Lowering) -> None:
    """The same elements in the same order; the batch is kept, so every sample is reshaped alone."""
    x, y = op.input(0), op.output(0)
    shape = {"RESHAPE": _reshaped, "SQUEEZE": _squeezed, "EXPAND_DIMS": _expanded}[op.name](op, x)
    require_shape(op, y, shape)
    op.require(op.batch == 1 or x.batched, f"input must keep the batch {op.batch}; samples must not mix")
    op.emit(Reshape(y.sample_shape), op.value(0))


def _reshaped(op: Lowering, x: TensorView) -> tuple[int, ...]:
    """The stated shape, one size of which may be left to be found (-1).

    The runtime reads it from a list of int32, and from the options where the operand is anything else.
    """
    if op.has(1) and op.input(1).rank == 1 and op.input(1).dtype == "int32":
        shape = list(op.ints(1))
    else:
        op.require(op.options.get("new_shape") is not None, "shape must be given")
        shape = list(op.options.new_shape)
        if shape == [0]:  # how old files write the shape of a scalar
            shape = []
    if shape.count(-1) == 1:
        known = -math.prod(shape)
        op.require(known > 0 and x.tensor.size % known == 0, f"{x.shape} must fit shape {shape}")
        shape[shape.index(-1)] = x.tensor.size // known
    return tuple(shape)


def _squeezed(op: Lowering, x: TensorView) -> tuple[int, ...]:
    given = op.options.get("squeeze_dims") or ()
    axes = {axis_of(op, axis, x.rank) for axis in given}
    op.require(all(x.shape[axis] == 1 for axis in axes), f"squeezed axes of {x.shape} must be 1, not {given}")
    dropped = axes if given else {axis for axis, size in enumerate(x.shape) if size == 1}
    return tuple(size for axis, size in enumerate(x.shape) if axis not in dropped)


def _expanded(op: Lowering, x: TensorView) -> tuple[int, ...]:
    require_same_meaning(op, x, op.output(0))
    axis = axis_of(op, one(op, 1), x.rank + 1)
    return (*x.shape[:axis], 1, *x.shape[axis:])


@lowers("SPACE_TO_DEPTH", options="SpaceToDepthOptions")
@lowers("DEPTH_TO_SPACE", options="DepthToSpaceOptions")
def lower_blocks(op: Lowering) -> None:
    x, y = op.input(0), op.output(0)
    op.require(x.batched and y.batched and x.rank == 4, f"input must be (batch, H, W, C), not {x.shape}")
    given = operands(op, [0], keeps_batch=True)
    rule = SpaceToDepth if op.name == "SPACE_TO_DEPTH" else DepthToSpace
    op.emit(rule(op.options.block_size), *given.names)


@lowers("CAST")
def lower_cast(op: Lowering) -> None:
    """Integers to integers of another width: C's conversion, which keeps the low bits."""
    x, y = op.input(0), op.output(0)
    op.require(y.dtype != "bool" or x.dtype == "bool", f"output must be integers, not {y.dtype}")
    given = operands(op, [0], keeps_batch=True)
    yields(op, Requantize(Requantization((), y.format, Overflow.WRAP)), given, x.shape)


@lowers("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
def lower_space_and_batch(op: Lowering) -> None:
    op.refuse("makes samples of places; export a dilated convolution with its dilation factors instead")
