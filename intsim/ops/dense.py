"""dense: a fully connected layer into accumulators, over the last axis.

Rules
-----
R1. Input (..., C), weight (K, C), output (..., K): the last axis is reduced, the others are kept.
R2. Each output is a sum of products (rules S1 to S3); its reduction axes are h = 1, w = 1, c = C.
R3. Weights fit weight_format; weight_zero_point and bias are per tensor or per output channel.
R4. The output is the accumulator's format; requantization is a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Events, Interval
from intsim.formats import IntFormat, TensorSpec, WeightFormat
from intsim.ops.base import Op, kind_of, whole_input
from intsim.ops.dot import dot_bounds, join_bounds, sum_of_products
from intsim.ops.weights import check_order, check_weights, per_channel
from intsim.record import Array, CodeArray, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Op):
    """Product of activations with a stored matrix."""

    name: ClassVar[str] = "dense"
    by_element: ClassVar[bool] = True

    weight: CodeArray = field("integers, shape (K, C)", format="weight_format")
    weight_format: WeightFormat = field("format of the weights", default=IntFormat(8))
    bias: IntArray = field("added to every sum, per tensor or per output channel", default=0)
    input_zero_point: int = field("zx of rule S1", default=0)
    weight_zero_point: IntArray = field("zw of rule S1, per tensor or per output channel", default=0)
    accumulator: Accumulator = field("how each sum is made", default=Accumulator())

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_weights(self, rank=2, label="R3")
        if self.weight.ndim == 2:
            yield from check_order(self.accumulator, self.weight.shape[1])

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        whole_input(self, x)
        channels, depth = self.weight.shape
        self.require(
            len(x.shape) >= 1 and x.shape[-1] == depth,
            f"input must have {depth} elements on its last axis, not shape {x.shape}. [R1]",
        )
        return (TensorSpec((*x.shape[:-1], channels), self.accumulator.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        channels, depth = self.weight.shape
        sums = sum_of_products(
            x[..., None, :],
            self.weight.astype(kind_of(x)),
            self.input_zero_point,
            per_channel(self.weight_zero_point, channels, x),
            per_channel(self.bias, channels, x),
            self.accumulator,
            (1, 1, depth),
            events,
        )
        return (sums,)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        channels, depth = self.weight.shape
        zeros, bias = (np.broadcast_to(values, (channels,)) for values in (self.weight_zero_point, self.bias))
        rest = self.input_zero_point, zeros, bias, self.accumulator, (1, 1, depth)
        spacing = specs[0].integer.spacing
        return join_bounds([dot_bounds(self.weight, row, *rest, spacing) for row in inputs[0].rows()])
