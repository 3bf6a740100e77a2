"""mean: the rounded mean along axes.

Rules
-----
R1. D1 and D2 give the output's shape; its format is the input's.
R2. Output = round(sum of (x - zero_point) / count) + zero_point. With zero_point 0 the raw codes are
    rounded, which matters where the rounding looks at the sign.
R3. The sum is exact. The rounding is any but STOCHASTIC. A mean to another scale is sum and requantize.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding, round_divide
from intsim.formats import TensorSpec
from intsim.ops.base import integer_input
from intsim.ops.reductions import Reduction
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Mean(Reduction):
    """Mean along axes."""

    name: ClassVar[str] = "mean"

    rounding: Rounding = field("of the quotient", default=Rounding.HALF_AWAY)
    zero_point: int = field("taken off before the division and put back after it", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from super().check()
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        integer_input(self, inputs[0])
        return super().infer(*inputs)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        sums = np.asarray((self.along(x) - self.zero_point).sum(axis=-1))
        means = np.asarray(round_divide(sums, self.count(x.shape[1:]), self.rounding))
        return (self.shaped(means + self.zero_point, x),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x, shape = inputs[0], specs[0].shape
        count, zero = self.count(shape), self.zero_point

        def mean(end: Any) -> Any:
            return round_divide(self.total(shape, end - zero), count, self.rounding) + zero

        output = Interval(mean(x.lo), mean(x.hi))
        lo, hi = min(x.min - zero, 0) * count, max(x.max - zero, 0) * count
        met = Interval(lo, hi), Interval(0, count), Interval(lo + zero, hi + zero)
        return Bounds((output,), Interval.join((output.hull(), x.hull(), *met)))
