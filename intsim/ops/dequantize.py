"""dequantize: codes to reals, at the door of a network.

Rules
-----
R1. The output is scale * (x - zero_point): the difference exactly, brought to float64; the product in
    float64; then rounded to the output's float. Every step is IEEE, round to nearest even.
R2. scale and zero_point have one value, or one per index of the sample's axis `axis`.
R3. With `input_format` the input holds codes of that minifloat, of at most 16 bits, and the output is scale
    times what they stand for: NaN for NaN, infinities and zeros with their sign. The zero_point is 0.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import Minifloat, RealFormat, TensorSpec
from intsim.ops.base import Op, integer_input
from intsim.ops.doors import along_axis, check_door, check_door_axis
from intsim.record import Array, FloatArray, IntArray, field

_MOST_BITS, _CODED_BITS = 32, 16
_LEAST, _MOST = -1074, 1023  # powers of two that float64 has


@functools.cache
def _values(format: Minifloat) -> Array:
    """What every code stands for, float64."""
    return format.decode(np.arange(format.max + 1)).floats()


@dataclass(frozen=True, eq=False, repr=False)
class Dequantize(Op):
    """scale * (x - zero_point)."""

    name: ClassVar[str] = "dequantize"
    real_outputs: ClassVar[bool] = True

    scale: FloatArray = field("float32 or float64, one or one per index of axis; positive")
    zero_point: IntArray = field("one, or as many as scale", default=0)
    axis: int | None = field("axis of the sample that several scales run along", default=None)
    format: RealFormat = field("of the output", default=RealFormat(32))
    input_format: Minifloat | None = field("of an input that holds codes; absent: integers", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_door(self)
        if self.input_format is None:
            return
        if self.input_format.bits > _CODED_BITS:
            yield "input_format", f"must have at most {_CODED_BITS} bits, not {self.input_format}. [R3]"
        elif self.input_format.lsb < _LEAST or self.input_format.emax > _MOST:
            yield "input_format", f"must have float64's values only, not those of {self.input_format}. [R3]"
        if self.zero_point.any():
            yield "zero_point", f"must be 0 for codes of {self.input_format}. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        if self.input_format is None:
            format = integer_input(self, x)
            self.require(format.bits <= _MOST_BITS, f"input must have at most 32 bits, not {format}. [R1]")
        else:
            wanted = self.input_format
            self.require(x.format == wanted, f"input must be {wanted}, not {x.format}. [R3]")
        check_door_axis(self, x)
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        if self.input_format is None:
            exact = (x - along_axis(self.zero_point, self.axis, x)).astype(np.int64).astype(np.float64)
        else:
            exact = _values(self.input_format)[x.astype(np.int64)]
        scale = along_axis(self.scale, self.axis, x).astype(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            return ((exact * scale).astype(self.format.storage),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """The output is real and has no range; it is given as the codes' own."""
        x = inputs[0].hull()
        least, most = int(self.zero_point.min()), int(self.zero_point.max())
        return Bounds((x,), Interval.join((x, Interval(x.min - most, x.max - least))))
