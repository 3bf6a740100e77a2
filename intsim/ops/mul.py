"""mul: the product of two tensors, element by element.

Rules
-----
R1. B1 gives the shape.
R2. The exact product a * b is written into the register (B2).
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
class Mul(Elementwise):
    """a * b."""

    name: ClassVar[str] = "mul"

    def exact(self, a: Array, b: Array) -> Array:
        return a * b

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        a, b = inputs[0].hull(), inputs[1].hull()
        ends = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
        return held(Interval(min(ends), max(ends)), self.register, a, b)
