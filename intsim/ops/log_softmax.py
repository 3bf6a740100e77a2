"""log_softmax: x - log(sum of exp(x)) over the last axis, in TensorFlow Lite's fixed point.

Rules
-----
R1. d = x - the row's maximum. Where d < diff_min it adds nothing to the sum.
R2. The sum of exp(rescale(d)), the argument in Q5.26, is made in Q12.19 as in `FixedPointSoftmax`, rules 2
    and 3; a sum that does not fit 32 bits traps. Its logarithm L is in Q5.26.
R3. Where d <= max(diff_min - 1, reverse(L - 2**31)) the output is the smallest code.
R4. Elsewhere it is (rescale(d) - L) / 2**22, ties away from zero, + the format's largest code, saturated:
    one code is 1/16, and the largest code stands for 0.
R5. The last axis is a row; the output has the input's shape.

References
----------
LiteRT 2.3.0, tflite/kernels/internal/reference/integer_ops/log_softmax.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Requantization, Rounding, fixed_point, round_shift
from intsim.arithmetic.overflow import saturate
from intsim.arithmetic.softmax import (
    check_exponent,
    difference_of,
    exponent_reach,
    exponentials_of,
    sum_of_exponentials,
)
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class LogSoftmax(Op):
    """Rows of logarithms of probabilities."""

    name: ClassVar[str] = "log_softmax"

    rescale: Requantization = field("of d to Q5.26; 0 to 0, nothing above 0")
    reverse: Requantization = field("from Q5.26 back to d")
    diff_min: int = field("the least d that is summed")
    format: IntFormat = field("of the output, at most 9 bits", default=IntFormat(8))

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_exponent(self.rescale, self.diff_min)
        if self.format.bits > 9:
            yield "format", f"must have at most 9 bits, not {self.format}. [R4]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        integer_input(self, x)
        self.require(len(x.shape) >= 1, f"input must have an axis, not shape {x.shape}. [R5]")
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        difference = difference_of(inputs[0])
        _, exponentials = exponentials_of(difference, self.rescale, self.diff_min)
        logarithm = fixed_point.natural_logarithm(sum_of_exponentials(exponentials, 31), 12, 5)
        least = np.maximum(self.reverse.apply(logarithm - (1 << 31)), self.diff_min - 1)
        seen = difference > least
        exponent = self.rescale.apply(np.where(seen, difference, difference * 0))
        codes = round_shift(exponent - logarithm, 22, Rounding.HALF_AWAY) + self.format.max
        return (np.where(seen, saturate(codes, self.format), codes * 0 + self.format.min),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x = inputs[0].hull()
        difference = Interval(x.min - x.max, x.max - x.min)
        output = Interval.of_format(self.format)
        way = exponent_reach(self.rescale, self.diff_min, difference, specs[0].shape[-1])
        _, back = self.reverse.bounds(Interval(-(1 << 31), -1))
        return Bounds((output,), Interval.join((x, difference, output, way, back)))
