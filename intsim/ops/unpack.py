"""unpack: the slices of a tensor along an axis, each a tensor of its own.

Rules
-----
R1. Output k is the input at place k of `axis`, without that axis; there are as many as it has places.
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
class Unpack(Op):
    """The input taken apart along an axis; one output per place."""

    name: ClassVar[str] = "unpack"
    by_element: ClassVar[bool] = True

    axis: int = field("of a sample, along which the input is taken apart")

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_axis(self.axis, "R1")

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        require_axis(self, self.axis, len(x.shape), "R1")
        left = TensorSpec((*x.shape[: self.axis], *x.shape[self.axis + 1 :]), format)
        return (left,) * x.shape[self.axis]

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return tuple(np.moveaxis(inputs[0], self.axis + 1, 0))

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
