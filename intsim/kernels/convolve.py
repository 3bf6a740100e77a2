"""Convolutions and matrix products, block by block: sums that never become a tensor.

Rules
-----
B5. A band is some lines of an image copied with what is outside the image around them, each line as
    wide as the windows need. Lines h with the same h mod stride lie together, so that the window of
    output (r, c) begins at (r * WIDE + c) * stride across * channels: a constant step from output
    column to column and, with WIDE columns to a line, on to the next line. The columns from OW to WIDE
    are summed too, and dropped.
B6. Where that would drop too many, or a line is longer than a block, a block is a part of one line.
B7. A matrix whose rows need no change is read where it lies, though the kernel reads on into the next row
    (rule B1); the last rows are copied where it would read more than there is (rule B3).
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.gemm import ITEM, SEGMENTS, STEPS
from intsim.kernels.isa.micro import address, begin_tiles, end_tiles
from intsim.kernels.jit import compiled
from intsim.kernels.strips import multiply_through
from intsim.kernels.sums import DH, KH, OH, OW, SH, SW, TOP, C, H, W

BEFORE, FILL, FLIP, BACK, WIDE, PITCH, DEEP, LINES, BLOCK, HERE, MOST = range(11)
"""Places of `band`, int64: columns before the image, what is outside it (as an operand), what makes an
operand of a code (see `kernels.packing.Operands`), output columns of a line, elements of a line of the
band, lines of one phase, output lines of a band, output lines of a block (0: rule B6), 1 for rule B7, the
most rows of a block."""


@compiled
def fill_band(x: Any, image: int, line: int, lines: int, geometry: Any, band: Any, into: Any) -> None:
    """The band of output lines `line` to `line + lines` of an image (rule B5)."""
    keep, code = into.dtype.type, x.dtype.type
    flip, back, outside = code(band[FLIP]), keep(band[BACK]), keep(band[FILL])
    channels, pitch = geometry[C], band[PITCH]
    left = band[BEFORE] * channels
    right = left + min(geometry[W] * channels, pitch - left)
    source = x.reshape(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
    for phase in range(geometry[SH]):
        needed = 0
        for kh in range(geometry[KH]):
            if kh * geometry[DH] % geometry[SH] == phase:
                needed = lines + kh * geometry[DH] // geometry[SH]
        for row in range(needed):
            h = (line + row) * geometry[SH] + phase - geometry[TOP]
            first = (phase * band[DEEP] + row) * pitch
            to = into[first : first + pitch]
            begin, end = left, right
            if h < 0 or h >= geometry[H]:
                begin, end = pitch, pitch
            else:
                seen, inside = source[image, h], to[left:right]
                for i in range(inside.size):
                    inside[i] = keep(keep(seen[i] ^ flip) - back)
            for i in range(begin):
                to[i] = outside
            for i in range(end, pitch):
                to[i] = outside


@compiled
def copy_rows(x: Any, line: int, lines: int, into: Any) -> None:
    """Some rows of a matrix, (1, rows, 1, taps), one after another."""
    taps = x.shape[3]
    for i in range(lines):
        for t in range(taps):
            into[i * taps + t] = x[0, line + i, 0, t]


@compiled
def window_lines(
    kernel: Any,
    x: Any,
    w: Any,
    offsets: Any,
    layout: Any,
    geometry: Any,
    band: Any,
    epilogue: Any,
    begin: int,
    end: int,
    sums: Any,
    held: Any,
    out: Any,
) -> None:
    """Output lines begin to end, counted over all images.

    Parameters
    ----------
    x : (N, H, W, C) of codes, uint8 or int16; (1, rows, 1, taps) under rule B7
    w, offsets, layout : see `kernels.gemm.multiply`
    geometry : places of `kernels.sums`
    band : places above
    epilogue : `kernels.epilogue.Epilogue`
    sums, held : scratch: int32 sums of a strip, or of a block where layout[APART] says so; operands of a band
    out : (N * OH * OW, channels)
    """
    begin_tiles(kernel)
    columns, wide, here = geometry[OW], band[WIDE], band[HERE]
    step = geometry[SW] * geometry[C] * layout[ITEM]
    most = band[MOST]
    further = (layout[STEPS] * layout[SEGMENTS] * kernel.depth - 1) // step  # rows that a row reads into
    line = begin
    while line < end:
        image, row = line // geometry[OH], line % geometry[OH]
        lines = min(band[LINES], end - line, geometry[OH] - row)
        block, pieces = band[BLOCK], 1
        source = address(held)
        if here:
            lines = min(most, end - line)
            source = address(x) + line * step
            readable = x.shape[1] - line - further
            if lines + -lines % kernel.least > readable:
                if readable >= kernel.least:
                    lines = min(lines, readable - readable % kernel.least)
                else:
                    source = address(held)
                    copy_rows(x, line, lines, held)
            block = lines
        else:
            fill_band(x, image, row, lines, geometry, band, held)
        if block == 0:
            block, pieces = 1, (columns + most - 1) // most
        for first in range(0, lines, block):
            count = min(block, lines - first)
            for piece in range(pieces):
                column = piece * most
                width = min(most, columns - column) if pieces > 1 else columns
                positions = (count - 1) * wide + width
                windows = source + (first * wide + column) * step
                top = (line + first) * columns + column
                apart = wide
                if wide == width:
                    width, apart = positions, positions
                place = (apart, width, columns)
                multiply_through(
                    kernel, windows, step, positions, w, offsets, layout, sums, epilogue, out, top, place
                )
        line += lines
    end_tiles(kernel)
