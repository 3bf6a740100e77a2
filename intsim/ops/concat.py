"""concat: tensors one after another along an axis.

Rules
-----
R1. Inputs have one format, one rank, and one size along every axis but `axis`.
R2. The output holds the inputs in order along `axis`, whose size is the sum of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, same_format
from intsim.ops.moves import carried, check_axis, require_axis
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Concat(Op):
    """Inputs joined along an axis."""

    name: ClassVar[str] = "concat"
    by_element: ClassVar[bool] = True
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    axis: int = field("of a sample, along which the inputs follow one another")

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_axis(self.axis, "R2")

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        format = same_format(self, "R1", inputs)
        shapes = [spec.shape for spec in inputs]
        require_axis(self, self.axis, len(shapes[0]), "R2")
        before, after = slice(self.axis), slice(self.axis + 1, None)
        others = {(shape[before], shape[after]) for shape in shapes}
        self.require(
            len(others) == 1, f"inputs must differ only along axis {self.axis}, not shapes {shapes}. [R1]"
        )
        total = sum(shape[self.axis] for shape in shapes)
        return (TensorSpec((*shapes[0][before], total, *shapes[0][after]), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (np.concatenate(inputs, axis=self.axis + 1),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
