"""Sums of products on packed words: matrix products and convolutions, by counting bits.

Rules
-----
N1. A sum is a linear function of counts (rule P2 of `kernels.isa.counters`): every pass adds a factor times
    what one plane of the input and one set of planes of the weights count; `ends` adds a factor times the
    bits of each plane that are set in the row, where it has one. Modulo 2**32; what depends on neither is
    in the start values.
N2. An image is packed pixel by pixel, line by line, with what is outside it around it: the window of an
    output begins at a constant step from the one before, and each line of taps is one segment, or each tap
    where they do not lie side by side. No window is ever copied.
N3. A matrix is one line of pixels.
N4. Lines are packed, counted and finished some at a time: what they take stays in the nearest caches.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.finish import finish
from intsim.kernels.isa.counting import count_panels, ones, plane
from intsim.kernels.isa.micro import address
from intsim.kernels.jit import compiled
from intsim.kernels.sums import DH, KH, OH, OW, SH, SW, TOP, C, H, W

STEPS, SEGMENTS, PANELS, BEFORE, PITCH, WORDS, LINES, MOST, HIGH, WIDE, READ = range(11)
"""Places of `layout`, int64: words of a segment, segments, panels of weights, columns before the image, words
of all planes in a packed line and in a pixel, output lines that are worked on at a time (0: a matrix), the
most rows that are finished at a time, rows and panels of the largest block of registers, planes of a set
of weights."""

X_PLANE, SET, FACTOR = range(3)
"""Columns of `passes`, int64: the input's first plane, the set of the weights, the factor."""


@compiled
def pack_pixels(
    x: Any, at: int, pixels: int, depth: int, planes: Any, tail: Any, into: Any, place: int
) -> None:
    """The planes of some pixels (rules W1 to W3 of `kernels.bits_packing`).

    Parameters
    ----------
    x, at : uint8 codes, flat, and where the first pixel begins
    pixels, depth : how many, and codes of one
    planes : int64, which bits of a code
    tail : uint8 (64), scratch
    into, place : int64 words, and the place of the first
    """
    count, left = planes.size, depth & 63
    mask = (1 << left) - 1
    for i in range(pixels):
        first = at + i * depth
        for t in range(depth >> 6):
            for q in range(count):
                into[place] = plane(address(x) + first + 64 * t, planes[q])
                place += 1
        if left:
            first += depth - left
            here = address(x) + first
            if x.size - first < 64:
                for k in range(left):
                    tail[k] = x[first + k]
                here = address(tail)
            for q in range(count):
                into[place] = plane(here, planes[q]) & mask
                place += 1


@compiled
def fill_lines(
    x: Any,
    image: int,
    line: int,
    lines: int,
    geometry: Any,
    layout: Any,
    planes: Any,
    outside: Any,
    tail: Any,
    into: Any,
) -> None:
    """What the windows of some output lines of an image meet, packed (rule N2).

    outside : int64, the words of a pixel that is not in the image
    """
    channels, each, pitch = geometry[C], layout[WORDS], layout[PITCH]
    pixels = pitch // each
    left = min(layout[BEFORE], pixels)
    inside = min(geometry[W], pixels - left)
    first = line * geometry[SH] - geometry[TOP]
    needed = (lines - 1) * geometry[SH] + (geometry[KH] - 1) * geometry[DH] + 1
    for row in range(needed):
        h, place = first + row, row * pitch
        begin, end = pixels, pixels
        if 0 <= h < geometry[H]:
            begin, end = left, left + inside
            at = (image * geometry[H] + h) * geometry[W] * channels
            pack_pixels(x, at, inside, channels, planes, tail, into, place + left * each)
        for i in range(begin * each):
            into[place + i] = outside[i % each]
        for i in range(end * each, pixels * each):
            into[place + i] = outside[i % each]


@compiled
def fill_ends(
    x: int, step: int, rows: int, planes: int, offsets: Any, layout: Any, ends: Any, sums: Any
) -> None:
    """sums[:rows] = what rule N1 adds for the bits that are set in each row."""
    for i in range(rows):
        total = 0
        for s in range(layout[SEGMENTS]):
            first = x + i * step + offsets[s]
            for q in range(planes):
                if ends[q]:
                    count = 0
                    for t in range(layout[STEPS]):
                        count += ones(first + 8 * (t * planes + q))
                    total += ends[q] * count
        sums[i, :] = sums.dtype.type(total)


@compiled
def count_rows(
    counter: Any,
    count: int,
    x: int,
    step: int,
    rows: int,
    planes: int,
    w: Any,
    offsets: Any,
    layout: Any,
    passes: Any,
    ends: Any,
    sums: Any,
) -> None:
    """sums[:rows] = the sums of products, without start values (rule N1).

    Parameters
    ----------
    counter : of `kernels.isa.counters`
    count : the place of a `Count` there
    x, step : address of the first row's words, bytes from row to row
    planes : of the input
    w : int64 (sets, words)
    offsets : int64 (segments), bytes from a row's first word
    layout, passes : places above
    ends : int64 (planes)
    sums : int32, C-contiguous, each row as long as the channels rounded up to panels
    """
    panel_bytes = layout[SEGMENTS] * layout[STEPS] * layout[READ] * 64
    stride = sums.shape[1] * 4
    begun = 0
    if ends.any():
        fill_ends(x, step, rows, planes, offsets, layout, ends, sums)
        begun = -1
    panel = 0
    while panel < layout[PANELS]:
        wide = layout[WIDE]
        while wide > layout[PANELS] - panel:
            wide >>= 1
        row = 0
        while row < rows:
            high = layout[HIGH] if rows - row >= layout[HIGH] else 1
            for p in range(passes.shape[0]):
                count_panels(
                    counter,
                    count,
                    high,
                    wide,
                    x + row * step + passes[p, X_PLANE] * 8,
                    step,
                    planes * 8,
                    address(offsets),
                    layout[SEGMENTS],
                    layout[STEPS],
                    address(w) + passes[p, SET] * w.shape[1] * 8 + panel * panel_bytes,
                    panel_bytes,
                    address(sums) + row * stride + panel * 32,
                    stride,
                    -1 if p else begun,
                    passes[p, FACTOR],
                )
            row += high
        panel += wide


@compiled
def count_lines(
    counter: Any,
    count: int,
    x: Any,
    w: Any,
    offsets: Any,
    layout: Any,
    geometry: Any,
    planes: Any,
    outside: Any,
    passes: Any,
    ends: Any,
    epilogue: Any,
    begin: int,
    end: int,
    tail: Any,
    words: Any,
    sums: Any,
    out: Any,
) -> None:
    """Output lines begin to end, counted over all images; of a matrix, rows (rule N3).

    Parameters
    ----------
    counter, count, w, offsets, layout, passes, ends : see `count_rows`
    x : uint8, flat: (N, H, W, C) of codes
    geometry : places of `kernels.sums`; of a matrix, H and OH are 1 and W and OW its rows
    planes, outside : see `fill_lines`
    epilogue : `kernels.epilogue.Epilogue`
    tail, words, sums : scratch
    out : (N * OH * OW, channels)
    """
    most, each = layout[MOST], layout[WORDS]
    step = geometry[SW] * each * 8
    line = begin
    while line < end:
        lines, columns, top = 1, min(most, end - line), line
        if layout[LINES] == 0:
            pack_pixels(x, line * geometry[C], columns, geometry[C], planes, tail, words, 0)
            line += columns
        else:
            image, row = line // geometry[OH], line % geometry[OH]
            lines, columns = min(layout[LINES], end - line, geometry[OH] - row), geometry[OW]
            fill_lines(x, image, row, lines, geometry, layout, planes, outside, tail, words)
            top = line * columns
            line += lines
        for i in range(lines):
            down = address(words) + i * geometry[SH] * layout[PITCH] * 8
            for column in range(0, columns, most):
                rows = min(most, columns - column)
                here = down + column * step
                count_rows(
                    counter, count, here, step, rows, planes.size, w, offsets, layout, passes, ends, sums
                )
                finish(sums, rows, epilogue, out, top + i * columns + column, 0)
