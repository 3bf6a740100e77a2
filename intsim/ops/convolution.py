"""What the convolutions share: windows of grouped channels against weights, and the taps' ranges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.ops.base import kind_of
from intsim.ops.dot import dot_bounds, join_bounds, sum_of_products
from intsim.ops.weights import per_channel
from intsim.ops.windows import Taps
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


def grouped_bounds(
    op: Any, weight: Array, groups: int, x: Interval, live: Sequence[Taps], spacing: int
) -> Bounds:
    """Exact bounds over all output positions.

    Parameters
    ----------
    op : has `seen` (its windows), input_zero_point, weight_zero_point, bias and accumulator
    weight, groups : as for `grouped_sums`
    x : the input's range: one, one per channel, or one per element
    live : along h and along w, the sets of taps that meet an input at some output position
    spacing : of the input's values
    """
    channels, height, width, depth = weight.shape
    zeros, bias = (np.broadcast_to(values, (channels,)) for values in (op.weight_zero_point, op.bias))
    inside = all(taps == [tuple(range(size))] for taps, size in zip(live, (height, width), strict=True))
    apart = spacing if inside else 1  # sums of fewer taps start anywhere
    rest = op.input_zero_point, zeros, bias, op.accumulator, (height, width, depth), apart
    flat = weight.reshape(channels, -1)
    return join_bounds([dot_bounds(flat, taps, *rest) for taps in _tap_ranges(op, weight, groups, x, live)])


def _tap_ranges(op: Any, weight: Array, groups: int, x: Interval, live: Sequence[Taps]) -> Iterator[Interval]:
    """The ranges of the taps (K, taps), for every kind of output position."""
    if x.rank > 1:
        yield from _element_ranges(op, weight, groups, x)
        return
    by_channel = _spread(x, weight, groups)
    zx = op.input_zero_point
    rows, columns = live
    if zx >= np.max(x.lo) and zx <= np.min(x.hi):  # then a tap that meets no input is one of those that do
        rows, columns = _largest(rows), _largest(columns)
    for pair in product(rows, columns):
        outside = np.ones(weight.shape, bool)
        outside[np.ix_(range(weight.shape[0]), *pair)] = False
        if not outside.any():
            yield by_channel
            continue
        gone = outside.reshape(weight.shape[0], -1)
        yield Interval(np.where(gone, zx, by_channel.lo), np.where(gone, zx, by_channel.hi))


def _largest(sets: Taps) -> Taps:
    """The sets that are not inside another."""
    return [some for some in sets if not any(set(some) < set(other) for other in sets)]


def _element_ranges(op: Any, weight: Array, groups: int, x: Interval) -> Iterator[Interval]:
    """One range per tap for every output position, each tap looking at its own element."""
    channels, height, width, depth = weight.shape
    low, high = (np.asarray(op.seen(np.asarray(end)[None])[0]) for end in (x.lo, x.hi))
    met = set()
    for row, column in np.ndindex(low.shape[:2]):
        key = tuple(low[row, column].ravel().tolist()), tuple(high[row, column].ravel().tolist())
        if key in met:  # positions that see the same ranges have the same sums
            continue
        met.add(key)
        ends = []
        for seen in (low, high):
            taps = seen[row, column].reshape(groups, depth, height, width).transpose(0, 2, 3, 1)
            ends.append(taps.reshape(groups, -1).repeat(channels // groups, axis=0))
        yield Interval(*ends)


def _spread(x: Interval, weight: Array, groups: int) -> Interval:
    """The range of the input channel that each tap meets: ints, or ends of shape (K, taps)."""
    if x.rank == 0:
        return x
    channels, *_, depth = weight.shape

    def spread(ends: Any) -> Array:
        by_group = np.broadcast_to(np.asarray(ends, dtype=object), (groups * depth,)).reshape(groups, depth)
        by_channel = by_group.repeat(channels // groups, axis=0)[:, None, None, :]
        return np.broadcast_to(by_channel, weight.shape).reshape(channels, -1)

    return Interval(spread(x.lo), spread(x.hi))
