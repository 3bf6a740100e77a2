"""Depthwise convolutions: every channel by itself, in steps of 4 bytes (4 taps of a line, or 2 of 16 bits).

Rules
-----
B8. A line of the input becomes steps: for every output column, for every 4 bytes of taps across, and for
    every output channel, the codes that the taps meet, those that no tap meets being any. It is made
    once and serves as many output lines as the window is high. Zero weights meet what no tap meets.
B9. Weights are packed as (panels of 16 channels, lines of the window, steps, 16 channels, 4 bytes).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.finish import finish
from intsim.kernels.isa.micro import address, multiply_each
from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, DW, KH, KW, LEFT, OH, OW, SH, SW, TOP, H, W

FILL, FLIP, BACK, STEPS, LINES, BLOCK, MULTIPLE = range(7)
"""Places of `layout`, int64: what is outside the image (as an operand), what makes an operand of a code (see
`kernels.packing.Operands`), steps of a line of the window, output lines of a band, output lines of a block,
output channels of an input channel."""


@compiled
def fill_steps(x: Any, image: int, h: int, geometry: Any, layout: Any, held: Any, into: Any) -> None:
    """Line h of an image as steps (rule B8).

    Parameters
    ----------
    x : (N, H, W, C) of codes, uint8 or int16
    held : scratch, (4, channels) or (2, channels) operands
    into : int32 (OW, steps, padded channels)
    """
    keep, code = held.dtype.type, x.dtype.type
    flip, back = code(layout[FLIP]), keep(layout[BACK])
    outside = keep(layout[FILL])
    taps, channels = held.shape
    multiple, bits, mask = layout[MULTIPLE], 8 * held.itemsize, np.int32((1 << (8 * held.itemsize)) - 1)
    for column in range(geometry[OW]):
        for step in range(layout[STEPS]):
            for tap in range(taps):
                kw = step * taps + tap
                v = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                row = held[tap]
                if kw >= geometry[KW] or h < 0 or h >= geometry[H] or v < 0 or v >= geometry[W]:
                    row[:] = outside
                elif multiple == 1:
                    seen = x[image, h, v]
                    for c in range(channels):
                        row[c] = keep(keep(seen[c] ^ flip) - back)
                else:
                    seen = x[image, h, v]
                    for c in range(channels):
                        row[c] = keep(keep(seen[c // multiple] ^ flip) - back)
            to = into[column, step]
            if taps == 4:
                a, b, c4, d = held[0], held[1], held[2], held[3]
                for c in range(channels):
                    low = np.int32(a[c] & mask) | (np.int32(b[c] & mask) << np.int32(bits))
                    high = np.int32(c4[c] & mask) | (np.int32(d[c] & mask) << np.int32(bits))
                    to[c] = np.int32(low | (high << np.int32(16)))
            else:
                a, b = held[0], held[1]
                for c in range(channels):
                    to[c] = np.int32(np.int32(a[c] & mask) | (np.int32(b[c]) << np.int32(16)))


@compiled
def depthwise_lines(
    kernel: Any,
    x: Any,
    w: Any,
    offsets: Any,
    geometry: Any,
    layout: Any,
    epilogue: Any,
    begin: int,
    end: int,
    sums: Any,
    held: Any,
    steps: Any,
    out: Any,
) -> None:
    """Output lines begin to end, counted over all images.

    Parameters
    ----------
    x : (N, H, W, C) of codes, uint8 or int16
    w : int8 (panels, bytes), rule B9
    offsets : int64, bytes from a window's first step to each of its steps
    geometry : places of `kernels.sums`
    layout : places above
    sums, held, steps : scratch: int32 (positions of a block, padded channels), see `fill_steps`, int32
        (lines, OW, steps, padded channels)
    out : (N * OH * OW, channels)
    """
    columns, block = geometry[OW], layout[BLOCK]
    stride = steps.shape[2] * steps.shape[3] * 4
    line_bytes = columns * stride
    sums_stride = sums.shape[1] * 4
    line = begin
    while line < end:
        image, row = line // geometry[OH], line % geometry[OH]
        lines = min(layout[LINES], end - line, geometry[OH] - row)
        first = row * geometry[SH] - geometry[TOP]
        for i in range((lines - 1) * geometry[SH] + (geometry[KH] - 1) * geometry[DH] + 1):
            fill_steps(x, image, first + i, geometry, layout, held, steps[i])
        for top in range(0, lines, block):
            count = min(block, lines - top)
            for panel in range(w.shape[0]):
                weights = address(w) + panel * w.shape[1]
                for i in range(count):
                    windows = address(steps) + (top + i) * geometry[SH] * line_bytes + panel * 64
                    to = address(sums) + i * columns * sums_stride + panel * 64
                    column = 0
                    while column < columns:
                        high = kernel.rows if columns - column >= kernel.rows else kernel.least
                        multiply_each(
                            kernel,
                            high,
                            windows + column * stride,
                            stride,
                            address(offsets),
                            offsets.size,
                            weights,
                            to + column * sums_stride,
                            sums_stride,
                        )
                        column += high
            finish(sums, count * columns, epilogue, out, (line + top) * columns, 0)
        line += lines
