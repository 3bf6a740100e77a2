"""tile: a tensor repeated along its axes.

Rules
-----
R1. Along axis a the output holds the input multiples[a] times, one after another; each at least 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input
from intsim.ops.moves import carried
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Tile(Op):
    """The input, repeated."""

    name: ClassVar[str] = "tile"
    by_element: ClassVar[bool] = True

    multiples: tuple[int, ...] = field("how often the input stands along every axis of a sample")

    def check(self) -> Iterator[tuple[str, str]]:
        if any(times < 1 for times in self.multiples):
            yield "multiples", f"must be at least 1, not {self.multiples}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(
            len(self.multiples) == len(x.shape),
            f"multiples must have one entry per axis of {x.shape}, not {self.multiples}. [R1]",
        )
        grown = tuple(size * times for size, times in zip(x.shape, self.multiples, strict=True))
        return (TensorSpec(grown, format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (np.tile(inputs[0], (1, *self.multiples)),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
