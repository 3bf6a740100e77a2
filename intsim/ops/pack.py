"""pack: tensors side by side along a new axis.

Rules
-----
R1. Inputs have one format and one shape.
R2. Place k of the new axis `axis` holds input k.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, same_format
from intsim.ops.moves import carried, check_axis
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Pack(Op):
    """Inputs stacked along a new axis."""

    name: ClassVar[str] = "pack"
    by_element: ClassVar[bool] = True
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    axis: int = field("of the output's sample: the new one")

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_axis(self.axis, "R2")

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        format = same_format(self, "R1", inputs)
        shapes = [spec.shape for spec in inputs]
        self.require(len(set(shapes)) == 1, f"inputs must have one shape, not {shapes}. [R1]")
        rank = len(shapes[0])
        self.require(
            self.axis <= rank,
            f"axis must be at most {rank}, after the last of {shapes[0]}, not {self.axis}. [R2]",
        )
        return (TensorSpec((*shapes[0][: self.axis], len(shapes), *shapes[0][self.axis :]), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (np.stack(inputs, axis=self.axis + 1),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
