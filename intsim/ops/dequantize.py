"""dequantize: codes to reals, at the door of a network.

Rules
-----
R1. The output is scale * (x - zero_point): the difference exactly, brought to float64; the product in
    float64; then rounded to the output's float. Every step is IEEE, round to nearest even.
R2. scale and zero_point have one value, or one per index of the sample's axis `axis`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import RealFormat, TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.ops.doors import along_axis, check_door, check_door_axis
from intsim.record import Array, FloatArray, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Dequantize(Op):
    """scale * (x - zero_point)."""

    name: ClassVar[str] = "dequantize"
    real_outputs: ClassVar[bool] = True

    scale: FloatArray = field("float32 or float64, one or one per index of axis; positive")
    zero_point: IntArray = field("one, or as many as scale", default=0)
    axis: int | None = field("axis of the sample that several scales run along", default=None)
    format: RealFormat = field("of the output", default=RealFormat(32))

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_door(self)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = integer_input(self, x)
        self.require(format.bits <= 32, f"input must have at most 32 bits, not {format}. [R1]")
        check_door_axis(self, x)
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        difference = (x - along_axis(self.zero_point, self.axis, x)).astype(np.int64).astype(np.float64)
        scale = along_axis(self.scale, self.axis, x).astype(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            return ((difference * scale).astype(self.format.storage),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """The output is real and has no range; it is given as the codes' own."""
        x = inputs[0].hull()
        least, most = int(self.zero_point.min()), int(self.zero_point.max())
        return Bounds((x,), Interval.join((x, Interval(x.min - most, x.max - least))))
