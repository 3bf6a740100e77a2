"""requantize: every step at its edges, and lists of steps as runtimes and silicon have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden.cases.base import codes, int8, int32, pin
from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Compare,
    Multiply,
    Overflow,
    Register,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
    Slice,
    Table,
    Thresholds,
)
from intsim.formats import IntFormat
from intsim.ops import Requantize

INT8 = IntFormat(8)
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
TIES = [-5, -3, -2, -1, 0, 1, 2, 3, 5]  # halves are odd: -2.5 to 2.5


def rule(*steps: AnyStep, format: IntFormat = INT8, overflow: Any = Overflow.SATURATE) -> Requantize:
    return Requantize(requantization=Requantization(steps, format, overflow))


def halved(rounding: Rounding, **more: Any) -> Requantize:
    return rule(ShiftRight(bits=1, rounding=rounding, **more))


ROUNDINGS = tuple(
    pin(
        f"halves rounded by {rounding.name}: {rounding.value}",
        halved(rounding, seed=1) if rounding is Rounding.STOCHASTIC else halved(rounding),
        int8(TIES),
    )
    for rounding in Rounding
)

SHIFTS = (
    pin(
        "no step at all: the code's register saturates at both ends",
        rule(),
        int32([INT32_MIN, -129, -128, 127, 128, INT32_MAX]),
    ),
    pin(
        "no step at all: the code's register wraps at both ends",
        rule(overflow=Overflow.WRAP),
        int32([INT32_MIN, -129, -128, 127, 128, INT32_MAX]),
    ),
    pin(
        "no step at all: the code's register traps",
        rule(overflow=Overflow.TRAP),
        int32([-128, 128]),
    ),
    pin(
        "a shift by 31 of both ends of int32, ties to even: -2**31 is exactly -1, 2**31 - 1 just below 1",
        rule(ShiftRight(bits=31, rounding=Rounding.HALF_EVEN)),
        int32([INT32_MIN, -(2**30), 0, 2**30, INT32_MAX]),
    ),
    pin(
        "a shift by 62 of 64-bit sums, the longest there is",
        rule(ShiftRight(bits=62, rounding=Rounding.HALF_AWAY)),
        codes("int64", [-(2**63), -(2**61), 2**61 - 1, 2**61, 2**63 - 1]),
    ),
    pin(
        "a shift of 0 rounds nothing, whatever its rounding",
        rule(ShiftRight(bits=0, rounding=Rounding.AWAY_FROM_ZERO)),
        int8([-128, -1, 0, 1, 127]),
    ),
    pin(
        "a shift per channel: 0, 1 and 7 bits",
        rule(ShiftRight(bits=[0, 1, 7], rounding=Rounding.HALF_UP)),
        int8([[127, 127, 127], [-128, -127, -64]]),
    ),
)

FIXED_POINT = (
    pin(
        "double rounding by 3/16: a high product with 3/8, ties up, then a half, ties away from zero",
        rule(
            Multiply(multipliers=3 << 28),
            ShiftRight(bits=31, rounding=Rounding.HALF_UP),
            ShiftRight(bits=1, rounding=Rounding.HALF_AWAY),
        ),
        int32(list(range(-8, 9))),
    ),
    pin(
        "single rounding of the same ratio: other answers where the first rounding made a tie",
        rule(Multiply(multipliers=3 << 28), ShiftRight(bits=32, rounding=Rounding.HALF_UP)),
        int32(list(range(-8, 9))),
    ),
    pin(
        "the largest multiplier and both ends of int32, before any saturation",
        rule(
            Multiply(multipliers=INT32_MAX),
            ShiftRight(bits=31, rounding=Rounding.HALF_UP),
            format=IntFormat(32),
        ),
        int32([INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX]),
    ),
    pin(
        "multiplier 0, as a flushed ratio has it: the zero point alone",
        rule(Multiply(multipliers=0), ShiftRight(bits=31, rounding=Rounding.HALF_UP), Add(values=-128)),
        int32([INT32_MIN, 0, INT32_MAX]),
    ),
    pin(
        "a left shift into 32 bits that wrap: 2**30 times 4 becomes 0, as C's int32 would",
        rule(
            ShiftLeft(bits=2, into=Register(IntFormat(32))),
            Multiply(multipliers=1 << 30),
            ShiftRight(bits=31, rounding=Rounding.HALF_UP),
            format=IntFormat(32),
        ),
        int32([2**30, 2**29, 2**29 - 1, -(2**29), 3]),
    ),
    pin(
        "a multiplier per channel, one of them negative",
        rule(Multiply(multipliers=[1, -1, 100]), ShiftRight(bits=2, rounding=Rounding.FLOOR)),
        int8([[-128, -128, -128], [5, 5, 5]]),
    ),
    pin(
        "the zero point comes after the rounding: a tie at odd zero point still goes up",
        rule(ShiftRight(bits=1, rounding=Rounding.HALF_UP), Add(values=-7)),
        int8(TIES),
    ),
    pin(
        "a ReLU6 inside int8: limits between the format's ends, and a zero point on the lower one",
        rule(ShiftRight(bits=4, rounding=Rounding.HALF_UP), Add(values=-10), Clamp(lo=-10, hi=93)),
        int32([-10000, -8, -7, 0, 7, 8, 1640, 1656, 10000]),
    ),
    pin(
        "limits per channel",
        rule(Clamp(lo=[0, -128, 5], hi=[6, 127, 5])),
        int32([[-1000, -1000, -1000], [1000, 1000, 1000]]),
    ),
)

REGISTERS = (
    pin(
        "17 bits before the clamp: what wraps there comes out with the other sign",
        rule(
            Multiply(multipliers=3),
            ShiftRight(bits=1, rounding=Rounding.FLOOR, into=Register(IntFormat(17))),
            Clamp(lo=-128, hi=127),
        ),
        int32([43690, 43691, -43691, 100]),
    ),
    pin(
        "34 bits after the shift, saturated",
        rule(
            ShiftLeft(bits=3, into=Register(IntFormat(34), Overflow.SATURATE)),
            ShiftRight(bits=27, rounding=Rounding.FLOOR),
        ),
        int32([INT32_MIN, INT32_MAX, 2**30 - 1, -1]),
    ),
    pin(
        "16 bits that trap before the offset",
        rule(ShiftRight(bits=8, into=Register(IntFormat(16), Overflow.TRAP)), Add(values=1)),
        int32([2**23 - 1, 2**23]),
    ),
    pin(
        "bits 11 to 4 wired out, the sign among the bits that are lost",
        rule(Slice(hi=11, lo=4)),
        int32([0x7FF, 0x800, 0xFFF, -1, -0x801, INT32_MIN]),
    ),
    pin(
        "the same bits read without a sign",
        rule(Slice(hi=11, lo=4, signed=False), format=IntFormat(8, signed=False)),
        int32([0x7FF, 0x800, 0xFFF, -1, -0x801, INT32_MIN]),
    ),
)

STAIRS = (
    pin(
        "thresholds reached count: at, just below and just above each",
        rule(Thresholds(values=[-3, 0, 0, 5])),
        int8([-128, -4, -3, -1, 0, 4, 5, 127]),
    ),
    pin(
        "thresholds must be passed to count",
        rule(Thresholds(values=[-3, 0, 0, 5], compare=Compare.ABOVE)),
        int8([-128, -4, -3, -1, 0, 4, 5, 127]),
    ),
    pin(
        "one threshold per channel makes 1-bit codes, -1 added for bipolar ones",
        rule(Thresholds(values=[[0], [-10], [127]]), format=IntFormat(1, signed=False)),
        int8([[0, -10, 127], [-1, -11, 126]]),
    ),
    pin(
        "a table behind a clamp: what lies outside takes the first and the last entry",
        rule(Clamp(lo=-2, hi=2), Table(entries=[127, -5, 0, 5, -128], first=-2)),
        int8([-128, -3, -2, -1, 0, 1, 2, 3, 127]),
    ),
)

HALF = np.float32(0.5)

FLOATS = (
    pin(
        "float32 by one half, ties to even, zero point after: 0.5 goes to 0, 1.5 to 2",
        rule(Scale(factors=HALF), Add(values=3)),
        int32([*TIES, 7, 9]),
    ),
    pin(
        "the zero point added before the rounding: at an odd one the same ties go the other way",
        rule(Scale(factors=HALF, after=np.float32(3))),
        int32([*TIES, 7, 9]),
    ),
    pin(
        "float64 by one half, ties away from zero",
        rule(Scale(factors=np.float64(0.5), rounding=Rounding.HALF_AWAY)),
        int32(TIES),
    ),
    pin(
        "sums beyond 2**24 lose bits on their way to float32: 16777217 is read as 16777216",
        rule(Scale(factors=np.float32(1)), format=IntFormat(32)),
        int32([2**24, 2**24 + 1, 2**24 + 2, 2**24 + 3, INT32_MAX, -(2**24) - 1]),
    ),
    pin(
        "the same in float64 loses nothing",
        rule(Scale(factors=np.float64(1)), format=IntFormat(32)),
        int32([2**24, 2**24 + 1, 2**24 + 2, 2**24 + 3, INT32_MAX, -(2**24) - 1]),
    ),
    pin(
        "0.1 in float32 is above 0.1, yet 5 times it rounds to exactly 0.5: a tie, which goes to even",
        rule(Scale(factors=np.float32(0.1))),
        int32([5, 15, 25, 35, 45, -5, -15, -25]),
    ),
    pin(
        "added before the product, per channel: (sum + 0.25) * 2 is a tie, (sum - 0.5) * 0.5 is none",
        rule(Scale(factors=np.array([2, 0.5], np.float32), before=np.array([0.25, -0.5], np.float32))),
        int32([[1, 1], [-1, -2]]),
    ),
    pin(
        "the smallest factor of float32: every product is 0",
        rule(Scale(factors=np.float32(2**-149), rounding=Rounding.FLOOR)),
        int32([INT32_MAX, 1, 0]),
    ),
)

CASES = (*ROUNDINGS, *SHIFTS, *FIXED_POINT, *REGISTERS, *STAIRS, *FLOATS)
