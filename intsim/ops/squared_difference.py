"""squared_difference: the square of the difference of two tensors, element by element.

Rules
-----
R1. Shapes of samples broadcast as numpy's do; axes are matched from the last.
R2. The exact square of a - b is written into the register. Bringing both operands to one scale is a
    requantize node before it, as in hardware.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Events, Interval, Register
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, align, broadcast_shape, held, integer_input, write
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class SquaredDifference(Op):
    """(a - b) ** 2."""

    name: ClassVar[str] = "squared_difference"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    register: Register = field("holds the square", default=Register(IntFormat(32)))

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        for spec in inputs:
            integer_input(self, spec)
        return (TensorSpec(broadcast_shape(self, "R1", *inputs), self.register.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        a, b = align(*inputs)
        difference = a - b
        return (write(difference * difference, self.register),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        a, b = inputs[0].hull(), inputs[1].hull()
        lo, hi = a.min - b.max, a.max - b.min
        least = 0 if lo <= 0 <= hi else min(lo * lo, hi * hi)
        square = Interval(least, max(lo * lo, hi * hi))
        return held(square, self.register, a, b, Interval(lo, hi))
