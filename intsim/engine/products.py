"""`Products`: what convolutions and dense layers are to the kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator
from intsim.formats import Discrete, TensorSpec
from intsim.ops import Conv2d, Dense, DepthwiseConv2d, TransposeConv2d
from intsim.record import Array

Images = Callable[[Array], Array]


@dataclass(frozen=True)
class Products:
    """Sums of products over windows, as plain arrays.

    word : the op's name in the plan
    filters : (K, KH, KW, C / groups) codes, as the windows meet them
    order : places of the terms in `filters`, as they enter the accumulator
    groups : how many groups the channels are split into
    input_zero_point : also what is outside the image
    weight_zero_point, bias : object arrays, one value per output channel
    accumulator : how each sum is made
    geometry : int64, the places of `kernels.sums`
    input_format : of the activations
    images : the input as (N, H, W, C)
    storage : the dtype of the images
    """

    word: str
    filters: Array
    order: Array
    groups: int
    input_zero_point: int
    weight_zero_point: Array
    bias: Array
    accumulator: Accumulator
    geometry: Array
    input_format: Discrete
    images: Images
    storage: np.dtype[Any]

    @property
    def channels(self) -> int:
        """Output channels."""
        return int(self.filters.shape[0])

    @property
    def taps(self) -> int:
        """Terms of one sum."""
        return int(self.filters[0].size)

    @property
    def depthwise(self) -> bool:
        """Whether every output channel sees one input channel, and there are several."""
        return self.groups > 1 and self.filters.shape[3] == 1

    @property
    def matrix(self) -> bool:
        """Whether every window is one place, each met once: then the sums are one matrix product."""
        height, width, _, rows, columns, *window = self.geometry.tolist()
        plain = window[:4] == [1, 1, 1, 1] and window[6:8] == [0, 0]
        return bool(self.groups == 1 and plain and height == rows and width == columns)

    @property
    def as_it_lies(self) -> bool:
        """Whether the images are the input's own memory."""
        return self.word != TransposeConv2d.name

    def flat(self) -> Array:
        """The weights, (K, taps): int64 where that holds every sum of them, centred or not, else object."""
        zeros = max(map(abs, self.weight_zero_point))
        largest = max(-int(self.filters.min()), int(self.filters.max())) + zeros
        kind = np.int64 if largest * self.taps < 2**62 else object
        return np.asarray(self.filters.reshape(self.channels, -1).astype(kind))

    def centred(self) -> Array:
        """w - zw, (K, taps), of the kind of `flat`."""
        flat = self.flat()
        return np.asarray(flat - self.weight_zero_point[:, None].astype(flat.dtype))


def products_of(op: Any, spec: TensorSpec, output: TensorSpec) -> Products:
    """The sums of a conv2d, depthwise_conv2d, transpose_conv2d or dense.

    Parameters
    ----------
    op : the op
    spec, output : of one sample, in and out
    """
    filters, groups, order, images, geometry = _SHAPES[type(op)](op, spec, output)
    channels = filters.shape[0]
    return Products(
        op.name,
        filters,
        np.ascontiguousarray(order, dtype=np.int64),
        groups,
        op.input_zero_point,
        _per_channel(op.weight_zero_point, channels),
        _per_channel(op.bias, channels),
        op.accumulator,
        np.array([*geometry, groups], np.int64),
        spec.integer,
        images,
        spec.format.storage if _held(op, spec) else np.dtype(np.int64),
    )


_Shape = tuple[Array, int, Array, Images, list[int]]


def _held(op: Any, spec: TensorSpec) -> bool:
    """Whether images hold what is outside them: only those of a transposed convolution must."""
    codes = np.iinfo(spec.format.storage)
    return type(op) is not TransposeConv2d or bool(codes.min <= op.input_zero_point <= codes.max)


def _same(x: Array) -> Array:
    return x


def _conv2d(op: Conv2d, spec: TensorSpec, output: TensorSpec) -> _Shape:
    return op.weight, op.groups, _order(op, op.weight), _same, _window(op, op.weight, spec, output)


def _depthwise(op: DepthwiseConv2d, spec: TensorSpec, output: TensorSpec) -> _Shape:
    filters = op.filters
    return filters, spec.shape[2], _order(op, filters), _same, _window(op, filters, spec, output)


def _dense(op: Dense, spec: TensorSpec, output: TensorSpec) -> _Shape:
    filters, depth = op.weight[:, None, None, :], spec.shape[-1]

    def images(x: Array) -> Array:
        return x.reshape(-1, 1, 1, depth)

    return filters, 1, _order(op, filters), images, [1, 1, depth, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def _transposed(op: TransposeConv2d, spec: TensorSpec, output: TensorSpec) -> _Shape:
    """A convolution over the spread input that meets the taps from the last to the first."""
    filters = np.ascontiguousarray(op.weight[:, ::-1, ::-1])
    places = np.arange(filters[0].size).reshape(filters.shape[1:])[::-1, ::-1].ravel()
    held = _held(op, spec)

    def images(x: Array) -> Array:
        return op.spread(x if held else x.astype(np.int64))

    reach = [(size - 1) * gap for size, gap in zip(filters.shape[1:3], op.dilation, strict=True)]
    spread = [size + more for size, more in zip(op.output_size, reach, strict=True)]
    sizes = [*spread, spec.shape[2], *op.output_size, *filters.shape[1:3]]
    return filters, op.groups, places[_order(op, op.weight)], images, [*sizes, 1, 1, *op.dilation, 0, 0]


_SHAPES: dict[type, Callable[[Any, TensorSpec, TensorSpec], _Shape]] = {
    Conv2d: _conv2d,
    DepthwiseConv2d: _depthwise,
    Dense: _dense,
    TransposeConv2d: _transposed,
}


def _order(op: Any, filters: Array) -> Array:
    height, width, depth = filters.shape[1:]
    return np.asarray(op.accumulator.permutation((height, width, depth)))


def _window(op: Any, filters: Array, spec: TensorSpec, output: TensorSpec) -> list[int]:
    """The places of `kernels.sums`, but for the groups."""
    sizes = [*spec.shape, *output.shape[:2], *filters.shape[1:3]]
    return [*sizes, *op.stride, *op.dilation, op.padding[0][0], op.padding[1][0]]


def _per_channel(values: Array, channels: int) -> Array:
    return np.broadcast_to(values.ravel(), (channels,)).astype(object)
