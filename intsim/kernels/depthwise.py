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

FILL, FLIP, BACK, STEPS, LINES, BLOCK, MULTIPLE, CHANNELS = range(8)
"""Places of `layout`, int64: what is outside the image (as an operand), what makes an operand of a code (see
`kernels.packing.Operands`), steps of a line of the window, output lines of a band, output lines of a block,
output channels of an input channel, output channels."""


@compiled
def fill_steps(x: Any, image: int, h: int, geometry: Any, layout: Any, sample: Any, into: Any) -> None:
    """Line h of an image as steps (rule B8).

    Parameters
    ----------
    x : (N, H, W, C) of codes, uint8 or int16
    sample : an operand, for its dtype
    into : int32 (OW, steps, padded channels)
    """
    lane, keep, code = np.int32, sample.dtype.type, x.dtype.type
    flip, back = code(layout[FLIP]), keep(layout[BACK])
    bits, multiple, channels = 8 * sample.itemsize, layout[MULTIPLE], layout[CHANNELS]
    taps, mask = 32 // bits, lane((1 << bits) - 1)
    for column in range(geometry[OW]):
        for step in range(layout[STEPS]):
            to = into[column, step]
            for c in range(channels):
                to[c] = 0
            for tap in range(taps):
                kw, shift = step * taps + tap, lane(tap * bits)
                v = column * geometry[SW] - geometry[LEFT] + kw * geometry[DW]
                if kw >= geometry[KW] or h < 0 or h >= geometry[H] or v < 0 or v >= geometry[W]:
                    outside = lane(lane(lane(layout[FILL]) & mask) << shift)
                    for c in range(channels):
                        to[c] = lane(to[c] | outside)
                elif multiple == 1:
                    seen = x[image, h, v]
                    for c in range(channels):
                        operand = lane(keep(keep(seen[c] ^ flip) - back))
                        to[c] = lane(to[c] | lane(lane(operand & mask) << shift))
                else:
                    seen = x[image, h, v]
                    for c in range(channels):
                        operand = lane(keep(keep(seen[c // multiple] ^ flip) - back))
                        to[c] = lane(to[c] | lane(lane(operand & mask) << shift))


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
    sample: Any,
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
    sums, steps : scratch: int32 (positions of a block, padded channels), int32 (lines, OW, steps, padded
        channels)
    sample : see `fill_steps`
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
            fill_steps(x, image, first + i, geometry, layout, sample, steps[i])
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
