"""transpose: the axes of a sample in another order.

Rules
-----
R1. Output axis a is the input's axis permutation[a].
R2. The permutation names every axis of a sample once; the batch axis stays first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input
from intsim.ops.moves import carried
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Transpose(Op):
    """The input with its axes reordered."""

    name: ClassVar[str] = "transpose"
    by_element: ClassVar[bool] = True

    permutation: tuple[int, ...] = field("the input axis that each output axis is, from 0")

    def check(self) -> Iterator[tuple[str, str]]:
        if sorted(self.permutation) != list(range(len(self.permutation))):
            yield "permutation", f"must name each axis from 0 once, not {self.permutation}. [R2]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(
            len(self.permutation) == len(x.shape),
            f"permutation must name the {len(x.shape)} axes of {x.shape}, not {self.permutation}. [R2]",
        )
        return (TensorSpec(tuple(x.shape[axis] for axis in self.permutation), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (inputs[0].transpose(0, *(axis + 1 for axis in self.permutation)),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
