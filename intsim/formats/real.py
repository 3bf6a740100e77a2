"""`RealFormat`: IEEE floats, allowed only at the door of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.record import Record, field


@dataclass(frozen=True, eq=False, repr=False)
class RealFormat(Record):
    """IEEE binary floating point: what `quantize` takes in and `dequantize` gives out.

    Between the two doors every tensor is an integer; a network that carries a real tensor anywhere
    else is refused.
    """

    family: ClassVar[str] = "a number format"

    bits: int = field("32 or 64", default=32)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.bits not in (32, 64):
            yield "bits", f"must be 32 or 64, not {self.bits}"

    @property
    def storage(self) -> np.dtype[Any]:
        return np.dtype(f"float{self.bits}")

    def __str__(self) -> str:
        return f"float{self.bits}"
