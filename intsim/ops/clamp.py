"""clamp: limits inside the format. Every ReLU is one.

Rules
-----
R1. Every element becomes the nearest value from lo to hi.
R2. Format and shape are the input's; lo and hi must be in the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Clamp(Op):
    """min(max(x, lo), hi)."""

    name: ClassVar[str] = "clamp"

    lo: int = field("lower limit")
    hi: int = field("upper limit")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.lo > self.hi:
            yield "hi", f"must not be below lo ({self.lo}), not {self.hi}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = integer_input(self, x)
        self.require(
            format.holds(self.lo, self.hi), f"limits must be in {format}, not {self.lo} to {self.hi}. [R2]"
        )
        return (TensorSpec(x.shape, format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (np.minimum(np.maximum(inputs[0], self.lo), self.hi),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x = inputs[0]
        output = x.clamp(self.lo, self.hi)
        return Bounds((output,), Interval.join((x.hull(), output.hull(), Interval(self.lo, self.hi))))
