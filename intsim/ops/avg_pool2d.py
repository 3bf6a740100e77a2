"""avg_pool2d: the rounded average over a window, channel by channel.

Rules
-----
R1. P1 and P2 give the output and the taps.
R2. Output = round(sum of (x - zero_point) / count) + zero_point. With zero_point 0 the raw codes are
    rounded, which matters where the rounding looks at the sign.
R3. A tap outside the image adds nothing. count is the taps inside the image, or all taps of the window
    where padding is counted; zero_point must then be in the format.
R4. The sum is exact. The rounding is any but STOCHASTIC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding, round_divide
from intsim.formats import TensorSpec
from intsim.ops.base import integer_input, kind_of
from intsim.ops.pooling import Pool2d
from intsim.ops.windows import windows
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class AvgPool2d(Pool2d):
    """Average pooling."""

    name: ClassVar[str] = "avg_pool2d"

    rounding: Rounding = field("of the quotient", default=Rounding.HALF_AWAY)
    zero_point: int = field("taken off before the division and put back after it", default=0)
    count_padding: bool = field("whether taps outside the image count", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from super().check()
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [R4]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (spec,) = super().infer(*inputs)
        format = integer_input(self, spec)
        self.require(
            not self.count_padding or format.holds(self.zero_point, self.zero_point),
            f"zero_point must be in {format} where padding is counted, not {self.zero_point}. [R3]",
        )
        return (spec,)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        taps = windows(x - self.zero_point, self.kernel, self.stride, self.dilation, self.padding, 0)
        sums = np.zeros(taps.shape[:4], dtype=x.dtype)
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                sums = sums + taps[..., row, column]
        counts = self.taps_inside((x.shape[1], x.shape[2]))
        if self.count_padding:
            counts = np.full_like(counts, self.kernel[0] * self.kernel[1])
        divisor = counts.astype(kind_of(x))[..., None]
        return (np.asarray(round_divide(sums, divisor, self.rounding)) + self.zero_point,)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x, zero = inputs[0], Interval(self.zero_point, self.zero_point)
        output = x
        if self.count_padding and any(map(any, self.padding)):
            output = Interval.join((x, zero))
        size = self.kernel[0] * self.kernel[1]
        lo, hi = min(x.min - self.zero_point, 0) * size, max(x.max - self.zero_point, 0) * size
        met = Interval(lo, hi), Interval(0, size), Interval(lo + self.zero_point, hi + self.zero_point)
        return Bounds((output,), Interval.join((output.hull(), x.hull(), *met)))
