"""Lowering of ops that move or pick elements: their reference, on the tensors as they are held."""

from __future__ import annotations

import numpy as np

from intsim.engine.lowered import Lowered, Site, Work
from intsim.kernels.launch import Launch
from intsim.ops import (
    Concat,
    DepthToSpace,
    Maximum,
    Minimum,
    Op,
    Pack,
    Pad,
    ReduceMax,
    ReduceMin,
    Reshape,
    ResizeNearest,
    Select,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    Unpack,
)
from intsim.record import Array

_LEAST = 1 << 17  # bytes below which a thread costs more than it gives

MOVES: tuple[type[Op], ...] = (
    Concat,
    DepthToSpace,
    Maximum,
    Minimum,
    Pack,
    Pad,
    ReduceMax,
    ReduceMin,
    Reshape,
    ResizeNearest,
    Select,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    Unpack,
)
"""Ops whose reference takes elements of any dtype and gives some of them, or a border of one value."""


def lower_move(site: Site) -> Lowered | str:
    """The reference without widening, where all tensors but a condition are held in one dtype."""
    picked = site.inputs[1:] if isinstance(site.op, Select) else site.inputs
    if len({spec.format for spec in (*picked, *site.outputs)}) != 1:
        return "its tensors have several formats"

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        return tuple(site.op.reference(*inputs))

    begin = _copied if isinstance(site.op, Reshape) else None
    reason = "it only moves or picks elements, none is changed"
    return Lowered(f"{site.op.name} as held", reason, call, begin=begin)


def _copied(inputs: tuple[Array, ...], out: Array) -> Launch:
    """Elements in their order; a call gives a view instead, a tape has no place for one."""
    from intsim.kernels.pooling import copy

    source, to = (tensor.reshape(-1).view(np.uint8) for tensor in (inputs[0], out))
    return Launch(copy, (source,), (to,), to.size, _LEAST)
