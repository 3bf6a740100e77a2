"""`Bipolar`: one bit that stands for +1 or -1.

Rules
-----
B1. The bit `positive` stands for +1, the other for -1. FINN and ggml write +1 as 1, Larq as 0.
B2. What a zero becomes when it is written is a rule of the format: Larq's sign(0) is +1, daBNN's is -1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.formats.codes import check_codes
from intsim.formats.discrete import Listed
from intsim.formats.dyadic import Dyadic
from intsim.record import field


@dataclass(frozen=True, eq=False, repr=False)
class Bipolar(Listed):
    """Plus or minus one in a bit (rules B1 and B2).

    Examples
    --------
    >>> Bipolar().decode([0, 1]).integers(0), Bipolar(positive=0).decode([0, 1]).integers(0)
    (array([-1,  1]), array([ 1, -1]))
    """

    kind: ClassVar[str] = "bipolar"
    bits: ClassVar[int] = 1
    lsb: ClassVar[int] = 0
    min: ClassVar[int] = -1
    max: ClassVar[int] = 1

    positive: int = field("the bit that stands for +1: 0 or 1", default=1)
    zero: int = field("what a zero becomes when written: 1 or -1", default=1)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.positive not in (0, 1):
            yield "positive", f"must be 0 or 1, not {self.positive}"
        if self.zero not in (1, -1):
            yield "zero", f"must be 1 or -1, not {self.zero}"

    def decode(self, codes: Any) -> Dyadic:
        """The values of bits of any shape; InputError for anything else."""
        given = check_codes(codes, 1)
        return Dyadic.of_integers(np.where(given == self.positive, 1, -1))
