"""Every accumulator of a range through two functions, in pieces, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from intsim.kernels.threads import run_parts
from intsim.verify.equivalence_evaluate import Function, accumulators
from intsim.verify.equivalence_findings import ChannelComparison, found_in, joined

_PIECE = 1 << 20  # accumulators between two looks at the progress, per thread and turn
_BLOCK = 1 << 14  # accumulators in flight: 128 KiB of int64, within the cache
_TURN = 8  # pieces per thread in one turn

Pair = tuple[int, Function, Function]


def enumerate_pairs(
    pairs: Sequence[Pair], threads: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[ChannelComparison]:
    """Compare functions on every accumulator of their range; memory stays that of a few blocks.

    Parameters
    ----------
    pairs : channel and the two functions, which have one range
    threads : all cores if absent
    progress : called with accumulators done and to be done
    """
    threads = threads or os.cpu_count() or 1
    total = sum(a.interval.max - a.interval.min + 1 for _, a, _ in pairs)
    found = [_blank(channel, a) for channel, a, _ in pairs]
    done = 0
    turn: list[tuple[int, int, int]] = []
    for piece in _pieces(pairs):
        turn.append(piece)
        if len(turn) == threads * _TURN:
            done += _take(pairs, turn, found, threads)
            turn = []
            if progress is not None:
                progress(done, total)
    done += _take(pairs, turn, found, threads)
    if progress is not None and pairs:
        progress(done, total)
    yield from found


def _pieces(pairs: Sequence[Pair]) -> Iterator[tuple[int, int, int]]:
    """Place of the pair, first and last accumulator."""
    for place, (_, a, _) in enumerate(pairs):
        low, high = a.interval.min, a.interval.max
        for first in range(low, high + 1, _PIECE):
            yield place, first, min(first + _PIECE - 1, high)


def _take(
    pairs: Sequence[Pair], turn: list[tuple[int, int, int]], found: list[ChannelComparison], threads: int
) -> int:
    """Look at some pieces at once, and add what they hold in their order; how many accumulators."""
    results: list[ChannelComparison | None] = [None] * len(turn)

    def part(begin: int, end: int) -> None:
        for index in range(begin, end):
            place, first, last = turn[index]
            results[index] = _compare(pairs[place], first, last)

    run_parts(part, len(turn), threads)
    for (place, _, _), result in zip(turn, results, strict=True):
        if result is not None:
            found[place] = joined(found[place], result)
    return sum(last - first + 1 for _, first, last in turn)


def _compare(pair: Pair, first: int, last: int) -> ChannelComparison:
    channel, a, b = pair
    blank = found = _blank(channel, a)
    for begin in range(first, last + 1, _BLOCK):
        values = accumulators(begin, min(begin + _BLOCK - 1, last), a.narrow and b.narrow)
        found = joined(found, found_in(blank, values, a(values), b(values)))
    return found


def _blank(channel: int, function: Function) -> ChannelComparison:
    low, high = function.interval.min, function.interval.max
    return ChannelComparison(channel, low, high, high - low + 1)
