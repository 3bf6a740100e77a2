"""`PowerOfTwo`: scales that are powers of two and nothing else. E8M0 is one, a microexponent another.

Rules
-----
P1. Code c stands for 2**(c - bias); where the format counts `down`, for 2**(bias - c).
P2. There is no zero, no sign and no infinity. With `nan`, the top code is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.formats.codes import check_codes
from intsim.formats.discrete import Discrete
from intsim.formats.dyadic import Dyadic, Kind
from intsim.record import field


@dataclass(frozen=True, eq=False, repr=False)
class PowerOfTwo(Discrete):
    """A power-of-two scale (rules P1 and P2).

    Examples
    --------
    >>> PowerOfTwo(8, bias=127, nan=True).decode([0, 127, 254]).exponent.tolist()
    [-127, 0, 127]
    """

    kind: ClassVar[str] = "power_of_two"
    coded: ClassVar[bool] = True
    min: ClassVar[int] = 0

    bits: int = field("width of a code, 1 to 11")
    bias: int = field("the code of 1", default=0)
    nan: bool = field("whether the top code is NaN", default=False)
    down: bool = field("whether larger codes are smaller scales", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.bits <= 11:
            yield "bits", f"must be 1 to 11, not {self.bits}"
        if not -(2**12) <= self.bias <= 2**12:
            yield "bias", f"must be -4096 to 4096, not {self.bias}"

    @property
    def max(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    @property
    def max_code(self) -> int:
        """The largest code that is no NaN."""
        return self.max - self.nan

    @property
    def nan_code(self) -> int | None:
        return self.max if self.nan else None

    def decode(self, codes: Any) -> Dyadic:
        """The values of codes, 0 to 2**bits - 1, of any shape; InputError for anything else."""
        given = check_codes(codes, self.bits).astype(np.int64)
        kind = np.where(given > self.max_code, Kind.NAN, Kind.FINITE).astype(np.uint8)
        return Dyadic(
            np.zeros(given.shape, bool),
            np.where(kind == Kind.FINITE, 1, 0).astype(np.int64),
            self.bias - given if self.down else given - self.bias,
            kind,
        )


E8M0 = PowerOfTwo(8, bias=127, nan=True)
