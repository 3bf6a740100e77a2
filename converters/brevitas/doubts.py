"""The sums for which Brevitas' float32 could decide otherwise than exact arithmetic.

Rules
-----
D1. A sum is in doubt at a threshold if its exact real is within the float error (`floats`) of the real where
    the threshold stands: then float32 can put it on either side. A sum is looked at only if the bounds do not
    exclude it.
D2. Behind a function with slack (F4 of `functions`) the threshold is a stretch: from the least real that
    could reach the code to the least that must.
D3. No doubt means proof: for every input, Brevitas' codes are the network's. Doubts do not mean that codes
    differ; the error is the largest that any order of additions can make.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from intsim_converters.brevitas.affine import Inverse
from intsim_converters.brevitas.convert import convert_with_meaning
from intsim_converters.brevitas.lowering import Noted
from intsim_converters.brevitas.staircase import IntegerSteps

from intsim import NetworkBounds, network_bounds
from intsim.arithmetic import Accumulator

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Doubt:
    """A requantization some of whose sums float32 could put on the other side of a threshold.

    node : its name
    runs : per channel, the runs of sums (first, last) that are in doubt, in order
    of : how many pairs of a channel and a sum the bounds admit
    """

    node: str
    runs: tuple[tuple[tuple[int, int], ...], ...]
    of: int

    @property
    def sums(self) -> int:
        """How many pairs of a channel and a sum are in doubt."""
        return sum(last - first + 1 for runs in self.runs for first, last in runs)

    def holds(self, sums: Array) -> Array:
        """Whether sums, channels last, are in doubt: bool, of their shape."""
        found = np.zeros(sums.shape, bool)
        for channel, runs in enumerate(self.runs):
            for first, last in runs:
                found[..., channel] |= (sums[..., channel] >= first) & (sums[..., channel] <= last)
        return found

    def __str__(self) -> str:
        return f"{self.node}: {self.sums} of {self.of} sums are in doubt"


def doubts(
    module: torch.nn.Module,
    example_input: torch.Tensor,
    *,
    accumulators: Mapping[str, Accumulator] | None = None,
) -> tuple[Doubt, ...]:
    """The requantizations with sums in doubt (rules D1 to D3); empty: equal for every input.

    Parameters are those of `convert`, and so are the errors.
    """
    network, _, noted = convert_with_meaning(module, example_input, accumulators or {})
    bounds = network_bounds(network)
    found = (_doubt(entry, bounds) for entry in noted)
    return tuple(entry for entry in found if entry is not None)


def _doubt(entry: Noted, bounds: NetworkBounds) -> Doubt | None:
    channels = entry.sums.stored[-1]
    low, high = _range(bounds, entry.sums.name, channels)
    runs = tuple(tuple(_near(entry, c, low[c], high[c])) for c in range(channels))
    total = sum(last - first + 1 for first, last in zip(low, high, strict=True))
    found = Doubt(entry.name, runs, total)
    return found if found.sums else None


def _near(entry: Noted, channel: int, low: int, high: int) -> list[tuple[int, int]]:
    """The runs of sums (first, last) from low to high that are in doubt, in order, none met twice."""
    sums = entry.sums
    error = sums.error[channel % len(sums.error)]
    side = Fraction(math.nextafter(float(error), math.inf)) if error else error
    runs = [run for steps in entry.steps for run in _runs(steps, channel, sums.stored[-1], side)]
    return _united(sorted(runs), low, high)


def _runs(steps: IntegerSteps, channel: int, channels: int, side: Fraction) -> Iterator[tuple[int, int]]:
    """The sums within `side` of each step of a staircase, slack counted in."""
    wide = steps.affine.spread(channels)
    slope, offset = wide.slope[channel], wide.offset[channel]
    if slope.sign == 0 or (not side and steps.first is steps.last):  # one code, or exact
        return
    sign = slope.sign
    inverse = Inverse(slope if sign > 0 else -slope, offset)
    for first, last in zip(steps.first, steps.last, strict=True):
        (n, d), _ = inverse.ends(first[channel % len(first)] - side)
        _, (more, below) = inverse.ends(last[channel % len(last)] + side)
        ends = -(-n // d), more // below
        yield ends if sign > 0 else (-ends[1], -ends[0])


def _united(runs: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """Runs in order of their first, cut to low and high, without what is in one before."""
    found = []
    done = low - 1
    for first, last in runs:
        first, last = max(first, done + 1), min(last, high)
        if first <= last:
            found.append((first, last))
            done = last
    return found


def _range(bounds: NetworkBounds, name: str, channels: int) -> tuple[list[int], list[int]]:
    """The least and the largest value of a tensor, per channel."""
    interval = bounds.tensors[name]
    ends = [np.asarray(end, dtype=object) for end in (interval.lo, interval.hi)]
    if interval.rank > 1:
        rows = [np.broadcast_to(end, ends[1].shape).reshape(-1, channels) for end in ends]
        ends = [rows[0].min(axis=0), rows[1].max(axis=0)]
    low, high = ([int(value) for value in np.broadcast_to(end, (channels,))] for end in ends)
    return low, high
