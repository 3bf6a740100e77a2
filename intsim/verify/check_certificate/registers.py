"""Sums through registers, as intervals (rules V3 to V5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from .form import Pair, Range, fits, limits, width
from .ranges import hull

Columns = list[list[int]]
EXACT = 1 << 16  # the modulus of what is right as it stands


def register(
    acc: Any, columns: Columns, found: list[Range], level: int, constant: int = 0, bias: int = 0
) -> tuple[Pair, int]:
    """What a register hands out, and what that is right modulo; notes its final and its partial range."""
    exact, handed, modulus = entering(acc, columns, found, level)
    wrap, bits = acc["overflow"] == "wrap", width(acc["format"])
    end, met = run(acc, handed, constant, bias)
    if wrap and bits <= modulus < EXACT:
        end, _ = run(acc, exact, constant, bias)
    found[level] += [end, met]
    fitting = fits(end if wrap else met, acc["format"])
    return end if fitting else limits(acc["format"]), right_modulo(acc, modulus, fitting)


def entering(acc: Any, columns: Columns, found: list[Range], level: int) -> tuple[Columns, Columns, int]:
    """What enters a register, the terms or the tiles' sums as the inner register hands them out (A3): the
    exact sums, what may come in their place, and what it is right modulo (V4)."""
    if acc["tile"] is None:
        return columns, columns, EXACT
    exact, handed, modulus = [], [], EXACT
    for begin in range(0, len(columns[0]), acc["tile"]):
        tile = [column[begin : begin + acc["tile"]] for column in columns]
        exact.append([sum(column) for column in tile])
        handed.append(exact[-1])
        if acc["inner"] is not None:
            (low, high), right = register(acc["inner"], tile, found, level + 1)
            modulus = min(modulus, right)
            if right < EXACT:  # what it should have been says nothing of its part of the correction
                part = exact[-1][2:4]
                handed[-1] = [low, high, *part, *([low + part[0], high + part[1]] if part else [])]
    return [list(c) for c in zip(*exact, strict=True)], [list(c) for c in zip(*handed, strict=True)], modulus


def run(acc: Any, columns: Columns, constant: int, bias: int) -> tuple[Pair, Pair]:
    """The last sum, and the hull of all sums on the way (A1, A2, A5, A6)."""
    low, high, *more = columns
    part_low, part_high, both_low, both_high = more or ([0], [0], low, high)
    preload = acc.get("zero_point") == "preload"
    start = (bias if acc.get("bias") == "first" else 0) + (constant if preload else 0)
    if acc["topology"] == "chain":
        begin = start, start
        if preload and more:  # its parts are there first; a term that enters joins its own
            begin = start + sum(part_low), start + sum(part_high)
            low = [both - part for both, part in zip(both_low, part_low, strict=True)]
            high = [both - part for both, part in zip(both_high, part_high, strict=True)]
        lows, highs = list(accumulate(low)), list(accumulate(high))
        end = begin[0] + lows[-1], begin[1] + highs[-1]
        met = [begin] if begin != (0, 0) else []
        met.append((begin[0] + min(lows), begin[1] + max(highs)))
    else:
        met = [tree(low, high)]
        end = sum(low) + start, sum(high) + start
        if preload and more:
            end = sum(both_low) + start, sum(both_high) + start
        met.append(end)
    if acc.get("zero_point") == "after":
        start += constant
        end = sum(both_low) + start, sum(both_high) + start
        met.append(end)
    if acc.get("bias") == "last":
        end = end[0] + bias, end[1] + bias
        met.append(end)
    return end, hull(met)


def pairs(values: list[int]) -> list[int]:
    return [sum(values[at : at + 2]) for at in range(0, len(values), 2)]


def tree(low: list[int], high: list[int]) -> Pair:
    """The hull of all sums of neighbours in pairs, pairs of pairs, and so on (A2)."""
    least, most = min(low), max(high)
    while len(low) > 1:
        low, high = pairs(low), pairs(high)
        least, most = min(least, *low), max(most, *high)
    return least, most


def delivers(levels: list[Any], decisive: Sequence[Pair]) -> bool:
    """Rule V5 for one channel: whether what the outermost register hands out is the exact sum."""
    modulus = EXACT
    for level, pair in list(zip(levels, decisive, strict=True))[::-1]:
        modulus = right_modulo(level, modulus, fits(pair, level["format"]))
    return modulus == EXACT


def right_modulo(acc: Any, modulus: int, fitting: bool) -> int:
    """Rule V4: what a register's value is right modulo, from what entered it and whether that fits."""
    wrap, bits = acc["overflow"] == "wrap", width(acc["format"])
    if fitting and modulus >= (bits if wrap else EXACT):
        return EXACT
    return min(modulus, bits if wrap else 0)
