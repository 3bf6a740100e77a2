"""Depthwise convolutions on the vector kernels: the layout, and the call (rules B8 and B9 of the kernels)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.engine.products import Products
from intsim.kernels.epilogue import Epilogue
from intsim.kernels.isa.table import PANEL, STEP, Isa, chosen
from intsim.kernels.packing import Operands, operands
from intsim.kernels.scratch import scratch
from intsim.record import Array

_BAND = 1 << 18  # bytes of a band of steps, unless one window takes more
_ROWS = 256  # positions of a block of sums, unless one line takes more
_THREAD = 1 << 18  # products below which a thread costs more than it gives


@dataclass(frozen=True, eq=False)
class Depthwise:
    """Packed weights and everything that a call needs beside the input: see `engine.blocks.Blocks`.

    weights, offsets, layout : see `kernels.depthwise`
    sums, steps : shapes of the scratch
    """

    isa: Isa
    operands: Operands
    start: Array
    weights: Array
    offsets: Array
    layout: Array
    geometry: Array
    sums: tuple[int, int]
    steps: tuple[int, int, int, int]
    channels: int

    @property
    def word(self) -> str:
        """What the plan says: lanes, how wide the operands are, and the instruction set."""
        return f"int32 ({self.operands.operand.itemsize * 8}-bit operands, {self.isa.name})"

    def run(self, x: Array, epilogue: Epilogue, out: Array, threads: int) -> None:
        """As `Blocks.run`."""
        from intsim.kernels.depthwise import depthwise_lines
        from intsim.kernels.threads import run_parts

        if not out.size:
            return
        codes, to = x.view(self.operands.code), out.view(np.dtype(f"i{out.dtype.itemsize}"))
        kernel, item = self.operands.kernel, self.operands.operand.itemsize
        fixed = (kernel, codes, self.weights, self.offsets, self.geometry, self.layout, epilogue)
        sample = np.zeros(1, self.operands.operand)

        def part(begin: int, end: int) -> None:
            sums, steps = scratch((self.sums, np.int32), (self.steps, np.int32))
            depthwise_lines(*fixed, begin, end, sums, sample, steps, to)

        lines, columns = x.shape[0] * int(self.geometry[3]), int(self.geometry[4])
        grain = max(1, _THREAD // (columns * self.channels * self.offsets.size * (STEP // item)))
        run_parts(part, lines, threads, grain)


def depthwise_of(products: Products) -> Depthwise | None:
    """The sums modulo 2**32 of a depthwise convolution; None where operands do not fit.

    Parameters
    ----------
    products : depthwise
    """
    isa, centred, zero = chosen().lanes, products.centred(), products.input_zero_point
    found = operands(isa, products.storage, int(centred.min()), int(centred.max()), zero)
    if found is None:
        return None
    _, _, _, height, columns, kh, kw, down, _, gap, *_ = products.geometry.tolist()
    item, channels = found.operand.itemsize, products.channels
    taps = STEP // item
    steps, padded = -(-kw // taps), -(-channels // PANEL) * PANEL
    row = columns * steps * padded
    deeper = (kh - 1) * gap
    lines = min(height, max(1, (_BAND // (row * 4) - deeper - 1) // down + 1))
    block = min(lines, max(1, _ROWS // columns))
    offsets = [(i * gap * row + step * padded) * 4 for i in range(kh) for step in range(steps)]
    layout = [
        zero + found.moved,
        found.flip,
        found.back,
        steps,
        lines,
        block,
        channels // products.groups,
        channels,
    ]
    sums = centred.sum(axis=1).astype(object)
    return Depthwise(
        isa,
        found,
        products.bias - (zero + found.moved) * sums,
        _pack(centred.reshape(channels, kh, kw), steps, taps, padded, item),
        np.array(offsets, np.int64),
        np.array(layout, np.int64),
        products.geometry,
        (block * columns, padded),
        ((lines - 1) * down + deeper + 1, columns, steps, padded),
        channels,
    )


def _pack(weights: Array, steps: int, taps: int, padded: int, item: int) -> Array:
    """Rule B9, int8 (panels, bytes)."""
    channels, height, width = weights.shape
    whole = np.zeros((padded, height, steps * taps), np.int16 if item == 2 else np.int8)
    whole[:channels, :, :width] = weights
    split = whole.reshape(padded // PANEL, PANEL, height, steps, taps).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(split).reshape(padded // PANEL, -1).view(np.int8)
