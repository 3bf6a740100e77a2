"""Sums of products that are finished where they are made: the loops of `kernels.sums`, then an epilogue.

Operands, start values and geometry are as in `kernels.sums`; lanes are int32. The epilogue's channels are
those of one group, and the output is (rows, channels of all groups).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.finish import finish
from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, DW, KH, KW, LEFT, OH, OW, SH, SW, TOP, C, H, W, dot_block, gather

_BLOCK = 32


@compiled
def matmul_finished(a: Any, w: Any, epilogue: Any, begin: int, end: int, out: Any) -> None:
    """out[i] = finished(a[i] . w) for rows begin to end."""
    start = np.zeros(w.shape[0], np.int32)
    sums = np.empty((_BLOCK, epilogue.start.size), np.int32)
    for top in range(begin, end, _BLOCK):
        rows = min(_BLOCK, end - top)
        dot_block(a[top : top + rows], w, start, rows, sums)
        finish(sums, rows, epilogue, out, top, 0)


@compiled
def conv_finished(
    x: Any, w: Any, epilogues: Any, fill: Any, geometry: Any, begin: int, end: int, out: Any
) -> None:
    """Output rows begin to end, counted over all images; out (N * OH * OW, K), one epilogue per group."""
    groups, channels, taps = w.shape
    rows, columns = geometry[OH], geometry[OW]
    patch = np.zeros((columns, taps), w.dtype)
    start = np.zeros(channels, np.int32)
    for line in range(begin, end):
        for g in range(groups):
            epilogue = epilogues[g]
            sums = np.empty((columns, epilogue.start.size), np.int32)
            gather(x, line // rows, line % rows, 0, columns, g, fill, geometry, patch)
            dot_block(patch, w[g], start, columns, sums)
            finish(sums, columns, epilogue, out, line * columns, g * channels)


@compiled
def depthwise_finished(
    x: Any, w: Any, epilogue: Any, fill: Any, geometry: Any, begin: int, end: int, out: Any
) -> None:
    """As `conv_finished`, with one input channel per group: w (KH * KW, K), output channel c * M + m."""
    rows, columns, depth = geometry[OH], geometry[OW], geometry[C]
    multiple = w.shape[1] // depth
    sums = np.zeros((columns, epilogue.start.size), np.int32)
    for line in range(begin, end):
        image, row = line // rows, line % rows
        sums[:] = 0
        for i in range(columns):
            for kh in range(geometry[KH]):
                h = row * geometry[SH] - geometry[TOP] + kh * geometry[DH]
                for kw in range(geometry[KW]):
                    v = i * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                    t = kh * geometry[KW] + kw
                    inside = 0 <= h < geometry[H] and 0 <= v < geometry[W]
                    if inside and multiple == 1:
                        for c in range(depth):
                            sums[i, c] += np.int32(x[image, h, v, c]) * np.int32(w[t, c])
                    elif inside or fill != 0:
                        for k in range(w.shape[1]):
                            code = x[image, h, v, k // multiple] if inside else fill
                            sums[i, k] += np.int32(code) * np.int32(w[t, k])
        finish(sums, columns, epilogue, out, line * columns, 0)
