"""Ops on whole rows: softmax in its recipes, log_softmax, l2_normalization."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from golden.cases.base import codes, int8, int16, pin, uint8
from intsim.arithmetic import (
    FixedPointSoftmax,
    FloatSoftmax,
    Multiply,
    QuotientSoftmax,
    Requantization,
    Rounding,
    ShiftLeft,
    ShiftRight,
    TableSoftmax,
)
from intsim.formats import IntFormat
from intsim.ops import L2Normalization, LogSoftmax, Softmax

INT32 = IntFormat(32)

# a code of the input is 1/16: a difference times 2**22 is in Q5.26; -248 is how far back TensorFlow Lite
# looks with a left shift of 23
SIXTEENTHS = Requantization(
    (ShiftLeft(bits=23), Multiply(multipliers=2**30), ShiftRight(bits=31, rounding=Rounding.HALF_UP)), INT32
)
# the same for a code of 0.1, as TensorFlow Lite makes it: multiplier 0.8 * 2**31, left shift 23
TENTHS = Requantization(
    (ShiftLeft(bits=23), Multiply(multipliers=1717986918), ShiftRight(bits=31, rounding=Rounding.HALF_UP)),
    INT32,
)
FIXED = FixedPointSoftmax(SIXTEENTHS, -248)
FIXED_TENTHS = FixedPointSoftmax(TENTHS, -248)

FIXED_POINT = (
    pin("four equal codes: a quarter each", Softmax(FIXED), int8([5, 5, 5, 5])),
    pin(
        "one code alone: probability 1 does not fit 1/256 steps and saturates at 127",
        Softmax(FIXED),
        int8([-128]),
    ),
    pin(
        "both ends of int8: the lower one is 255 codes away, below diff_min, and is not looked at",
        Softmax(FIXED),
        int8([127, -128, 127]),
    ),
    pin("two rows, each on its own", Softmax(FIXED_TENTHS), int8([[0, 10, 20], [20, 10, 0]])),
    pin(
        "unsigned codes out: a probability of 0 is 0",
        Softmax(FIXED_TENTHS, IntFormat(8, signed=False)),
        uint8([0, 100, 110, 255]),
    ),
    pin(
        "int8 in, int16 out: the same shares in finer steps",
        Softmax(FIXED_TENTHS, IntFormat(16)),
        int8([0, 10, 20]),
    ),
)


def exponential() -> list[int]:
    """exp from -10 to 0 in 513 places, times 2**15; the last one is what int16 has."""
    places = [(Decimal(10 * i) / 512 - 10).exp() * 2**15 for i in range(513)]
    return [min(int(place + Decimal("0.5")), 32767) for place in places]


def one_over_one_plus() -> list[int]:
    """1 / (1 + i / 512), times 2**15."""
    return [min((2**15 * 512 * 2 + 512 + i) // (2 * (512 + i)), 32767) for i in range(513)]


# a code of the input is 10 / 65535: differences are the tables' own places
TABLES = TableSoftmax(Requantization((Multiply(multipliers=1),), INT32), exponential(), one_over_one_plus())

INTERPOLATED = (
    pin(
        "16 bits by two interpolated tables: equal, far apart, and less than a table step apart",
        Softmax(TABLES, IntFormat(16)),
        int16([[100, 100, 100, 100], [32767, -32768, 0, 0], [50, 0, -50, -127]]),
    ),
)

POWERS = FloatSoftmax(np.array([2.0 ** (i - 15) for i in range(16)], np.float32), np.float32(1 / 256), -128)

HALVING = [7, 6, 5, 4, 3, 2, 1, 0, -1, -1]  # 1, 1/2, ... 1/256, 1/256: together 2

FLOATING = (
    pin(
        "a float32 table of powers of two: shares 1/2, 1/4, 1/4",
        Softmax(POWERS),
        codes("int4", [7, 6, 6]),
    ),
    pin(
        "a share that no float holds: 256 / 3 each, rounded at 85.33",
        Softmax(POWERS),
        codes("int4", [-8, -8, -8]),
    ),
    pin(
        "the last two of ten codes have a share of 1/512, half a code: away from zero",
        Softmax(POWERS),
        codes("int4", HALVING),
    ),
    pin(
        "the same with ties to even: no probability left",
        Softmax(POWERS.replace(rounding=Rounding.HALF_EVEN)),
        codes("int4", HALVING),
    ),
)

QUOTIENTS = QuotientSoftmax(np.array([2.0 ** (i - 15) for i in range(16)], np.float32), np.float32(256), -128)

DIVIDED = (
    pin("quotients by the sum: 128, 64 and 64 of 256", Softmax(QUOTIENTS), codes("int4", [7, 6, 6])),
    pin(
        "one code alone has all 256 codes, of which int8 holds 127 above -128",
        Softmax(QUOTIENTS),
        codes("int4", [3]),
    ),
    pin(
        "the last two of ten codes are half a code each: to even, none",
        Softmax(QUOTIENTS),
        codes("int4", HALVING),
    ),
)

BACK = Requantization(
    (
        Multiply(multipliers=2**30),
        ShiftRight(bits=31, rounding=Rounding.HALF_UP),
        ShiftRight(bits=21, rounding=Rounding.HALF_AWAY),
    ),
    INT32,
)
LOGARITHMS = LogSoftmax(SIXTEENTHS, BACK, -248)

LOGS = (
    pin("one code alone: log 1 is 0, the largest code", LOGARITHMS, int8([-128])),
    pin("two equal codes: -log 2 is 11.09 sixteenths below", LOGARITHMS, int8([9, 9])),
    pin(
        "both ends of int8: what is too far below gets the smallest code",
        LOGARITHMS,
        int8([[127, -128, 0], [-128, -121, -120]]),
    ),
    pin(
        "unsigned codes: 255 stands for 0",
        LOGARITHMS.replace(format=IntFormat(8, signed=False)),
        uint8([255, 239, 0]),
    ),
)

LENGTHS = (
    pin("3, 4 and 5: 0.6 and 0.8 of 128, rounded", L2Normalization(), int8([3, 4])),
    pin("a row of zeros stays zeros", L2Normalization(), int8([0, 0, 0])),
    pin(
        "one code alone is 1, which does not fit: 127, and -128 does",
        L2Normalization(),
        int8([[5], [-5], [127], [-128]]),
    ),
    pin(
        "zero points: a row of the zero point has no length",
        L2Normalization(input_zero_point=-7, output_zero_point=3),
        int8([[-7, -7], [-6, -8], [127, -128]]),
    ),
    pin(
        "unsigned, scaled before the multiplier: zero point 128 on both sides",
        L2Normalization(
            input_zero_point=128,
            output_zero_point=128,
            format=IntFormat(8, signed=False),
            scaled_first=True,
        ),
        uint8([[0, 255, 128], [129, 129, 129]]),
    ),
    pin(
        "one rounding in place of two",
        L2Normalization(single_rounding=True),
        int8([[1, 2, 3, -4], [-128, 127, 100, -77]]),
    ),
)

CASES = (*FIXED_POINT, *INTERPOLATED, *FLOATING, *DIVIDED, *LOGS, *LENGTHS)
