"""`Elementwise`: what the arithmetic of two tensors shares: broadcasting, and the register of the result.

Rules (B), cited by the ops
---------------------------
B1. Shapes of samples broadcast as numpy's do; axes are matched from the last.
B2. The exact result is written into the register. Bringing both operands to one scale is a requantize
    node before it, as in hardware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Events, Register
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, align, broadcast_shape, integer_input, write
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Op):
    """A function of two integers, applied element by element."""

    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    register: Register = field("holds the result", default=Register(IntFormat(32)))

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        for spec in inputs:
            integer_input(self, spec)
        return (TensorSpec(broadcast_shape(self, "B1", *inputs), self.register.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (write(self.exact(*align(*inputs)), self.register),)

    def exact(self, a: Array, b: Array) -> Array:
        """The result before the register."""
        raise NotImplementedError
