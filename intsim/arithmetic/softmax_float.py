"""The recipes of the op `softmax` that are float32 in a fixed order, bit by bit as the runtimes compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic.interval import Interval
from intsim.arithmetic.overflow import saturate
from intsim.arithmetic.rounding import Rounding, round_real
from intsim.arithmetic.softmax import FixedPointSoftmax, TableSoftmax, difference_of
from intsim.formats import IntFormat
from intsim.record import Array, FloatArray, Record, field

_MOST = 1 << 24
"""Integers up to this, and no further, are float32 all of them."""


@dataclass(frozen=True, eq=False, repr=False)
class FloatSoftmax(Record):
    """A float32 table of exponentials; sum, reciprocal and product in float32.

    1. e = table[d], the table's last entry being d = 0. The sum of e is made in order, each step rounded.
    2. s = 1 / (sum * scale); every step is float32, round to nearest even.
    3. output = round(e * s) + zero_point, saturated.

    References
    ----------
    LiteRT 2.3.0, tflite/kernels/internal/optimized/optimized_ops.h (Softmax, PopulateSoftmaxLookupTable),
    as built for x86.
    """

    table: FloatArray = field("float32, e for every d up to 0")
    scale: FloatArray = field("float32, what a code of the output stands for")
    zero_point: int = field("of the output", default=0)
    rounding: Rounding = field("of the product to an integer", default=Rounding.HALF_AWAY)

    def check(self) -> Iterator[tuple[str, str]]:
        for name, rank in (("table", 1), ("scale", 0)):
            yield from _check_float(name, getattr(self, name), rank)
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC"

    def accepts(self, input: IntFormat, output: IntFormat) -> bool:
        return 1 << input.bits == self.table.size and output.bits <= 16

    def apply(self, x: Array, format: IntFormat) -> Array:
        """Codes of `format` for codes `x`."""
        exponentials, total = exponentials_in_order(x, self.table)
        with np.errstate(over="ignore", divide="ignore"):
            share = np.float32(1) / (total * self.scale)
            real = exponentials * share
        limit = np.float32(_MOST)
        codes = round_real(np.minimum(real, limit), self.rounding).astype(np.int64).astype(x.dtype)
        return np.asarray(saturate(codes + self.zero_point, format))

    def reach(self, difference: Interval, depth: int) -> Interval:
        """Every integer on the way."""
        return Interval(min(-_MOST, difference.min), _MOST + abs(self.zero_point) + self.table.size)


@dataclass(frozen=True, eq=False, repr=False)
class QuotientSoftmax(Record):
    """A float32 table of exponentials, their sum, and quotients by it, in float32.

    1. e = table[d], the table's last entry being d = 0. The sum of e is made in order, each step rounded.
    2. q = (e * multiplier) / sum; both steps are float32, round to nearest even.
    3. output = round(q) + zero_point, half to even, saturated.

    No product in 2 may be infinite.

    References
    ----------
    ONNX Runtime 1.31.1, onnxruntime/contrib_ops/cpu/quantization/qlinear_softmax.cc.
    """

    table: FloatArray = field("float32, e for every d up to 0")
    multiplier: FloatArray = field("float32, how many codes of the output stand for 1")
    zero_point: int = field("of the output", default=0)

    def check(self) -> Iterator[tuple[str, str]]:
        wrong = list(_check_float("table", self.table, 1))
        wrong += _check_float("multiplier", self.multiplier, 0, positive=False)
        if not wrong and self.multiplier > _MOST:
            wrong.append(("multiplier", f"must be at most 2**24, not {self.multiplier.tolist()}"))
        with np.errstate(over="ignore"):
            if not wrong and not np.isfinite(self.table.max() * self.multiplier):
                wrong.append(("multiplier", "must not make a product with an entry of table infinite"))
        if not -_MOST <= self.zero_point <= _MOST:
            wrong.append(("zero_point", f"must have at most 24 bits and a sign, not {self.zero_point}"))
        yield from wrong

    def accepts(self, input: IntFormat, output: IntFormat) -> bool:
        return 1 << input.bits == self.table.size and output.bits <= 16

    def apply(self, x: Array, format: IntFormat) -> Array:
        """Codes of `format` for codes `x`."""
        exponentials, total = exponentials_in_order(x, self.table)
        real = exponentials * self.multiplier / total
        codes = round_real(real, Rounding.HALF_EVEN).astype(np.int64).astype(x.dtype)
        return np.asarray(saturate(codes + self.zero_point, format))

    def reach(self, difference: Interval, depth: int) -> Interval:
        """Every integer on the way."""
        most = 2 * _MOST + self.table.size  # a quotient is not above multiplier, but for its rounding
        return Interval(min(-_MOST, difference.min), most)


AnySoftmax = FixedPointSoftmax | TableSoftmax | FloatSoftmax | QuotientSoftmax


def exponentials_in_order(x: Array, table: Array) -> tuple[Array, Array]:
    """What a table has for rows of codes, and the rows' float32 sums, made one after another."""
    place = (difference_of(x) + (table.size - 1)).astype(np.int64)
    exponentials = table[place]
    with np.errstate(over="ignore"):
        total = np.add.accumulate(exponentials, axis=-1, dtype=np.float32)[..., -1:]
    return exponentials, total


def _check_float(name: str, values: Array, rank: int, positive: bool = True) -> Iterator[tuple[str, str]]:
    """float32 with so many axes, finite, not negative; the last of them positive if it must be."""
    if values.dtype != np.float32 or values.ndim != rank or values.size == 0:
        yield name, f"must be float32 with {rank} axes, not {values.dtype} of shape {values.shape}"
    elif not np.isfinite(values).all() or (values < 0).any() or (positive and not values.flat[-1] > 0):
        yield name, f"must be finite, not negative{', and above 0 at the end' * positive}"
