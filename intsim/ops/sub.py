"""sub: the difference of two tensors, element by element.

Rules
-----
R1. B1 gives the shape.
R2. The exact difference a - b is written into the register (B2).
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
class Sub(Elementwise):
    """a - b."""

    name: ClassVar[str] = "sub"

    def exact(self, a: Array, b: Array) -> Array:
        return a - b

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        a, b = inputs[0].hull(), inputs[1].hull()
        return held(Interval(a.min - b.max, a.max - b.min), self.register, a, b)
