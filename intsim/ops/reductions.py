"""`Reduction`: what the reductions share, the axes that go and the shape that stays.

Rules (D), cited by the ops
---------------------------
D1. `axes` names axes of the sample (0 is the first after the batch), each once, ascending, one at least.
D2. The output lacks these axes, or has them with size 1 where keepdims is set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.formats import TensorSpec
from intsim.ops.base import Op, whole_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Reduction(Op):
    """One value from all elements along some axes."""

    axes: tuple[int, ...] = field("axes of the sample that are reduced, ascending")
    keepdims: bool = field("keep the reduced axes, with size 1", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.axes or list(self.axes) != sorted(set(self.axes)) or self.axes[0] < 0:
            yield "axes", f"must ascend from 0 or more and name one at least, not {self.axes}. [D1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = whole_input(self, x)
        rank = len(x.shape)
        self.require(
            self.axes[-1] < rank, f"axes must be below {rank}, the rank of {x.shape}, not {self.axes}. [D1]"
        )
        return (TensorSpec(self.reduced(x.shape), format),)

    def reduced(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Rule D2: the sample's shape without the reduced axes, or with size 1 there."""
        sizes = [1 if axis in self.axes else size for axis, size in enumerate(shape)]
        return tuple(size for axis, size in enumerate(sizes) if self.keepdims or axis not in self.axes)

    def count(self, shape: tuple[int, ...]) -> int:
        """How many elements make one output."""
        return math.prod(shape[axis] for axis in self.axes)

    def along(self, x: Array) -> Array:
        """The reduced elements moved to one last axis, the last reduced axis fastest."""
        kept = [axis for axis in range(x.ndim - 1) if axis not in self.axes]
        moved = x.transpose(0, *(axis + 1 for axis in (*kept, *self.axes)))
        return moved.reshape(*moved.shape[: 1 + len(kept)], -1)

    def shaped(self, result: Array, x: Array) -> Array:
        """What `along` led to, in the output's shape."""
        return result.reshape(x.shape[0], *self.reduced(x.shape[1:]))

    def total(self, shape: tuple[int, ...], end: Any) -> Any:
        """The sum of `end`, one value or one per channel, over the elements of one output."""
        count = self.count(shape)
        if isinstance(end, np.ndarray) and len(shape) - 1 in self.axes:
            return int(end.sum()) * (count // shape[-1])
        return end * count
