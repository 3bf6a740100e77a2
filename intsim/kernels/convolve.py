"""Convolutions and matrix products, block by block: sums that never become a tensor, then `finish`.

Rules
-----
B5. A band is some lines of an image copied with what is outside the image around them, each line as
    wide as the windows need. Lines h with the same h mod stride lie together, so that the window of
    output (r, c) begins at (r * WIDE + c) * stride across * channels: a constant step from output
    column to column and, with WIDE columns to a line, on to the next line. The columns from OW to WIDE
    are summed too, and dropped.
B6. Where that would drop too many, or a line is longer than a block, a block is a part of one line.
B7. A matrix whose rows need no change is read where it lies; the last rows are copied if the kernel
    reads more rows than there are (rule B3).
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.finish import finish
from intsim.kernels.gemm import ITEM, multiply
from intsim.kernels.isa.micro import address, begin_tiles, end_tiles
from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, KH, OH, OW, SH, SW, TOP, C, H, W

BEFORE, FILL, FLIP, BACK, WIDE, PITCH, DEEP, LINES, BLOCK = range(9)
"""Places of `band`, int64: columns before the image, what is outside it (as an operand), what makes an
operand of a code (see `kernels.packing.Operands`), output columns of a line, elements of a line of the
band, lines of one phase, output lines of a band, output lines of a block (0: rule B6)."""


@compiled
def matrix_rows(
    kernel: Any,
    x: Any,
    w: Any,
    offsets: Any,
    layout: Any,
    epilogue: Any,
    begin: int,
    end: int,
    sums: Any,
    rest: Any,
    out: Any,
) -> None:
    """Rows begin to end of out = x times w, of an input that is multiplied as it lies (rule B7).

    Parameters
    ----------
    x : (rows, taps), C-contiguous
    w, offsets, layout : see `kernels.gemm.multiply`
    epilogue : `kernels.epilogue.Epilogue`
    sums : int32 scratch, as many rows as a block has: a multiple of kernel.rows
    rest : scratch of x's dtype, (kernel.least, taps)
    out : (rows, channels)
    """
    begin_tiles(kernel)
    stride = x.shape[1] * layout[ITEM]
    block = sums.shape[0]
    for top in range(begin, end, block):
        rows = min(block, end - top)
        whole = rows
        if top + rows + -rows % kernel.least > x.shape[0]:
            whole -= rows % kernel.least
        if whole > 0:
            multiply(kernel, address(x) + top * stride, stride, whole, w, offsets, layout, sums)
        if whole < rows:
            for i in range(rows - whole):
                for t in range(x.shape[1]):
                    rest[i, t] = x[top + whole + i, t]
            left = sums[whole:]
            multiply(kernel, address(rest), stride, rows - whole, w, offsets, layout, left)
        finish(sums, rows, epilogue, out, top, 0)
    end_tiles(kernel)


@compiled
def fill_band(x: Any, image: int, line: int, lines: int, geometry: Any, band: Any, into: Any) -> None:
    """The band of output lines `line` to `line + lines` of an image (rule B5)."""
    keep, code = into.dtype.type, x.dtype.type
    flip, back = code(band[FLIP]), keep(band[BACK])
    outside = keep(band[FILL])
    channels, pitch = geometry[C], band[PITCH]
    left = band[BEFORE] * channels
    inner = min(geometry[W] * channels, pitch - left)
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
            if h < 0 or h >= geometry[H]:
                to[:] = outside
            else:
                to[:left] = outside
                seen = source[image, h]
                inside = to[left : left + inner]
                for i in range(inner):
                    inside[i] = keep(keep(seen[i] ^ flip) - back)
                to[left + inner :] = outside


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
    x : (N, H, W, C) of codes, uint8 or int16
    w, offsets, layout : see `kernels.gemm.multiply`
    geometry : places of `kernels.sums`
    band : places above
    epilogue : `kernels.epilogue.Epilogue`
    sums, held : scratch: int32 sums of a block (a multiple of kernel.rows), operands of a band
    out : (N * OH * OW, channels)
    """
    begin_tiles(kernel)
    columns, wide, block = geometry[OW], band[WIDE], band[BLOCK]
    step = geometry[SW] * geometry[C] * layout[ITEM]
    line = begin
    while line < end:
        image, row = line // geometry[OH], line % geometry[OH]
        lines = min(band[LINES], end - line, geometry[OH] - row)
        fill_band(x, image, row, lines, geometry, band, held)
        if block > 0:
            for first in range(0, lines, block):
                count = min(block, lines - first)
                windows = address(held) + first * wide * step
                positions = (count - 1) * wide + columns
                multiply(kernel, windows, step, positions, w, offsets, layout, sums)
                if wide == columns:
                    finish(sums, positions, epilogue, out, (line + first) * columns, 0)
                else:
                    for i in range(count):
                        at = (line + first + i) * columns
                        finish(sums[i * wide :], columns, epilogue, out, at, 0)
        else:
            most = sums.shape[0]
            for i in range(lines):
                for first in range(0, columns, most):
                    count = min(most, columns - first)
                    windows = address(held) + (i * wide + first) * step
                    multiply(kernel, windows, step, count, w, offsets, layout, sums)
                    finish(sums, count, epilogue, out, (line + i) * columns + first, 0)
        line += lines
    end_tiles(kernel)
