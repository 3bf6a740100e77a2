"""float_avg_pool2d: the average over a window of what codes stand for, in float32 in a fixed order.

Rules
-----
R1. The window is that of P1 and P2 (`pooling`); the input has input_format, of at most 16 bits. The output is
    in `format`, of at most 16 bits, which holds zero_point.
R2. A tap x stands for the float32 table[x - smallest code]. The taps inside the image are added to 0 one
    after another, rows first, each sum rounded to float32.
R3. The sum is divided by count, then by scale; then zero_point is added, each step rounded to float32. count
    is the taps inside the image, or all taps of the window where padding is counted.
R4. The result is rounded to an integer, half to even, and saturated to `format`.
R5. A window has at most 65536 taps. Whatever the codes, sums are finite, and what R4 rounds is below 2**31:
    beyond, runtimes convert a float that no 32-bit integer holds, which C leaves undefined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding, round_real
from intsim.arithmetic.overflow import saturate
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import integer_input
from intsim.ops.pooling import Pool2d
from intsim.ops.windows import windows
from intsim.record import Array, FloatArray, field

_MOST_BITS = 16
_MOST_TAPS = 1 << 16
_REAL = np.float32


@dataclass(frozen=True, eq=False, repr=False)
class FloatAvgPool2d(Pool2d):
    """Average pooling in float32."""

    name: ClassVar[str] = "float_avg_pool2d"

    table: FloatArray = field("float32, what each code stands for, from the smallest on", kw_only=True)
    scale: FloatArray = field("float32, what a code of the output stands for", kw_only=True)
    zero_point: int = field("of the output", default=0)
    count_padding: bool = field("whether taps outside the image count", default=False)
    input_format: IntFormat = field("of the input, at most 16 bits", default=IntFormat(8))
    format: IntFormat = field("of the output, at most 16 bits", default=IntFormat(8))

    def check(self) -> Iterator[tuple[str, str]]:
        yield from super().check()
        for name in ("input_format", "format"):
            if getattr(self, name).bits > _MOST_BITS:
                yield name, f"must have at most {_MOST_BITS} bits, not {getattr(self, name)}. [R1]"
                return
        size, table, scale = 1 << self.input_format.bits, self.table, self.scale
        if table.dtype != _REAL or table.shape != (size,) or not np.isfinite(table).all():
            yield "table", f"must be {size} finite float32, not {table.dtype} of shape {table.shape}. [R2]"
        elif scale.dtype != _REAL or scale.shape != () or not (np.isfinite(scale) and scale > 0):
            yield "scale", f"must be one positive float32, not {scale.tolist()} ({scale.dtype}). [R3]"
        elif not self.format.holds(self.zero_point, self.zero_point):
            yield "zero_point", f"must be in {self.format}, not {self.zero_point}. [R1]"
        elif self.kernel[0] * self.kernel[1] > _MOST_TAPS:
            yield "kernel", f"must have at most {_MOST_TAPS} taps, not {self.kernel}. [R5]"
        elif min(self.kernel) >= 1 and not self._stays_inside():
            yield "scale", f"must keep averages below 2**31 codes, which {scale.tolist()} does not. [R5]"

    def _stays_inside(self) -> bool:
        """Rule R5, for the largest magnitude that a code stands for, and every number of taps."""
        counts = np.arange(1, self.kernel[0] * self.kernel[1] + 1)
        with np.errstate(over="ignore"):
            sums = _sums_of(np.abs(self.table).max(), counts.size)
            codes = sums / counts.astype(_REAL) / self.scale + _REAL(abs(self.zero_point))
        return bool((codes < 2.0**31).all())  # an infinite sum is not

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (spec,) = super().infer(*inputs)
        format = integer_input(self, inputs[0])
        self.require(format == self.input_format, f"input must be {self.input_format}, not {format}. [R1]")
        return (TensorSpec(spec.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        real = self.table[(x - self.input_format.min).astype(np.int64)]
        taps = windows(real, self.kernel, self.stride, self.dilation, self.padding, 0)
        sums = np.zeros(taps.shape[:4], _REAL)
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                sums = sums + taps[..., row, column]  # a tap outside adds 0, which changes no sum
        counts = self.counts((x.shape[1], x.shape[2]))
        codes = saturate(self._rounded(sums, counts[..., None]), self.format)
        return (np.asarray(codes).astype(x.dtype),)

    def counts(self, size: tuple[int, int]) -> Array:
        """What each sum is divided by, for an image of this size: (OH, OW)."""
        inside = self.taps_inside(size)
        return np.full_like(inside, self.kernel[0] * self.kernel[1]) if self.count_padding else inside

    def _rounded(self, sums: Array, counts: Array) -> Array:
        """Rules R3 and R4, before the saturation."""
        codes = sums / counts.astype(_REAL) / self.scale + _REAL(self.zero_point)
        return round_real(codes, Rounding.HALF_EVEN).astype(np.int64)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        """Exact: every step grows with every tap, so equal taps reach the ends, for some number of taps."""
        (x,) = inputs
        height, width, _ = specs[0].shape
        inside = np.unique(self.taps_inside((height, width)))
        lows, highs = np.broadcast_arrays(np.asarray(x.lo, dtype=object), np.asarray(x.hi, dtype=object))
        pairs = zip(lows.flat, highs.flat, strict=True)
        found = np.array([self._reached(int(lo), int(hi), inside) for lo, hi in pairs], dtype=object)
        ends = [found[:, end].reshape(lows.shape) for end in (0, 1)]
        output = Interval.of_arrays(*(np.asarray(saturate(end, self.format)) for end in ends))
        places = Interval(min(x.min, 0), max(x.max, self.table.size))
        return Bounds((output,), Interval.join((output.hull(), places, Interval.of_arrays(*ends).hull())))

    def _reached(self, lo: int, hi: int, inside: Array) -> tuple[int, int]:
        """The ends of what R4 saturates, for codes lo to hi and these numbers of taps inside the image."""
        met = self.table[lo - self.input_format.min : hi - self.input_format.min + 1]
        counts = np.full_like(inside, self.kernel[0] * self.kernel[1]) if self.count_padding else inside
        least, most = (_sums_of(value, int(inside.max()))[inside - 1] for value in (met.min(), met.max()))
        return int(self._rounded(least, counts).min()), int(self._rounded(most, counts).max())


def _sums_of(value: Any, count: int) -> Array:
    """The sums of 1, 2, ... up to `count` times one float32, each step rounded."""
    return np.asarray(np.add.accumulate(np.full(count, value, _REAL), dtype=_REAL))
