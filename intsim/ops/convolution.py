"""What the convolutions share: windows of grouped channels against weights, and the taps' ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic import Events, Interval
from intsim.ops.base import kind_of
from intsim.ops.dot import sum_of_products
from intsim.ops.weights import per_channel
from intsim.record import Array


def grouped_sums(op: Any, weight: Array, groups: int, taps: Array, events: Events | None) -> Array:
    """The sums of products of every output position and channel.

    Parameters
    ----------
    op : has input_zero_point, weight_zero_point, bias and accumulator
    weight : (K, KH, KW, C / groups); output channel k sees the input channels of group k // (K / groups)
    groups : how many groups the channels are split into
    taps : (N, OH, OW, C, KH, KW), as `windows` gives them
    events : counts are added here if given

    Returns
    -------
    (N, OH, OW, K)
    """
    channels, height, width, depth = weight.shape
    batch, rows, columns = taps.shape[:3]
    # (N, OH, OW, groups, 1, taps) meets (groups, K / groups, taps)
    taps = taps.reshape(batch, rows, columns, groups, depth, height, width)
    taps = taps.transpose(0, 1, 2, 3, 5, 6, 4).reshape(batch, rows, columns, groups, 1, -1)
    split = (groups, channels // groups)
    sums = sum_of_products(
        taps,
        weight.astype(kind_of(taps)).reshape(*split, -1),
        op.input_zero_point,
        per_channel(op.weight_zero_point, channels, taps).reshape(split),
        per_channel(op.bias, channels, taps).reshape(split),
        op.accumulator,
        (height, width, depth),
        events,
    )
    return sums.reshape(batch, rows, columns, channels)


def tap_range(weight: Array, groups: int, x: Interval) -> Interval:
    """The range of the input element that each tap of each output channel meets.

    Parameters
    ----------
    weight : (K, KH, KW, C / groups)
    x : the input's range, one or one per channel

    Returns
    -------
    Ends of shape (K, KH * KW * C / groups), or plain ints where `x` has one range for all channels.
    """
    if not isinstance(x.lo, np.ndarray) and not isinstance(x.hi, np.ndarray):
        return x
    channels, *_, depth = weight.shape

    def spread(ends: Any) -> Array:
        by_group = np.broadcast_to(np.asarray(ends, dtype=object), (groups * depth,)).reshape(groups, depth)
        by_channel = by_group.repeat(channels // groups, axis=0)[:, None, None, :]
        return np.broadcast_to(by_channel, weight.shape).reshape(channels, -1)

    return Interval(spread(x.lo), spread(x.hi))
