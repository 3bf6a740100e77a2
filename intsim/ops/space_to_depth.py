"""space_to_depth: every square block of places becomes the channels of one place.

Rules
-----
R1. Input (H, W, C), output (H / block, W / block, block * block * C); block divides H and W.
R2. Output (i, j, (di * block + dj) * C + c) is input (i * block + di, j * block + dj, c).
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
class SpaceToDepth(Op):
    """Blocks of places into channels."""

    name: ClassVar[str] = "space_to_depth"
    by_element: ClassVar[bool] = True

    block: int = field("side of a block")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.block < 1:
            yield "block", f"must be at least 1, not {self.block}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(
            len(x.shape) == 3 and x.shape[0] % self.block == 0 and x.shape[1] % self.block == 0,
            f"input must have shape (H, W, C), H and W multiples of {self.block}, not {x.shape}. [R1]",
        )
        high, wide, deep = x.shape
        return (TensorSpec((high // self.block, wide // self.block, self.block**2 * deep), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        batch, high, wide, deep = x.shape
        block = self.block
        cut = x.reshape(batch, high // block, block, wide // block, block, deep)
        return (
            cut.transpose(0, 1, 3, 2, 4, 5).reshape(batch, high // block, wide // block, block**2 * deep),
        )

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
