"""Which instructions count bits, and what is counted.

Rules
-----
P1. A panel is 8 output channels. In a panel, a step is one word of 64 bits of each plane that the count
    reads, for each of the 8 channels. All kernels share this layout.
P2. A count is the number of set bits of one of these, over all steps:
    DIFFER x ^ w; BOTH x & w; DIFFER_IN_W (x ^ sign) & nonzero, both planes of w; DIFFER_IN_X the same, both
    planes of x. SIGNS is the count of xn & wn less twice that of xn & wn & (xs ^ ws).
    A nonzero plane comes before its sign plane.
P3. Bits that are 0 in both operands of DIFFER, and in either of the others, never count: that is how
    rows that are no multiple of 64 long are padded.
P4. A row has less than 2**31 bits, which no lane of a count overflows.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from intsim.kernels.isa.table import Isa, host_features

CHANNELS = 8
"""Output channels in a panel (rule P1)."""

WORD = 8
"""Bytes of a word."""


class Count(Enum):
    """What is counted (rule P2).

    place : as a kernel is told it
    x, w : the planes of x and of w that are read
    """

    DIFFER = (0, 1, 1)
    BOTH = (1, 1, 1)
    DIFFER_IN_W = (2, 1, 2)
    DIFFER_IN_X = (3, 2, 1)
    SIGNS = (4, 2, 2)

    def __init__(self, place: int, x: int, w: int) -> None:
        self.place, self.x, self.w = place, x, w


class Counter(NamedTuple):
    """What a kernel that counts tells its callers.

    rows, panels : of the largest block of registers (in all four)
    """

    rows: int
    panels: int


class Popcount512(Counter):
    """vpopcntq on 512 bits."""

    __slots__ = ()


class Popcount256(Counter):
    """vpshufb on 256 bits: a table of the counts of 4 bits."""

    __slots__ = ()


class PopcountNeon(Counter):
    """cnt and udot on 128 bits."""

    __slots__ = ()


class PopcountPortable(Counter):
    """Vectors of LLVM that any processor is given instructions for."""

    __slots__ = ()


_512, _256 = Popcount512(4, 4), Popcount256(4, 1)
_NEON, _PORTABLE = PopcountNeon(4, 1), PopcountPortable(4, 1)
COUNTERS: tuple[Counter, ...] = (_512, _256, _NEON, _PORTABLE)
NAMED = {type(counter).__name__: counter for counter in COUNTERS}


def counter_of(isa: Isa) -> Counter:
    """The kernel that counts bits on an instruction set.

    vpopcntq is a feature of its own: processors with AVX-512 that lack it take the one on 256 bits.
    """
    if "avx512f" in isa.features and host_features().get("avx512vpopcntdq", False):
        return _512
    if isa.machine == "x86":
        return _256
    return _NEON if isa.machine == "arm" else _PORTABLE


def most(counter: Counter, count: Count) -> tuple[int, int]:
    """Rows and panels of the largest block of registers: fewer where a count reads or holds more vectors."""
    twice = count is Count.SIGNS
    if counter.panels > 1:
        return counter.rows, counter.panels // 2 if twice else counter.panels
    vectors = (count.x + count.w) * (2 if twice else 1)
    return max(1, 2 * counter.rows // vectors), 1


def shapes(counter: Counter, count: Count) -> list[tuple[int, int]]:
    """(rows, panels) of every block of registers that a kernel has."""
    rows, panels = most(counter, count)
    widths = [1 << power for power in range(panels.bit_length())]
    return [(height, width) for height in dict.fromkeys((rows, 1)) for width in widths]
