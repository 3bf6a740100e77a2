"""l2_normalization: x / sqrt(sum of x**2) over the last axis, in TensorFlow Lite's fixed point.

Rules
-----
R1. v = x - input_zero_point; a row's sum of v**2 must fit int32 whatever the codes.
R2. 1 / sqrt(sum) = multiplier * 2**-(31 + shift) by `fixed_point.inverse_square_root`.
R3. The output is v * multiplier * 2**(output_bits - 31 - shift), by double or single rounding as
    `fixed_point.multiply_by_multiplier`, + output_zero_point, saturated. With scaled_first it is
    (v * 2**output_bits) * multiplier * 2**-(31 + shift), rounded so.
R4. The last axis is a row; the output has the input's shape.

References
----------
LiteRT 2.3.0, tflite/kernels/internal/reference/integer_ops/l2normalization.h (int8) and
reference/l2normalization.h (uint8, which scales first).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Overflow, fit, fixed_point
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class L2Normalization(Op):
    """Rows of length 1; one code is 2**-output_bits."""

    name: ClassVar[str] = "l2_normalization"

    input_zero_point: int = field("of rule R1", default=0)
    output_zero_point: int = field("of rule R3", default=0)
    format: IntFormat = field("of the output", default=IntFormat(8))
    output_bits: int = field("fraction bits of the output, 0 to 15", default=7)
    scaled_first: bool = field("of rule R3", default=False)
    single_rounding: bool = field("of rule R3", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.output_bits <= 15:
            yield "output_bits", f"must be 0 to 15, not {self.output_bits}. [R3]"
        for name in ("input_zero_point", "output_zero_point"):
            if not -(1 << 31) <= getattr(self, name) < 1 << 31:
                yield name, f"must fit int32, not {getattr(self, name)}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = integer_input(self, x)
        self.require(len(x.shape) >= 1, f"input must have an axis, not shape {x.shape}. [R4]")
        largest = max(abs(format.min - self.input_zero_point), abs(format.max - self.input_zero_point))
        total = largest * largest * x.shape[-1]
        self.require(
            total < 1 << 31,
            f"sum of squares must fit int32, not reach {total} with rows of {x.shape[-1]} {format}. [R1]",
        )
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        value = inputs[0] - self.input_zero_point
        total = np.asarray((value * value).sum(axis=-1, keepdims=True))
        multiplier, right = fixed_point.inverse_square_root(total)
        left = self.output_bits
        if self.scaled_first:
            value, left = value << left, 0
        scaled = fixed_point.multiply_by_multiplier(value, multiplier, left - right, self.single_rounding)
        return (fit(scaled + self.output_zero_point, self.format, Overflow.SATURATE),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x = inputs[0].hull()
        value = Interval(x.min - self.input_zero_point, x.max - self.input_zero_point)
        output = Interval.of_format(self.format)
        return Bounds((output,), Interval.join((x, value, output, Interval(-(1 << 63), (1 << 63) - 1))))
