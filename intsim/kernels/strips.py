"""Blocks of sums that are finished while they are near: strip by strip of output channels.

Rules
-----
B12. A strip is the panels of one block of registers. Its rows are multiplied a grain at a time, and each
    grain is finished at once; where all segments are one chunk, after the next grain was multiplied into
    other memory, so that the processor can do both at once. Groups whose channels are not whole panels are
    multiplied into whole rows first: an epilogue's blocks of 16 channels are not theirs.
B13. Where all segments are one chunk, tiles take the strips of a grain one after another: its rows stay in
    the nearest cache, and weights are read in the order in which they lie. Else a strip takes all grains.
B14. Sums that go out as they are, int32 into rows that lie one after another, are stored there at once
    where a block of registers is whole, with the start values added first. Meanwhile the memory of the
    next block is asked for: a processor alone has too few lines under way at once, and waits for them.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.epilogue import STORE
from intsim.kernels.finish import finish_channels, look_up, wrap
from intsim.kernels.gemm import (
    ACROSS,
    APART,
    CHUNK,
    GRAIN,
    GROUP_BYTES,
    PANELS,
    PER_GROUP,
    SEGMENTS,
    SIGNED,
    STEPS,
)
from intsim.kernels.isa.micro import address, fetch, multiply_block
from intsim.kernels.isa.table import PANEL
from intsim.kernels.jit import compiled


@compiled
def multiply_through(
    kernel: Any,
    x: int,
    row_stride: int,
    rows: int,
    w: Any,
    offsets: Any,
    layout: Any,
    sums: Any,
    epilogue: Any,
    out: Any,
    top: int,
    lines: Any,
) -> None:
    """The sums of all groups, through the epilogue, into `out` from row `top` on.

    Parameters
    ----------
    kernel, x, row_stride, rows, w, offsets, layout : see `kernels.gemm.multiply`
    sums : scratch, int32, C-contiguous, a row as long as the kernel's panels: at least two grains of
        rows, and so many as the block has where the segments are more than a chunk. Under layout[APART] a
        row is as long as for `kernels.gemm.multiply`
    epilogue, out : see `kernels.finish.finish`
    lines : rows from line to line, rows of a line that are wanted, and rows of `out` from line to line
    """
    segments, panels, per_group = layout[SEGMENTS], layout[PANELS], layout[PER_GROUP]
    segment_bytes = layout[STEPS] * kernel.depth * 2 * kernel.bits
    panel_bytes = segments * segment_bytes
    sums_stride, out_stride = sums.shape[1] * 4, out.strides[0]
    line, wanted, apart = lines
    grain = layout[GRAIN]
    whole = layout[APART]
    near = layout[CHUNK] >= segments and not whole
    across = near and layout[ACROSS]
    narrow, tabled = epilogue.width < 32, epilogue.table.size > 0
    plain = not whole and line == wanted and out.itemsize == 4 and goes_out_as_it_is(epilogue)
    for group in range(w.shape[0]):
        panel, first, begin, place = 0, 0, 0, 0
        waiting = (0, 0, 0, 0, 0)
        while True:
            row, end, reach, channel, last = rows, rows, 0, 0, False
            wide, count = kernel.panels, min(layout[CHUNK], segments - first)
            if panel < panels:
                while wide > panels - panel:
                    wide >>= 1
                row, end = begin, min(rows, begin + grain)
                last = first + count == segments
                channel = group * per_group + panel * PANEL
                reach = min(channel + wide * PANEL, (group + 1) * per_group)
            weights = address(w) + group * w.shape[1] + panel * panel_bytes + first * segment_bytes
            straight = plain and reach - channel == wide * PANEL
            stored = begin
            while row < end:
                high = kernel.rows if end - row > kernel.rows - kernel.least else kernel.least
                here = address(sums) + (place + row - begin) * sums_stride
                if whole:
                    here += channel * 4
                to, to_stride, before, before_stride = here, sums_stride, 0, 0
                if first:
                    before, before_stride = here, sums_stride
                if straight and row + high <= rows:
                    if first == 0:
                        before = address(epilogue.start) + channel * 4
                    if last:
                        to = address(out) + (top + row) * out_stride + channel * 4
                        to_stride = out_stride
                    stored = row + high
                    if last:
                        then_row, then = row + high, channel
                        if across and then_row >= end:
                            then_row, then = begin, channel + wide * PANEL
                            if then >= epilogue.channels:
                                then_row, then = end, 0
                        if then_row + high <= rows:
                            place_of = address(out) + (top + then_row) * out_stride + then * 4
                            fetch_block(place_of, out_stride, high, wide)
                multiply_block(
                    kernel,
                    high,
                    wide,
                    layout[SIGNED],
                    x + group * layout[GROUP_BYTES] + row * row_stride,
                    row_stride,
                    address(offsets) + first * 8,
                    count,
                    layout[STEPS],
                    weights,
                    panel_bytes,
                    to,
                    to_stride,
                    before,
                    before_stride,
                )
                row += high
            now = (stored, end if last else 0, place - begin, channel, reach)
            if whole:
                ended = last and end == rows and reach == epilogue.channels
                now = (0, rows if ended else 0, 0, 0, reach)
            done, until, moved, c_begin, c_end = waiting if near else now
            while done < until:
                number, at = (done // line, done % line) if done >= line else (0, done)
                size = min(until - done, wanted - at)
                if size > 0:
                    taken, into = moved + done, top + number * apart + at
                    if narrow:
                        wrap(sums, taken, size, 0, epilogue, c_begin, c_end - c_begin)
                    for c in range(c_begin, c_end, PANEL):
                        finish_channels(sums, taken, size, c - c_begin, epilogue, c, out, into, c)
                    if tabled:
                        look_up(epilogue, out[into : into + size, c_begin:c_end])
                done += line - at
            if panel >= panels:
                break
            waiting = now
            if across:
                panel += wide
                if panel >= panels and end < rows:
                    panel, begin = 0, end
            else:
                begin = end
                if begin == rows:
                    begin, first = 0, first + count
                    if first == segments:
                        first, panel = 0, panel + wide
            place = grain - place if near else begin


@compiled
def fetch_block(place: int, stride: int, rows: int, panels: int) -> None:
    """Ask for the memory of a block of sums before they are stored (rule B14): lines come in pairs."""
    for _ in range(rows):
        for panel in range(0, panels, 2):
            fetch(place + panel * PANEL * 4)
        place += stride


@compiled
def goes_out_as_it_is(epilogue: Any) -> bool:
    """Whether the codes of a sum are its value."""
    if epilogue.width < 32 or epilogue.table.size:
        return False
    for kind in epilogue.kinds:  # noqa: SIM110
        if kind != STORE:
            return False
    return True
