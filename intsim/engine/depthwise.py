"""Depthwise convolutions on the vector kernels: the layout, and the call (rules B8 to B11 of the kernels)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from intsim.engine.products import Products
from intsim.formats import IntFormat
from intsim.kernels.epilogue import Epilogue
from intsim.kernels.isa.table import PANEL, STEP, Isa, chosen
from intsim.kernels.launch import Launch
from intsim.kernels.packing import Operands, operands
from intsim.kernels.scratch import Wanted, aligned
from intsim.record import Array

_SUMS = 1 << 14  # int32 sums of a block, unless one line takes more
_THREAD = 1 << 18  # products below which a thread costs more than it gives
_SAMPLES: dict[int, Array] = {1: np.zeros(1, np.uint8), 2: np.zeros(1, np.int16)}  # by bytes of an operand
_SLACK = 32  # places beyond the last window: a panel read there, a block written there


@dataclass(frozen=True, eq=False)
class Depthwise:
    """Packed weights and everything that a call needs beside the input: see `engine.blocks.Blocks`.

    storage : dtype that the input is given its codes in
    weights, offsets, layout : see `kernels.depthwise`
    fold : how many columns of the output are one column of more channels there (see `_fold`)
    scratch : `sums`, `steps`, `spare` and `sources` there
    repeated : the last epilogue of a run, and the same for all columns of a fold
    """

    isa: Isa
    storage: np.dtype[Any]
    operands: Operands
    start: Array
    weights: Array
    offsets: Array
    layout: Array
    geometry: Array
    fold: int
    scratch: tuple[Wanted, ...]
    repeated: list[tuple[Epilogue, Epilogue]] = field(default_factory=list, init=False)

    @property
    def word(self) -> str:
        """What the plan says: lanes, how wide the operands are, and the instruction set."""
        return f"int32 ({self.operands.operand.itemsize * 8}-bit operands, {self.isa.name})"

    def launch(self, x: Array, epilogue: Epilogue, out: Array) -> Launch:
        """As `Blocks.launch`."""
        from intsim.kernels.depthwise import depthwise_lines

        codes = np.ascontiguousarray(x, self.storage).view(self.operands.code)
        to = out.view(np.dtype(f"i{out.dtype.itemsize}"))
        if self.fold > 1:
            to, epilogue = to.reshape(out.shape[0] // self.fold, -1), self._repeated(epilogue)
        kernel, sample = self.operands.kernel, _SAMPLES[self.operands.operand.itemsize]
        fixed = (kernel, codes, self.weights, self.offsets, self.geometry, self.layout, epilogue, sample)
        lines = x.shape[0] * int(self.geometry[3])
        products = out.size // lines * self.offsets.size * (STEP // sample.itemsize)
        return Launch(depthwise_lines, fixed, (to,), lines, max(1, _THREAD // products), self.scratch)

    def _repeated(self, epilogue: Epilogue) -> Epilogue:
        """The parameters of the channels once for every column of a fold."""
        for given, made in self.repeated:
            if given is epilogue:
                return made
        arrays: dict[str, Any] = {
            name: np.tile(getattr(epilogue, name)[..., : epilogue.channels], self.fold)
            for name in ("start", "singles", "doubles", "integers")
        }
        channels = epilogue.channels * self.fold
        kinds = np.full(channels // PANEL, epilogue.kinds[0], np.int64)
        made = epilogue._replace(channels=channels, kinds=kinds, **arrays)
        self.repeated[:] = [(epilogue, made)]
        return made


def depthwise_of(products: Products) -> Depthwise | None:
    """The sums modulo 2**32 of a depthwise convolution; None where operands do not fit.

    Parameters
    ----------
    products : depthwise
    """
    isa, centred, zero = chosen().lanes, products.centred(), products.input_zero_point
    storage = _storage(products)
    found = operands(isa, storage, int(centred.min()), int(centred.max()), zero)
    if found is None:
        return None
    _, width, _, _, columns, kh, kw, down, across, gap, gap_across, _, left, _ = products.geometry.tolist()
    item, channels = found.operand.itemsize, products.channels
    taps = STEP // item
    fold = _fold(channels, columns, across)
    groups, padded = -(-kh // taps), -(-channels * fold // PANEL) * PANEL
    share = (groups * taps - kh) // down + 1 if gap == 1 else 1
    wide = max(left + width, (columns - 1) * across + (kw - 1) * gap_across + 1)
    places, block = wide * channels + _SLACK, max(1, _SUMS * fold // (columns * padded))
    offsets = [4 * (i * places + j * gap_across * channels) for i in range(groups) for j in range(kw)]
    outside = np.full(taps, zero + found.moved, np.int64).astype(found.operand)
    layout = [
        int(outside.view(np.int32)[0]),
        zero % 2 ** (8 * found.code.itemsize) if found.code == np.uint8 else zero,
        found.flip,
        found.back,
        taps,
        groups,
        share,
        block,
        channels // products.groups,
        channels,
        4 * across * channels * fold,
    ]
    geometry = products.geometry.copy()
    geometry[4] = columns // fold
    weights, sums = centred.reshape(channels, kh, kw), centred.sum(axis=1).astype(object)
    return Depthwise(
        isa,
        storage,
        found,
        products.bias - (zero + found.moved) * sums,
        _pack(np.tile(weights, (fold, 1, 1)), groups * taps, taps, share, down),
        np.array(offsets, np.int64),
        np.array(layout, np.int64),
        geometry,
        fold,
        (
            ((block * columns // fold, padded), np.int32),
            ((groups, places), np.int32),
            ((1 + taps, width * channels + PANEL), found.code),
            ((taps,), np.int64),
        ),
    )


def _fold(channels: int, columns: int, across: int) -> int:
    """How many columns fill a panel, where they follow one another as their windows do; else 1."""
    fold = PANEL // channels
    return fold if across == 1 and fold * channels == PANEL and columns % fold == 0 else 1


def _storage(products: Products) -> np.dtype[Any]:
    """The dtype of the input, or a wider one where what is outside the image is not in its range."""
    storage, zero = products.storage, products.input_zero_point
    if storage.itemsize > 1 or IntFormat(8, storage == np.int8).holds(zero, zero):
        return storage
    return np.dtype(np.int16)


def _pack(weights: Array, height: int, taps: int, share: int, down: int) -> Array:
    """Rule B9, int8 (output lines that share steps, panels, bytes)."""
    channels, lines, columns = weights.shape
    panels = -(-channels // PANEL)
    whole = np.zeros((share, panels * PANEL, height, columns), np.int16 if taps == 2 else np.int8)
    for i in range(share):
        whole[i, :channels, i * down : i * down + lines] = weights
    split = whole.reshape(share, panels, PANEL, height // taps, taps, columns).transpose(0, 1, 3, 5, 2, 4)
    packed = aligned(split.shape, whole.dtype)
    packed[:] = split
    return packed.reshape(share, panels, -1).view(np.int8)
