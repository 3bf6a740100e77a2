"""Sums of products modulo 2**32 or 2**64: matrix products, convolutions.

Lanes are int32 or int64 and keep the low bits of the sum. That is the exact sum where the sum is proved
to fit the lane, and enough where it is then wrapped to no more bits than the lane has. Operands are
widened at every load (numba keeps the dtype of a lane only where it is told to).

Zero points never enter the loops: weights are centred beforehand, and the input's zero point, which also
fills what is outside the image, is folded into the start values by the caller.

`geometry` is an int64 array; its places are named below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled

H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, TOP, LEFT, GROUPS = range(14)


@compiled
def dot_block(a: Any, w: Any, start: Any, rows: int, sums: Any) -> None:
    """sums[i, j] = start[j] + a[i] . w[j] for i < rows; lanes are start's dtype."""
    lane = start.dtype.type
    channels, taps = w.shape
    for i in range(0, rows - 1, 2):
        for j in range(0, channels - 3, 4):
            s0, s1, s2, s3 = lane(start[j]), lane(start[j + 1]), lane(start[j + 2]), lane(start[j + 3])
            r0, r1, r2, r3 = s0, s1, s2, s3
            for t in range(taps):
                u, v = lane(a[i, t]), lane(a[i + 1, t])
                w0, w1, w2, w3 = lane(w[j, t]), lane(w[j + 1, t]), lane(w[j + 2, t]), lane(w[j + 3, t])
                s0, s1, s2, s3 = lane(s0 + u * w0), lane(s1 + u * w1), lane(s2 + u * w2), lane(s3 + u * w3)
                r0, r1, r2, r3 = lane(r0 + v * w0), lane(r1 + v * w1), lane(r2 + v * w2), lane(r3 + v * w3)
            sums[i, j], sums[i, j + 1], sums[i, j + 2], sums[i, j + 3] = s0, s1, s2, s3
            sums[i + 1, j], sums[i + 1, j + 1], sums[i + 1, j + 2], sums[i + 1, j + 3] = r0, r1, r2, r3
        for j in range(channels - channels % 4, channels):
            s0, r0 = lane(start[j]), lane(start[j])
            for t in range(taps):
                w0 = lane(w[j, t])
                s0, r0 = lane(s0 + lane(a[i, t]) * w0), lane(r0 + lane(a[i + 1, t]) * w0)
            sums[i, j], sums[i + 1, j] = s0, r0
    for i in range(rows - rows % 2, rows):
        for j in range(channels):
            s0 = lane(start[j])
            for t in range(taps):
                s0 = lane(s0 + lane(a[i, t]) * lane(w[j, t]))
            sums[i, j] = s0


@compiled
def wrapped(value: Any, mask: int, sign: int) -> Any:
    """The low bits of an int64, read as the register does: mask 2**bits - 1, sign 2**(bits - 1) or 0."""
    return ((value & mask) ^ sign) - sign


@compiled
def gather(
    x: Any, image: int, row: int, column: int, count: int, group: int, fill: Any, geometry: Any, patch: Any
) -> None:
    """The taps of `count` output positions from (row, column) on, one row of `patch` each."""
    keep = patch.dtype.type
    depth = geometry[C] // geometry[GROUPS]
    first = group * depth
    for i in range(count):
        t = 0
        for kh in range(geometry[KH]):
            h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
            for kw in range(geometry[KW]):
                v = (column + i) * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                if 0 <= h < geometry[H] and 0 <= v < geometry[W]:
                    for c in range(depth):
                        patch[i, t + c] = keep(x[image, h, v, first + c])
                else:
                    for c in range(depth):
                        patch[i, t + c] = keep(fill)
                t += depth


@compiled
def matmul_rows(a: Any, w: Any, start: Any, mask: int, sign: int, begin: int, end: int, out: Any) -> None:
    """out[i, j] = wrapped(start[j] + a[i] . w[j]) for rows begin to end."""
    channels = w.shape[0]
    block = 32
    sums = np.empty((block, channels), start.dtype)
    for top in range(begin, end, block):
        rows = min(block, end - top)
        dot_block(a[top : top + rows], w, start, rows, sums)
        for i in range(rows):
            for j in range(channels):
                out[top + i, j] = out.dtype.type(wrapped(np.int64(sums[i, j]), mask, sign))


@compiled
def conv_rows(
    x: Any, w: Any, start: Any, fill: Any, geometry: Any, mask: int, sign: int, begin: int, end: int, out: Any
) -> None:
    """Output rows begin to end, counted over all images.

    x (N, H, W, C); w (groups, K / groups, taps), taps padded with zeros; start (K); out (N * OH, OW, K).
    """
    groups, channels, taps = w.shape
    rows, columns = geometry[OH], geometry[OW]
    patch = np.zeros((columns, taps), w.dtype)
    sums = np.empty((columns, channels), start.dtype)
    for line in range(begin, end):
        for g in range(groups):
            gather(x, line // rows, line % rows, 0, columns, g, fill, geometry, patch)
            dot_block(patch, w[g], start[g * channels : (g + 1) * channels], columns, sums)
            for i in range(columns):
                for j in range(channels):
                    value = wrapped(np.int64(sums[i, j]), mask, sign)
                    out[line, i, g * channels + j] = out.dtype.type(value)


@compiled
def depthwise_rows(
    x: Any, w: Any, start: Any, fill: Any, geometry: Any, mask: int, sign: int, begin: int, end: int, out: Any
) -> None:
    """As `conv_rows`, with one input channel per group: w (KH * KW, M, C), start (M, C).

    Output channel c * M + m.
    """
    lane = start.dtype.type
    multiple, depth = start.shape
    rows, columns = geometry[OH], geometry[OW]
    sums = np.empty(depth, start.dtype)
    for line in range(begin, end):
        image, row = line // rows, line % rows
        for i in range(columns):
            for m in range(multiple):
                for c in range(depth):
                    sums[c] = start[m, c]
                for kh in range(geometry[KH]):
                    h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
                    for kw in range(geometry[KW]):
                        v = i * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                        t = kh * geometry[KW] + kw
                        if 0 <= h < geometry[H] and 0 <= v < geometry[W]:
                            for c in range(depth):
                                sums[c] = lane(sums[c] + lane(x[image, h, v, c]) * lane(w[t, m, c]))
                        elif fill != 0:
                            for c in range(depth):
                                sums[c] = lane(sums[c] + lane(fill) * lane(w[t, m, c]))
                for c in range(depth):
                    value = wrapped(np.int64(sums[c]), mask, sign)
                    out[line, i, c * multiple + m] = out.dtype.type(value)
