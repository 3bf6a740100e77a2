"""mul: the product of two tensors, element by element.

Rules
-----
R1. Shapes of samples broadcast as numpy's do; axes are matched from the last.
R2. The exact product a * b is written into the register. Zero points are taken off by a requantize node
    before it, as in hardware.
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
class Mul(Op):
    """a * b."""

    name: ClassVar[str] = "mul"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    register: Register = field("holds the product", default=Register(IntFormat(32)))

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        for spec in inputs:
            integer_input(self, spec)
        return (TensorSpec(broadcast_shape(self, "R1", *inputs), self.register.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        a, b = align(*inputs)
        return (write(a * b, self.register),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        a, b = inputs[0].hull(), inputs[1].hull()
        ends = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
        return held(Interval(min(ends), max(ends)), self.register, a, b)
