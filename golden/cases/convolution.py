"""conv2d: windows, padding, zero points, groups, and weights of other widths."""

from __future__ import annotations

import numpy as np

from golden.cases.base import count, int8, pin, uint8
from intsim.arithmetic import Accumulator, Overflow
from intsim.formats import IntFormat
from intsim.ops import Conv2d

ONE_TAP = [[[[-128]]]]
ROW = np.array([1, 10, 100]).reshape(1, 1, 3, 1)  # each digit of a sum tells which taps were met
SQUARE = np.array([1, 10, 100, 1000]).reshape(1, 2, 2, 1)

CASES = (
    pin(
        "one tap at both ends of int8: -128 * -128 is the largest product, and no product is its negative",
        Conv2d(weight=ONE_TAP),
        int8([[[-128], [127]]]),
    ),
    pin(
        "windows overlap, stride 1: the digits of each sum tell which pixels it met",
        Conv2d(weight=SQUARE, weight_format=IntFormat(16)),
        int8(count(3, 3, 1, first=1)),
    ),
    pin(
        "asymmetric padding, as SAME gives for stride 2 here: one row below, one column right, none before",
        Conv2d(weight=SQUARE, weight_format=IntFormat(16), stride=(2, 2), padding=((0, 1), (0, 1))),
        int8(count(3, 3, 1, first=1)),
    ),
    pin(
        "the border holds the input zero point: taps in it add nothing, and pixels equal to it neither",
        Conv2d(weight=ROW, input_zero_point=-128, padding=((0, 0), (1, 1))),
        int8([[[-128], [-127], [127]]]),
    ),
    pin(
        "negative input zero point and a weight zero point: every term is (x - zx) * (w - zw)",
        Conv2d(
            weight=[[[[3, 0, 255]]]],
            weight_format=IntFormat(8, signed=False),
            input_zero_point=-7,
            weight_zero_point=128,
        ),
        int8([[[-7, 5, -128]]]),
    ),
    pin(
        "empty taps: the border is wider than the kernel, so corner sums meet no pixel: the bias alone",
        Conv2d(weight=ROW, bias=-5, input_zero_point=4, padding=((1, 1), (3, 3))),
        int8([[[5]]]),
    ),
    pin(
        "dilation 2: a tap of three looks at every other pixel, so reach is 5",
        Conv2d(weight=ROW, dilation=(1, 2)),
        int8([[[1], [2], [3], [4], [5], [6], [7]]]),
    ),
    pin(
        "stride wider than the kernel: pixels between the windows are never read",
        Conv2d(weight=[[[[1], [1]]]], stride=(1, 3)),
        int8([[[1], [2], [100], [4], [5], [100], [7], [8]]]),
    ),
    pin(
        "two groups: outputs 0 and 1 see channels 0 and 1, outputs 2 and 3 see channels 2 and 3",
        Conv2d(weight=[[[[1, 10]]], [[[10, 1]]], [[[1, 10]]], [[[10, 1]]]], groups=2),
        int8([[[1, 2, 3, 4]]]),
    ),
    pin(
        "bias and weight zero point per output channel",
        Conv2d(weight=[[[[5]]], [[[5]]], [[[5]]]], weight_zero_point=[0, 5, -5], bias=[1000, -1, 0]),
        int8([[[9], [-9]]]),
    ),
    pin(
        "int4 weights at both ends against uint8 codes: -8 * 255 and 7 * 255",
        Conv2d(weight=[[[[-8]]], [[[7]]]], weight_format=IntFormat(4)),
        uint8([[[255], [0]]]),
    ),
    pin(
        "1-bit signed weights are -1 and 0",
        Conv2d(weight=[[[[-1], [0], [-1]]]], weight_format=IntFormat(1)),
        int8([[[-128], [127], [1]]]),
    ),
    pin(
        "the bias alone fills the register: INT32_MAX + 1 wraps to INT32_MIN",
        Conv2d(weight=[[[[1]]]], bias=2**31 - 1),
        int8([[[1], [0], [-1]]]),
    ),
    pin(
        "a bias of INT32_MIN, saturating: a sum below it stays there",
        Conv2d(weight=[[[[1]]]], bias=-(2**31), accumulator=Accumulator(overflow=Overflow.SATURATE)),
        int8([[[1], [0], [-1]]]),
    ),
    pin(
        "order decides where a register saturates: rows before channels (hwc) here",
        Conv2d(
            weight=[[[[100, -100], [100, -100]]]],
            accumulator=Accumulator(IntFormat(15), Overflow.SATURATE, order="hwc"),
        ),
        int8([[[127, 127], [127, 127]]]),
    ),
    pin(
        "the same sum with channels outermost (chw): both positive terms come first and saturate",
        Conv2d(
            weight=[[[[100, -100], [100, -100]]]],
            accumulator=Accumulator(IntFormat(15), Overflow.SATURATE, order="chw"),
        ),
        int8([[[127, 127], [127, 127]]]),
    ),
)
