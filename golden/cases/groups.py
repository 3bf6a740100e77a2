"""group_dense: integer scales and zero points for groups of the last axis."""

from __future__ import annotations

from golden.cases.base import Tensor, codes, int8, pin
from intsim.arithmetic import (
    Accumulator,
    Overflow,
    Register,
    Requantization,
    Rounding,
    ShiftRight,
    ZeroPointPlace,
)
from intsim.formats import FixedPoint, IntFormat
from intsim.ops import GroupDense, GroupScales

INT4 = IntFormat(4)
LESS_ONE = FixedPoint(4, signed=False, offset=-1)
"""Zero points as GPTQ keeps them: code 15 is 16."""
SMALL = Accumulator(IntFormat(32), tile=2, inner=Accumulator(IntFormat(10), Overflow.SATURATE))
"""A 10-bit register for every group of two."""

CASES = (
    pin(
        "zero points of GPTQ up to 16; the last group is short",
        GroupDense([[15, 0, 8, 1, 7]], [[3, 200, 1]], 2, [[16, 8, 1]], zero_format=LESS_ONE),
        int8([127, -128, 100, 5, -7]),
    ),
    pin(
        "the register of a group saturates before the scale, not after it",
        GroupDense([[15, 15, 15, 15]], [[100, 1]], 2, accumulator=SMALL),
        int8([127, 127, -128, 1]),
    ),
    pin(
        "a zero point that comes after the terms: the group's register has saturated by then",
        GroupDense([[15, 1]], [[2]], 2, [[15]], accumulator=SMALL.replace(zero_point=ZeroPointPlace.AFTER)),
        int8([127, -100]),
    ),
    pin(
        "the same subtracted from every weight",
        GroupDense([[15, 1]], [[2]], 2, [[15]], accumulator=SMALL),
        int8([127, -100]),
    ),
    pin(
        "VS-Quant: both sides have integer scales, and their product keeps its upper bits, a tie to even",
        GroupDense(
            [[7, -7, 1, -1]],
            [[15, 5]],
            2,
            weight_format=INT4,
            scale_product=Requantization(
                (ShiftRight(bits=4, rounding=Rounding.HALF_EVEN),), IntFormat(4, signed=False)
            ),
        ),
        codes("int4", [7, -7, 3, 2]),
        Tensor(IntFormat(4, signed=False), [15, 8]),
    ),
    pin(
        "QServe: 15 * 17 - 136 is 119 before it meets the input",
        GroupDense(
            [[15, 0, 8, 7]],
            [[17, 15]],
            2,
            offset=[[136, 120]],
            scales=GroupScales.WEIGHT,
            weight_register=Register(IntFormat(8)),
        ),
        int8([1, 1, -128, 127]),
    ),
    pin(
        "a scaled weight that leaves 8 bits wraps: 15 * 20 - 136 is 164, which is -92",
        GroupDense(
            [[15, 1]],
            [[20]],
            2,
            offset=[[136]],
            scales=GroupScales.WEIGHT,
            weight_register=Register(IntFormat(8)),
        ),
        int8([1, 0]),
    ),
)
