"""split: a tensor cut along an axis.

Rules
-----
R1. Output k holds the next sizes[k] places of the input along `axis`.
R2. Every size is at least 1, and they sum to the input's size along `axis`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input
from intsim.ops.moves import carried, check_axis, require_axis
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Split(Op):
    """One input in consecutive parts; one output per part."""

    name: ClassVar[str] = "split"
    by_element: ClassVar[bool] = True

    axis: int = field("of a sample, along which the input is cut")
    sizes: tuple[int, ...] = field("of the outputs along `axis`, in order")

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_axis(self.axis, "R1")
        if not self.sizes or min(self.sizes) < 1:
            yield "sizes", f"must be at least 1 each, and at least one of them, not {self.sizes}. [R2]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        require_axis(self, self.axis, len(x.shape), "R1")
        self.require(
            sum(self.sizes) == x.shape[self.axis],
            f"sizes must sum to {x.shape[self.axis]}, axis {self.axis} of {x.shape}, not {self.sizes}. [R2]",
        )
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return tuple(TensorSpec((*before, size, *after), format) for size in self.sizes)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        cuts = np.cumsum(self.sizes[:-1], dtype=np.int64)
        return tuple(np.split(inputs[0], cuts, axis=self.axis + 1))

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
