"""A requantization as a small program, run on int64 values row by row.

Rules
-----
P1. A program is exact where the bounds of the requantization fit int64, and every value that is shifted
    right leaves room for the 2**bits that is added to it first.
P2. A rounding right shift is one addition and a floor shift: what is added depends on the value's sign,
    for HALF_EVEN and HALF_ODD also on the lowest bit that is kept.
P3. A float step converts, adds, multiplies, adds and rounds in IEEE float32 or float64, one rounding per
    operation, none fused.

Rows are as wide as the parameters, which repeat the channels; so element e of a flat tensor whose last
axis is the channels meets the parameters at e modulo the width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled

ADD, SHIFT_LEFT, MULTIPLY, SHIFT_RIGHT, CLAMP, SINGLE, DOUBLE, THRESHOLDS, TABLE, WRAP, TRAP = range(11)
(
    FLOOR,
    CEIL,
    TOWARD_ZERO,
    AWAY_FROM_ZERO,
    HALF_UP,
    HALF_DOWN,
    HALF_AWAY,
    HALF_TOWARD_ZERO,
    HALF_EVEN,
    HALF_ODD,
) = range(10)


@compiled
def run_steps(
    values: Any, codes: Any, scalars: Any, integers: Any, singles: Any, doubles: Any, pool: Any
) -> int:
    """Run the program on `values` in place.

    Parameters
    ----------
    values : int64, flat; starts at the first channel
    codes : what each step does
    scalars : (steps, 2) int64
    integers : (steps, 4, width) int64, parameters per channel
    singles, doubles : (steps, 3, width) factors, before, after
    pool : int64, thresholds and table entries

    Returns
    -------
    How many values did not fit a register with TRAP.
    """
    width = integers.shape[2]
    trapped = 0
    for begin in range(0, values.size, width):
        row = values[begin : begin + width]
        for step in range(codes.size):
            code, p = codes[step], integers[step]
            if code == SINGLE:
                scale(row, singles[step], scalars[step])
            elif code == DOUBLE:
                scale(row, doubles[step], scalars[step])
            elif code == THRESHOLDS:
                count_thresholds(row, p[0], scalars[step], pool)
            elif code == TABLE:
                look_up(row, scalars[step], pool)
            elif code == TRAP:
                trapped += count_outside(row, p[0, 0], p[1, 0])
            else:
                simple(row, code, p, scalars[step])
    return trapped


@compiled
def simple(row: Any, code: int, p: Any, scalars: Any) -> None:
    """The integer steps with parameters per channel."""
    if code == ADD:
        for k in range(row.size):
            row[k] += p[0, k]
    elif code == SHIFT_LEFT:
        for k in range(row.size):
            row[k] <<= p[0, k]
    elif code == MULTIPLY:
        for k in range(row.size):
            row[k] *= p[0, k]
    elif code == SHIFT_RIGHT:
        for k in range(row.size):
            value = row[k]
            added = p[1, k] if value < 0 else p[2, k]
            row[k] = (value + added + p[3, k] * ((value >> p[0, k]) & 1)) >> p[0, k]
    elif code == CLAMP:
        for k in range(row.size):
            row[k] = min(max(row[k], p[0, k]), p[1, k])
    elif code == WRAP:
        mask, sign = scalars[0], scalars[1]
        for k in range(row.size):
            row[k] = ((row[k] & mask) ^ sign) - sign


@compiled
def scale(row: Any, reals: Any, scalars: Any) -> None:
    """Rule P3; scalars are (rounding, 1 if something is added before + 2 if after)."""
    real = reals.dtype.type
    rounding, added = scalars[0], scalars[1]
    for k in range(row.size):
        value = real(row[k])
        if added & 1:
            value = real(value + reals[1, k])
        value = real(value * reals[0, k])
        if added & 2:
            value = real(value + reals[2, k])
        floor = real(np.floor(value))
        twice = real(real(value - floor) * real(2))
        if real(-0.5) < value < 0:
            twice = real(1.5)  # value - floor is not exact there, and may round down to a tie
        row[k] = np.int64(floor) + np.int64(goes_up(value, floor, twice, rounding))


@compiled
def goes_up(value: Any, floor: Any, twice: Any, rounding: int) -> bool:
    """Whether floor + 1 is the answer, given twice the fraction above the floor."""
    if rounding >= HALF_UP and twice != 1:
        return bool(twice > 1)
    if rounding in (HALF_EVEN, HALF_ODD):
        odd = floor != np.floor(floor / 2) * 2
        return bool(odd == (rounding == HALF_EVEN))
    if rounding in (FLOOR, HALF_DOWN):
        return False
    if rounding == CEIL:
        return bool(twice > 0)
    if rounding == TOWARD_ZERO:
        return bool(twice > 0 and value <= 0)
    if rounding == AWAY_FROM_ZERO:
        return bool(twice > 0 and value > 0)
    if rounding == HALF_AWAY:
        return bool(value > 0)
    return bool(rounding == HALF_UP or value <= 0)


@compiled
def count_thresholds(row: Any, first: Any, scalars: Any, pool: Any) -> None:
    """How many of the thresholds from pool[first] on are reached; scalars are (how many, strictly)."""
    size, strictly = scalars[0], scalars[1]
    for k in range(row.size):
        value, low, high = row[k], 0, size
        while low < high:
            middle = (low + high) >> 1
            threshold = pool[first[k] + middle]
            if threshold < value or (threshold == value and strictly == 0):
                low = middle + 1
            else:
                high = middle
        row[k] = low


@compiled
def look_up(row: Any, scalars: Any, pool: Any) -> None:
    """Table entries; scalars are (place of entry 0 in the pool, the value of the first entry)."""
    for k in range(row.size):
        row[k] = pool[scalars[0] + row[k] - scalars[1]]


@compiled
def count_outside(row: Any, low: int, high: int) -> int:
    """How many values are not from low to high."""
    found = 0
    for k in range(row.size):
        found += (row[k] < low) | (row[k] > high)
    return found
