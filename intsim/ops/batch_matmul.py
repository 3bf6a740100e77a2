"""batch_matmul: the product of two matrices that are both computed, into accumulators.

Rules
-----
R1. Inputs (..., R, D) and (..., D, C), output (..., R, C); leading axes broadcast as numpy's do. With
    transpose_x or transpose_y the last two axes of that input are swapped first.
R2. Each output is a sum of products (rules S1 to S3) with y in the weight's role; its reduction axes are
    h = 1, w = 1, c = D. There is no bias.
R3. The output is the accumulator's format; requantization is a node of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, align, whole_input
from intsim.ops.dot import product_bounds, sum_of_products
from intsim.ops.weights import check_order
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class BatchMatmul(Op):
    """x @ y, matrix by matrix."""

    name: ClassVar[str] = "batch_matmul"
    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    x_zero_point: int = field("of the first input, zx of rule S1", default=0)
    y_zero_point: int = field("of the second input, zw of rule S1", default=0)
    transpose_x: bool = field("swap the last two axes of the first input", default=False)
    transpose_y: bool = field("swap the last two axes of the second input", default=False)
    accumulator: Accumulator = field("how each sum is made", default=Accumulator())

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        for spec in inputs:
            whole_input(self, spec)
        x, y = (spec.shape for spec in inputs)
        self.require(min(len(x), len(y)) >= 2, f"inputs must be matrices, not {x} and {y}. [R1]")
        rows, depth = x[-2:][::-1] if self.transpose_x else x[-2:]
        depth_y, columns = y[-2:][::-1] if self.transpose_y else y[-2:]
        self.require(depth == depth_y, f"inputs must share the reduced axis, not {depth} and {depth_y}. [R1]")
        for _, what in check_order(self.accumulator, depth):
            self.require(False, f"accumulator.order {what}")
        try:
            leading = np.broadcast_shapes(x[:-2], y[:-2])
        except ValueError:
            self.require(False, f"leading axes must broadcast, not {x[:-2]} and {y[:-2]}. [R1]")
        return (TensorSpec((*leading, rows, columns), self.accumulator.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        x, y = inputs
        x = x.swapaxes(-1, -2) if self.transpose_x else x
        y = y if self.transpose_y else y.swapaxes(-1, -2)  # (..., C, D)
        x, y = align(x, y)
        sums = sum_of_products(
            x[..., :, None, :],
            y[..., None, :, :],
            self.x_zero_point,
            self.y_zero_point,
            0,
            self.accumulator,
            (1, 1, x.shape[-1]),
            events,
        )
        return (sums,)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x, y = inputs
        depth = specs[0].shape[-2 if self.transpose_x else -1]
        return product_bounds(
            depth, x.hull(), y.hull(), self.x_zero_point, self.y_zero_point, self.accumulator
        )
