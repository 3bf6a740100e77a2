"""The terms of one sum of products: which element of the input meets which weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator
from intsim.ops import (
    BatchMatmul,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    GroupDense,
    GroupScales,
    Op,
    Sum,
    TransposeConv2d,
)
from intsim.ops.windows import windows
from intsim.record import Array

Place = tuple[int, ...]


@dataclass(frozen=True)
class Groups:
    """Consecutive terms whose sums are scaled before they are added (rules U1 to U3 of `ops.group_sums`).

    size : of a group; the last has what there is
    zeros : zero point of each group's weights
    scales : what each group's sum is multiplied by
    """

    size: int
    zeros: tuple[int, ...]
    scales: tuple[int, ...]


@dataclass(frozen=True)
class Terms:
    """The terms of one output element, by place (h, w, c with c fastest).

    accumulator : how they are summed
    sizes : of the reduction axes h, w, c
    places : index of each term's input element in the sample; None outside the image, where it holds zx
    x, w : the operands; `w` is None where the terms are the input's elements themselves
    zx, zw : zero points
    bias : added once
    groups : None where terms are added as they are; `zw` is then 0
    """

    accumulator: Accumulator
    sizes: tuple[int, int, int]
    places: tuple[Place | None, ...]
    x: tuple[int, ...]
    w: tuple[int, ...] | None
    zx: int = 0
    zw: int = 0
    bias: int = 0
    groups: Groups | None = None

    def zero_of(self, place: int) -> int:
        """The zero point of a term's weight."""
        return self.zw if self.groups is None else self.groups.zeros[place // self.groups.size]

    def slope(self, place: int) -> int:
        """What one more in the input adds to the exact sum."""
        if self.w is None:
            return 1
        scale = 1 if self.groups is None else self.groups.scales[place // self.groups.size]
        return (self.w[place] - self.zero_of(place)) * scale


def terms_of(op: Op, inputs: Sequence[Array], index: Place) -> Terms | None:
    """The terms of the output element at `index` of one sample; None for ops that do not sum.

    Parameters
    ----------
    inputs : the op's inputs, one sample each, without the batch axis
    """
    if isinstance(op, (Conv2d, DepthwiseConv2d, TransposeConv2d)):
        return _convolution(op, inputs[0], index)
    if isinstance(op, Dense):
        return _dense(op, inputs[0], index)
    if isinstance(op, GroupDense):
        return _group_dense(op, inputs, index)
    if isinstance(op, BatchMatmul):
        return _matmul(op, inputs[0], inputs[1], index)
    if isinstance(op, Sum):
        return _sum(op, inputs[0], index)
    return None


def _convolution(op: Any, x: Array, index: Place) -> Terms:
    row, column, channel = index
    ids = np.arange(x.size).reshape(1, *x.shape)
    if isinstance(op, TransposeConv2d):
        weight, groups = op.weight, op.groups
        spread = op.replace(input_zero_point=-1).spread(ids)
        seen = windows(spread, weight.shape[1:3], (1, 1), op.dilation, ((0, 0), (0, 0)), -1)[..., ::-1, ::-1]
    else:
        depthwise = isinstance(op, DepthwiseConv2d)
        weight, groups = (op.filters, op.weight.shape[0]) if depthwise else (op.weight, op.groups)
        seen = windows(ids, weight.shape[1:3], op.stride, op.dilation, op.padding, -1)
    channels, height, width, depth = weight.shape
    group = channel // (channels // groups)
    mine = seen[0, row, column, group * depth : (group + 1) * depth]  # (c, h, w)
    flat = mine.transpose(1, 2, 0).ravel().tolist()
    places = tuple(_place(number, x.shape) for number in flat)
    zx = op.input_zero_point
    return Terms(
        op.accumulator,
        (height, width, depth),
        places,
        tuple(zx if place is None else int(x[place]) for place in places),
        tuple(weight[channel].ravel().tolist()),
        zx,
        _of_channel(op.weight_zero_point, channel),
        _of_channel(op.bias, channel),
    )


def _place(number: int, shape: tuple[int, ...]) -> Place | None:
    if number < 0:
        return None
    return tuple(int(i) for i in np.unravel_index(number, shape))


def _dense(op: Dense, x: Array, index: Place) -> Terms:
    *row, channel = index
    depth = op.weight.shape[1]
    return Terms(
        op.accumulator,
        (1, 1, depth),
        tuple((*row, c) for c in range(depth)),
        tuple(x[tuple(row)].tolist()),
        tuple(op.weight[channel].tolist()),
        op.input_zero_point,
        _of_channel(op.weight_zero_point, channel),
        _of_channel(op.bias, channel),
    )


def _group_dense(op: GroupDense, inputs: Sequence[Array], index: Place) -> Terms:
    *row, channel = index
    rows = [x[tuple(row)].astype(object) for x in inputs]
    depth, by_sum = op.weight.shape[1], op.scales is GroupScales.SUM
    scale = op.scale_of(*rows)
    groups = Groups(
        op.group,
        tuple(op.zeros[channel].tolist()),
        tuple(int(scale(group)[channel]) for group in range(op.groups)),
    )
    return Terms(
        op.accumulator,
        (1, 1, depth),
        tuple((*row, c) for c in range(depth)),
        tuple(int(value) for value in rows[0]),
        tuple(int(value) for value in (op.weight if by_sum else op.scaled_weight)[channel]),
        op.input_zero_point,
        bias=_of_channel(op.bias, channel),
        groups=groups if by_sum else None,
    )


def _matmul(op: BatchMatmul, x: Array, y: Array, index: Place) -> Terms:
    *leading, row, column = index
    depth = x.shape[-2 if op.transpose_x else -1]
    above = tuple(0 if size == 1 else i for i, size in zip(_last(leading, x.ndim - 2), x.shape, strict=False))
    beside = tuple(
        0 if size == 1 else i for i, size in zip(_last(leading, y.ndim - 2), y.shape, strict=False)
    )
    places = tuple((*above, c, row) if op.transpose_x else (*above, row, c) for c in range(depth))
    others = tuple((*beside, column, c) if op.transpose_y else (*beside, c, column) for c in range(depth))
    return Terms(
        op.accumulator,
        (1, 1, depth),
        places,
        tuple(int(x[place]) for place in places),
        tuple(int(y[place]) for place in others),
        op.x_zero_point,
        op.y_zero_point,
    )


def _last(entries: Sequence[int], count: int) -> Sequence[int]:
    return entries[len(entries) - count :]


def _sum(op: Sum, x: Array, index: Place) -> Terms:
    ids = np.arange(x.size).reshape(1, *x.shape)
    kept = [place for axis, place in enumerate(index) if not (op.keepdims and axis in op.axes)]
    flat = op.along(ids)[(0, *kept)].tolist()
    places = tuple(_place(number, x.shape) for number in flat)
    sizes = (1, 1, len(flat))
    if x.ndim == 3:
        height, width, depth = (size if axis in op.axes else 1 for axis, size in enumerate(x.shape))
        sizes = (height, width, depth)
    return Terms(op.accumulator, sizes, places, tuple(x.ravel()[flat].tolist()), None)


def _of_channel(values: Array, channel: int) -> int:
    return int(values.reshape(-1)[channel if values.size > 1 else 0])
