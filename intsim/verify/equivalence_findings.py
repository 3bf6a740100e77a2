"""What a comparison of two functions found in one channel, and how pieces of it are put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from intsim.record import Array
from intsim.verify.equivalence_evaluate import Codes


@dataclass(frozen=True)
class ChannelComparison:
    """Two functions on the accumulators of one channel (rule E4 of `equivalence`).

    channel : along the last axis; 0 where there is one range for all
    lo, hi : the range
    total : how many accumulators were compared
    differing : how many become another code
    first : the lowest that does
    a, b : its codes; None where a register traps
    largest : the largest difference of two codes
    largest_at : the lowest accumulator that has it
    method : how it was decided
    undecided : why it was not; empty where it was
    """

    channel: int
    lo: int
    hi: int
    total: int
    differing: int = 0
    first: int | None = None
    a: int | None = None
    b: int | None = None
    largest: int = 0
    largest_at: int | None = None
    method: str = ""
    undecided: str = ""

    @property
    def equal(self) -> bool:
        return not self.differing and not self.undecided


def unlike(a: Codes, b: Codes) -> Array:
    """Where two functions part (rule E1 of `equivalence`)."""
    differ = np.asarray(a.codes != b.codes, dtype=bool)
    if a.trapped is None and b.trapped is None:
        return differ
    traps = [np.zeros(differ.shape, bool) if t is None else t for t in (a.trapped, b.trapped)]
    return np.asarray((traps[0] != traps[1]) | (differ & ~traps[0]))


def found_in(
    blank: ChannelComparison, values: Array, a: Codes, b: Codes, counts: Array | None = None
) -> ChannelComparison:
    """What some accumulators, in ascending order, add to a comparison that has seen none yet.

    counts : how many accumulators each of them stands for; one if absent
    """
    places = np.flatnonzero(unlike(a, b))
    if not places.size:
        return blank
    first = int(places[0])
    number = int(places.size) if counts is None else sum(int(n) for n in counts[places])
    found = replace(
        blank,
        differing=number,
        first=int(values[first]),
        a=_code(a, first),
        b=_code(b, first),
    )
    for mask in (a.trapped, b.trapped):
        places = places if mask is None else places[~mask[places]]
    if not places.size:
        return found
    apart = _apart(a.codes[places], b.codes[places])
    at = int(np.argmax(apart))
    return replace(found, largest=int(apart[at]), largest_at=int(values[places[at]]))


def _apart(a: Array, b: Array) -> Array:
    """|a - b|, which int64 may not hold."""
    more, less = np.maximum(a, b), np.minimum(a, b)
    if more.dtype == object:
        return np.asarray(more - less)
    return np.asarray(more.astype(np.uint64) - less.astype(np.uint64))


def joined(before: ChannelComparison, after: ChannelComparison) -> ChannelComparison:
    """The findings of two pieces of a range, the lower piece first."""
    if not after.differing:
        return before
    if not before.differing:
        return after
    top = after if after.largest > before.largest else before
    return replace(
        before,
        differing=before.differing + after.differing,
        largest=top.largest,
        largest_at=top.largest_at,
    )


def _code(codes: Codes, place: int) -> int | None:
    if codes.trapped is not None and codes.trapped[place]:
        return None
    return int(codes.codes[place])
