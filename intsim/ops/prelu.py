"""prelu: one requantization for values from zero up; below, another of the value times a stored slope.

Rules
-----
R1. The output is chosen by rule L1: positive(v) or negative(v * (slope - slope_zero_point)), with
    v = x - input_zero_point.
R2. The branches' requantizations obey rule L2. The output has the input's shape.
R3. The slope's shape broadcasts to the sample's as numpy's do; axes are matched from the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Requantization
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, kind_of
from intsim.ops.branches import branch_bounds, by_sign, check_branches, infer_branches
from intsim.ops.weights import check_codes
from intsim.record import Array, CodeArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Prelu(Op):
    """positive(x - zx) or negative((x - zx) * (slope - zs)), by the sign of x - zx."""

    name: ClassVar[str] = "prelu"

    slope: CodeArray = field("codes, a shape that broadcasts to the sample's")
    positive: Requantization = field("of x - zx where that is 0 or more")
    negative: Requantization = field("of (x - zx) * (slope - zs) where x - zx is below 0")
    slope_format: IntFormat = field("format of the slope", default=IntFormat(8))
    slope_zero_point: int = field("zs", default=0)
    input_zero_point: int = field("zx", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.slope.size == 0:
            yield "slope", f"must not be empty, not of shape {self.slope.shape}. [R3]"
        else:
            yield from check_codes(self, "slope", self.slope_format, "R3")
        yield from check_branches(self)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        fits = len(self.slope.shape) <= len(x.shape) and all(
            size in (1, wanted) for size, wanted in zip(self.slope.shape[::-1], x.shape[::-1], strict=False)
        )
        self.require(fits, f"slope must broadcast to {x.shape}, not shape {self.slope.shape}. [R3]")
        return infer_branches(self, x)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        value = inputs[0] - self.input_zero_point
        slope = self.slope.astype(kind_of(value)) - self.slope_zero_point
        return (by_sign(self, value, np.asarray(value * slope)),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        least, most = int(self.slope.min()), int(self.slope.max())
        slope = Interval(least - self.slope_zero_point, most - self.slope_zero_point)
        return branch_bounds(self, inputs[0], slope)
