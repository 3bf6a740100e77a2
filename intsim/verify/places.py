"""Which input elements one output element of a summing op is made of, for all channels at one position."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.formats import TensorSpec
from intsim.ops import (
    BatchMatmul,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    GroupDense,
    Op,
    Sum,
    TransposeConv2d,
)
from intsim.record import Array

_POSITIONS = 4096  # looked at where every element has a range of its own


@dataclass(frozen=True)
class Places:
    """The terms of the sums at one output position.

    index : of the first channel's output element in a sample; the channel is its last number, but in a
        matrix product, where it is the column
    sizes : of the reduction axes h, w, c
    x : (channels, terms) element numbers in the first input's sample; -1 outside, where it holds zx
    y : as `x`, in the second input; None where there is none
    weight : (channels, terms) codes; None where there are none of the op's own
    """

    index: tuple[int, ...]
    sizes: tuple[int, int, int]
    x: Array
    y: Array | None = None
    weight: Array | None = None


def places_of(op: Op, specs: Sequence[TensorSpec], rank: int = 0) -> Iterator[Places]:
    """The terms at one output position of each kind, those with most taps inside the image first.

    Parameters
    ----------
    op : the op; one that is not known here has no places
    specs : of its inputs
    rank : of the inputs' ranges, the largest. All positions (4096 at most) are given instead where they
        differ: if every element has a range of its own, and in a matrix product if every channel has
    """
    every = rank > 1
    if isinstance(op, (Conv2d, DepthwiseConv2d, TransposeConv2d)):
        yield from _convolution(op, specs[0], every)
    elif isinstance(op, (Dense, GroupDense)):
        yield from _dense(op, specs[0], every)
    elif isinstance(op, BatchMatmul):
        yield from _matmul(op, specs, rank > 0)
    elif isinstance(op, Sum):
        yield from _sum(op, specs[0], every)


def _ids(spec: TensorSpec) -> Array:
    return np.arange(spec.size).reshape(1, *spec.shape)


def _convolution(op: Any, spec: TensorSpec, every: bool) -> Iterator[Places]:
    weight = op.filters if isinstance(op, DepthwiseConv2d) else op.weight
    channels, height, width, depth = weight.shape
    groups = spec.shape[2] // depth
    seen = op.replace(input_zero_point=-1).seen(_ids(spec))[0]
    inside = (seen[:, :, 0] >= 0).reshape(-1, height * width)
    if every:
        chosen = np.arange(min(len(inside), _POSITIONS))
    else:
        kinds, first = np.unique(inside, axis=0, return_index=True)
        chosen = first[np.argsort(-kinds.sum(axis=1), kind="stable")]
    flat = weight.reshape(channels, -1)
    for number in chosen.tolist():
        position = divmod(number, seen.shape[1])
        taps = seen[position].reshape(groups, depth, height, width).transpose(0, 2, 3, 1)
        rows = taps.reshape(groups, -1).repeat(channels // groups, axis=0)
        yield Places((*position, 0), (height, width, depth), rows, weight=flat)


def _dense(op: Dense | GroupDense, spec: TensorSpec, every: bool) -> Iterator[Places]:
    rows = _ids(spec).reshape(-1, spec.shape[-1])
    for number in range(min(len(rows), _POSITIONS) if every else 1):
        index = (*_index(number, spec.shape[:-1]), 0)
        x = np.broadcast_to(rows[number], op.weight.shape)
        yield Places(index, (1, 1, x.shape[1]), x, weight=op.weight)


def _matmul(op: BatchMatmul, specs: Sequence[TensorSpec], every: bool) -> Iterator[Places]:
    """Rows by columns; where all have the same range, the first sum is like every other."""
    x, y = (_ids(spec)[0] for spec in specs)
    x = x.swapaxes(-1, -2) if op.transpose_x else x
    y = y if op.transpose_y else y.swapaxes(-1, -2)
    leading = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = (np.broadcast_to(ids, (*leading, *ids.shape[-2:])) for ids in (x, y))
    shape = (*leading, x.shape[-2], y.shape[-2])
    for number in range(min(math.prod(shape), _POSITIONS) if every else 1):
        *matrix, row, column = index = _index(number, shape)
        rows, columns = x[(*matrix, row)][None], y[(*matrix, column)][None]
        yield Places(index, (1, 1, x.shape[-1]), rows, columns)


def _sum(op: Sum, spec: TensorSpec, every: bool) -> Iterator[Places]:
    ids = op.along(_ids(spec))[0]
    kept = len(spec.shape) - 1 not in op.axes
    shape = op.reduced(spec.shape)
    rows = ids.reshape(-1, spec.shape[-1] if kept else 1, ids.shape[-1])
    for number in range(min(len(rows), _POSITIONS) if every else 1):
        yield Places(_index(number * rows.shape[1], shape), op.sizes(spec.shape), rows[number])


def _index(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(place) for place in np.unravel_index(number, shape)) if shape else ()
