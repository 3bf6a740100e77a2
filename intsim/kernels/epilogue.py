"""`Epilogue`: what becomes of a sum on its way out of a kernel, as plain arrays and integers.

A kernel that has summed a block hands it to `kernels.finish.finish` with an epilogue; the sums never
become a tensor. `kernels.formulas` makes epilogues from requantizations.

Rules
-----
G1. The value is the sum plus `start`, modulo 2**32, read as int32; then its low `width` bits, read as
    the accumulator's register does.
G2. STORE gives the value.
G3. SINGLE and DOUBLE give the nearest integer, ties to even, of y = float(value) * factor + offset, in
    float32 or float64, each operation rounded, none fused; offset is `below` where the value is
    negative, else `above`. y is limited to [low - zero, high - zero] before it is rounded: these are
    integers, so the order does not matter. `zero` is added afterwards.
G4. FIXED gives the stages of `kernels.fixed`: ((value + before) * factor + rounding) >> bits, a second
    rounding shift per channel, plus `zero`, limited to [low, high].
G5. With a table, the code c becomes table[(c - first) mod 256].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intsim.formats import IntFormat
from intsim.record import Array

_INT32 = IntFormat(32)

STORE, SINGLE, DOUBLE, FIXED = range(4)
"""The kinds, cheapest first but for STORE."""

FACTOR, BELOW, ABOVE = range(3)
"""Rows of `singles` and `doubles`."""

MULTIPLIER, MORE_BITS, MORE_BELOW, MORE_ABOVE = range(4)
"""Rows of `integers`."""

LANES = 16
"""Parameters are as long as the channels, rounded up to a multiple of this many."""


class Epilogue(NamedTuple):
    """The parameters of `finish`. One type for all kinds: a kernel is compiled once.

    kind : STORE, SINGLE, DOUBLE or FIXED
    channels : how many values of a row are written
    start : int32 (padded channels), added to every sum
    width : bits of the accumulator's register, 1 to 32
    signed : 1 if the register is signed
    singles : float32 (3, padded channels) of SINGLE
    doubles : float64 (3, padded channels) of DOUBLE
    integers : int32 (4, padded channels) of FIXED
    before, below, above, bits : of FIXED
    zero, low, high : what is added last, and the limits of the code
    table : int64 (256) or (0)
    first : the code of the table's first entry
    """

    kind: int
    channels: int
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
        kind=STORE,
        channels=channels,
        start=np.zeros(width, np.int32),
        width=register.bits,
        signed=int(register.signed),
        singles=np.zeros((3, 0), np.float32),
        doubles=np.zeros((3, 0), np.float64),
        integers=np.zeros((4, 0), np.int32),
        before=0,
        below=0,
        above=0,
        bits=0,
        zero=0,
        low=0,
        high=0,
        table=np.zeros(0, np.int64),
        first=0,
    )


def started(epilogue: Epilogue, start: Array) -> Epilogue:
    """The same with start values (channels) of any integers, modulo 2**32."""
    low = (start.astype(object) + 2**31) % 2**32 - 2**31
    lanes = np.zeros(epilogue.start.size, np.int32)
    lanes[: start.size] = low.astype(np.int32)
    return epilogue._replace(start=lanes)
