"""Depthwise convolutions: every channel by itself, in steps of 4 bytes (4 taps of a column, or 2 of 16 bits).

Rules
-----
B8. Lines of the input are woven into steps: for every column, with what is outside the image, and for
    every channel, the codes of 4 lines (or 2), as far apart as the taps of a column. A window is made of
    `groups` of steps, each of as many columns as the window has. Zero weights meet what no tap meets.
B9. Weights are packed as (output lines that share steps, panels of 16 channels, groups, columns of the
    window, 16 channels, 4 bytes). Output lines share steps where their windows are within them: the
    window of a later line begins further down.
B10. Steps and codes lie one after another with no gap between columns: the last of 16 channels may
    belong to the next column. Weights and outputs of such channels are not used.
B11. A line of codes is copied where 16 codes might reach beyond the end of the input, or where several
    output channels see one input channel: then it is copied once for each.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.finish import finish
from intsim.kernels.isa.micro import address, multiply_each
from intsim.kernels.isa.weave import FEW, multiply_few, weave
from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, KH, LEFT, OH, OW, SH, TOP, C, H, W

FILL, OUTSIDE, FLIP, BACK, TAPS, GROUPS, SHARE, BLOCK, MULTIPLE, CHANNELS, ACROSS = range(11)
"""Places of `layout`, int64: what is outside the image, as 4 bytes of a step and as a code; what makes an
operand of a code (see `kernels.packing.Operands`); taps of a step; groups of steps; output lines that share
steps; output lines that are finished at once; output channels of an input channel, output channels; bytes
of steps from window to window."""


@compiled
def copy_line(x: Any, first: int, codes: int, multiple: int, into: Any) -> None:
    """Rule B11: the codes of a line, from code `first` of the input on."""
    source = x.reshape(x.size)[first : first + codes]
    if multiple == 1:
        for i in range(codes):
            into[i] = source[i]
        return
    for i in range(codes):
        for m in range(multiple):
            into[i * multiple + m] = source[i]


@compiled
def fill_steps(
    kernel: Any,
    x: Any,
    image: int,
    row: int,
    geometry: Any,
    layout: Any,
    sample: Any,
    spare: Any,
    sources: Any,
    steps: Any,
) -> None:
    """The steps of output lines `row` to `row + layout[SHARE]` of an image (rule B8).

    Parameters
    ----------
    x : (N, H, W, C) of codes, uint8 or int16
    sample : an operand, for its dtype
    spare, sources : scratch: see `depthwise_lines`
    steps : int32 (groups, places), outside the image already filled
    """
    taps, height, multiple = layout[TAPS], geometry[H], layout[MULTIPLE]
    codes, places = geometry[W] * geometry[C], geometry[W] * layout[CHANNELS]
    begin = geometry[LEFT] * layout[CHANNELS]
    blocks = (places + 15) // 16
    item, lines, spares = x.itemsize, address(x), address(spare)
    needed = geometry[KH] + (layout[SHARE] - 1) * geometry[SH]
    for group in range(layout[GROUPS]):
        for tap in range(taps):
            i = group * taps + tap
            h = row * geometry[SH] - geometry[TOP] + i * geometry[DH]
            first = (image * height + h) * codes
            if i >= needed or h < 0 or h >= height:
                sources[tap] = spares
            elif multiple == 1 and first + blocks * 16 <= x.size:
                sources[tap] = lines + first * item
            else:
                copy_line(x, first, codes, multiple, spare[1 + tap])
                sources[tap] = spares + (1 + tap) * spare.shape[1] * item
        to = address(steps) + (group * steps.shape[1] + begin) * 4
        weave(kernel, x, sample, address(sources), blocks, layout[FLIP], layout[BACK], to)
        for place in range(begin + places, begin + blocks * 16):
            steps[group, place] = layout[FILL]


@compiled
def depthwise_lines(
    kernel: Any,
    x: Any,
    w: Any,
    offsets: Any,
    geometry: Any,
    layout: Any,
    epilogue: Any,
    sample: Any,
    begin: int,
    end: int,
    sums: Any,
    steps: Any,
    spare: Any,
    sources: Any,
    out: Any,
) -> None:
    """Output lines begin to end, counted over all images.

    Parameters
    ----------
    x : (N, H, W, C) of codes, uint8 or int16, C-contiguous
    w : int8 (output lines that share steps, panels, bytes), rule B9
    offsets : int64, bytes from a window's first step to each of its steps
    geometry : places of `kernels.sums`
    layout : places above
    sample : an operand, for its dtype
    sums, steps : scratch: int32 (positions of a block, padded channels), int32 (groups, places)
    spare, sources : scratch: lines of codes (1 + taps, codes), int64 (taps)
    out : (N * OH * OW, channels)
    """
    columns, block, stride, across = geometry[OW], layout[BLOCK], sums.shape[1] * 4, layout[ACROSS]
    count, panels = offsets.size, w.shape[1]
    windows, places = address(steps), address(offsets)
    spare[0] = x.dtype.type(layout[OUTSIDE])
    steps[:] = layout[FILL]
    served, waiting = 0, 0
    for line in range(begin, end):
        image, row = line // geometry[OH], line % geometry[OH]
        if row == 0 or line == begin or served == layout[SHARE]:
            fill_steps(kernel, x, image, row, geometry, layout, sample, spare, sources, steps)
            served = 0
        to = address(sums) + waiting * columns * stride
        weights = address(w) + served * panels * w.shape[2]
        if count in (FEW[0], FEW[1]):
            multiply_few(kernel, count, windows, across, places, weights, panels, to, stride, columns)
        else:
            multiply_many(kernel, count, windows, across, places, weights, panels, to, stride, columns)
        served, waiting = served + 1, waiting + 1
        if waiting == block or line + 1 == end:
            finish(sums, waiting * columns, epilogue, out, (line + 1 - waiting) * columns, 0)
            waiting = 0


@compiled
def multiply_many(
    kernel: Any,
    count: int,
    windows: int,
    across: int,
    places: int,
    weights: int,
    panels: int,
    to: int,
    stride: int,
    columns: int,
) -> None:
    """As `isa.weave.multiply_few`, for windows of any number of steps."""
    for panel in range(panels):
        column = 0
        while column < columns:
            high = kernel.rows if columns - column >= kernel.rows else kernel.least
            multiply_each(
                kernel,
                high,
                windows + panel * 64 + column * across,
                across,
                places,
                count,
                weights + panel * count * 64,
                to + panel * 64 + column * stride,
                stride,
            )
            column += high
