"""sum: the sum along axes, into accumulators.

Rules
-----
R1. D1 and D2 give the output's shape; its format is the accumulator's.
R2. The terms are the elements themselves, through the accumulator's registers (rules A1 to A5, A7).
    Zero points are for the requantization behind it.
R3. The terms' places count through the reduced axes, the last fastest. Where the sample is (H, W, C),
    these are h, w and c, with size 1 where not reduced; elsewhere h = 1, w = 1 and c is all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Events, Interval, accumulate
from intsim.arithmetic.register_ranges import TermRanges
from intsim.formats import TensorSpec
from intsim.ops.dot import join_bounds, sums_bounds
from intsim.ops.reductions import Reduction
from intsim.ops.weights import check_order
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Reduction):
    """Sum along axes."""

    name: ClassVar[str] = "sum"
    by_element: ClassVar[bool] = True

    accumulator: Accumulator = field("how each sum is made", default=Accumulator())

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (spec,) = super().infer(*inputs)
        for _, what in check_order(self.accumulator, self.count(inputs[0].shape)):
            self.require(False, f"accumulator.order {what}")
        return (TensorSpec(spec.shape, self.accumulator.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        terms = self.along(x)
        sums = accumulate(
            lambda place: terms[..., place],
            self.accumulator.permutation(self.sizes(x.shape[1:])),  # type: ignore[arg-type]
            self.accumulator,
            events=events,
        )
        return (self.shaped(sums, x),)

    def sizes(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Rule R3: the sizes of h, w and c."""
        if len(shape) != 3:
            return 1, 1, self.count(shape)
        height, width, depth = (size if axis in self.axes else 1 for axis, size in enumerate(shape))
        return height, width, depth

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x, shape = inputs[0], specs[0].shape
        low, high = (self._by_position(end, shape) for end in (x.lo, x.hi))
        positions = low.shape[0] if x.rank > 1 else 1  # else all positions have the same ranges
        order = self.accumulator.permutation(self.sizes(shape))
        none = np.zeros(low.shape[1], dtype=object)
        found = []
        for position in range(positions):
            terms = TermRanges((low[position][:, order], high[position][:, order]), none)
            found.append(sums_bounds(terms, self.accumulator, [x]))
        return join_bounds(found)

    def _by_position(self, end: Any, shape: tuple[int, ...]) -> Array:
        """One end of every term's range: (positions, channels, terms)."""
        terms = self.along(np.broadcast_to(np.asarray(end, dtype=object), (1, *shape)))
        kept = len(shape) - 1 not in self.axes
        return np.asarray(terms.reshape(-1, shape[-1] if kept else 1, terms.shape[-1]))
