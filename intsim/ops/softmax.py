"""softmax: exp(x) / sum of exp(x) over the last axis, by the recipe of a runtime.

Rules
-----
R1. The last axis is a row. Every row becomes what the recipe makes of it, in codes of `format`.
R2. The recipe says which formats it takes and gives.
R3. The output has the input's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import (
    Bounds,
    Events,
    FixedPointSoftmax,
    FloatSoftmax,
    Interval,
    QuotientSoftmax,
    TableSoftmax,
)
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Softmax(Op):
    """Rows of probabilities."""

    name: ClassVar[str] = "softmax"

    recipe: FixedPointSoftmax | TableSoftmax | FloatSoftmax | QuotientSoftmax = field("how a row is computed")
    format: IntFormat = field("of the output", default=IntFormat(8))

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = integer_input(self, x)
        self.require(len(x.shape) >= 1, f"input must have an axis, not shape {x.shape}. [R1]")
        self.require(
            self.recipe.accepts(format, self.format),
            f"formats must be those of {type(self.recipe).__name__}, not {format} to {self.format}. [R2]",
        )
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (self.recipe.apply(inputs[0], self.format),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x = inputs[0].hull()
        difference = Interval(x.min - x.max, x.max - x.min)
        output = Interval.of_format(self.format)
        way = self.recipe.reach(difference, specs[0].shape[-1])
        return Bounds((output,), Interval.join((x, difference, output, way)))
