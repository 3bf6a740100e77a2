"""slice: a regular part of a tensor, also thinned out or backwards.

Rules
-----
R1. Output place i along an axis holds the input's place begin + i * stride, for i below size.
R2. Every place read is in the input; stride is not 0, size is at least 1.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input
from intsim.ops.moves import carried
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Op):
    """Part of the input, one begin, size and stride per axis."""

    name: ClassVar[str] = "slice"
    by_element: ClassVar[bool] = True

    begin: tuple[int, ...] = field("the first place read along every axis of a sample")
    size: tuple[int, ...] = field("how many places are read along every axis")
    stride: tuple[int, ...] = field(
        "from one place read to the next, may be negative; all 1 if empty", default=()
    )

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.stride:
            object.__setattr__(self, "stride", (1,) * len(self.begin))
        if not len(self.begin) == len(self.size) == len(self.stride):
            counts = f"{len(self.begin)}, {len(self.size)} and {len(self.stride)}"
            yield "begin", f"must have as many entries as size and stride, not {counts}. [R1]"
        if any(size < 1 for size in self.size):
            yield "size", f"must be at least 1, not {self.size}. [R2]"
        if 0 in self.stride:
            yield "stride", f"must not be 0, not {self.stride}. [R2]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(
            len(self.begin) == len(x.shape),
            f"begin must have one entry per axis of {x.shape}, not {self.begin}. [R1]",
        )
        for axis, extent in enumerate(x.shape):
            first = self.begin[axis]
            last = first + (self.size[axis] - 1) * self.stride[axis]
            self.require(
                min(first, last) >= 0 and max(first, last) < extent,
                f"places read along axis {axis} must be 0 to {extent - 1}, not {first} to {last}. [R2]",
            )
        return (TensorSpec(self.size, format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        places = [builtins.slice(None)]
        for begin, size, stride in zip(self.begin, self.size, self.stride, strict=True):
            end = begin + size * stride
            places.append(builtins.slice(begin, end if end >= 0 else None, stride))
        return (inputs[0][tuple(places)],)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
