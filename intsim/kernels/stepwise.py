"""Sums of products term by term, through registers that saturate, wrap or trap, with their events.

Chains only; registers may be nested to any depth (rules A1 to A3, A5 to A7 of `arithmetic.accumulate`).
A block of output positions is worked on at once, one lane each: every lane sees its own input and the
same weight. Lanes are int32 or int64, whichever holds every register's value plus what enters it, and
the exact running sums that the events are counted from; the caller proves that.

`levels` is an int64 array with one row per register, outermost first; its columns are named below. An
innermost row of mode EXACT is a tile that is summed without a register.

The state of a level is four rows of lanes: the register's value, the exact sum of what entered it, and
the lowest and the highest that this sum has been.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, DW, GROUPS, KH, KW, LEFT, OH, OW, SH, SW, TOP, C, H, W

MODE, LOW, HIGH, MASK, SIGN, TILE = range(6)
EXACT, WRAP, SATURATE, TRAP = range(4)
VALUE, SUM, LOWEST, HIGHEST = range(4)


@compiled
def chain_positions(
    x: Any,
    w: Any,
    offset: int,
    fill: int,
    order: Any,
    start: Any,
    after: Any,
    geometry: Any,
    levels: Any,
    watched: bool,
    block: int,
    begin: int,
    end: int,
    counts: Any,
    out: Any,
) -> int:
    """Output positions begin to end, counted over all rows of all images.

    Parameters
    ----------
    x : (N, H, W, C)
    w : (K, taps) lanes, as they enter the product; taps in h, w, c order
    offset, fill : subtracted from every input; what is outside the image, before that
    order : places of the terms, as they enter
    start, after : (2, K) and (values, 2, K) int64: a value is its first row plus its second times the
        sum of the taps
    levels : the registers
    watched : whether events are counted
    block : positions worked on at once
    counts : (levels, 2) int64, persistent and transient events are added
    out : (N * OH * OW, K)

    Returns
    -------
    How many additions a register with TRAP could not hold.
    """
    groups = geometry[GROUPS]
    per_group = w.shape[0] // groups
    patch = np.zeros((groups, w.shape[1], block), w.dtype)
    sums = np.zeros((groups, block), np.int64)
    state = np.zeros((levels.shape[0], 4, block), w.dtype)
    entering, one, first = np.zeros((1, block), w.dtype), np.ones(1, w.dtype), np.zeros(1, np.int64)
    trapped = 0
    for top in range(begin, end, block):
        lanes = min(block, end - top)
        gather_lanes(x, top, lanes, offset, fill, geometry, patch, sums)
        for k in range(w.shape[0]):
            g = k // per_group
            corrected(start, k, sums[g], lanes, entering)
            clear(state[0], lanes)
            trapped += add_terms(entering, one, first, 0, 1, lanes, levels[0], watched, state[0])
            trapped += add_tiles(patch[g], w[k], order, lanes, levels, watched, state, counts, one, first)
            for entry in range(after.shape[0]):
                corrected(after[entry], k, sums[g], lanes, entering)
                trapped += add_terms(entering, one, first, 0, 1, lanes, levels[0], watched, state[0])
            if watched:
                count(state[0], lanes, levels[0], counts[0])
            for p in range(lanes):
                out[top + p, k] = out.dtype.type(state[0, VALUE, p])
    return trapped


@compiled
def gather_lanes(
    x: Any, top: int, lanes: int, offset: int, fill: int, geometry: Any, patch: Any, sums: Any
) -> None:
    """The taps of positions top to top + lanes, (groups, taps, lanes), and each group's sum of them."""
    lane = patch.dtype.type
    groups, columns = geometry[GROUPS], geometry[OW]
    depth = geometry[C] // groups
    for p in range(lanes):
        line, column = (top + p) // columns, (top + p) % columns
        image, row = line // geometry[OH], line % geometry[OH]
        for g in range(groups):
            total = np.int64(0)
            t = 0
            for kh in range(geometry[KH]):
                h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
                for kw in range(geometry[KW]):
                    v = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                    inside = 0 <= h < geometry[H] and 0 <= v < geometry[W]
                    for c in range(depth):
                        raw = np.int64(x[image, h, v, g * depth + c]) if inside else np.int64(fill)
                        patch[g, t + c, p] = lane(raw - offset)
                        total += raw
                    t += depth
            sums[g, p] = total


@compiled
def corrected(values: Any, k: int, sums: Any, lanes: int, entering: Any) -> None:
    """values[0] + values[1] * (the sum of the taps) of channel k, per lane."""
    lane = entering.dtype.type
    for p in range(lanes):
        entering[0, p] = lane(values[0, k] + values[1, k] * sums[p])


@compiled
def add_tiles(
    patch: Any,
    w: Any,
    order: Any,
    lanes: int,
    levels: Any,
    watched: bool,
    state: Any,
    counts: Any,
    one: Any,
    first: Any,
) -> int:
    """Let every term enter, tile by tile; `filled` counts the terms in every open tile."""
    depth, terms = levels.shape[0], order.size
    if depth == 1:
        return add_terms(patch, w, order, 0, terms, lanes, levels[0], watched, state[0])
    filled = np.zeros(depth, np.int64)
    inner, trapped, begin = depth - 1, 0, 0
    while begin < terms:
        end = terms
        for level in range(1, depth):
            end = min(end, begin + levels[level, TILE] - filled[level])
        trapped += add_terms(patch, w, order, begin, end, lanes, levels[inner], watched, state[inner])
        closing = depth
        for level in range(inner, 0, -1):
            filled[level] += end - begin
            if filled[level] == levels[level, TILE] or end == terms:
                closing = level
        for level in range(inner, closing - 1, -1):
            if watched:
                count(state[level], lanes, levels[level], counts[level])
            outer = level - 1
            trapped += add_terms(state[level], one, first, 0, 1, lanes, levels[outer], watched, state[outer])
            clear(state[level], lanes)
            filled[level] = 0
        begin = end
    return trapped


@compiled
def clear(state: Any, lanes: int) -> None:
    """An empty register."""
    for row in range(4):
        for p in range(lanes):
            state[row, p] = 0


@compiled
def add_terms(
    x: Any, w: Any, order: Any, begin: int, end: int, lanes: int, level: Any, watched: bool, state: Any
) -> int:
    """Terms order[begin] to order[end] into one register, in every lane; how many additions trapped."""
    lane = w.dtype.type
    mode, low, high = level[MODE], lane(level[LOW]), lane(level[HIGH])
    mask, sign = lane(level[MASK]), lane(level[SIGN])
    value, exact, lowest, highest = state[VALUE], state[SUM], state[LOWEST], state[HIGHEST]
    trapped = 0
    for i in range(begin, end):
        place = order[i]
        seen, factor = x[place], w[place]
        if mode == SATURATE:
            for p in range(lanes):
                value[p] = lane(min(max(lane(value[p] + lane(seen[p] * factor)), low), high))
        elif mode == WRAP:
            for p in range(lanes):
                total = lane(value[p] + lane(seen[p] * factor))
                value[p] = lane(lane(lane(total & mask) ^ sign) - sign)
        else:
            for p in range(lanes):
                value[p] = lane(value[p] + lane(seen[p] * factor))
            if mode == TRAP:
                for p in range(lanes):
                    trapped += (value[p] < low) | (value[p] > high)
        if watched and mode != EXACT:
            for p in range(lanes):
                total = lane(exact[p] + lane(seen[p] * factor))
                exact[p] = total
                lowest[p] = min(lowest[p], total)
                highest[p] = max(highest[p], total)
    return trapped


@compiled
def count(state: Any, lanes: int, level: Any, counts: Any) -> None:
    """Rule A7 for one finished sum in every lane."""
    if level[MODE] == EXACT:
        return
    low, high = level[LOW], level[HIGH]
    persistent, either = 0, 0
    for p in range(lanes):
        persistent += (state[SUM, p] < low) | (state[SUM, p] > high)
        either += (state[LOWEST, p] < low) | (state[HIGHEST, p] > high)
    counts[0] += persistent
    counts[1] += either - persistent
