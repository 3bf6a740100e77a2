"""Sums of products on the vector kernels: which layout, and the call (rules B1 to B7 and B12 to B14)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from intsim.engine.products import Products
from intsim.kernels.epilogue import Epilogue
from intsim.kernels.isa.table import PANEL, Isa, Kernel, chosen, weights_told
from intsim.kernels.launch import Launch
from intsim.kernels.packing import Operands, chunk, grain, narrowed, operands, pack, pieces, steps_of
from intsim.kernels.scratch import LINE
from intsim.record import Array

_SUMS = 1 << 17  # int32 sums of a block of whole rows: 512 KiB
_ROWS = 512  # the most rows of a block
_INPUT = 1 << 19  # bytes of input that a block reads
_BAND = 1 << 18  # bytes of a band, unless one line takes more
_WIDE, _HERE = 4, 9  # places of `kernels.convolve.WIDE` and HERE, said again so that a plan needs no numba
_THREAD = 1 << 21  # products below which a thread costs more than it gives
_UNPACKED = 8  # steps of a row from which weights of few bits are unpacked on their way: three go ahead


_View = tuple[tuple[int, ...], Array, Array, int, int]
"""The input's shape, geometry, band, lines, and the fewest lines that are worth a thread."""

SIGNED_CODES = {size: np.dtype(f"i{size}") for size in (1, 2, 4)}
"""As what a kernel writes codes of so many bytes."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Packed weights and everything that a call needs beside the input.

    isa : the instruction set
    operands : what the input becomes
    start : object array (channels), added to every sum: bias, zero point and what moved the input
    weights, offsets, layout, band : see `kernels.gemm` and `kernels.convolve`
    geometry : places of `kernels.sums`
    matrix : whether every window is one place, each met once
    rows, columns : of the scratch for sums
    held : elements of a band
    """

    isa: Isa
    operands: Operands
    start: Array
    weights: Array
    offsets: Array
    layout: Array
    band: Array
    geometry: Array
    matrix: bool
    rows: int
    columns: int
    held: int
    products: int

    @property
    def word(self) -> str:
        """What the plan says: lanes, how wide the operands are, and the instruction set."""
        packed = f"{self.operands.kernel.bits}-bit weights, " if self.operands.kernel.bits < 8 else ""
        return f"int32 ({packed}{self.operands.operand.itemsize * 8}-bit operands, {self.isa.name})"

    def launch(self, x: Array, epilogue: Epilogue, out: Array) -> Launch:
        """All sums of `x` through an epilogue.

        Parameters
        ----------
        x : (N, H, W, C), C-contiguous, int8, uint8 or int16
        epilogue : its start values hold `start`
        out : (N * OH * OW, channels), of 8, 16 or 32 bits
        """
        from intsim.kernels.convolve import window_lines

        shape, geometry, band, lines, least = self._seen_as(x.shape, self.matrix and self._as_it_lies(x))
        codes, to = x.view(self.operands.code).reshape(shape), out.view(SIGNED_CODES[out.itemsize])
        fixed = (self.operands.kernel, codes, self.weights, self.offsets, self.layout, geometry, band)
        return Launch(window_lines, (*fixed, epilogue), (to,), lines, least, self._scratch)

    @cached_property
    def _scratch(self) -> tuple[Any, ...]:
        return ((self.rows, self.columns), np.int32), ((self.held,), self.operands.operand)

    @cached_property
    def _views(self) -> dict[Any, _View]:
        return {}

    def _seen_as(self, shape: tuple[int, ...], here: bool) -> _View:
        """How the kernel sees an input of this shape; kept, because a plan sees few shapes many times."""
        if (shape, here) not in self._views:
            self._views[shape, here] = self._view(shape, here)
        return self._views[shape, here]

    def _view(self, shape: tuple[int, ...], here: bool) -> _View:
        geometry, band = self.geometry.copy(), self.band.copy()
        if self.matrix:  # lines of all images are one image
            height = math.prod(shape[:3] if here else shape[:2])
            shape = (1, height, 1 if here else shape[2], shape[3])
            geometry[[0, 3]] = height
            if here:
                geometry[[1, 4]], band[_WIDE], band[_HERE] = 1, 1, 1
        lines, columns = shape[0] * int(geometry[3]), int(geometry[4])
        return shape, geometry, band, lines, max(1, _THREAD // (self.products * columns))

    def _as_it_lies(self, x: Array) -> bool:
        """Whether a matrix needs no change before it is multiplied (rule B7), nor to be moved to a line.

        Tiles across two lines load half as fast, but those of rows that are no whole lines are in a band too.
        """
        lines = self.operands.kernel.depth == LINE and x.shape[3] * x.itemsize % LINE == 0
        return self.operands.same and (not lines or x.ctypes.data % LINE == 0)


def blocks_of(products: Products) -> Blocks | None:
    """The blocks of sums modulo 2**32; None where operands do not fit.

    Parameters
    ----------
    products : not depthwise
    """
    centred = products.centred()
    ends = int(centred.min()), int(centred.max())
    found = operands(chosen(), products.storage, *ends, products.input_zero_point)
    if found is None:
        return None
    terms, places = _segments(products)
    told = weights_told()
    if told == "unpack" or (not told and steps_of(terms, found.kernel, 1) * len(places) >= _UNPACKED):
        found = narrowed(found, centred, terms)
    return laid_out(products, centred, found)


def laid_out(products: Products, centred: Array, found: Operands) -> Blocks:
    """The blocks for centred weights (K, taps) that these operands hold."""
    zero = products.input_zero_point
    kernel, item = found.kernel, found.operand.itemsize
    terms, places = _segments(products)
    steps = steps_of(terms, kernel, item)
    split = pieces(steps, kernel)
    shape = _shape(products, kernel, item)
    inside = np.arange(split) * (steps // split * kernel.depth)
    offsets = (shape.starts(places, products.geometry) * item)[:, None] + inside
    per_group = products.channels // products.groups
    weights = centred.reshape(products.groups, per_group, len(places), terms)
    sums = centred.sum(axis=1).astype(object)
    steps //= split
    layout = [
        steps,
        offsets.size,
        chunk(steps, kernel),
        -(-per_group // PANEL),
        per_group,
        int(products.geometry[2]) // products.groups * item,
        int(found.signed),
        item,
        int(shape.apart),
        int(kernel.least > 1),
        shape.grain,
    ]
    band = [shape.before, zero + found.moved, found.flip, found.back]
    band += [shape.wide, shape.pitch, shape.deep, shape.lines, shape.block, 0, shape.most]
    return Blocks(
        chosen(),
        found,
        products.bias - (zero + found.moved) * sums,
        pack(weights, kernel, item),
        offsets.ravel().astype(np.int64),
        np.array(layout, np.int64),
        np.array(band, np.int64),
        products.geometry,
        products.matrix,
        shape.rows,
        shape.columns,
        shape.held,
        products.filters.size,
    )


def _segments(products: Products) -> tuple[int, list[tuple[int, int]]]:
    """The terms of a segment, and the first tap (down, across) of every segment.

    Taps of one line are one segment where they lie side by side.
    """
    height, width, depth = products.filters.shape[1:]
    if products.groups == 1 and (width == 1 or products.geometry[10] == 1):
        return width * depth, [(kh, 0) for kh in range(height)]
    return depth, [(kh, kw) for kh in range(height) for kw in range(width)]


@dataclass(frozen=True)
class _Shape:
    """Rules B5 and B6 for one geometry; the places of `kernels.convolve.BEFORE` and so on."""

    before: int
    wide: int
    pitch: int
    deep: int
    lines: int
    block: int
    rows: int
    columns: int
    held: int
    most: int
    apart: bool
    grain: int

    def starts(self, taps: list[tuple[int, int]], geometry: Array) -> Array:
        """Where each tap is in a band, in elements."""
        _, _, channels, _, _, _, _, down, _, gap, across, *_ = geometry.tolist()
        lines = np.array([kh * gap for kh, _ in taps])
        rows = lines % down * self.deep + lines // down
        return np.asarray(rows * self.pitch + np.array([kw * across * channels for _, kw in taps]))


def _shape(products: Products, kernel: Kernel, item: int) -> _Shape:
    _, _, channels, height, columns, kh, kw, down, across, gap, gap_across, _, before, _ = (
        products.geometry.tolist()
    )
    reach = (columns - 1) * across + (kw - 1) * gap_across + 1
    wide = -(-reach // across)
    pitch = wide * across * channels
    deeper = (kh - 1) * gap // down
    apart = products.groups > 1 and products.channels // products.groups % PANEL != 0
    width = kernel.panels * PANEL
    rows = min(_ROWS, _INPUT // (across * channels * item))
    if apart:
        width = -(-products.channels // PANEL) * PANEL + PANEL
        rows = min(_ROWS, _SUMS // width)
    rows = max(1, rows // kernel.rows) * kernel.rows
    most = max(1, _BAND // (pitch * item * down) - deeper)
    lines = most if products.matrix else min(height, most)
    # whole lines with what is between them, or each line alone with what fills its last block of registers
    alone = -(-columns // kernel.least) * kernel.least
    block = min(lines, rows // wide) if wide <= max(alone, columns + columns // 8) else 0
    deep = lines + deeper
    slack = kernel.rows * across * channels + pitch + kernel.depth // item
    held = down * deep * pitch + slack
    size = grain(kernel, kh * kw * channels // products.groups * item)
    room = rows if apart else max(rows, 2 * size)
    return _Shape(before, wide, pitch, deep, lines, block, room, width, held, rows, apart, size)
