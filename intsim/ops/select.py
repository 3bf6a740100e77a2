"""select: one of two tensors, element by element, as a third one says.

Rules
-----
R1. Shapes of samples broadcast as numpy's do; axes are matched from the last.
R2. The first input is the condition, one unsigned bit. The second and the third have one format, which is
    the output's; of coded formats the codes are selected.
R3. Output = the second input's element where the condition is 1, the third one's where it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, align, broadcast_shape, same_format
from intsim.record import Array

_BIT = IntFormat(1, signed=False)


@dataclass(frozen=True, eq=False, repr=False)
class Select(Op):
    """a where the condition is 1, else b."""

    name: ClassVar[str] = "select"
    arity: ClassVar[tuple[int, int | None]] = (3, 3)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        condition, *others = inputs
        self.require(condition.format == _BIT, f"condition must be {_BIT}, not {condition.format}. [R2]")
        format = same_format(self, "R2", others)
        return (TensorSpec(broadcast_shape(self, "R1", *inputs), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        condition, a, b = align(*inputs)
        return (np.where(condition != 0, a, b),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """Exact: what the condition can never pick is left out."""
        condition, a, b = (entry.hull() for entry in inputs)
        picked = [entry for bit, entry in ((1, a), (0, b)) if condition.min <= bit <= condition.max]
        return Bounds((Interval.join(picked),), Interval.join((condition, a, b)))
