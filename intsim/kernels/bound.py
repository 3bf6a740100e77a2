"""Launches bound to memory: `kernels.tape.play` with everything that it is given.

Rules
-----
N6. Several lanes, each the launches of some samples, are one stage, a part each. The launches of one lane are
    split by rows: a stage for each that is worth several threads, and one for all that lie between.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.kernels.launch import Launch
from intsim.kernels.native import block_of, places_of
from intsim.kernels.scratch import LINE, aligned, cut, room
from intsim.kernels.tape import FAILED, TRAPPED, play, resting
from intsim.kernels.threads import helpers, split
from intsim.record import Array

_Part = tuple[Launch, tuple[int, int]]
"""A launch and the rows of it."""


@dataclass(frozen=True, eq=False)
class Bound:
    """Calls in memory, one after another.

    stages, blocks : of `kernels.tape.play`
    words : all blocks
    seen : for every tensor from outside, where in `words` its address is, and what is added to it
    alive : what the blocks point to
    """

    stages: Array
    blocks: Array
    words: Array
    seen: Mapping[str, tuple[Array, Array]]
    alive: tuple[Any, ...]

    def play(self, outside: Mapping[str, Array]) -> int:
        """Run it on these tensors from outside; how many rows trapped.

        Raises
        ------
        MemoryError
            A kernel found no memory to work in.
        """
        for name, (places, further) in self.seen.items():
            self.words[places] = outside[name].ctypes.data + further
        parts = self.blocks.shape[1]
        marks = np.zeros((len(self.stages) + 1, 1 + parts), np.int64)
        tape = self.stages, self.blocks, marks
        for me in range(1, parts):
            helpers(parts - 1).put((play, (*tape, me, resting())))
        play(*tape, 0, resting())
        if marks[-1, FAILED]:
            raise MemoryError("a kernel found no memory to work in")
        return int(marks[-1, TRAPPED])


def bound(lanes: Sequence[Sequence[Launch]], outside: Mapping[str, Array], threads: int) -> Bound:
    """Launches for so many threads at most.

    Parameters
    ----------
    lanes : each the same launches, for other samples
    outside : tensors whose memory will be another one each time
    threads : no more than this share a launch
    """
    calls, stages = _in_lanes(lanes) if len(lanes) > 1 else _in_rows(lanes[0], threads)
    parts = max(len(row) for row in calls)
    size = max(room(launch.scratch) for lane in lanes for launch in lane)
    works = [aligned((size,), np.uint8) for _ in range(parts)]
    blocks = np.zeros((len(calls), parts), np.int64)
    words: list[int] = []
    seen: dict[str, list[tuple[int, int]]] = {name: [] for name in outside}
    for row, call in zip(blocks, calls, strict=True):
        for part, ((launch, rows), work) in enumerate(zip(call, works, strict=False)):
            arguments = (*launch.before, *rows, *cut(launch.scratch, work), *launch.after)
            for place, array in places_of(arguments):
                for name, further in _within(array, outside):
                    seen[name].append((len(words) + place, further))
            row[part] = 8 * len(words)
            words += block_of(launch.kernel, arguments)
            words += [0] * (-len(words) % (LINE // 8))
    held = aligned((len(words),), np.int64)
    held[:] = words
    places = {name: np.array(found, np.int64).reshape(-1, 2) for name, found in seen.items()}
    return Bound(
        np.array(stages, np.int64),
        held.ctypes.data + blocks,
        held,
        {name: (found[:, 0], found[:, 1]) for name, found in places.items()},
        (lanes, works),
    )


def _in_lanes(lanes: Sequence[Sequence[Launch]]) -> tuple[list[list[_Part]], list[tuple[int, int, int]]]:
    """Rule N6 for several lanes: the parts of every call, and the stages."""
    calls = [[(launch, (0, launch.total)) for launch in row] for row in zip(*lanes, strict=True)]
    return calls, [(0, len(calls), len(lanes))]


def _in_rows(
    launches: Sequence[Launch], threads: int
) -> tuple[list[list[_Part]], list[tuple[int, int, int]]]:
    """Rule N6 for one lane."""
    calls = [[(launch, rows) for rows in split(launch.total, threads, launch.least)] for launch in launches]
    stages, first = [], 0
    for parts, group in itertools.groupby(len(call) for call in calls):
        count = len(list(group))
        ends = [first + count] if parts == 1 else range(first + 1, first + count + 1)
        for end in ends:
            stages.append((first, end, parts))
            first = end
    return calls, stages


def _within(array: Array, outside: Mapping[str, Array]) -> list[tuple[str, int]]:
    """The tensor that an array is a view of, and how far from its beginning."""
    address = array.ctypes.data
    return [
        (name, address - tensor.ctypes.data)
        for name, tensor in outside.items()
        if array.size and 0 <= address - tensor.ctypes.data < tensor.nbytes
    ]
