"""Inputs that take a partial sum as far as it goes, by rule V1 of `verify.witness`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Accumulator, Topology, ZeroPointPlace
from intsim.record import Array


@dataclass(frozen=True)
class Sums:
    """Some channels' terms, each with the operands that it may take; terms in the order in which they enter.

    x, y : (choices, channels, terms); the last choice is the one of least magnitude
    zx, zy : zero points, zy of shape (channels, 1)
    accumulator : how the terms are summed
    """

    x: Array
    y: Array
    zx: int
    zy: Array
    accumulator: Accumulator

    def entering(self) -> Array:
        """What each choice makes of its term."""
        if self.accumulator.zero_point is ZeroPointPlace.SUBTRACT:
            return np.asarray((self.x - self.zx) * (self.y - self.zy))
        return np.asarray(self.x * self.y)

    def correction(self) -> Array:
        """What the zero points add for each choice, where they are not subtracted from the operands."""
        return np.asarray(self.zx * self.zy - self.zy * self.x - self.zx * self.y)


@dataclass(frozen=True)
class Extreme:
    """The choice of every term, (channels, terms), that takes some partial sum of a level furthest."""

    level: int
    choices: Array


def extremes(sums: Sums) -> Iterator[Extreme]:
    """Rule V2: level by level from the innermost, upwards and downwards, the final sum last."""
    entering = sums.entering()
    subtracted = sums.accumulator.zero_point is ZeroPointPlace.SUBTRACT
    correction = None if subtracted else sums.correction()
    levels = sums.accumulator.levels()
    terms = entering.shape[-1]
    for level in reversed(range(1, len(levels))):
        begin, end = _partial_sums(sums.accumulator, level, terms)
        for sign in (1, -1):
            yield Extreme(level, _furthest(sign * entering, None, begin, end))
    begin, end = _partial_sums(sums.accumulator, 0, terms)
    preloaded = sums.accumulator.zero_point is ZeroPointPlace.PRELOAD
    waits = correction if preloaded and sums.accumulator.topology is Topology.CHAIN else None
    entered = entering if waits is None else entering + waits
    whole = entering if correction is None else entering + correction
    last = np.array([0]), np.array([terms])
    for sign in (1, -1):
        yield Extreme(0, _furthest(sign * entered, None if waits is None else sign * waits, begin, end))
        yield Extreme(0, _furthest(sign * whole, None, *last))


def _furthest(entered: Array, waits: Array | None, begin: Array, end: Array) -> Array:
    """The choices that make the largest of the sums of terms `begin` to `end`, per channel.

    Parameters
    ----------
    entered, waits : (choices, channels, terms), what a term adds once it has entered and before; a term
        that adds nothing before takes its last choice
    begin, end : (sums,)
    """
    best = entered.max(axis=0)
    total = _prefix(best)
    reached = total[:, end] - total[:, begin]
    others = np.full(best.shape, len(entered) - 1)
    if waits is not None:
        waiting = _prefix(waits.max(axis=0))
        reached = reached + waiting[:, -1:] - (waiting[:, end] - waiting[:, begin])
        others = waits.argmax(axis=0)
    chosen = reached.argmax(axis=1)
    place = np.arange(best.shape[1])
    inside = (place >= begin[chosen][:, None]) & (place < end[chosen][:, None])
    return np.where(inside, entered.argmax(axis=0), others)


def _prefix(values: Array) -> Array:
    return np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(values, axis=1)], axis=1)


def _partial_sums(accumulator: Accumulator, level: int, terms: int) -> tuple[Array, Array]:
    """From which term to which the partial sums of one level go, over all its tiles."""
    units = [(0, terms)]
    levels = accumulator.levels()
    for above in levels[:level]:
        tile = above.tile or terms
        units = [(a, min(a + tile, last)) for first, last in units for a in range(first, last, tile)]
    mine = levels[level]
    begins: list[Array] = []
    ends: list[Array] = []
    for first, last in units:
        edges = np.append(np.arange(first, last, mine.tile or 1), last)
        if mine.topology is Topology.CHAIN:
            begins.append(np.full(len(edges), first))
            ends.append(edges)
        else:
            for step in (2**depth for depth in range(len(edges).bit_length() + 1)):
                begins.append(edges[:-1:step])
                ends.append(edges[np.minimum(np.arange(0, len(edges) - 1, step) + step, len(edges) - 1)])
    return np.concatenate(begins), np.concatenate(ends)
