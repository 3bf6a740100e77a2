"""Sums of products on packed words: which coding, which layout, and the call (rules N1 to N4, L1 to L4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from intsim.arithmetic import Interval
from intsim.engine.bits_cost import expected_ratio
from intsim.engine.blocks import SIGNED_CODES
from intsim.engine.products import Products
from intsim.formats import Bipolar
from intsim.kernels.bits_coding import (
    BIPOLAR,
    TERNARY,
    Coding,
    Passes,
    constants,
    of_values,
    passes_of,
    whole,
)
from intsim.kernels.bits_packing import pack_weights, planes_of, words_of
from intsim.kernels.epilogue import Epilogue, padded
from intsim.kernels.isa.counters import CHANNELS, Counter, counter_of, most
from intsim.kernels.isa.table import Isa, chosen, weights_told
from intsim.kernels.launch import Launch
from intsim.kernels.scratch import Wanted
from intsim.ops import TransposeConv2d
from intsim.record import Array

_SUMS = 1 << 15  # int32 sums that are finished at a time, unless one row takes more
_BAND = 1 << 15  # words of packed lines, unless one line takes more
_ROWS = 256  # the most rows that are finished at a time
_THREAD = 1 << 24  # products of bits below which a thread costs more than it gives


@dataclass(frozen=True, eq=False)
class Bits:
    """Packed weights and everything that a call needs beside the input: see `engine.blocks.Blocks`.

    isa, counter : the instruction set, and its kernel
    x, w : how the input and the weights are coded
    passes : how their products are counted
    start : object array (channels), added to every sum: bias, zero point and rule L2
    weights : int64 (sets, words), packed
    offsets, layout : see `kernels.bits`
    outside : int64, the words of a pixel that is not in the image
    geometry : places of `kernels.sums`
    matrix : whether every window is one place, each met once
    scratch : memory that the kernel works in
    products : of bits, for one output position
    choice : why it was chosen
    """

    isa: Isa
    counter: Counter
    x: Coding
    w: Coding
    passes: Passes
    start: Array
    weights: Array
    offsets: Array
    layout: Array
    outside: Array
    geometry: Array
    matrix: bool
    scratch: tuple[Wanted, ...]
    products: int
    choice: str

    @property
    def why(self) -> str:
        """Why bits are counted, in the words of the plan."""
        passes = len(self.passes.passes)
        return f"bits counted in {passes} pass{'es' if passes > 1 else ''}, {self.choice} [V6]"

    @property
    def word(self) -> str:
        """What the plan says: lanes, the planes of both operands, and the instruction set."""
        return f"int32 (bits {len(self.x.planes)}x{len(self.w.planes)}, {self.isa.name})"

    @cached_property
    def _tables(self) -> tuple[Array, ...]:
        """The input's planes, the passes and what the ends add, as the kernel takes them."""
        passes, ends = self.passes.passes, self.passes.ends
        return np.array(self.x.planes, np.int64), np.array(passes, np.int64), np.array(ends, np.int64)

    def launch(self, x: Array, epilogue: Epilogue, out: Array) -> Launch:
        """All sums of `x` through an epilogue.

        Parameters
        ----------
        x : (N, H, W, C), C-contiguous, int8 or uint8
        epilogue : its start values hold `start`
        out : (N * OH * OW, channels), of 8, 16 or 32 bits
        """
        from intsim.kernels.bits import count_lines

        lines, columns = x.shape[0] * int(self.geometry[3]), int(self.geometry[4])
        if self.matrix:
            lines, columns = lines * columns, 1
        codes, to = x.view(np.uint8).reshape(-1), out.view(SIGNED_CODES[out.itemsize])
        kernel, packed = (self.counter, self.passes.count.place), (self.weights, self.offsets, self.layout)
        planes, passes, ends = self._tables
        before = (*kernel, codes, *packed, self.geometry, planes, self.outside, passes, ends, epilogue)
        least = max(1, _THREAD // (self.products * columns))
        return Launch(count_lines, before, (to,), lines, least, self.scratch)


def input_coding(products: Products, interval: Interval) -> Coding | None:
    """How the input is coded (rule L4); None where it is no byte or has no bits for the zero point.

    Parameters
    ----------
    interval : what it can be
    """
    if products.storage not in (np.int8, np.uint8):
        return None
    bipolar, outside, zero = isinstance(products.input_format, Bipolar), _meets_outside(products), 0
    if bipolar and not outside:
        return BIPOLAR
    if outside:
        zero = products.input_zero_point
    found = TERNARY if bipolar else whole(interval.min, interval.max)
    if found is None or not outside or found.holds(zero):
        return found
    return whole(min(interval.min, zero), max(interval.max, zero))


def _meets_outside(products: Products) -> bool:
    """Whether any window reaches beyond the image."""
    height, width, _, rows, columns, kh, kw, sh, sw, dh, dw, top, left, _ = products.geometry.tolist()
    below = (rows - 1) * sh - top + (kh - 1) * dh >= height
    right = (columns - 1) * sw - left + (kw - 1) * dw >= width
    return bool(top > 0 or left > 0 or below or right)


def bits_of(products: Products, interval: Interval) -> Bits | None:
    """The sums modulo 2**32 by counting bits, where that is expected to be cheaper than bytes or is told.

    None elsewhere, and where there are no bits for it (rule V6 of `kernels.isa.table`).

    Parameters
    ----------
    interval : what the input can be
    """
    told = weights_told()
    if told not in ("", "count") or products.groups > 1 or products.word == TransposeConv2d.name:
        return None
    x, centred = input_coding(products, interval), products.centred()
    w = of_values(centred) if x is not None and centred.dtype != object else None
    if x is None or w is None:
        return None
    isa = chosen()
    ratio = expected_ratio(products, x, w, isa)
    if not told and (ratio is None or ratio >= 1):
        return None
    why = "as told" if told else f"about {ratio:.2f} of the time of bytes"
    return _laid_out(products, centred, x, w, isa, why)


def _laid_out(products: Products, centred: Array, x: Coding, w: Coding, isa: Isa, why: str) -> Bits:
    counter, passes = counter_of(isa), passes_of(x, w)
    _, _, channels, height, columns, kh, kw, down, across, gap, apart, _, before, _ = (
        products.geometry.tolist()
    )
    words = words_of(channels)
    each = words * len(x.planes)
    beside = apart == 1 or kw == 1
    pitch = ((columns - 1) * across + (kw - 1) * apart + 1) * each
    taps = [(i, 0) for i in range(kh)] if beside else [(i, j) for i in range(kh) for j in range(kw)]
    offsets = np.array([8 * (i * gap * pitch + j * apart * each) for i, j in taps], np.int64)
    segments = len(taps)
    deep = products.channels
    wide = max(padded(deep), -(-deep // CHANNELS) * CHANNELS)
    rows = max(1, min(_ROWS, _SUMS // wide))
    reach = (kh - 1) * gap + 1
    lines = max(1, min(height, (_BAND // pitch - reach) // down + 1))
    if products.matrix:
        rows, lines = max(1, min(rows, _BAND // each)), 0
        held = rows * each
    else:
        held = ((lines - 1) * down + reach) * pitch
    steps = words * (kw if beside else 1)
    high, panels = most(counter, passes.count)
    layout = [steps, segments, -(-deep // CHANNELS), before, pitch, each, lines, rows, high, panels]
    layout.append(passes.count.w)
    split = centred.reshape(deep, segments, -1, channels)
    zero = products.input_zero_point
    sums = centred.sum(axis=1).astype(object)
    outside = planes_of(np.full(channels, zero), x.planes).ravel().view(np.int64)
    return Bits(
        isa,
        counter,
        x,
        w,
        passes,
        products.bias - zero * sums + constants(x, w, centred).astype(object),
        pack_weights(split, passes.sets),
        offsets,
        np.array(layout, np.int64),
        outside,
        products.geometry,
        products.matrix,
        (((64,), np.uint8), ((held,), np.int64), ((rows, wide), np.int32)),
        math.prod((segments * steps, 64, deep, passes.cost)),
        why,
    )
