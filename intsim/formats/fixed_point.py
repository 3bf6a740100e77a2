"""`FixedPoint`: integers that stand for multiples of a power of two, some of them with an offset.

Rules
-----
F1. The low bits of a code are an integer i: two's complement where the format is signed.
F2. It stands for (i - offset) * 2**exponent. There is no NaN, no infinity and one zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.formats.codes import check_codes
from intsim.formats.discrete import Discrete
from intsim.formats.dyadic import Dyadic
from intsim.formats.integer import IntFormat
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoint(Discrete):
    """Integers with a power of two and an offset (rules F1 and F2).

    Examples
    --------
    >>> FixedPoint(8, exponent=-6).decode([0x7F, 0x80]).fractions()
    [Fraction(127, 64), Fraction(-2, 1)]
    >>> FixedPoint(4, signed=False, offset=8).decode([0, 15]).integers(0).tolist()
    [-8, 7]
    """

    kind: ClassVar[str] = "fixed_point"

    bits: int = field("width, 1 to 32")
    signed: bool = field("two's complement, or unsigned", default=True)
    exponent: int = field("the last place counts 2**exponent", default=0)
    offset: int = field("the integer that stands for 0", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.bits <= 32:
            yield "bits", f"must be 1 to 32, not {self.bits}"
        if not -(2**12) <= self.exponent <= 2**12:
            yield "exponent", f"must be -4096 to 4096, not {self.exponent}"
        if abs(self.offset) >= 2**32:
            yield "offset", f"must be below 2**32, not {self.offset}"

    @property
    def lsb(self) -> int:
        """Every value is a multiple of ``2**lsb``."""
        return self.exponent

    @property
    def min(self) -> int:
        """The smallest value, in units of the last place."""
        return IntFormat(self.bits, self.signed).min - self.offset

    @property
    def max(self) -> int:
        """The largest value, in units of the last place."""
        return IntFormat(self.bits, self.signed).max - self.offset

    def codes_of(self, entries: Array) -> Array:
        return super().codes_of(np.asarray(entries).astype(np.int64) + self.offset)

    def entries_of(self, codes: Array) -> Array:
        return self.decode(codes).integers(self.exponent).astype(self.storage)

    def decode(self, codes: Any) -> Dyadic:
        """The values of codes, 0 to 2**bits - 1, of any shape; InputError for anything else."""
        given = check_codes(codes, self.bits).astype(np.int64)
        limit = IntFormat(self.bits, self.signed).max
        inside = np.where(given > limit, given - (1 << self.bits), given)
        return Dyadic.of_integers(inside - self.offset, self.exponent)
