"""hard_swish: x * relu6(x + 3) / 6 in 16-bit fixed point, as TensorFlow Lite computes it.

Rules
-----
R1. v = (x - input_zero_point) * 2**7 is held in 16 bits, wrapping. It is on the input's scale / 128.
R2. scaled = v * output_multiplier / 2**15, ties up, saturated to 16 bits: the value before its last shift.
R3. gate = v * relu_multiplier / 2**15 * 2**relu_shift, where 2**15 stands for 3: for relu_shift > 0, v is
    first shifted left by relu_shift - 1 and saturated to 16 bits, then multiplied with ties up, then
    doubled and saturated; for relu_shift < 0 it is multiplied, then shifted right, ties away from zero.
R4. gate becomes (gate + 2**15) >> 1: from 0 for x <= -3 to nearly 2**15 for x >= 3.
R5. The output is gate * scaled / 2**15 toward zero, shifted right by output_shift with ties away from
    zero, plus output_zero_point; held in 16 bits, wrapping; then the nearest value of the format.

References
----------
LiteRT 2.3.0, tflite/kernels/internal/reference/hard_swish.h; TensorFlow Lite Micro has the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Overflow, Rounding, fit, round_shift
from intsim.arithmetic.fixed_point import high_multiply
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.record import Array, field

_INT16 = IntFormat(16)


@dataclass(frozen=True, eq=False, repr=False)
class HardSwish(Op):
    """x * relu6(x + 3) / 6 of 8-bit codes."""

    name: ClassVar[str] = "hard_swish"

    output_multiplier: int = field("of rule R2, 16 bits")
    output_shift: int = field("of rule R5, to the right, 0 to 15")
    relu_multiplier: int = field("of rule R3, 16 bits")
    relu_shift: int = field("of rule R3, to the left where above 0, -15 to 31")
    input_zero_point: int = field("of rule R1", default=0)
    output_zero_point: int = field("of rule R5", default=0)
    format: IntFormat = field("of the output, at most 16 bits", default=IntFormat(8))

    def check(self) -> Iterator[tuple[str, str]]:
        for name in ("output_multiplier", "relu_multiplier"):
            value = getattr(self, name)
            if not 0 <= value <= _INT16.max:
                yield name, f"must be 0 to {_INT16.max}, not {value}. [R2]"
        if not 0 <= self.output_shift <= 15:
            yield "output_shift", f"must be 0 to 15, not {self.output_shift}. [R5]"
        if not -15 <= self.relu_shift <= 31:
            yield "relu_shift", f"must be -15 to 31, not {self.relu_shift}. [R3]"
        for name in ("input_zero_point", "output_zero_point"):
            value = getattr(self, name)
            if not _INT16.holds(value, value):
                yield name, f"must fit {_INT16}, not {value}. [R1]"
        if not _INT16.holds(self.format.min, self.format.max):
            yield "format", f"must be inside {_INT16}, not {self.format}. [R5]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = integer_input(self, x)
        self.require(format.bits <= 8, f"input must have at most 8 bits, not {format}. [R1]")
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        value = fit((inputs[0] - self.input_zero_point) << 7, _INT16, Overflow.WRAP)
        scaled = high_multiply(value, self.output_multiplier, 16)
        product = round_shift(self._gate(value) * scaled, 15, Rounding.TOWARD_ZERO)
        output = round_shift(product, self.output_shift, Rounding.HALF_AWAY) + self.output_zero_point
        return (fit(fit(output, _INT16, Overflow.WRAP), self.format, Overflow.SATURATE),)

    def _gate(self, value: Array) -> Array:
        """Rules R3 and R4."""
        shift = self.relu_shift
        if shift > 0:
            value = fit(value << (shift - 1), _INT16, Overflow.SATURATE)
        gate = high_multiply(value, self.relu_multiplier, 16)
        if shift > 0:
            gate = fit(gate << 1, _INT16, Overflow.SATURATE)
        if shift < 0:
            gate = round_shift(gate, -shift, Rounding.HALF_AWAY)
        return np.asarray((gate + (1 << 15)) >> 1)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """Exact: every code of the input's interval is tried."""
        x = inputs[0].hull()
        (values,) = self.reference(np.arange(x.min, x.max + 1))
        output = Interval(int(values.min()), int(values.max()))
        return Bounds((output,), Interval.join((x, output, Interval(-(1 << 47), 1 << 47))))
