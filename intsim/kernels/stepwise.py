"""Chosen sums through their registers, term by term, with their events (rules A1 to A7 of `arithmetic`).

A sum has a lane of its own. Products are made first, some terms of all lanes at a time; then they enter
the registers, which may be chains or trees, nested to any depth.

Lanes are int32, where operands are int16, or int64; the caller proves that
they hold every register's value plus what enters it, and the exact sums that events are counted from.

`levels` is an int64 array with one row per register, outermost first; its columns are named below. An
innermost row of mode EXACT is a tile that is summed without a register.

The state of a level is four rows of lanes: the register's value, the exact sum of what entered it, and
the lowest and the highest that this sum has been. A tree keeps, beside them, the sums that wait for
another of their height: neighbours are added as soon as both are there, and what is left at the end is
added from the smallest on, which is where an odd one that passes up is met.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.isa.micro import address
from intsim.kernels.jit import compiled
from intsim.kernels.stepwise_isa import turned_products

MODE, LOW, HIGH, MASK, SIGN, TILE, TREE = range(7)
EXACT, WRAP, SATURATE, TRAP = range(4)
VALUE, SUM, LOWEST, HIGHEST = range(4)

LANES = 64
"""Sums that are worked on at once."""

CHUNK = 128
"""Products of a sum that are made at a time, a multiple of 32."""

_HEIGHT = 40  # of a tree: more terms than 2**40 have no place in memory

NONE: Any = np.int64(0)
ONE: Any = np.int64(1)
"""Counts as arguments: a plain 0 would have each function compiled for it alone."""


@compiled
def step_outputs(
    rows: Any,
    w: Any,
    taps: int,
    small: int,
    totals: Any,
    picked: Any,
    count: int,
    start: Any,
    after: Any,
    levels: Any,
    watched: bool,
    counts: Any,
    top: int,
    first: int,
    z: Any,
    out: Any,
) -> int:
    """The first `count` of the picked sums, each through registers of its own.

    Parameters
    ----------
    rows : (rows, padded taps) int16 or int64, what is multiplied, in entering order
    w : (channels, padded taps) of the same dtype, 0 beyond the taps; padded to a multiple of 32
    taps : terms of a sum
    small : whether every product fits int16
    totals : int64 (rows), the sum of each row's codes
    picked : int32 (2, any), row and channel of every sum
    start, after : (2, all channels) and (values, 2, all channels) int64: a value is its first row plus
        its second times the sum of the codes
    levels : the registers
    watched : whether events are counted
    counts : (levels, 2) int64, persistent and transient events are added
    top, first : sum (r, c) becomes out[top + r, first + c], and has the start value of first + c
    z : scratch (CHUNK, LANES), int32 or int64: the lanes
    out : (positions, all channels)

    Returns
    -------
    How many additions a register with TRAP could not hold, at least; 0 where none.
    """
    narrow = rows.itemsize == 2
    lane = z.dtype
    state = np.zeros((levels.shape[0], 4, LANES), lane)
    trees = 0
    for level in range(levels.shape[0]):
        trees += levels[level, TREE]
    waiting = np.zeros((levels.shape[0], 2, _HEIGHT if trees else 1, LANES), lane)
    nodes = np.zeros((CHUNK if trees else 1, LANES), lane)
    entered, filled = np.zeros(levels.shape[0], np.int64), np.zeros(levels.shape[0], np.int64)
    places = np.zeros((2, 16), np.int64)
    trapped = 0
    for begin in range(0, count, LANES):
        lanes = min(LANES, count - begin)
        width = (lanes + 15) // 16 * 16
        for row in range(4):
            for p in range(width):
                state[0, row, p] = 0
        for level in range(levels.shape[0]):
            entered[level], filled[level] = 0, 0
        if not levels[0, TREE]:
            load_values(start, totals, picked, begin, lanes, width, first, z)
            trapped += enter_chain(z, NONE, ONE, width, levels[0], watched, state[0])
        for t in range(NONE, taps, CHUNK):
            terms = min(CHUNK, taps - t)
            if narrow:
                narrow_products(rows, w, small, picked, begin, lanes, width, t, terms, places, z)
            else:
                wide_products(rows, w, picked, begin, lanes, width, t, terms, z)
            trapped += enter_terms(
                z,
                terms,
                t + terms == taps,
                lanes,
                width,
                levels,
                watched,
                state,
                waiting,
                entered,
                filled,
                nodes,
                counts,
            )
        if levels[0, TREE]:
            trapped += gather_tree(width, NONE, levels, watched, state, waiting, entered)
            load_values(start, totals, picked, begin, lanes, width, first, z)
            trapped += enter_chain(z, NONE, ONE, width, levels[0], watched, state[0])
        for entry in range(after.shape[0]):
            load_values(after[entry], totals, picked, begin, lanes, width, first, z)
            trapped += enter_chain(z, NONE, ONE, width, levels[0], watched, state[0])
        if watched:
            count_events(state[0], lanes, levels[0], counts[0])
        for p in range(lanes):
            place = top + picked[0, begin + p], first + picked[1, begin + p]
            out[place] = out.dtype.type(state[0, VALUE, p])
    return trapped


@compiled
def load_values(
    values: Any, totals: Any, picked: Any, begin: int, lanes: int, width: int, first: int, z: Any
) -> None:
    """z[0] = values[0] + values[1] * (the sum of the codes), per lane; lanes to spare repeat the first."""
    for p in range(width):
        place = begin + (p if p < lanes else 0)
        k = first + picked[1, place]
        z[0, p] = z.dtype.type(values[0, k] + values[1, k] * totals[picked[0, place]])


@compiled
def narrow_products(
    rows: Any,
    w: Any,
    small: int,
    picked: Any,
    begin: int,
    lanes: int,
    width: int,
    t: int,
    terms: int,
    places: Any,
    z: Any,
) -> None:
    """z[i] = the products of term t + i, of int16 operands; whole times 32 of them."""
    x_stride, w_stride = rows.shape[1] * 2, w.shape[1] * 2
    for group in range(0, width, 16):
        for lane in range(16):
            place = begin + (group + lane if group + lane < lanes else 0)
            places[0, lane] = address(rows) + picked[0, place] * x_stride + 2 * t
            places[1, lane] = address(w) + picked[1, place] * w_stride + 2 * t
        to = address(z) + 4 * group
        turned_products(small, address(places), address(places) + 128, (terms + 31) // 32, to, z.shape[1] * 4)


@compiled
def wide_products(
    rows: Any, w: Any, picked: Any, begin: int, lanes: int, width: int, t: int, terms: int, z: Any
) -> None:
    """As `narrow_products`, of any operands."""
    for p in range(width):
        place = begin + (p if p < lanes else 0)
        r, k = picked[0, place], picked[1, place]
        for i in range(terms):
            z[i, p] = z.dtype.type(rows[r, t + i] * w[k, t + i])


@compiled
def enter_terms(
    z: Any,
    terms: int,
    ending: bool,
    lanes: int,
    width: int,
    levels: Any,
    watched: bool,
    state: Any,
    waiting: Any,
    entered: Any,
    filled: Any,
    nodes: Any,
    counts: Any,
) -> int:
    """Let the terms enter, tile by tile; `filled` counts the terms in every open tile."""
    depth = levels.shape[0]
    if depth == 1:
        if levels[0, TREE]:  # as many terms as a whole subtree has, but for the last ones
            return enter_subtree(z, NONE, terms, width, NONE, levels, watched, state, waiting, entered, nodes)
        return enter(z, NONE, terms, width, NONE, levels, watched, state, waiting, entered)
    inner, trapped, begin = depth - 1, 0, NONE
    while begin < terms:
        end = terms
        for level in range(1, depth):
            end = min(end, begin + levels[level, TILE] - filled[level])
        closed = end - begin == levels[inner, TILE] or (ending and end == terms and filled[inner] == 0)
        if levels[inner, TREE] and closed:
            trapped += enter_subtree(
                z, begin, end, width, inner, levels, watched, state, waiting, entered, nodes
            )
        else:
            trapped += enter(z, begin, end, width, inner, levels, watched, state, waiting, entered)
        closing = depth
        for level in range(inner, 0, -1):
            filled[level] += end - begin
            if filled[level] == levels[level, TILE] or (ending and end == terms):
                closing = level
        for level in range(inner, closing - 1, -1):
            if levels[level, TREE]:
                trapped += gather_tree(width, level, levels, watched, state, waiting, entered)
            if watched:
                count_events(state[level], lanes, levels[level], counts[level])
            trapped += enter(
                state[level], NONE, ONE, width, level - 1, levels, watched, state, waiting, entered
            )
            for row in range(4):
                for p in range(width):
                    state[level, row, p] = 0
            filled[level] = 0
        begin = end
    return trapped


@compiled
def enter(
    z: Any,
    begin: int,
    end: int,
    width: int,
    level: int,
    levels: Any,
    watched: bool,
    state: Any,
    waiting: Any,
    entered: Any,
) -> int:
    """Values z[begin] to z[end] into the register of one level; how many additions trapped."""
    if not levels[level, TREE]:
        return enter_chain(z, begin, end, width, levels[level], watched, state[level])
    trapped = 0
    for i in range(begin, end):
        trapped += enter_tree(z[i], z[i], width, level, levels, watched, state, waiting, entered)
    return trapped


@compiled
def enter_chain(z: Any, begin: int, end: int, width: int, level: Any, watched: bool, state: Any) -> int:
    """Values z[begin] to z[end], added one after another."""
    lane = state.dtype.type
    mode, low, high = level[MODE], lane(level[LOW]), lane(level[HIGH])
    mask, sign = lane(level[MASK]), lane(level[SIGN])
    value, exact, lowest, highest = state[VALUE], state[SUM], state[LOWEST], state[HIGHEST]
    trapped = 0
    first = begin
    if mode == SATURATE:
        for i in range(begin, end - 3, 4):
            for p in range(width):
                now = value[p]
                now = lane(min(max(lane(now + z[i, p]), low), high))
                now = lane(min(max(lane(now + z[i + 1, p]), low), high))
                now = lane(min(max(lane(now + z[i + 2, p]), low), high))
                value[p] = lane(min(max(lane(now + z[i + 3, p]), low), high))
            first = i + 4
        for i in range(first, end):
            for p in range(width):
                value[p] = lane(min(max(lane(value[p] + z[i, p]), low), high))
    else:
        for i in range(begin, end):
            if mode == WRAP:
                for p in range(width):
                    total = lane(value[p] + z[i, p])
                    value[p] = lane(lane(lane(total & mask) ^ sign) - sign)
            else:
                for p in range(width):
                    value[p] = lane(value[p] + z[i, p])
                if mode == TRAP:
                    for p in range(width):
                        trapped += (value[p] < low) | (value[p] > high)
    if watched and mode != EXACT:
        for i in range(begin, end):
            for p in range(width):
                total = lane(exact[p] + z[i, p])
                exact[p] = total
                lowest[p] = min(lowest[p], total)
                highest[p] = max(highest[p], total)
    return trapped


@compiled
def enter_subtree(
    z: Any,
    begin: int,
    end: int,
    width: int,
    level: int,
    levels: Any,
    watched: bool,
    state: Any,
    waiting: Any,
    entered: Any,
    nodes: Any,
) -> int:
    """Values z[begin] to z[end], added in pairs where they lie; then their root as one leaf.

    `nodes` is scratch for their exact sums, where these are watched.
    """
    register, count, trapped = levels[level], end - begin, 0
    copy_row(z[begin], width, nodes[0])
    for i in range(count):
        if watched:
            copy_row(z[begin + i], width, nodes[i])
            watch_row(nodes[i], width, state[level])
        trapped += hold_row(z[begin + i], width, register)
    while count > 1:
        half = count // 2
        for i in range(half):
            add_rows(z[begin + 2 * i], z[begin + 2 * i + 1], width, z[begin + i])
            trapped += hold_row(z[begin + i], width, register)
            if watched:
                add_rows(nodes[2 * i], nodes[2 * i + 1], width, nodes[i])
                watch_row(nodes[i], width, state[level])
        if count & 1:
            copy_row(z[begin + count - 1], width, z[begin + half])
            if watched:
                copy_row(nodes[count - 1], width, nodes[half])
        count = half + (count & 1)
    trapped += enter_tree(z[begin], nodes[0], width, level, levels, watched, state, waiting, entered)
    return trapped


@compiled
def enter_tree(
    leaf: Any,
    whole: Any,
    width: int,
    level: int,
    levels: Any,
    watched: bool,
    state: Any,
    waiting: Any,
    entered: Any,
) -> int:
    """One leaf: held by the register, then added to what waits at its height, and so on up.

    `whole` is its exact sum, where it is the root of a subtree.
    """
    value, exact = state[level, VALUE], state[level, SUM]
    for p in range(width):
        value[p], exact[p] = leaf[p], whole[p]
    trapped = hold(width, levels[level], watched, state[level])
    height, before = NONE, entered[level]
    while before & 1:
        trapped += add_waiting(width, height, level, levels, watched, state, waiting)
        before >>= 1
        height += 1
    for p in range(width):
        waiting[level, 0, height, p], waiting[level, 1, height, p] = value[p], exact[p]
    entered[level] += 1
    return trapped


@compiled
def gather_tree(
    width: int, level: int, levels: Any, watched: bool, state: Any, waiting: Any, entered: Any
) -> int:
    """The root of a tree, from all that waits; the tree is empty then."""
    trapped, found, height = 0, False, NONE
    while entered[level] >> height:
        if entered[level] >> height & 1:
            if found:
                trapped += add_waiting(width, height, level, levels, watched, state, waiting)
            else:
                for p in range(width):
                    state[level, VALUE, p] = waiting[level, 0, height, p]
                    state[level, SUM, p] = waiting[level, 1, height, p]
            found = True
        height += 1
    entered[level] = 0
    return trapped


@compiled
def add_waiting(
    width: int, height: int, level: int, levels: Any, watched: bool, state: Any, waiting: Any
) -> int:
    """One adder: what waits at a height, and the newest sum."""
    value, exact = state[level, VALUE], state[level, SUM]
    add_rows(value, waiting[level, 0, height], width, value)
    add_rows(exact, waiting[level, 1, height], width, exact)
    return hold(width, levels[level], watched, state[level])


@compiled
def hold(width: int, level: Any, watched: bool, state: Any) -> int:
    """The register's overflow on its value, and a look at the exact sum."""
    if watched:
        watch_row(state[SUM], width, state)
    return hold_row(state[VALUE], width, level)


@compiled
def copy_row(row: Any, width: int, to: Any) -> None:
    """to = row, lane by lane."""
    for p in range(width):
        to[p] = row[p]


@compiled
def add_rows(a: Any, b: Any, width: int, to: Any) -> None:
    """to = a + b, lane by lane."""
    lane = to.dtype.type
    for p in range(width):
        to[p] = lane(a[p] + b[p])


@compiled
def hold_row(value: Any, width: int, level: Any) -> int:
    """What a register makes of the values written to it; how many trapped."""
    lane = value.dtype.type
    mode, low, high = level[MODE], lane(level[LOW]), lane(level[HIGH])
    mask, sign = lane(level[MASK]), lane(level[SIGN])
    trapped = 0
    if mode == SATURATE:
        for p in range(width):
            value[p] = min(max(value[p], low), high)
    elif mode == WRAP:
        for p in range(width):
            value[p] = lane(lane(lane(value[p] & mask) ^ sign) - sign)
    elif mode == TRAP:
        for p in range(width):
            trapped += (value[p] < low) | (value[p] > high)
    return trapped


@compiled
def watch_row(exact: Any, width: int, state: Any) -> None:
    """A look at exact sums."""
    lowest, highest = state[LOWEST], state[HIGHEST]
    for p in range(width):
        lowest[p] = min(lowest[p], exact[p])
        highest[p] = max(highest[p], exact[p])


@compiled
def count_events(state: Any, lanes: int, level: Any, counts: Any) -> None:
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
