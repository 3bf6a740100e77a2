"""`Epilogue`: what becomes of a sum on its way out of a kernel, as plain arrays and integers.

A kernel that has summed a block hands it to `kernels.finish.finish` with an epilogue; the sums never
become a tensor. `kernels.formulas` makes epilogues from requantizations.

Rules
-----
G1. The value is the sum plus `start`, modulo 2**32, read as int32; then its low `width` bits, read as
    the accumulator's register does.
G2. STORE gives the value.
G3. SINGLE gives the integer nearest to y, ties to even, plus centre. y is float32(value) * factor +
    offset, fused: one product and one sum, rounded once to float32. It is limited to [low - centre,
    high - centre] before it is rounded: these are integers, so the order does not matter. `start` may
    hold a pivot beside the start value: the formula then takes the sum less the pivot, which keeps y
    near zero and so more of its bits.
G4. SIGNED is SINGLE with another offset where the value is negative.
G5. DOUBLE gives the integer nearest to y, ties to even, plus zero. y is float64(value) * factor + offset,
    rounded twice, not fused, and limited likewise; the offset is another one where the value is negative.
G6. FIXED gives the stages of `kernels.fixed`: ((value + before) * factor + rounding) >> bits, a second
    rounding shift per channel, plus `zero`, limited to [low, high].
G7. Each block of 16 channels has its own kind.
G8. With a table, the code c becomes table[(c - first) mod 256].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intsim.formats import IntFormat
from intsim.record import Array

_INT32 = IntFormat(32)

STORE, SINGLE, SIGNED, DOUBLE, FIXED = range(5)
"""The kinds; but for STORE, cheapest first."""

FACTOR, OFFSET, BELOW = range(3)
"""Rows of `singles` and `doubles`: BELOW is the offset of negative values."""

MULTIPLIER, MORE_BITS, MORE_BELOW, MORE_ABOVE = range(4)
"""Rows of `integers`."""

LANES = 16
"""Channels in a block. Parameters are as long as the channels rounded up to whole blocks."""


class Epilogue(NamedTuple):
    """The parameters of `finish`. One type for all kinds: a kernel is compiled once.

    channels : how many values of a row are written
    kinds : int64 (blocks), STORE to FIXED
    start : int32 (padded channels), added to every sum
    width : bits of the accumulator's register, 1 to 32
    signed : 1 if the register is signed
    singles : float32 (3, padded channels) of SINGLE and SIGNED
    doubles : float64 (3, padded channels) of DOUBLE
    integers : int32 (4, padded channels) of FIXED
    before, below, above, bits : of FIXED
    centre : of SINGLE and SIGNED
    zero : of DOUBLE and FIXED
    low, high : the limits of the code
    table : int64 (256) or (0)
    first : the code of the table's first entry
    """

    channels: int
    kinds: Array
    start: Array
    width: int
    signed: int
    singles: Array
    doubles: Array
    integers: Array
    before: int
    below: int
    above: int
    bits: int
    centre: int
    zero: int
    low: int
    high: int
    table: Array
    first: int


def padded(channels: int) -> int:
    """The channels rounded up to whole blocks of `LANES`: the least width of a row of sums."""
    return -(-channels // LANES) * LANES


def plain(channels: int, register: IntFormat = _INT32) -> Epilogue:
    """The epilogue that stores sums as a register of at most 32 bits holds them."""
    width = padded(channels)
    return Epilogue(
        channels=channels,
        kinds=np.full(width // LANES, STORE, np.int64),
        start=np.zeros(width, np.int32),
        width=register.bits,
        signed=int(register.signed),
        singles=np.zeros((3, width), np.float32),
        doubles=np.zeros((3, width), np.float64),
        integers=np.zeros((4, width), np.int32),
        before=0,
        below=0,
        above=0,
        bits=0,
        centre=0,
        zero=0,
        low=0,
        high=0,
        table=np.zeros(0, np.int64),
        first=0,
    )


def started(epilogue: Epilogue, start: Array) -> Epilogue:
    """The same with start values (channels) of any integers added to those it has, modulo 2**32."""
    lanes = epilogue.start.astype(object)
    lanes[: start.size] += start.astype(object)
    return epilogue._replace(start=((lanes + 2**31) % 2**32 - 2**31).astype(np.int32))
