"""resize_nearest: rows and columns taken by index.

Rules
-----
R1. Input (H, W, C), output (len(rows), len(columns), C) of the same format.
R2. Output (i, j) = input (rows[i], columns[j]). A converter computes the indices by its tool's rule.
R3. rows are 0 to H - 1, columns 0 to W - 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input
from intsim.record import Array, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class ResizeNearest(Op):
    """A resize that copies."""

    name: ClassVar[str] = "resize_nearest"

    rows: IntArray = field("for each output row, the input row that it copies")
    columns: IntArray = field("for each output column, the input column that it copies")

    def check(self) -> Iterator[tuple[str, str]]:
        for name in ("rows", "columns"):
            values = getattr(self, name)
            if values.ndim != 1 or values.size == 0:
                yield name, f"must be a list of at least one index, not of shape {values.shape}. [R1]"
            elif values.min() < 0:
                yield name, f"must be at least 0, not {values.min()}. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(len(x.shape) == 3, f"input must have shape (H, W, C), not {x.shape}. [R1]")
        for name, size in zip(("rows", "columns"), x.shape[:2], strict=True):
            largest = int(getattr(self, name).max())
            self.require(largest < size, f"{name} must be below {size}, not {largest}. [R3]")
        return (TensorSpec((self.rows.size, self.columns.size, x.shape[2]), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        return (x[:, self.rows][:, :, self.columns],)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return Bounds((inputs[0],), inputs[0].hull())
