"""Ops on single elements: registers, broadcasting, limits, branches and tables."""

from __future__ import annotations

import numpy as np

from golden.cases.base import codes, count, int8, int16, int32, pin, uint8
from intsim.arithmetic import Add as AddStep
from intsim.arithmetic import Clamp as ClampStep
from intsim.arithmetic import Multiply, Overflow, Register, Requantization, Rounding, ShiftRight
from intsim.formats import IntFormat
from intsim.ops import (
    Add,
    Clamp,
    FloatElementwise,
    FloatFunction,
    HardSwish,
    LeakyRelu,
    Lookup,
    Maximum,
    Minimum,
    Mul,
    Prelu,
    Select,
    SquaredDifference,
    Sub,
)

WRAP8 = Register(IntFormat(8))
SATURATE8 = Register(IntFormat(8), Overflow.SATURATE)
TRAP8 = Register(IntFormat(8), Overflow.TRAP)

SUMS = (
    pin("wraps at both ends of 8 bits", Add(register=WRAP8), int8([127, -128, 1]), int8([1, -1, -1])),
    pin("saturates at both ends of 8 bits", Add(register=SATURATE8), int8([127, -128, 1]), int8([1, -1, -1])),
    pin(
        "traps where one of three sums does not fit", Add(register=TRAP8), int8([127, 0, 0]), int8([1, 0, 0])
    ),
    pin("two INT32_MIN wrap to 0 in 32 bits", Add(), int32(-(2**31)), int32(-(2**31))),
    pin(
        "a column and a row broadcast to a square; formats differ",
        Add(register=Register(IntFormat(16))),
        int8([[100], [-100]]),
        uint8([255, 0]),
    ),
    pin("a - b and not b - a; INT8_MIN has no negative", Sub(register=WRAP8), int8([0, 5]), int8([-128, 7])),
    pin("saturates: 0 - INT8_MIN is 127", Sub(register=SATURATE8), int8([0, -128]), int8([-128, 127])),
    pin(
        "an unsigned register: what is below 0 stays at 0",
        Sub(register=Register(IntFormat(8, signed=False), Overflow.SATURATE)),
        uint8([3, 255]),
        uint8([4, 0]),
    ),
)

PRODUCTS = (
    pin(
        "both ends of int8: 16384 and -16256 fit 16 bits",
        Mul(register=Register(IntFormat(16))),
        int8([-128, -128]),
        int8([-128, 127]),
    ),
    pin("the product 16384 in 8 bits: wrapped it is 0", Mul(register=WRAP8), int8([-128]), int8([-128])),
    pin("the same, saturated", Mul(register=SATURATE8), int8([-128, 127]), int8([-128, -128])),
    pin("a number broadcasts to a square", Mul(), int8([[1, -2], [3, -4]]), int16(-32768)),
    pin(
        "the largest difference of int8 squared",
        SquaredDifference(),
        int8([-128, 127, 5]),
        int8([127, -128, 5]),
    ),
    pin(
        "255 squared in 16 bits, signed: wraps to -511",
        SquaredDifference(register=Register(IntFormat(16))),
        uint8([255]),
        uint8([0]),
    ),
    pin(
        "a row against a column, saturated in 7 unsigned bits",
        SquaredDifference(register=Register(IntFormat(7, signed=False), Overflow.SATURATE)),
        int8([1, -12]),
        int8([[0], [1]]),
    ),
)

CHOICES = (
    pin("both ends of int8", Maximum(), int8([-128, 127, 0]), int8([127, -128, 0])),
    pin("unsigned: 255 is not -1", Maximum(), uint8([255, 0]), uint8([1, 128])),
    pin("one limit for all, a ReLU of raw codes", Maximum(), int8([[-5, 5], [0, -1]]), int8(0)),
    pin("both ends of int8", Minimum(), int8([-128, 127, 0]), int8([127, -128, 0])),
    pin("unsigned: 255 is not -1", Minimum(), uint8([255, 0]), uint8([1, 128])),
    pin("a limit per channel", Minimum(), int8([[-5, 5], [0, -1]]), int8([-1, 1])),
    pin(
        "limits inside int8, and values on both of them", Clamp(lo=-3, hi=6), int8([-128, -4, -3, 6, 7, 127])
    ),
    pin("a ReLU behind zero point -128 limits nothing", Clamp(lo=-128, hi=127), int8([-128, 0, 127])),
    pin("both limits the same", Clamp(lo=5, hi=5), int8([4, 5, 6])),
    pin("64-bit codes at both ends", Clamp(lo=-1, hi=2**63 - 1), codes("int64", [-(2**63), 2**63 - 1])),
)


def scaled(multiplier: int, shift: int, zero_point: int = 0) -> Requantization:
    """A multiplier, a right shift away from zero, a zero point, and the ends of int8."""
    return Requantization(
        (
            Multiply(multipliers=multiplier),
            ShiftRight(bits=shift, rounding=Rounding.HALF_AWAY),
            AddStep(values=zero_point),
            ClampStep(lo=-128, hi=127),
        ),
        IntFormat(8),
    )


BRANCHES = (
    pin(
        "below zero a half, with ties away from zero; zero itself is positive",
        LeakyRelu(positive=scaled(1, 0), negative=scaled(1, 1)),
        int8([-3, -2, -1, 0, 1]),
    ),
    pin(
        "the branch is chosen by x - zero point, not by x",
        LeakyRelu(positive=scaled(1, 0, -5), negative=scaled(3, 3, -5), input_zero_point=-5),
        int8([-128, -6, -5, -4, 127]),
    ),
    pin(
        "a negative slope bends back, and saturates at the upper end",
        LeakyRelu(positive=scaled(2, 0), negative=scaled(-2, 0)),
        int8([-128, -64, -63, 63, 64]),
    ),
    pin(
        "a slope per channel; above zero none is looked at",
        Prelu(slope=[-128, 0, 127], positive=scaled(1, 0), negative=scaled(1, 7)),
        int8([[-100, -100, -100], [100, 100, 100]]),
    ),
    pin(
        "a slope zero point makes the slope negative",
        Prelu(
            slope=[5],
            slope_format=IntFormat(8, signed=False),
            slope_zero_point=10,
            positive=scaled(1, 0),
            negative=scaled(1, 2),
        ),
        int8([-1, -2, 0, 2]),
    ),
    pin(
        "input and output zero points, and a product at the far end: (-128 - 127) * -128",
        Prelu(
            slope=[[-128]],
            positive=scaled(1, 0, -128),
            negative=scaled(1, 8, -128),
            input_zero_point=127,
        ),
        int8([[-128], [126], [127]]),
    ),
)

SQUARES = [min(i * i, 127) for i in range(-8, 8)]

TABLES = (
    pin(
        "4 bits: the first entry belongs to the smallest code, -8",
        Lookup(entries=SQUARES, input_format=IntFormat(4)),
        codes("int4", [-8, -1, 0, 1, 7]),
    ),
    pin(
        "unsigned codes begin at 0, and entries may be wider than codes",
        Lookup(
            entries=[-32768, 0, 1, 32767],
            input_format=IntFormat(2, signed=False),
            format=IntFormat(16),
        ),
        codes("uint2", [0, 1, 2, 3]),
    ),
    pin(
        "interpolated between entries, half of a step up: ties go up, also below zero",
        Lookup(entries=[-4, -1, 0, 3, 127], input_format=IntFormat(4), interpolation_bits=2),
        codes("int4", count(16, first=-8)),
    ),
    pin(
        "the slope between far entries wraps in the output's format before it is used",
        Lookup(entries=[-128, 127, -128], input_format=IntFormat(3), interpolation_bits=2),
        codes("int3", count(8, first=-4)),
    ),
)

# as TensorFlow Lite makes them for scale 6/128 of input and output: 128 codes are 6
HARD_SWISH = HardSwish(output_multiplier=16384, output_shift=6, relu_multiplier=16384, relu_shift=3)

SWISHES = (
    pin(
        "the whole range: 0 far below zero, the value itself far above",
        HARD_SWISH,
        int8(count(16, first=-128, step=17)),
    ),
    pin(
        "around zero, one code at a time",
        HARD_SWISH,
        int8(count(17, first=-8)),
    ),
    pin(
        "zero points on the lower end: (127 + 128) << 7 is just inside 16 bits",
        HARD_SWISH.replace(input_zero_point=-128, output_zero_point=-128),
        int8([-128, -127, 0, 126, 127]),
    ),
    pin(
        "an input zero point outside the codes: (127 + 300) << 7 does not fit 16 bits and wraps",
        HARD_SWISH.replace(input_zero_point=-300),
        int8([-128, -45, -44, 127]),
    ),
    pin(
        "a gate scaled down, not up: its shift to the right rounds away from zero",
        HARD_SWISH.replace(relu_shift=-2, relu_multiplier=16384),
        int8([-128, -127, -3, -1, 0, 1, 3, 127]),
    ),
)

SELECTIONS = (
    pin(
        "1 takes the second input, 0 the third",
        Select(),
        codes("uint1", [1, 0, 1]),
        int8([1, 2, -128]),
        int8([-1, 127, -3]),
    ),
    pin(
        "a row of bits broadcasts over a column and a number",
        Select(),
        codes("uint1", [0, 1]),
        int16([[-32768], [300]]),
        int16(7),
    ),
    pin(
        "one bit for all: the whole third input, whatever the second holds",
        Select(),
        codes("uint1", 0),
        uint8([255, 0]),
        uint8([3, 4]),
    ),
)

ONE, HALF = np.float32(1), np.float32(0.5)
WIDE_FLOATS = {"lhs_scale": ONE, "rhs_scale": ONE, "scale": ONE, "format": IntFormat(16)}

FLOATS = (
    pin(
        "ties to even, then the zero point: 3/2 and 5/2 of a code are 2, and 9 with 7",
        FloatElementwise(FloatFunction.ADD, **{**WIDE_FLOATS, "scale": np.float32(2)}, zero_point=7),
        int8([1, 2, -1]),
        int8([2, 3, -2]),
    ),
    pin(
        "32766 less 3 * 2**-18 is 32766 in float32, and a quarter of it the tie 8191.5",
        FloatElementwise(
            FloatFunction.SUBTRACT,
            lhs_scale=np.float32(2),
            rhs_scale=np.float32(3 * 2.0**-18),
            scale=np.float32(4),
            format=IntFormat(16),
        ),
        int16([16383, -16384]),
        int8([1, 1]),
    ),
    pin(
        "zero points of either side; 16 bits saturate at both ends",
        FloatElementwise(FloatFunction.MULTIPLY, **WIDE_FLOATS, lhs_zero_point=3, rhs_zero_point=-128),
        int16([32767, -32768, 4]),
        int8([127, 127, -127]),
    ),
    pin(
        "the larger of 2 and 2.5; of -64 and -64, which are other codes",
        FloatElementwise(FloatFunction.MAXIMUM, **{**WIDE_FLOATS, "rhs_scale": HALF, "scale": HALF}),
        int8([2, -64]),
        int8([5, -128]),
    ),
    pin(
        "the smaller, of a column and a row",
        FloatElementwise(FloatFunction.MINIMUM, **{**WIDE_FLOATS, "rhs_scale": HALF}),
        int8([[2], [-3]]),
        int8([5, -128]),
    ),
)

CASES = (*SUMS, *PRODUCTS, *CHOICES, *SELECTIONS, *FLOATS, *BRANCHES, *TABLES, *SWISHES)
