"""`Codebook`: codes that stand for the entries of a list, such as the centroids of a clustering.

Rules
-----
C1. Code c stands for values[c] * 2**exponent. No two codes stand for the same value.
C2. A code is as wide as the last one needs. Codes beyond the list stand for nothing and are read as NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.formats.codes import check_codes
from intsim.formats.discrete import Listed
from intsim.formats.dyadic import Dyadic, Kind
from intsim.record import IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Codebook(Listed):
    """A list of integer or fixed-point values (rules C1 and C2).

    Examples
    --------
    >>> book = Codebook([-3, 0, 5], exponent=-1)
    >>> book.bits, book.decode([2, 0]).fractions()
    (2, [Fraction(5, 2), Fraction(-3, 2)])
    """

    kind: ClassVar[str] = "codebook"

    values: IntArray = field("the values in units of 2**exponent, 2 to 65536 of them")
    exponent: int = field("the power of two that one counts", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.values.ndim != 1 or not 2 <= self.values.size <= 2**16:
            yield "values", f"must be a list of 2 to 65536, not of shape {self.values.shape}"
        elif np.unique(self.values).size != self.values.size:
            yield "values", "must all be different"
        elif (np.abs(self.values.astype(object)) >= 2**53).any():
            yield "values", "must be below 2**53"
        if not -(2**12) <= self.exponent <= 2**12:
            yield "exponent", f"must be -4096 to 4096, not {self.exponent}"

    @property
    def bits(self) -> int:
        return int(self.values.size - 1).bit_length()

    @property
    def min(self) -> int:
        """The smallest value, in units of the last place."""
        return int(self.values.min())

    @property
    def max(self) -> int:
        """The largest value, in units of the last place."""
        return int(self.values.max())

    @property
    def lsb(self) -> int:
        """Every value is a multiple of ``2**lsb``."""
        return self.exponent

    def decode(self, codes: Any) -> Dyadic:
        """The values of codes, 0 to 2**bits - 1, of any shape; InputError for anything else."""
        given = check_codes(codes, self.bits).astype(np.int64)
        there = given < self.values.size
        found = Dyadic.of_integers(np.where(there, self.values[np.where(there, given, 0)], 0), self.exponent)
        kind = np.where(there, Kind.FINITE, Kind.NAN).astype(np.uint8)
        return Dyadic(found.negative, found.significand, found.exponent, kind)
