"""The sums for which QONNX' float32 could decide otherwise than exact integers.

Rules
-----
D1. A sum is in doubt at a quantizer by rule T3 of `staircase`. It is counted only if the bounds do not
    exclude it.
D2. No doubt means proof: for every input, QONNX' codes are the network's. A doubt does not mean that codes
    differ; the error is the largest that any order of additions can make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from intsim_converters.qonnx.convert import convert_file
from intsim_converters.qonnx.parameters import Array
from intsim_converters.qonnx.staircase import Staircase
from intsim_converters.reading import Source

from intsim import network_bounds
from intsim.arithmetic import Interval


@dataclass(frozen=True)
class Doubt:
    """A requantization some of whose sums float32 could put on another step.

    node : its name
    sums : how many pairs of a channel and a sum are in doubt, of how many that the bounds admit
    worst : the channel that has most of them, and the first sum in doubt there
    """

    node: str
    sums: int
    of: int
    worst: tuple[int, int]


def doubts(source: Source, dialect: str | None = None) -> tuple[Doubt, ...]:
    """The requantizations with sums in doubt (rules D1 and D2); empty: equal for every input.

    Parameters and errors are those of `QonnxConverter.convert`.
    """
    conversion = convert_file(source, dialect)
    bounds = network_bounds(conversion.network)
    sources = {node.outputs[0]: node.inputs[0] for node in conversion.network.nodes}
    found = (
        _doubt(name, stairs, bounds.tensors[sources[name]], conversion.network.specs[sources[name]].shape[-1])
        for name, stairs in conversion.staircases.items()
    )
    return tuple(entry for entry in found if entry is not None)


def _doubt(name: str, stairs: Staircase, reached: Interval, channels: int) -> Doubt | None:
    if not stairs.error.any():
        return None
    ends = reached.by_channel()
    low, high = (np.broadcast_to(np.asarray(end, dtype=object), (channels,)) for end in (ends.lo, ends.hi))
    rows = [row for row in _rows(stairs, low, high, channels) if row[1].size]
    if not rows:
        return None
    channel, worst = max(rows, key=lambda row: row[1].size)
    total = sum(int(b) - int(a) + 1 for a, b in zip(low, high, strict=True))
    return Doubt(name, sum(row[1].size for row in rows), total, (channel, int(worst[0])))


def _rows(stairs: Staircase, low: Array, high: Array, channels: int) -> Iterator[tuple[int, Array]]:
    """Every channel, and its sums in doubt in order."""
    _, at = stairs.thresholds()
    signed = at * stairs.sign()
    for channel in range(channels):
        one = stairs.channel(channel)
        near = signed[:, channel if signed.shape[1] > 1 else 0]
        n = _near(near, one, int(low[channel]), int(high[channel]))
        yield channel, n[one.doubtful(n[:, None])[:, 0]]


def _near(at: Array, stairs: Staircase, low: int, high: int) -> Array:
    """The sums from low to high that are near enough to a threshold to be in doubt there."""
    slope = abs(float(stairs.slope.reshape(())))
    reach = float(stairs.error.reshape(())) / slope + 2 if slope else np.inf
    if 2 * reach * at.size >= high - low:
        return np.arange(low, high + 1)
    sides = np.arange(-int(reach) - 1, int(reach) + 2)
    n = np.unique(at[:, None] + sides)
    return n[(n >= low) & (n <= high)]
