"""Axes of ONNX' reductions: which go, and what a tensor's shape is without them."""

from __future__ import annotations

from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.moving import whole
from intsim_converters.onnx.values import Codes, Shape


def axes_of(op: Lowering, rank: int, moved: int = 18) -> tuple[int, ...]:
    """The axes that go, ascending: an attribute, from version `moved` an input; left out, all or none."""
    given = op.attribute("axes") if op.opset < moved else op.ints(1) if op.has(1) else None
    if not given:
        return () if op.attribute("noop_with_empty_axes", 0) else tuple(range(rank))
    op.require(all(-rank <= axis < rank for axis in given), f"axes must be of {rank} axes, not {given}")
    return tuple(sorted({axis % rank for axis in given}))


def without(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    sizes = [1 if axis in axes else size for axis, size in enumerate(shape)]
    return tuple(size for axis, size in enumerate(sizes) if keepdims or axis not in axes)


def sampled(op: Lowering, x: Codes, axes: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """The network's tensor, and the axes in it: the first axis is there only where it goes."""
    lead = int(op.target.batch.batched(x.shape))
    if 0 in axes:
        return whole(op, x), axes
    return op.view(x), tuple(axis - lead for axis in axes)
