"""requantize: integers at one scale to integers at another.

Rules
-----
R1. Every element goes through the steps of the requantization, in order, each into its register.
R2. Parameters with several values run along the last axis.
R3. The output is the requantization's format, its overflow applied to what is left outside.
R4. Where `format` is given, the code is written into it: `Ternary` takes the nearest of -1, 0 and 1,
    `Bipolar` the sign, and of 0 what its `zero` says. (QONNX' BipolarQuant; Larq's and daBNN's sign.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from intsim.arithmetic import (
    Add,
    Bounds,
    Clamp,
    Events,
    Interval,
    Register,
    Requantization,
    ShiftLeft,
    Thresholds,
)
from intsim.arithmetic.requantize import AnyStep
from intsim.formats import Bipolar, IntFormat, TensorSpec, Ternary
from intsim.ops.base import Op, whole_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Requantize(Op):
    """A requantization as a node of its own, as hardware has it."""

    name: ClassVar[str] = "requantize"

    requantization: Requantization = field("the steps, and the format of the code")
    format: Bipolar | Ternary | None = field("what the code is written into; absent: nothing", default=None)

    @cached_property
    def rule(self) -> Requantization:
        """Everything from a sum to an output as steps (rules R1, R3 and R4): who computes needs no other."""
        rule = self.requantization
        if self.format is None:
            return rule
        steps: list[AnyStep] = [*rule.steps, Add(values=0, into=Register(rule.format, rule.overflow))]
        if isinstance(self.format, Ternary):
            steps.append(Clamp(lo=-1, hi=1))
        else:
            least = 0 if self.format.zero == 1 else 1
            steps += [Thresholds(values=(least,)), ShiftLeft(bits=1), Add(values=-1)]
        return Requantization(tuple(steps), IntFormat(2))

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        whole_input(self, x)
        channels = self.requantization.channels()
        self.require(
            channels == 1 or (len(x.shape) >= 1 and x.shape[-1] == channels),
            f"input must have {channels} channels on its last axis, not shape {x.shape}. [R2]",
        )
        return (TensorSpec(x.shape, self.format or self.requantization.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (self.rule.apply(inputs[0]),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        output, partial = self.rule.bounds(inputs[0])
        return Bounds((output,), partial)
