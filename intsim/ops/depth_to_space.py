"""depth_to_space: the channels of one place become a square block of places.

Rules
-----
R1. Input (H, W, block * block * C), output (H * block, W * block, C).
R2. Output (i * block + di, j * block + dj, c) is input (i, j, (di * block + dj) * C + c).
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
class DepthToSpace(Op):
    """Channels into blocks of places."""

    name: ClassVar[str] = "depth_to_space"
    by_element: ClassVar[bool] = True

    block: int = field("side of a block")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.block < 1:
            yield "block", f"must be at least 1, not {self.block}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(
            len(x.shape) == 3 and x.shape[2] % self.block**2 == 0,
            f"input must have shape (H, W, C), C a multiple of {self.block**2}, not {x.shape}. [R1]",
        )
        high, wide, deep = x.shape
        return (TensorSpec((high * self.block, wide * self.block, deep // self.block**2), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        batch, high, wide, deep = x.shape
        block = self.block
        cut = x.reshape(batch, high, wide, block, block, deep // block**2)
        return (cut.transpose(0, 1, 3, 2, 4, 5).reshape(batch, high * block, wide * block, deep // block**2),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
