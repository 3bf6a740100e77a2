"""leaky_relu: one requantization for values from zero up, another below.

Rules
-----
R1. The output is chosen by rule L1: positive(x - input_zero_point), or negative(x - input_zero_point).
R2. The branches' requantizations obey rule L2. The output has the input's shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Events, Interval, Requantization
from intsim.formats import TensorSpec
from intsim.ops.base import Op
from intsim.ops.branches import branch_bounds, by_sign, check_branches, infer_branches
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class LeakyRelu(Op):
    """positive(x - zx) or negative(x - zx), by the sign of x - zx."""

    name: ClassVar[str] = "leaky_relu"

    positive: Requantization = field("of x - zx where that is 0 or more")
    negative: Requantization = field("of x - zx where that is below 0")
    input_zero_point: int = field("zx", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_branches(self)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        return infer_branches(self, inputs[0])

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        value = inputs[0] - self.input_zero_point
        return (by_sign(self, value, value),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return branch_bounds(self, inputs[0])
