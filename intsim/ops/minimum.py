"""minimum: the smaller of two tensors, element by element.

Rules
-----
R1. Shapes of samples broadcast as numpy's do; axes are matched from the last.
R2. Both inputs have one format, which is the output's.
R3. Codes are compared as integers: the inputs must stand for reals in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, align, broadcast_shape, same_format, whole_input
from intsim.record import Array


@dataclass(frozen=True, eq=False, repr=False)
class Minimum(Op):
    """min(a, b)."""

    name: ClassVar[str] = "minimum"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        format = same_format(self, "R2", inputs)
        whole_input(self, inputs[0])
        return (TensorSpec(broadcast_shape(self, "R1", *inputs), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        a, b = align(*inputs)
        return (np.minimum(a, b),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        a, b = inputs[0].hull(), inputs[1].hull()
        output = Interval(min(a.min, b.min), min(a.max, b.max))
        return Bounds((output,), Interval.join((a, b)))
