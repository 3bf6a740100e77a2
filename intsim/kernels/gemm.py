"""Blocks of sums of products modulo 2**32: packed weights against rows of input that lie in memory.

The input is not copied into panels. A sum's terms come in segments of equal length: segment s of row i
begins at `x + i * row_stride + offsets[s]`. A matrix product has pieces of its rows as segments, a
convolution the rows of its windows.

Rules
-----
B1. Weights are packed as `kernels.packing` says; what a segment reads beyond its terms meets zeros.
B2. Segments are multiplied `chunk` at a time, so that the weights of one strip of panels stay in the
    nearest cache while all rows of the block pass.
B3. Rows come in blocks of `kernel.rows`, then of `kernel.least`. Where the least is more than one, rows up
    to a multiple of it are read and written: there must be memory, not values.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.isa.micro import address, multiply_block
from intsim.kernels.jit import compiled

STEPS, SEGMENTS, CHUNK, PANELS, PER_GROUP, GROUP_BYTES, SIGNED, ITEM, APART, ACROSS, GRAIN = range(11)
"""Places of `layout`, int64: steps of a segment, segments, segments at a time, panels of a group, output
channels of a group, bytes from group to group of an input row, whether the input is signed, bytes of
a code of the input, 1 where sums must be whole rows before they are finished (rule B12 of
`kernels.strips`), 1 where strips of panels may follow each other before grains of rows do (rule B13), rows of
a grain."""


@compiled
def multiply(
    kernel: Any, x: int, row_stride: int, rows: int, w: Any, offsets: Any, layout: Any, sums: Any
) -> None:
    """sums[:rows] = the sums of all groups, without start values.

    Parameters
    ----------
    kernel : of `kernels.isa.table`
    x, row_stride : address of the first row, bytes from row to row
    rows : how many
    w : int8 (groups, bytes), packed
    offsets : int64 (segments), bytes
    layout : places above
    sums : int32, C-contiguous, each row as long as the channels and 16 more; rule B3 for its rows. A
        group's last panel may spill into the next group's channels, which are written afterwards
    """
    segments, chunk, panels = layout[SEGMENTS], layout[CHUNK], layout[PANELS]
    segment_bytes = layout[STEPS] * kernel.depth * 2 * kernel.bits
    panel_bytes = segments * segment_bytes
    sums_stride = sums.shape[1] * 4
    for group in range(w.shape[0]):
        rows_at = x + group * layout[GROUP_BYTES]
        weights = address(w) + group * w.shape[1]
        to = address(sums) + group * layout[PER_GROUP] * 4
        for first in range(0, segments, chunk):
            count = min(chunk, segments - first)
            panel = 0
            while panel < panels:
                wide = kernel.panels
                while wide > panels - panel:
                    wide >>= 1
                row = 0
                while row < rows:
                    high = kernel.rows if rows - row > kernel.rows - kernel.least else kernel.least
                    into = to + row * sums_stride + panel * 64
                    multiply_block(
                        kernel,
                        high,
                        wide,
                        layout[SIGNED],
                        rows_at + row * row_stride,
                        row_stride,
                        address(offsets) + first * 8,
                        count,
                        layout[STEPS],
                        weights + panel * panel_bytes + first * segment_bytes,
                        panel_bytes,
                        into,
                        sums_stride,
                        into if first else 0,
                        sums_stride,
                    )
                    row += high
                panel += wide
