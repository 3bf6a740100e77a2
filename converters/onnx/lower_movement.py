"""Operators that give the same codes in another shape or order: Identity, Reshape, Flatten, Squeeze,
Unsqueeze, Transpose, DepthToSpace, SpaceToDepth, Expand.

Reshapes and transposes count the file's axes, so an image is brought back to them first.
"""

from __future__ import annotations

import math

import numpy as np
from intsim_converters.onnx.elementwise import any_view
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.moving import emit_whole, moved, whole
from intsim_converters.onnx.values import Codes, Layout, Shape
from intsim_converters.onnx.windows import image_size

from intsim.ops import DepthToSpace, Reshape, SpaceToDepth, Transpose


@lowers("Identity", "Dropout")
def lower_identity(op: Lowering) -> None:
    op.require(len([name for name in op.node.outputs if name]) == 1, "mask must not be asked for")
    if op.output in op.target.outputs:
        moved(op, lambda op, x, name: _reshaped(op, x, x.shape, name))
    else:
        op.bind(op.value(0))


def _reshaped(op: Lowering, x: Codes, shape: Shape, name: str | None) -> Codes:
    """The same codes, in the file's order, in another shape."""
    op.require(
        math.prod(shape) == math.prod(x.shape) and min(shape, default=1) >= 1,
        f"shape must have the {math.prod(x.shape)} elements of {x.shape}, not those of {shape}",
    )
    _, layout = any_view(x)
    if layout is Layout.IMAGE and shape == x.shape and name is None and op.output not in op.target.outputs:
        op.bind(x)
        return x
    sample = op.target.batch.sample(shape)
    return op.emit(Reshape(sample), op.view(x), shape=shape, dtype=x.dtype, name=name)


@lowers("Reshape")
def lower_reshape(op: Lowering) -> None:
    given = op.ints(1)
    moved(op, lambda op, x, name: _reshaped(op, x, _resolved(op, x.shape, given), name))


def _resolved(op: Lowering, shape: Shape, given: Shape) -> Shape:
    """The target shape: 0 copies a size, one -1 is what is left."""
    sizes = list(given)
    if not op.attribute("allowzero", 0):
        for axis, size in enumerate(sizes):
            if size == 0:
                op.require(axis < len(shape), f"shape {given} must not copy a size that {shape} has not")
                sizes[axis] = shape[axis]
    op.require(
        sizes.count(-1) <= 1 and min(sizes, default=1) >= -1, f"shape must have one -1 at most, not {given}"
    )
    if -1 in sizes:
        others = -math.prod(sizes)
        op.require(others > 0, f"shape {given} must have no size 0 beside -1")
        sizes[sizes.index(-1)] = math.prod(shape) // others
    if op.target.batch.symbol:
        op.require(
            bool(given) and given[0] in (0, -1) and bool(sizes) and sizes[0] == 1,
            f"shape must keep the batch on its first axis, by 0 or -1, not {given}; samples must not mix",
        )
    return tuple(sizes)


@lowers("Flatten")
def lower_flatten(op: Lowering) -> None:
    axis = op.attribute("axis", 1)

    def flatten(op: Lowering, x: Codes, name: str | None) -> Codes:
        op.require(-len(x.shape) <= axis <= len(x.shape), f"axis must be of {x.shape}, not {axis}")
        cut = axis % len(x.shape) if axis < len(x.shape) else axis
        op.require(not op.strict or cut == 1, f"axis must be 1, not {axis}; samples must not mix")
        return _reshaped(op, x, (math.prod(x.shape[:cut]), math.prod(x.shape[cut:])), name)

    moved(op, flatten)


def _axes(op: Lowering) -> tuple[int, ...] | None:
    """The axes of Squeeze and Unsqueeze: an attribute before version 13, then an input."""
    if op.opset < 13:
        found = op.attribute("axes")
        return None if found is None else tuple(found)
    return op.ints(1) if op.has(1) else None


@lowers("Squeeze")
def lower_squeeze(op: Lowering) -> None:
    axes = _axes(op)

    def squeeze(op: Lowering, x: Codes, name: str | None) -> Codes:
        rank = len(x.shape)
        gone = (
            {axis % rank for axis in axes}
            if axes is not None
            else {axis for axis, size in enumerate(x.shape) if size == 1}
        )
        op.require(
            all(x.shape[axis] == 1 for axis in gone), f"sizes at axes {sorted(gone)} of {x.shape} must be 1"
        )
        op.require(not op.strict or 0 not in gone, "axes must not name the batch; samples must not mix")
        return _reshaped(op, x, tuple(size for axis, size in enumerate(x.shape) if axis not in gone), name)

    moved(op, squeeze)


@lowers("Unsqueeze")
def lower_unsqueeze(op: Lowering) -> None:
    axes = _axes(op)
    op.require(axes is not None, "axes must be given")

    def unsqueeze(op: Lowering, x: Codes, name: str | None) -> Codes:
        assert axes is not None
        rank = len(x.shape) + len(axes)
        op.require(all(-rank <= axis < rank for axis in axes), f"axes must be of {rank} axes, not {axes}")
        added = {axis % rank for axis in axes}
        op.require(
            not op.strict or 0 not in added, "axes must not come before the batch; samples must not mix"
        )
        sizes = iter(x.shape)
        return _reshaped(op, x, tuple(1 if axis in added else next(sizes) for axis in range(rank)), name)

    moved(op, unsqueeze)


@lowers("Transpose")
def lower_transpose(op: Lowering) -> None:
    moved(op, _transposed)


def _transposed(op: Lowering, x: Codes, name: str | None) -> Codes:
    rank = len(x.shape)
    order = tuple(op.attribute("perm", tuple(reversed(range(rank)))))
    op.require(sorted(order) == list(range(rank)), f"perm must name each axis of {x.shape} once, not {order}")
    shape = tuple(x.shape[axis] for axis in order)
    if op.target.batch.batched(x.shape) and order[0] == 0:
        within = tuple(axis - 1 for axis in order[1:])
        return op.emit(Transpose(within), op.view(x), shape=shape, dtype=x.dtype, name=name)
    return emit_whole(op, Transpose(order), whole(op, x), shape, x, name)


@lowers("Expand")
def lower_expand(op: Lowering) -> None:
    given = op.ints(1)

    def expand(op: Lowering, x: Codes, name: str | None) -> Codes:
        shape = tuple(np.broadcast_shapes(x.shape, given))
        op.require(
            shape == x.shape, f"shape must be the input's {x.shape}, not {shape}; repetition is not converted"
        )
        return _reshaped(op, x, shape, name)

    moved(op, expand)


@lowers("DepthToSpace")
def lower_depth_to_space(op: Lowering) -> None:
    """Mode DCR is intsim's order of channels; for CRD they are reordered first."""
    block, mode = op.attribute("blocksize", 0), op.attribute("mode", "DCR")
    op.require(mode in ("DCR", "CRD"), f"mode must be DCR or CRD, not {mode!r}")

    def spread(op: Lowering, x: Codes, name: str | None) -> Codes:
        height, width = image_size(op, x.shape)
        op.require(
            len(x.shape) == 4 and block >= 1 and x.shape[1] % block**2 == 0,
            f"input must have shape (N, C, H, W), C a multiple of {block}**2, not {x.shape}",
        )
        deep = x.shape[1] // block**2
        held = op.view(x, Layout.IMAGE)
        if mode == "CRD" and deep > 1 and block > 1:
            split = op.step(Reshape((height, width, deep, block**2)), held, name="blocks")
            turned = op.step(Transpose((0, 1, 3, 2)), split, name="turned")
            held = op.step(Reshape((height, width, x.shape[1])), turned, name="ordered")
        shape = (x.shape[0], deep, height * block, width * block)
        return op.emit(DepthToSpace(block), held, shape=shape, dtype=x.dtype, layout=Layout.IMAGE, name=name)

    moved(op, spread)


@lowers("SpaceToDepth")
def lower_space_to_depth(op: Lowering) -> None:
    block = op.attribute("blocksize", 0)

    def gather(op: Lowering, x: Codes, name: str | None) -> Codes:
        height, width = image_size(op, x.shape)
        good = len(x.shape) == 4 and block >= 1 and height % block == 0 == width % block
        op.require(good, f"input must have shape (N, C, H, W), H and W multiples of {block}, not {x.shape}")
        shape = (x.shape[0], x.shape[1] * block**2, height // block, width // block)
        held = op.view(x, Layout.IMAGE)
        return op.emit(SpaceToDepth(block), held, shape=shape, dtype=x.dtype, layout=Layout.IMAGE, name=name)

    moved(op, gather)
