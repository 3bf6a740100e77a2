"""Sums of products term by term, through registers that saturate, wrap or trap, with their events.

Chains only; registers may be nested to any depth (rules A1 to A3, A5 to A7 of `arithmetic.accumulate`).
Every output channel is a lane. Lanes are int32 or int64, whichever holds every register's value plus
what enters it, and the exact running sums that the events are counted from; the caller proves that.

`levels` is an int64 array with one row per register, outermost first: the columns are named below. An
innermost row of mode EXACT is a tile that is summed without a register.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, DW, GROUPS, KH, KW, LEFT, OH, OW, SH, SW, TOP, C, H, W

MODE, LOW, HIGH, MASK, SIGN, TILE = range(6)
EXACT, WRAP, SATURATE, TRAP = range(4)


@compiled
def chain_rows(
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
    begin: int,
    end: int,
    counts: Any,
    out: Any,
) -> int:
    """Output rows begin to end, counted over all images.

    Parameters
    ----------
    x : (N, H, W, C)
    w : (taps, K) lanes, as they enter the product; taps in h, w, c order
    offset, fill : subtracted from every input; what is outside the image, before that
    order : places of the terms, as they enter
    start, after : (2, K) and (values, 2, K) int64: a value is its first row plus its second times the
        sum of the taps
    levels : the registers
    watched : whether events are counted
    counts : (registers, 2) int64, persistent and transient events are added
    out : (N * OH, OW, K)

    Returns
    -------
    How many additions a register with TRAP could not hold.
    """
    channels, groups = w.shape[1], geometry[GROUPS]
    patch = np.empty((w.shape[0], groups), w.dtype)
    sums = np.zeros(groups, np.int64)
    value, exact = (
        np.zeros((levels.shape[0], channels), w.dtype),
        np.zeros((levels.shape[0], channels), w.dtype),
    )
    left = np.zeros((levels.shape[0], channels), np.bool_)
    entering = np.zeros(channels, w.dtype)
    trapped = 0
    for line in range(begin, end):
        for column in range(geometry[OW]):
            take(x, line // geometry[OH], line % geometry[OH], column, offset, fill, geometry, patch, sums)
            corrected(start, sums, entering)
            clear(value[0], exact[0], left[0])
            trapped += enter(value[0], exact[0], left[0], entering, levels[0], watched)
            trapped += terms(patch, w, order, levels, watched, value, exact, left, entering, counts)
            for entry in range(after.shape[0]):
                corrected(after[entry], sums, entering)
                trapped += enter(value[0], exact[0], left[0], entering, levels[0], watched)
            if watched:
                count(exact[0], left[0], levels[0], counts[0])
            for k in range(channels):
                out[line, column, k] = out.dtype.type(value[0, k])
    return trapped


@compiled
def take(
    x: Any, image: int, row: int, column: int, offset: int, fill: int, geometry: Any, patch: Any, sums: Any
) -> None:
    """The taps of one output position, (taps, groups), and each group's sum of them."""
    lane = patch.dtype.type
    groups = geometry[GROUPS]
    depth = geometry[C] // groups
    sums[:] = 0
    t = 0
    for kh in range(geometry[KH]):
        h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
        for kw in range(geometry[KW]):
            v = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
            inside = 0 <= h < geometry[H] and 0 <= v < geometry[W]
            for c in range(depth):
                for g in range(groups):
                    raw = np.int64(x[image, h, v, g * depth + c]) if inside else np.int64(fill)
                    patch[t + c, g] = lane(raw - offset)
                    sums[g] += raw
            t += depth


@compiled
def corrected(values: Any, sums: Any, entering: Any) -> None:
    """values[0] + values[1] * (the sum of the taps), per channel."""
    lane = entering.dtype.type
    per_group = entering.size // sums.size
    for k in range(entering.size):
        entering[k] = lane(values[0, k] + values[1, k] * sums[k // per_group])


@compiled
def terms(
    patch: Any,
    w: Any,
    order: Any,
    levels: Any,
    watched: bool,
    value: Any,
    exact: Any,
    left: Any,
    entering: Any,
    counts: Any,
) -> int:
    """Let every term of one position enter, tile by tile."""
    depth = levels.shape[0]
    filled = np.zeros(depth, np.int64)
    trapped = 0
    for i in range(order.size):
        products(patch[order[i]], w[order[i]], entering)
        inner = depth - 1
        trapped += enter(value[inner], exact[inner], left[inner], entering, levels[inner], watched)
        closing = depth
        for level in range(depth - 1, 0, -1):
            filled[level] += 1
            if filled[level] == levels[level, TILE] or i == order.size - 1:
                closing = level
        for level in range(depth - 1, closing - 1, -1):
            if watched:
                count(exact[level], left[level], levels[level], counts[level])
            outer = level - 1
            trapped += enter(value[outer], exact[outer], left[outer], value[level], levels[outer], watched)
            clear(value[level], exact[level], left[level])
            filled[level] = 0
    return trapped


@compiled
def products(x: Any, w: Any, entering: Any) -> None:
    """One term of every channel; x has one value per group."""
    lane = w.dtype.type
    groups = x.size
    per_group = w.size // groups
    if per_group == 1:
        for k in range(w.size):
            entering[k] = lane(x[k] * w[k])
    else:
        for g in range(groups):
            factor = x[g]
            for k in range(g * per_group, (g + 1) * per_group):
                entering[k] = lane(factor * w[k])


@compiled
def clear(value: Any, exact: Any, left: Any) -> None:
    """An empty register."""
    for k in range(value.size):
        value[k] = 0
        exact[k] = 0
        left[k] = False


@compiled
def enter(value: Any, exact: Any, left: Any, entering: Any, level: Any, watched: bool) -> int:
    """One addition into a register, in every lane; how many lanes trapped."""
    lane = value.dtype.type
    mode, low, high = level[MODE], lane(level[LOW]), lane(level[HIGH])
    trapped = 0
    if mode == SATURATE:
        for k in range(value.size):
            value[k] = lane(min(max(lane(value[k] + entering[k]), low), high))
    elif mode == WRAP:
        mask, sign = lane(level[MASK]), lane(level[SIGN])
        for k in range(value.size):
            value[k] = lane(lane(lane(lane(value[k] + entering[k]) & mask) ^ sign) - sign)
    else:
        for k in range(value.size):
            value[k] = lane(value[k] + entering[k])
        if mode == TRAP:
            for k in range(value.size):
                trapped += (value[k] < low) | (value[k] > high)
    if watched and mode != EXACT:
        for k in range(value.size):
            exact[k] = lane(exact[k] + entering[k])
            left[k] |= (exact[k] < low) | (exact[k] > high)
    return trapped


@compiled
def count(exact: Any, left: Any, level: Any, counts: Any) -> None:
    """Rule A7 for one finished sum in every lane."""
    if level[MODE] == EXACT:
        return
    persistent, transient = 0, 0
    for k in range(exact.size):
        outside = (exact[k] < level[LOW]) | (exact[k] > level[HIGH])
        persistent += outside
        transient += left[k] & (not outside)
    counts[0] += persistent
    counts[1] += transient
