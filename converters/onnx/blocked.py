"""Products with a matrix that has scales in blocks, and the codes that their sums become: all exact.

Rules (G), cited by the lowerings
---------------------------------
G1, G2. The sums are whole numbers by the rules of `group_scales`. Sums that 64 bits do not surely hold are
    refused, with the output and the bits that it needs.
G3. The bias, if there is one, is the real number that the file gives, and is added exactly.
G4. What is divided by the output's scale is this exact real number, so that it is rounded once: half to even,
    then the zero point, saturated, as QuantizeLinear does. For every code there is a least sum that reaches
    it; these are the thresholds, one row for all outputs, or one for each.
G5. That is what the group stands for, and what dialect integer gives. ONNX Runtime has float operators only:
    between doors MatMul of dequantized weights, else MatMulNBits, whose accuracy_level 4 makes blocks of int8
    of the activations; and a QLinearMatMul for 8-bit weights, which fails when it runs.
G6. In float32 the result is off by at most (1 + 2**-24)**n - 1 of the sum of all magnitudes, whatever the
    order of additions, n the terms and 8: each operand, the product and the quotient are rounded once, alpha
    and the scaled bias too. A sum nearer to a threshold than that it may put on either side. This holds of
    scales that are far from the ends of float32, and where the runtime does not take int8 blocks.

References
----------
ONNX, docs/Operators.md, DequantizeLinear and QuantizeLinear of operator set 21. ONNX Runtime 1.31.1:
onnxruntime/core/optimizer/qdq_transformer/selectors_actions/qdq_selectors.cc.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from intsim_converters.group_scales import Groups, WholeScales, whole_scales
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.values import FORMATS, Codes, Layout, Meaning, Real, Shape

from intsim.arithmetic import Accumulator, Add, Multiply, Requantization, Thresholds
from intsim.formats import IntFormat, Quantization
from intsim.ops import GroupDense, Requantize

MOST_THRESHOLDS = 1 << 22
"""Of all outputs of one layer."""

_FAR = Fraction(1 << 100)
_WIDEST = (1 << 63) - 1


def multiply(
    op: Lowering,
    x: Real,
    groups: Groups,
    dtype: str,
    y: Meaning,
    shape: Shape,
    *,
    bias: Sequence[Fraction] = (),
    factor: Fraction = Fraction(1),
    layout: Layout = Layout.PLAIN,
    in_float32: bool = True,
) -> Codes:
    """Add the nodes of rows times a matrix, under the name of the QuantizeLinear's output.

    op : the QuantizeLinear
    groups, dtype : the matrix, its rows the outputs, and its element type
    shape : the output's
    bias : one per output, or none
    factor : positive, of the product
    in_float32 : whether rule G6 holds of the runtime's operator
    """
    codes = x.codes
    if not isinstance(codes, Codes):
        op.refuse("the input that meets scales in blocks must be computed, not a constant. [G1]")
    op.require(x.meaning.axis is None and y.axis is None, "input and output must have one scale. [G1]")
    widest = max(entry.bits for entry in (codes.format, FORMATS[dtype], y.format))
    op.require(widest <= 16, f"operands and output must have 16 bits at most, not {widest}. [G1]")
    zero = int(x.meaning.zero_point[0])
    scales = whole_scales(groups, max(codes.format.max - zero, zero - codes.format.min))
    op.require(scales.fits, f"{scales.misfit()}. [G2]")
    outputs = len(scales.units)
    op.require(len(bias) in (0, 1, outputs), f"bias must have {outputs} values, not {len(bias)}. [G3]")
    dense = GroupDense(
        groups.codes,
        scales.integers,
        groups.length,
        groups.zero,
        weight_format=FORMATS[dtype],
        scale_format=IntFormat.covering(0, int(scales.integers.max())),
        zero_format=FORMATS[dtype],
        input_zero_point=zero,
        accumulator=Accumulator(IntFormat(64)),
    )
    input_scale = Fraction(float(x.meaning.scale[0])) * factor
    rates = [input_scale * unit for unit in scales.units]
    axis = max(len(op.target.batch.sample(shape)) - 1, 0) if layout is Layout.PLAIN else 2
    sums = op.step(
        dense, op.view(codes, layout), name="accumulator", quantization=_meaning_of_sums(rates, axis)
    )
    rule = _requantization(op, scales, rates, list(bias), y)
    made = op.emit(Requantize(rule), sums, shape=shape, dtype=y.dtype, layout=layout, meaning=y)
    slack = _float32_slack(groups, scales, rates, list(bias))
    if (
        in_float32
        and slack
        and {groups.scale.dtype, x.meaning.scale.dtype, y.scale.dtype} == {np.dtype("f4")}
    ):
        op.target.slack[made.views[layout]] = np.array(slack, np.int64)
    return made


def _float32_slack(
    groups: Groups, scales: WholeScales, rates: list[Fraction], bias: list[Fraction]
) -> list[int]:
    """How far from a threshold a sum may be that float32 puts beyond it, per output (G6); none: unknown."""
    steps = groups.codes.shape[1] + 8
    part = Fraction(steps, (1 << 24) - steps)
    biases = bias if len(bias) == len(rates) else (bias or [Fraction(0)]) * len(rates)
    found = []
    for rate, reach, unit, more in zip(rates, scales.reach, scales.units, biases, strict=True):
        magnitude = reach * rate + abs(more)
        small = min(rate, unit, rate / unit)
        if magnitude > _FAR or small < 1 / _FAR or reach + part * magnitude / rate > _WIDEST:
            return []
        found.append(math.ceil(part * magnitude / rate))
    return found


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
