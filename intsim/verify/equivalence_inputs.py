"""Inputs of one sum that bring its registers to their limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from intsim.arithmetic import Interval
from intsim.record import Array
from intsim.verify.terms import Terms

_CUTS = 16
Values = tuple[int, ...]


def fill(shape: tuple[int, ...], interval: Interval) -> Array:
    """A sample that holds the value nearest 0 of every element's range."""
    low, high = (np.broadcast_to(np.asarray(end, dtype=object), shape) for end in (interval.lo, interval.hi))
    return np.asarray(np.minimum(np.maximum(np.zeros(shape, dtype=object), low), high))


def candidates(
    terms: Terms, others: Terms, interval: Interval, rng: np.random.Generator, tries: int
) -> Iterator[Values]:
    """Values for the terms' inputs, the likeliest first.

    Parameters
    ----------
    terms, others : the sum under two accumulators; the inputs are those of both
    interval : of the input
    rng : draws the mixtures
    tries : how many mixtures

    Yields
    ------
    One value per term: everything that makes the sum large, or small; the first terms large and the rest
    small, cut at `_CUTS` places in either accumulator's order, and the other way round; tiles in turn;
    then mixtures of large, small, and as it was.
    """
    large, small = _extremes(terms, interval)
    yield large
    yield small
    count = len(large)
    for order in (_order(terms), _order(others)):
        for cut in np.linspace(0, count, _CUTS + 1).astype(int).tolist()[1:-1]:
            first = set(order[:cut])
            for one, rest in ((large, small), (small, large)):
                yield tuple(one[k] if k in first else rest[k] for k in range(count))
    for source in (terms, others):
        yield from _in_turn(source, large, small)
    for _ in range(tries):
        weights = rng.dirichlet((1.0, 1.0, 0.5))
        chosen = rng.choice(3, size=count, p=weights).tolist()
        yield tuple((large, small, terms.x)[which][k] for k, which in enumerate(chosen))


def _order(terms: Terms) -> list[int]:
    return [int(place) for place in terms.accumulator.permutation(terms.sizes)]


def _in_turn(terms: Terms, large: Values, small: Values) -> Iterator[Values]:
    """Tiles large and small in turn, for every tile size."""
    order = _order(terms)
    for tile in {level.tile for level in terms.accumulator.levels() if level.tile}:
        for begin in (0, 1):
            tops = {place for at, place in enumerate(order) if (at // tile + begin) % 2}
            yield tuple(large[k] if k in tops else small[k] for k in range(len(order)))


def _extremes(terms: Terms, interval: Interval) -> tuple[Values, Values]:
    """The inputs that make every term as large, and as small, as it can be; those outside stay."""
    ends: list[tuple[int, int]] = []
    for k, place in enumerate(terms.places):
        if place is None:
            ends.append((terms.x[k], terms.x[k]))
            continue
        low, high = _at(interval.lo, place), _at(interval.hi, place)
        ends.append((high, low) if terms.slope(k) >= 0 else (low, high))
    return tuple(end[0] for end in ends), tuple(end[1] for end in ends)


def _at(end: Any, place: tuple[int, ...]) -> int:
    """One element's end of a range that is per tensor, per channel or per element."""
    ends = np.asarray(end, dtype=object)
    return int(ends[place] if ends.ndim > 1 else ends.reshape(-1)[place[-1] if ends.size > 1 else 0])
