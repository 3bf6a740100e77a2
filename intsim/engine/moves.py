"""Lowering of ops that move or pick elements: their reference, on the tensors as they are held."""

from __future__ import annotations

from intsim.engine.lowered import Lowered, Site, Work
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
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    Unpack,
)
from intsim.record import Array

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
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
    Unpack,
)
"""Ops whose reference takes elements of any dtype and gives some of them, or a border of one value."""


def lower_move(site: Site) -> Lowered | str:
    """The reference without widening, where all tensors are held in one dtype."""
    if len({spec.format for spec in (*site.inputs, *site.outputs)}) != 1:
        return "its tensors have several formats"

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        return tuple(site.op.reference(*inputs))

    return Lowered(f"{site.op.name} as held", "it only moves or picks elements, none is changed", call)
