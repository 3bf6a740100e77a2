"""quantize: reals to codes, at the door of a network.

Rules
-----
R1. The input is float32 or float64, as `scale` is; that is the arithmetic. Every step is IEEE, round to
    nearest even.
R2. q = round(x / scale), or round(x * (1 / scale)) with `reciprocal`, whose quotient is rounded once.
R3. The output is q + zero_point, exactly, saturated to the format; infinities saturate too.
R4. A NaN is refused.
R5. scale and zero_point have one value, or one per index of the sample's axis `axis`.
R6. Of a minifloat the output is a code: the quotient rounded once, by the rules E of `encode`, saturated to
    the largest finite values. Its zero_point is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding, round_real
from intsim.arithmetic.encode import Beyond, encode
from intsim.errors import InputError
from intsim.formats import IntFormat, Minifloat, RealFormat, TensorSpec
from intsim.ops.base import Op
from intsim.ops.doors import along_axis, check_door, check_door_axis
from intsim.record import Array, FloatArray, IntArray, field

_FAR = 2.0**40  # beyond it every code saturates, whatever the zero point


@dataclass(frozen=True, eq=False, repr=False)
class Quantize(Op):
    """round(x / scale) + zero_point."""

    name: ClassVar[str] = "quantize"
    real_inputs: ClassVar[bool] = True

    scale: FloatArray = field("float32 or float64, one or one per index of axis; positive")
    zero_point: IntArray = field("one, or as many as scale", default=0)
    axis: int | None = field("axis of the sample that several scales run along", default=None)
    format: IntFormat | Minifloat = field("of the codes, at most 32 bits", default=IntFormat(8))
    rounding: Rounding = field("of the quotient", default=Rounding.HALF_AWAY)
    reciprocal: bool = field("multiply by 1 / scale in place of dividing", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_door(self)
        if self.format.bits > 32:
            yield "format", f"must have at most 32 bits, not {self.format}. [R3]"
        if isinstance(self.format, Minifloat) and self.zero_point.any():
            yield "zero_point", f"must be 0 for codes of {self.format}. [R6]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [R2]"
        with np.errstate(over="ignore"):
            if self.reciprocal and not np.isfinite(self.scale.dtype.type(1) / self.scale).all():
                yield "scale", "must have a finite reciprocal. [R2]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        wanted = RealFormat(8 * self.scale.dtype.itemsize)
        self.require(x.format == wanted, f"input must be {wanted} as scale is, not {x.format}. [R1]")
        check_door_axis(self, x)
        return (TensorSpec(x.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        wrong = np.isnan(x)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise InputError(f"{self.name}: values must be numbers, not NaN at {index}. [R4]")
        scale = along_axis(self.scale, self.axis, x)
        with np.errstate(over="ignore", under="ignore", divide="ignore"):
            real = x * (scale.dtype.type(1) / scale) if self.reciprocal else x / scale
        if isinstance(self.format, Minifloat):
            return (encode(self.format, real, self.rounding, Beyond.SATURATE).astype(np.int64),)
        q = round_real(np.clip(real, -_FAR, _FAR), self.rounding).astype(np.int64)
        codes = q + along_axis(self.zero_point, self.axis, x)
        return (np.clip(codes, self.format.min, self.format.max),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        output = Interval.of_format(self.format)
        return Bounds((output,), Interval.join((output, Interval(-(1 << 41), 1 << 41))))
