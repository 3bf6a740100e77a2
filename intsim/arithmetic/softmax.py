"""The ways in which runtimes compute softmax on codes: records, the recipes of the op `softmax`; those in
float32 are in `softmax_float`.

Each takes the codes of rows (the last axis) and gives the rows' codes. What they share: d = x - the
row's maximum, so d <= 0 and every row has d = 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic.fixed_point import ONE, exp_of_negative, high_multiply, leading_zeros, reciprocal
from intsim.arithmetic.interval import Interval
from intsim.arithmetic.overflow import saturate
from intsim.arithmetic.requantize import Requantization
from intsim.arithmetic.rounding import Rounding, round_shift
from intsim.arithmetic.tables import look_up, table_size
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.record import Array, CodeArray, Record, field

_INT16 = IntFormat(16)
_INT32 = IntFormat(32)
_PRODUCTS = Interval(-(1 << 62) - (1 << 31), (1 << 62) + (1 << 31))
"""What 32-bit fixed point meets: a product of two codes, and half a unit."""


@dataclass(frozen=True, eq=False, repr=False)
class FixedPointSoftmax(Record):
    """gemmlowp's exponentials of 8-bit codes, their sum in 32 bits, its reciprocal by Newton's method.

    1. Where d < diff_min the output is the format's smallest code.
    2. e = exp(rescale(d)) in Q0.31, the argument in Q5.26 (`fixed_point.exp_of_negative`).
    3. The sum of e / 2**12, each half away from zero, is in Q12.19; 1 / sum = scale / 2**n.
    4. output = smallest code + (scale * e / 2**31, ties up) / 2**(n + 31 - bits), ties away from zero,
       saturated. A row whose sum needs a last shift above 31, or does not fit 32 bits, traps: TensorFlow
       Lite stops there.

    References
    ----------
    LiteRT 2.3.0, tflite/kernels/internal/reference/softmax.h (Softmax).
    """

    rescale: Requantization = field("of d to Q5.26; 0 to 0, nothing above 0")
    diff_min: int = field("the least d that is looked at")

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_exponent(self.rescale, self.diff_min)

    def accepts(self, input: IntFormat, output: IntFormat) -> bool:
        return output.bits <= 24

    def apply(self, x: Array, format: IntFormat) -> Array:
        """Codes of `format` for codes `x`."""
        seen, exponentials = exponentials_of(difference_of(x), self.rescale, self.diff_min)
        total = sum_of_exponentials(exponentials, min(31, 20 + format.bits))
        scale, over = reciprocal(total, 12)
        shares = high_multiply(scale, exponentials)
        codes = round_shift(shares, over + (31 - format.bits), Rounding.HALF_AWAY) + format.min
        return np.where(seen, saturate(codes, format), x * 0 + format.min)

    def reach(self, difference: Interval, depth: int) -> Interval:
        """Every value on the way."""
        return exponent_reach(self.rescale, self.diff_min, difference, depth)


@dataclass(frozen=True, eq=False, repr=False)
class TableSoftmax(Record):
    """Two interpolated tables of 16-bit codes: exp on [-10, 0], and 1 / (1 + x) on [0, 1].

    1. e = exponential[rescale(d) + 32767], the index saturated to int16. The sum of e is Q16.15.
    2. z = leading zeros of the sum in 32 bits; the sum is shifted to bit 30, then right by 14, ties up;
       less 2**15 + 2**16 and saturated to int16, it is the index of r in `reciprocal`.
    3. output = e * r / 2**(31 - z), ties up, limited to 0 to 32767.

    Both tables have one entry per 128 codes of int16, and one more; see `tables.look_up`.

    References
    ----------
    LiteRT 2.3.0, tflite/kernels/internal/reference/softmax.h (SoftmaxInt16).
    """

    rescale: Requantization = field("of d, so that -65535 stands for -10; nothing above 0")
    exponential: CodeArray = field("513 codes of int16: exp on [-10, 0] times 2**15")
    reciprocal: CodeArray = field("513 codes of int16: 1 / (1 + x) on [0, 1] times 2**15")

    def check(self) -> Iterator[tuple[str, str]]:
        size = table_size(16, 7)
        for name in ("exponential", "reciprocal"):
            values = getattr(self, name)
            if values.shape != (size,):
                yield name, f"must be a list of {size}, not of shape {values.shape}"
            elif _INT16.outside(values).any() or (name == "exponential" and (values < 0).any()):
                yield name, "must be int16 codes, and not negative for exponential"
            else:
                self.narrow(name, np.int16)
        if self.exponential.shape == (size,) and int(self.exponential[-2:].min()) < 1:
            yield "exponential", "must end above 0"
        yield from check_zero(self.rescale)

    def accepts(self, input: IntFormat, output: IntFormat) -> bool:
        return input == output == _INT16

    def apply(self, x: Array, format: IntFormat) -> Array:
        """Codes of `format` for codes `x`."""
        index = saturate(self.rescale.apply(difference_of(x)) + _INT16.max, _INT16)
        exponentials = self._table(self.exponential, index)
        total = np.asarray(exponentials.sum(axis=-1, keepdims=True))
        zeros = leading_zeros(total)
        mantissa = round_shift((total << (zeros - 1)), 14, Rounding.HALF_UP) - (1 << 15) - (1 << 16)
        share = self._table(self.reciprocal, saturate(mantissa, _INT16))
        codes = round_shift(exponentials * share, 31 - zeros, Rounding.HALF_UP)
        return np.asarray(np.minimum(np.maximum(codes, 0), _INT16.max))

    def _table(self, entries: Array, index: Array) -> Array:
        return look_up(entries.astype(index.dtype), index - _INT16.min, 7, _INT16)

    def reach(self, difference: Interval, depth: int) -> Interval:
        """Every value on the way."""
        scaled, met = self.rescale.bounds(difference)
        return Interval.join((scaled.hull(), met, _PRODUCTS))


def check_exponent(rescale: Requantization, diff_min: int) -> Iterator[tuple[str, str]]:
    """What must hold of a rescaling to Q5.26, for differences from diff_min to 0."""
    if not _INT32.min <= diff_min <= 0:
        yield "diff_min", f"must be {_INT32.min} to 0, not {diff_min}"
        return
    yield from check_zero(rescale)
    scaled, _ = rescale.bounds(Interval(diff_min, 0))
    if not _INT32.min <= scaled.min <= scaled.max <= 0:
        yield "rescale", f"must give {_INT32.min} to 0 for {diff_min} to 0, not {scaled}"


def check_zero(rescale: Requantization) -> Iterator[tuple[str, str]]:
    """A row's largest code must stay it, and all rows go through the same steps."""
    if rescale.channels() != 1:
        yield "rescale", f"must have one value for all channels, not {rescale.channels()}"
    elif rescale.bounds(Interval(0, 0))[0] != Interval(0, 0):
        yield "rescale", "must turn 0 into 0"


def difference_of(x: Array) -> Array:
    """d: every code less its row's largest."""
    return np.asarray(x - x.max(axis=-1, keepdims=True))


def exponentials_of(difference: Array, rescale: Requantization, diff_min: int) -> tuple[Array, Array]:
    """Which elements count, and their exp in Q0.31; 0 for the others."""
    seen = difference >= diff_min
    exponent = rescale.apply(np.where(seen, difference, difference * 0))
    exponentials = exp_of_negative(exponent, 5)
    return seen, np.where(seen, exponentials, exponentials * 0)


def sum_of_exponentials(exponentials: Array, bits: int) -> Array:
    """The rows' sums in Q12.19; an OverflowTrap where one needs more than `bits` bits."""
    total = np.asarray(round_shift(exponentials, 12, Rounding.HALF_AWAY).sum(axis=-1, keepdims=True))
    if total.size and int(total.max()) >= 1 << bits:
        raise OverflowTrap(
            f"sum of a row's exponentials must be below {1 << (bits - 19)} times the largest,"
            f" not {int(total.max()) / (1 << 19):.2f}"
        )
    return total


def exponent_reach(rescale: Requantization, diff_min: int, difference: Interval, depth: int) -> Interval:
    """Every value that fixed-point exponentials of these differences, and their sum, meet."""
    seen = Interval(min(0, max(diff_min, difference.min)), 0)
    _, met = rescale.bounds(seen)
    return Interval.join((met, difference, _PRODUCTS, Interval(0, depth * ONE)))
