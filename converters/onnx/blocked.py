"""Products with a matrix that has scales in blocks, and the codes that their sums become: all exact.

Rules (G), cited by the lowerings
---------------------------------
G1. A scale is a float, hence an integer times a power of two. Over a common power s[g] = m[g] * 2**e, so the
    real product of a row is 2**e * sx * sum over g of m[g] * D[g], D[g] the sum over a block of
    (w - z[g]) * (x - zx): a `group_dense` in whole numbers, of which nothing is rounded.
G2. The power of two is one for all outputs where their sums then fit 64 bits, else one per output. Sums that
    64 bits do not surely hold even then are refused, with the output and the bits that it needs.
G3. The bias, if there is one, is the real number that the file gives, and is added exactly.
G4. What is divided by the output's scale is this exact real number, so that it is rounded once: half to even,
    then the zero point, saturated, as QuantizeLinear does. For every code there is a least sum that reaches
    it; these are the thresholds, one row for all outputs, or one for each.
G5. That is what the group stands for, and what dialect integer gives. ONNX Runtime has float operators only:
    between doors MatMul of dequantized weights, else MatMulNBits, whose accuracy_level 4 makes blocks of int8
    of the activations; and a QLinearMatMul for 8-bit weights, which fails when it runs.

References
----------
ONNX, docs/Operators.md, DequantizeLinear and QuantizeLinear of operator set 21. ONNX Runtime 1.31.1:
onnxruntime/core/optimizer/qdq_transformer/selectors_actions/qdq_selectors.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.values import FORMATS, Codes, Layout, Meaning, Real, Shape

from intsim.arithmetic import Accumulator, Add, Multiply, Requantization, Thresholds
from intsim.formats import IntFormat, Quantization
from intsim.ops import GroupDense, Requantize

MOST_THRESHOLDS = 1 << 22
"""Of all outputs of one layer."""

_REGISTER = IntFormat(64)
_MANTISSA = 53


@dataclass(frozen=True, eq=False)
class Blocks:
    """A matrix with a scale and a zero point for every `length` elements of a row.

    codes : (N, K), of type dtype
    scale, zero : (N, G), floats and integers
    """

    codes: Array
    dtype: str
    scale: Array
    zero: Array
    length: int

    @cached_property
    def magnitudes(self) -> Array:
        """The sum of |w - z| over every block, 1 in place of 0: (N, G)."""
        depth = self.codes.shape[1]
        zeros = np.repeat(self.zero.astype(np.int64), self.length, axis=1)[:, :depth]
        found = np.add.reduceat(np.abs(self.codes - zeros), np.arange(0, depth, self.length), axis=1)
        return np.asarray(np.maximum(found, 1))


@dataclass(frozen=True, eq=False)
class WholeScales:
    """Scales as integers over powers of two (rule G1).

    integers : (N, G), Python ints
    exponents : one per output
    reach : per output, what no sum exceeds in magnitude
    """

    integers: Array
    exponents: list[int]
    reach: list[int]

    @property
    def fits(self) -> bool:
        return max(self.reach) < _REGISTER.max


def whole_scales(blocks: Blocks, largest: int) -> WholeScales:
    """Rule G2; the caller looks whether they fit.

    largest : the magnitude that no x - zx exceeds
    """
    significand, exponent = np.frexp(blocks.scale.astype(np.float64))
    whole = np.ldexp(significand, _MANTISSA).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1  # at the end of each integer
    whole, exponent = (whole >> zeros).astype(object), exponent.astype(np.int64) - _MANTISSA + zeros
    found = None
    for common in (exponent.min(keepdims=True), exponent.min(axis=1, keepdims=True)):
        integers = whole << (exponent - common).astype(object)
        reach = (integers * blocks.magnitudes).sum(axis=1) * largest
        exponents = np.broadcast_to(common, (len(whole), 1))[:, 0].tolist()
        found = WholeScales(integers, exponents, [int(entry) for entry in reach])
        if found.fits:
            break
    assert found is not None
    return found


def multiply(
    op: Lowering,
    x: Real,
    blocks: Blocks,
    y: Meaning,
    shape: Shape,
    *,
    bias: Sequence[Fraction] = (),
    factor: Fraction = Fraction(1),
    layout: Layout = Layout.PLAIN,
) -> Codes:
    """Add the nodes of rows times a matrix, under the name of the QuantizeLinear's output.

    op : the QuantizeLinear
    shape : the output's
    bias : one per output, or none
    factor : positive, of the product
    """
    codes = x.codes
    if not isinstance(codes, Codes):
        op.refuse("the input that meets scales in blocks must be computed, not a constant. [G1]")
    op.require(x.meaning.axis is None and y.axis is None, "input and output must have one scale. [G1]")
    widest = max(entry.bits for entry in (codes.format, FORMATS[blocks.dtype], y.format))
    op.require(widest <= 16, f"operands and output must have 16 bits at most, not {widest}. [G1]")
    zero = int(x.meaning.zero_point[0])
    scales = whole_scales(blocks, max(codes.format.max - zero, zero - codes.format.min))
    _check_fit(op, scales)
    outputs = len(scales.exponents)
    op.require(len(bias) in (0, 1, outputs), f"bias must have {outputs} values, not {len(bias)}. [G3]")
    dense = GroupDense(
        blocks.codes,
        scales.integers,
        blocks.length,
        blocks.zero,
        weight_format=FORMATS[blocks.dtype],
        scale_format=IntFormat.covering(0, int(scales.integers.max())),
        zero_format=FORMATS[blocks.dtype],
        input_zero_point=zero,
        accumulator=Accumulator(_REGISTER),
    )
    input_scale = Fraction(float(x.meaning.scale[0])) * factor
    rates = [input_scale * Fraction(2) ** exponent for exponent in scales.exponents]
    axis = max(len(op.target.batch.sample(shape)) - 1, 0) if layout is Layout.PLAIN else 2
    sums = op.step(
        dense, op.view(codes, layout), name="accumulator", quantization=_meaning_of_sums(rates, axis)
    )
    rule = _requantization(op, scales, rates, list(bias), y)
    return op.emit(Requantize(rule), sums, shape=shape, dtype=y.dtype, layout=layout, meaning=y)


def _check_fit(op: Lowering, scales: WholeScales) -> None:
    """Rule G2."""
    if scales.fits:
        return
    worst = max(range(len(scales.reach)), key=lambda output: scales.reach[output])
    ends = [int(entry) for entry in (min(scales.integers[worst]), max(scales.integers[worst]))]
    op.refuse(
        f"sums must fit 64 bits, but those of output {worst} may need {scales.reach[worst].bit_length() + 1}:"
        f" over a common power of two its scales are integers of {ends[0].bit_length()} to"
        f" {ends[1].bit_length()} bits. [G2]"
    )


def _meaning_of_sums(rates: list[Fraction], axis: int) -> Quantization | None:
    """What sums stand for, before a bias; an annotation, absent where float64 has not the number."""
    same = len(set(rates)) == 1
    scale = [float(rate) for rate in (rates[:1] if same else rates)]
    if not all(0 < entry < np.inf for entry in scale):
        return None
    return Quantization(np.array(scale), np.zeros(len(scale), np.int64), None if same else axis)


def _requantization(
    op: Lowering, scales: WholeScales, rates: list[Fraction], bias: list[Fraction], y: Meaning
) -> Requantization:
    """Rule G4."""
    low, high, zero = y.lowest, y.highest, int(y.zero_point[0])
    first = (Add(values=low),) if low else ()
    if low == high:
        return Requantization((Multiply(multipliers=0), *first), y.format)
    unit = Fraction(float(y.scale[0]))
    offsets = [entry / unit for entry in bias or [Fraction(0)]]
    lines = [(rate / unit, offsets[i if len(offsets) > 1 else 0]) for i, rate in enumerate(rates)]
    reach = max(scales.reach) + 1
    if len(set(lines)) == 1:
        lines = lines[:1]
    count = (high - low) * len(lines)
    op.require(
        count <= MOST_THRESHOLDS,
        f"thresholds must be at most {MOST_THRESHOLDS}, not {high - low} for each of {len(lines)} outputs:"
        " take outputs of fewer bits, or leave out the bias. [G4]",
    )
    codes = range(low + 1 - zero, high + 1 - zero)
    rows = [least_sums(rate, offset, codes, reach) for rate, offset in lines]
    values = np.array(rows if len(rows) > 1 else rows[0], np.int64)
    return Requantization((Thresholds(values=values), *first), y.format)


def least_sums(rate: Fraction, offset: Fraction, codes: range, reach: int) -> list[int]:
    """The least integer n for every code, such that rate * n + offset is rounded to the code or above it.

    Ties go to the even code. What is beyond `reach`, either way, is given as `reach`.

    Examples
    --------
    >>> least_sums(Fraction(1, 2), Fraction(0), range(-1, 3), 100)
    [-2, -1, 2, 3]
    """
    # rate * n + offset >= code - 1/2, or > where the code is odd and the tie goes below it
    down = 2 * rate.numerator * offset.denominator
    tie = (offset.denominator * rate.denominator, 2 * offset.numerator * rate.denominator)
    found = []
    for code in codes:
        whole, rest = divmod((2 * code - 1) * tie[0] - tie[1], down)
        found.append(max(-reach, min(reach, whole + (rest > 0 or code % 2 == 1))))
    return found
