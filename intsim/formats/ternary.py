"""`Ternary`: two bits that stand for -1, 0 or +1.

Rules
-----
T1. `coding` says which two bits stand for what. In every coding one pair of bits stands for nothing; it is
    never written, and read as NaN.
T2. Codes are what packings take: those of OFFSET (0, 1, 2) also go five to a byte, or into an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import numpy as np

from intsim.formats.codes import check_codes
from intsim.formats.discrete import Listed
from intsim.formats.dyadic import Dyadic, Kind
from intsim.record import field


class TernaryCoding(Enum):
    """What code 0, 1, 2 and 3 stand for; None: nothing.

    TWOS_COMPLEMENT is also "bit 0 says not zero, bit 1 says negative".
    """

    OFFSET = (-1, 0, 1, None)
    OFFSET_TWO = (None, -1, 0, 1)
    TWOS_COMPLEMENT = (0, 1, None, -1)
    PLUS_MINUS = (0, 1, -1, None)

    def __repr__(self) -> str:
        return f"TernaryCoding.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Ternary(Listed):
    """Three values in two bits (rules T1 and T2).

    Examples
    --------
    >>> Ternary().code(-1), Ternary(TernaryCoding.TWOS_COMPLEMENT).code(-1)
    (0, 3)
    """

    kind: ClassVar[str] = "ternary"
    bits: ClassVar[int] = 2
    lsb: ClassVar[int] = 0
    min: ClassVar[int] = -1
    max: ClassVar[int] = 1

    coding: TernaryCoding = field("which bits stand for what", default=TernaryCoding.OFFSET)

    def code(self, value: int) -> int:
        """The code of -1, 0 or 1."""
        return int(self.coding.value.index(value))

    def decode(self, codes: Any) -> Dyadic:
        """The values of codes 0 to 3, of any shape; InputError for anything else."""
        given = check_codes(codes, 2).astype(np.int64)
        table = np.array([0 if value is None else value for value in self.coding.value])
        kinds = np.array(
            [Kind.NAN if value is None else Kind.FINITE for value in self.coding.value], np.uint8
        )
        found = Dyadic.of_integers(table[given])
        return Dyadic(found.negative, found.significand, found.exponent, kinds[given])
