"""float_elementwise: a function of what two tensors' codes stand for, in float32, as codes again.

Rules
-----
R1. B1 gives the shape. Inputs and output are integers of at most 16 bits; a zero point is one of them.
R2. A code stands for the float32 product of its scale and its difference from its zero point.
R3. ADD, SUBTRACT and MULTIPLY are rounded to float32; MAXIMUM and MINIMUM are one of the two.
R4. The result is divided by `scale`, rounded to float32, then to an integer, half to even. Then zero_point is
    added, and the sum saturated to `format`.
R5. Whatever the codes, every float32 on the way is finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding, round_real
from intsim.arithmetic.overflow import saturate
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, align, broadcast_shape, integer_input
from intsim.record import Array, FloatArray, field

_MOST_BITS = 16
_REAL = np.float32


class FloatFunction(Enum):
    """What is done with two float32 numbers."""

    ADD = "their sum"
    SUBTRACT = "the first less the second"
    MULTIPLY = "their product"
    MAXIMUM = "the larger"
    MINIMUM = "the smaller"

    def __repr__(self) -> str:
        return f"FloatFunction.{self.name}"


_FUNCTIONS = {
    FloatFunction.ADD: np.add,
    FloatFunction.SUBTRACT: np.subtract,
    FloatFunction.MULTIPLY: np.multiply,
    FloatFunction.MAXIMUM: np.maximum,
    FloatFunction.MINIMUM: np.minimum,
}


@dataclass(frozen=True, eq=False, repr=False)
class FloatElementwise(Op):
    """A function of two dequantized tensors, quantized."""

    name: ClassVar[str] = "float_elementwise"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    function: FloatFunction = field("what is done with the two")
    lhs_scale: FloatArray = field("float32, what a code of the first input stands for")
    rhs_scale: FloatArray = field("float32, what a code of the second input stands for")
    scale: FloatArray = field("float32, what a code of the output stands for")
    lhs_zero_point: int = field("of the first input", default=0)
    rhs_zero_point: int = field("of the second input", default=0)
    zero_point: int = field("of the output", default=0)
    format: IntFormat = field("of the output, at most 16 bits", default=IntFormat(8))

    def check(self) -> Iterator[tuple[str, str]]:
        for name in ("lhs_scale", "rhs_scale", "scale"):
            value = getattr(self, name)
            if value.dtype != _REAL or value.shape != () or not (np.isfinite(value) and value > 0):
                yield name, f"must be one positive float32, not {value.tolist()} ({value.dtype}). [R2]"
        if self.format.bits > _MOST_BITS:
            yield "format", f"must have at most {_MOST_BITS} bits, not {self.format}. [R1]"
        elif not self.format.holds(self.zero_point, self.zero_point):
            yield "zero_point", f"must be in {self.format}, not {self.zero_point}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        points = (self.lhs_zero_point, self.rhs_zero_point)
        for spec, point in zip(inputs, points, strict=True):
            format = integer_input(self, spec)
            self.require(
                format.bits <= _MOST_BITS, f"inputs must have {_MOST_BITS} bits at most, not {format}. [R1]"
            )
            self.require(format.holds(point, point), f"zero point must be in {format}, not {point}. [R1]")
        with np.errstate(over="ignore", invalid="ignore"):
            real = self._real(*_corners(*(Interval.of_format(spec.integer) for spec in inputs)))
        self.require(bool(np.isfinite(real).all()), "scales must keep every number finite in float32. [R5]")
        return (TensorSpec(broadcast_shape(self, "B1", *inputs), self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        a, b = align(*inputs)
        return (np.asarray(self._codes(a, b)).astype(a.dtype),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """Exact: with one operand as it is, no step ever turns back, so that the corners are the ends."""
        a, b = (entry.hull() for entry in inputs)
        found = self._codes(*_corners(a, b))
        output = Interval(int(found.min()), int(found.max()))
        return Bounds((output,), Interval.join((a, b, output)))

    def _real(self, a: Array, b: Array) -> Array:
        """Rules R2 and R3, and the quotient of R4."""
        first = (a - self.lhs_zero_point).astype(_REAL) * self.lhs_scale
        second = (b - self.rhs_zero_point).astype(_REAL) * self.rhs_scale
        return np.asarray(_FUNCTIONS[self.function](first, second) / self.scale)

    def _codes(self, a: Array, b: Array) -> Array:
        """Rules R2 to R4."""
        whole = round_real(self._real(a, b), Rounding.HALF_EVEN)
        held = np.clip(whole, -(2.0**30), 2.0**30).astype(np.int64)  # what is beyond saturates all the same
        return np.asarray(saturate(held + self.zero_point, self.format))


def _corners(a: Interval, b: Interval) -> tuple[Array, Array]:
    """The ends of two ranges, each with each."""
    first, second = zip(*product((a.min, a.max), (b.min, b.max)), strict=True)
    return np.array(first), np.array(second)
