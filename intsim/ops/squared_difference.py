"""squared_difference: the square of the difference of two tensors, element by element.

Rules
-----
R1. B1 gives the shape.
R2. The exact square (a - b) ** 2 is written into the register (B2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import held
from intsim.ops.elementwise import Elementwise
from intsim.record import Array


@dataclass(frozen=True, eq=False, repr=False)
class SquaredDifference(Elementwise):
    """(a - b) ** 2."""

    name: ClassVar[str] = "squared_difference"

    def exact(self, a: Array, b: Array) -> Array:
        difference: Array = a - b
        return difference * difference

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        a, b = inputs[0].hull(), inputs[1].hull()
        lo, hi = a.min - b.max, a.max - b.min
        least = 0 if lo <= 0 <= hi else min(lo * lo, hi * hi)
        square = Interval(least, max(lo * lo, hi * hi))
        return held(square, self.register, a, b, Interval(lo, hi))
