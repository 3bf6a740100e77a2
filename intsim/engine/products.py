"""`Products`: what a convolution, a depthwise convolution and a dense layer are to the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import Conv2d, Dense, DepthwiseConv2d
from intsim.record import Array

_WINDOW = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Products:
    """Sums of products over windows, as plain arrays.

    word : the op's name in the plan
    filters : (K, KH, KW, C / groups) codes
    groups : how many groups the channels are split into
    input_zero_point : also what is outside the image
    weight_zero_point, bias : object arrays, one value per output channel
    accumulator : how each sum is made
    geometry : int64, the places of `kernels.sums`
    input_format : of the activations
    """

    word: str
    filters: Array
    groups: int
    input_zero_point: int
    weight_zero_point: Array
    bias: Array
    accumulator: Accumulator
    geometry: Array
    input_format: IntFormat

    @property
    def channels(self) -> int:
        """Output channels."""
        return int(self.filters.shape[0])

    @property
    def taps(self) -> int:
        """Terms of one sum."""
        return int(self.filters[0].size)

    @property
    def matrix(self) -> bool:
        """Whether every window is one place, each met once: then the sums are one matrix product."""
        window = self.geometry[5:13].tolist()
        return self.groups == 1 and window[:4] == [1, 1, 1, 1] and window[6:] == [0, 0] and self._full()

    def _full(self) -> bool:
        height, width, _, rows, columns = self.geometry[:5].tolist()
        return bool(height == rows and width == columns)

    def centred(self) -> Array:
        """w - zw, as Python ints: (K, taps)."""
        flat = self.filters.reshape(self.channels, -1).astype(object)
        return np.asarray(flat - self.weight_zero_point[:, None])

    def images(self, x: Array) -> Array:
        """The input as (N, H, W, C)."""
        return x.reshape(-1, *self.geometry[:3].tolist())


def products_of(op: Any, shape: tuple[int, ...], output: tuple[int, ...], format: IntFormat) -> Products:
    """The sums of a conv2d, depthwise_conv2d or dense.

    Parameters
    ----------
    op : the op
    shape, output : of one sample, in and out
    format : of the input
    """
    filters, groups = op.weight, getattr(op, "groups", 1)
    if isinstance(op, DepthwiseConv2d):
        filters, groups = op.filters, op.weight.shape[0]
    if isinstance(op, Dense):
        filters = op.weight[:, None, None, :]
        shape = output = (1, 1, shape[-1])
    windowed = isinstance(op, (Conv2d, DepthwiseConv2d))
    padding = op.padding if windowed else _WINDOW
    geometry = [*shape, *output[:2], *filters.shape[1:3]]
    geometry += [*op.stride, *op.dilation] if windowed else [1, 1, 1, 1]
    channels = filters.shape[0]
    return Products(
        op.name,
        filters,
        groups,
        op.input_zero_point,
        _per_channel(op.weight_zero_point, channels),
        _per_channel(op.bias, channels),
        op.accumulator,
        np.array([*geometry, padding[0][0], padding[1][0], groups], np.int64),
        format,
    )


def _per_channel(values: Array, channels: int) -> Array:
    return np.broadcast_to(values.ravel(), (channels,)).astype(object)
