"""Sums, largest elements, lookups and copies, loops that are the same for all channels.

Integers are exact in int32: whoever calls has proved that the sums fit it. float32 is rounded step by step,
in the op's own order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.finish import finish
from intsim.kernels.jit import compiled
from intsim.kernels.steps import goes_up

H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, TOP, LEFT = range(13)
"""Places of `geometry`, int64, as in `kernels.sums`."""


@compiled
def sum_rows(x: Any, epilogue: Any, begin: int, end: int, sums: Any, out: Any) -> None:
    """out[n] = finished(sum over r of x[n, r]) for n from begin to end.

    x (N, R, C); sums int32 (1, padded channels), scratch; out (N, C).
    """
    for n in range(begin, end):
        sums[:] = 0
        for r in range(x.shape[1]):
            row = x[n, r]
            for c in range(row.size):
                sums[0, c] += np.int32(row[c])
        finish(sums, 1, epilogue, out, n, 0)


@compiled
def average_lines(
    x: Any, zero_point: int, counts: Any, rounding: int, geometry: Any, begin: int, end: int, out: Any
) -> None:
    """Output lines begin to end of rounded averages, counted over all images.

    x (N, H, W, C); counts (OH, OW), what each sum is divided by; out (N * OH, OW, C).
    """
    keep = out.dtype.type
    sums = np.empty(geometry[C], np.int32)
    for line in range(begin, end):
        image, row = line // geometry[OH], line % geometry[OH]
        for column in range(geometry[OW]):
            sums[:] = 0
            taps = 0
            for kh in range(geometry[KH]):
                h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
                for kw in range(geometry[KW]):
                    w = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                    if 0 <= h < geometry[H] and 0 <= w < geometry[W]:
                        taps += 1
                        values = x[image, h, w]
                        for c in range(values.size):
                            sums[c] += np.int32(values[c])
            count = np.int32(counts[row, column])
            for c in range(sums.size):
                value = np.int32(sums[c] - taps * zero_point)
                floor = np.int32(value // count)
                rest = np.float64(value - floor * count)  # below 2**31: float64 compares exactly
                twice = rest * 2.0 / count if rest * 2.0 != count else 1.0
                up = goes_up(np.float64(value), np.float64(floor), twice, rounding)
                out[line, column, c] = keep(floor + up + zero_point)


@compiled
def float_average_lines(
    x: Any,
    table: Any,
    first: int,
    counts: Any,
    scale: Any,
    zero_point: Any,
    ends: Any,
    geometry: Any,
    begin: int,
    end: int,
    out: Any,
) -> None:
    """As `average_lines`, of what codes stand for, in float32.

    table, scale, zero_point, counts: float32; first: the code of table's first entry; ends: of the output's
    format.
    """
    keep, real = out.dtype.type, np.float32
    sums = np.empty(geometry[C], np.float32)
    for line in range(begin, end):
        image, row = line // geometry[OH], line % geometry[OH]
        for column in range(geometry[OW]):
            sums[:] = real(0)
            for kh in range(geometry[KH]):
                h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
                for kw in range(geometry[KW]):
                    w = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                    if 0 <= h < geometry[H] and 0 <= w < geometry[W]:
                        values = x[image, h, w]
                        for c in range(values.size):
                            sums[c] = real(sums[c] + table[int(values[c]) - first])
            count = counts[row, column]
            for c in range(sums.size):
                value = real(real(real(sums[c] / count) / scale) + zero_point)
                out[line, column, c] = keep(min(max(int(np.rint(value)), ends[0]), ends[1]))


@compiled
def largest_lines(x: Any, geometry: Any, begin: int, end: int, out: Any) -> None:
    """As `average_lines`, the largest element of each window that is inside the image."""
    for line in range(begin, end):
        image, row = line // geometry[OH], line % geometry[OH]
        for column in range(geometry[OW]):
            to = out[line, column]
            first = True
            for kh in range(geometry[KH]):
                h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
                for kw in range(geometry[KW]):
                    w = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                    if 0 <= h < geometry[H] and 0 <= w < geometry[W]:
                        values = x[image, h, w]
                        if first:
                            to[:] = values
                        else:
                            for c in range(values.size):
                                to[c] = max(to[c], values[c])
                        first = False


@compiled
def look_up(x: Any, table: Any, first: int, begin: int, end: int, out: Any) -> None:
    """out[i] = table[x[i] - first] for i from begin to end; flat."""
    for i in range(begin, end):
        out[i] = table[int(x[i]) - first]


@compiled
def copy(x: Any, begin: int, end: int, out: Any) -> None:
    """out[i] = x[i] for i from begin to end; flat."""
    for i in range(begin, end):
        out[i] = x[i]
