"""reshape: the same elements in another shape.

Rules
-----
R1. The output holds a sample's elements in the order in which the input holds them, last axis fastest.
R2. The shape has as many elements as the input; every size is stated.
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
class Reshape(Op):
    """The input's elements, in order, in a shape."""

    name: ClassVar[str] = "reshape"
    by_element: ClassVar[bool] = True

    shape: tuple[int, ...] = field("of one sample")

    def check(self) -> Iterator[tuple[str, str]]:
        if any(size < 1 for size in self.shape):
            yield "shape", f"must have sizes of at least 1, not {self.shape}. [R2]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        result = TensorSpec(self.shape, discrete_input(self, x))
        self.require(
            result.size == x.size,
            f"shape must have the {x.size} elements of {x.shape}, not {result.size} of {self.shape}. [R2]",
        )
        return (result,)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        return (x.reshape(x.shape[0], *self.shape),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
