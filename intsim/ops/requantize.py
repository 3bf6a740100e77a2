"""requantize: integers at one scale to integers at another.

Rules
-----
R1. Every element goes through the steps of the requantization, in order, each into its register.
R2. Parameters with several values run along the last axis.
R3. The output is the requantization's format, its overflow applied to what is left outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Events, Interval, Requantization
from intsim.formats import TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Requantize(Op):
    """A requantization as a node of its own, as hardware has it."""

    name: ClassVar[str] = "requantize"

    requantization: Requantization = field("the steps, and the format of the code")

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        integer_input(self, x)
        channels = self.requantization.channels()
        self.require(
            channels == 1 or (len(x.shape) >= 1 and x.shape[-1] == channels),
            f"input must have {channels} channels on its last axis, not shape {x.shape}. [R2]",
        )
        return (TensorSpec(x.shape, self.requantization.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (self.requantization.apply(inputs[0]),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        output, partial = self.requantization.bounds(inputs[0])
        return Bounds((output,), partial)
