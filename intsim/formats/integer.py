"""`IntFormat`: two's complement integers of 1 to 64 bits, signed or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from intsim.errors import SpecError
from intsim.formats.codes import check_codes
from intsim.formats.discrete import Discrete
from intsim.formats.width import width
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class IntFormat(Discrete):
    """An integer format: how many bits, and whether the top bit counts negative.

    A 1-bit signed format holds -1 and 0. The format says which integers are allowed; numpy's dtype is
    only where they are kept (`storage`).

    Examples
    --------
    >>> IntFormat(4)
    IntFormat(bits=4)
    >>> IntFormat(4).min, IntFormat(4, signed=False).max, str(IntFormat(4, signed=False))
    (-8, 15, 'uint4')
    """

    bits: int = field("width, 1 to 64")
    signed: bool = field("two's complement with a sign, or unsigned", default=True)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.bits <= 64:
            yield "bits", f"must be 1 to 64, not {self.bits}"

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def entries_of(self, codes: Array) -> Array:
        given = check_codes(codes, self.bits).astype(self.storage)
        if not self.signed:
            return given
        unused = self.storage.itemsize * 8 - self.bits
        return given << unused >> unused  # the sign bit goes to the top, and comes back over what it left

    @classmethod
    def parse(cls, text: str) -> IntFormat:
        """Read ``int8``, ``uint4``, ... as `str` writes them.

        Raises
        ------
        SpecError
            The text is no such name.
        """
        match = re.fullmatch(r"(u?)int([1-9][0-9]?)", text)
        if match is None:
            raise SpecError(f"format must be int1 to int64 or uint1 to uint64, not {text!r}")
        return cls(int(match[2]), signed=not match[1])

    @classmethod
    def covering(cls, lo: int, hi: int) -> IntFormat:
        """The narrowest format, unsigned where nothing is negative, that holds `lo` to `hi`."""
        signed = lo < 0
        return cls(width(lo, hi, signed) or 1, signed)

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.bits}"
