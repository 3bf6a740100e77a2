"""gather: places of a tensor, picked by index.

Rules
-----
R1. Along `axis`, the output holds the input's places `indices`, in their order; the axes of the indices
    stand in the place of `axis`.
R2. Indices are stored in the op, or are a second input: then each sample is read with its own indices.
R3. Every index is 0 to size - 1. Indices which are an input are checked when they are met.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input, integer_input
from intsim.ops.moves import carried, check_axis, require_axis, require_inside
from intsim.record import Array, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Gather(Op):
    """The input's places by index, stored or given as a second input."""

    name: ClassVar[str] = "gather"
    arity: ClassVar[tuple[int, int | None]] = (1, 2)

    axis: int = field("of a sample, along which places are picked")
    indices: IntArray | None = field("the places, any shape; absent: the second input", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_axis(self.axis, "R1")
        if self.indices is not None and self.indices.size == 0:
            yield "indices", f"must have no size 0, not shape {self.indices.shape}. [R1]"
        elif self.indices is not None and self.indices.min() < 0:
            yield "indices", f"must not be negative, not {self.indices.min()}. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        x, *second = inputs
        format = discrete_input(self, x)
        require_axis(self, self.axis, len(x.shape), "R1")
        self.require(
            (self.indices is None) == bool(second),
            f"indices must be stored or the second input, not {'both' if second else 'neither'}. [R2]",
        )
        if self.indices is None:
            integer_input(self, second[0])
            picked = second[0].shape
        else:
            extent = x.shape[self.axis]
            self.require(
                bool(self.indices.max() < extent),
                f"indices must be 0 to {extent - 1}, not {self.indices.max()}. [R3]",
            )
            picked = self.indices.shape
        return (TensorSpec((*x.shape[: self.axis], *picked, *x.shape[self.axis + 1 :]), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        if self.indices is not None:
            return (np.take(inputs[0], self.indices, axis=self.axis + 1),)
        x, indices = inputs
        require_inside(self, indices, x.shape[self.axis + 1], "R3")
        picked = indices.ndim - 1
        samples = np.arange(x.shape[0]).reshape(-1, *(1,) * picked)
        found = np.moveaxis(x, self.axis + 1, 1)[samples, indices.astype(np.int64)]
        placed = range(self.axis + 1, self.axis + 1 + picked)
        return (np.moveaxis(found, range(1, 1 + picked), placed),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        if self.indices is not None:
            return carried(self, specs, inputs)
        any_place = Gather(self.axis, np.zeros(specs[1].shape, np.int64))
        kept = inputs[0] if self.axis + 1 < len(specs[0].shape) else inputs[0].hull()
        found = carried(any_place, specs[:1], [kept])
        return Bounds(found.outputs, Interval.join((found.partial, inputs[1].hull())))
