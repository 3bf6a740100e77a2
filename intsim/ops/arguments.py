"""`Argument`: what arg_max and arg_min share.

Rules (G), cited by the ops
---------------------------
G1. `axis` is an axis of the sample (0 is the first after the batch). The output lacks it, or has it
    with size 1 where keepdims is set.
G2. The output's format is `format`, which must hold every place along the axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, kind_of, whole_input
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Argument(Op):
    """The place of an extreme element along an axis."""

    method: ClassVar[str] = ""
    """The method of numpy's arrays that finds the first place."""

    axis: int = field("axis of the sample that is searched")
    keepdims: bool = field("keep the axis, with size 1", default=False)
    last: bool = field("of equal elements the last, not the first", default=False)
    format: IntFormat = field("of the output", default=IntFormat(32))

    def check(self) -> Iterator[tuple[str, str]]:
        if self.axis < 0:
            yield "axis", f"must be at least 0, not {self.axis}. [G1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        whole_input(self, x)
        rank = len(x.shape)
        self.require(
            self.axis < rank, f"axis must be below {rank}, the rank of {x.shape}, not {self.axis}. [G1]"
        )
        size = x.shape[self.axis]
        self.require(
            self.format.holds(0, size - 1), f"format must hold 0 to {size - 1}, not {self.format}. [G2]"
        )
        one = (1,) if self.keepdims else ()
        return (TensorSpec((*x.shape[: self.axis], *one, *x.shape[self.axis + 1 :]), self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        axis = self.axis + 1
        searched = np.flip(x, axis) if self.last else x
        places = np.asarray(getattr(searched, self.method)(axis=axis))
        if self.last:
            places = x.shape[axis] - 1 - places
        if self.keepdims:
            places = np.expand_dims(places, axis)
        return (places.astype(np.int64).astype(kind_of(x)),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        output = Interval(0, specs[0].shape[self.axis] - 1)
        return Bounds((output,), Interval.join((output, inputs[0].hull())))
