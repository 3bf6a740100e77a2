"""One sum through an accumulator's registers, with everything that is written into each of them.

Python ints, term by term. Accumulators are plain dictionaries, as `intsim.testing.plain` writes them.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.oracles.arith import Trap, fit

Plain = dict[str, Any]


class Level:
    """What happened in the registers of one level, over all the sums that were made in them.

    written : every value before the register's overflow, in time's order
    running : beside each of them, the sum of what had entered, had this register no end
    last : the last of `running` in every sum
    """

    def __init__(self) -> None:
        self.written: list[int] = []
        self.running: list[int] = []
        self.last: list[int] = []


class Made:
    """One sum: the exact one, what comes out (None if a register trapped), and levels, outermost first."""

    def __init__(self, exact: int, levels: list[Level]) -> None:
        self.exact, self.levels = exact, levels
        self.value: int | None = None


def make(
    x: list[int],
    w: list[int],
    zx: int,
    zw: int,
    bias: int,
    sizes: tuple[int, int, int],
    accumulator: Plain,
) -> Made:
    """The sum of (x - zx) * (w - zw), and a bias, as the accumulator makes it.

    Parameters
    ----------
    x, w : by place; places count through h, w, c, the last fastest
    sizes : of the axes h, w, c
    """
    exact = bias
    raw = []
    rest = 0  # what the zero points add to the raw products
    for a, b in zip(x, w, strict=True):
        exact += (a - zx) * (b - zw)
        raw.append(a * b)
        rest += (a - zx) * (b - zw) - a * b
    when = accumulator["zero_point"]
    if when == "subtract":
        terms = [(a - zx) * (b - zw) for a, b in zip(x, w, strict=True)]
    else:
        terms = raw
    start, after = 0, []
    if when == "preload":
        start = rest
    elif when == "after":
        after.append(rest)
    if accumulator["bias"] == "first":
        start += bias
    else:
        after.append(bias)
    entering = [terms[place] for place in places(sizes, accumulator["order"])]
    depth = accumulator
    levels = [Level()]
    while depth["inner"] is not None:
        depth = depth["inner"]
        levels.append(Level())
    made = Made(exact, levels)
    try:
        made.value = _register(entering, accumulator, start, after, levels)
    except Trap:
        made.value = None
    return made


def places(sizes: tuple[int, int, int], order: Any) -> list[int]:
    """The places in the order in which they enter."""
    if isinstance(order, list):
        return order
    strides = {"h": sizes[1] * sizes[2], "w": sizes[2], "c": 1}
    extents = {"h": sizes[0], "w": sizes[1], "c": sizes[2]}
    found = []
    for at in product(*(range(extents[axis]) for axis in order)):
        found.append(sum(strides[axis] * i for axis, i in zip(order, at, strict=True)))
    return found


def _register(terms: list[int], rule: Plain, start: int, after: list[int], levels: list[Level]) -> int:
    """One sum in the first of `levels`, its tiles in the others."""
    mine, others = levels[0], levels[1:]
    entering = []
    for tile in _cut(terms, rule["tile"]):
        if rule["tile"] is None:
            entering += tile
        elif rule["inner"] is None:
            entering.append(sum(tile))
        else:
            entering.append(_register(tile, rule["inner"], 0, [], others))

    def write(value: int, running: int) -> tuple[int, int]:
        mine.written.append(value)
        mine.running.append(running)
        return fit(value, rule["format"], rule["overflow"]), running

    if rule["topology"] == "tree":
        nodes = [write(value, value) for value in entering]
        while len(nodes) > 1:
            above = []
            while len(nodes) > 1:
                (a, exact_a), (b, exact_b) = nodes.pop(0), nodes.pop(0)
                above.append(write(a + b, exact_a + exact_b))
            nodes = above + nodes
        held, running = nodes[0]
        rest = [start, *after] if start != 0 else after
    else:
        held, running = write(start, start)
        rest = entering + after
    for value in rest:
        held, running = write(held + value, running + value)
    mine.last.append(running)
    return held


def _cut(terms: list[int], tile: int | None) -> list[list[int]]:
    if tile is None:
        return [terms]
    return [terms[at : at + tile] for at in range(0, len(terms), tile)]
