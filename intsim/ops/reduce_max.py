"""reduce_max: the largest element along axes.

Rules
-----
R1. D1 and D2 give the output's shape; its format is the input's.
R2. Output = the largest of the reduced elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.reductions import Reduction
from intsim.record import Array


@dataclass(frozen=True, eq=False, repr=False)
class ReduceMax(Reduction):
    """Maximum along axes."""

    name: ClassVar[str] = "reduce_max"

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        return (self.shaped(self.along(x).max(axis=-1), x),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x = inputs[0]
        if len(specs[0].shape) - 1 in self.axes:  # channels meet: each end is reduced as elements are
            output = Interval(int(max(np.ravel(x.lo))), int(max(np.ravel(x.hi))))
        else:
            output = x
        return Bounds((output,), x.hull())
