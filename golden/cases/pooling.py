"""Pooling, reductions, places of extremes, and resizes."""

from __future__ import annotations

import numpy as np

from golden.cases.base import codes, count, int8, int16, pin, uint8
from intsim.arithmetic import Accumulator, Overflow, Rounding
from intsim.formats import IntFormat
from intsim.ops import (
    ArgMax,
    ArgMin,
    AvgPool2d,
    Between,
    FloatAvgPool2d,
    MaxPool2d,
    Mean,
    ReduceMax,
    ReduceMin,
    ResizeBilinear,
    ResizeNearest,
    Sum,
)

AVERAGES = (
    pin(
        "ties away from zero on the raw codes: 1.5 becomes 2 and -1.5 becomes -2",
        AvgPool2d(kernel=(1, 2), stride=(1, 2)),
        int8([[[1], [2], [-1], [-2]]]),
    ),
    pin(
        "the same ties turn about zero point -2: -1.5 lies above it and becomes -1",
        AvgPool2d(kernel=(1, 2), stride=(1, 2), zero_point=-2),
        int8([[[1], [2], [-1], [-2]]]),
    ),
    pin(
        "ties up, in unsigned codes: (254 + 255) / 2 becomes 255",
        AvgPool2d(kernel=(1, 2), rounding=Rounding.HALF_UP),
        uint8([[[254], [255], [0]]]),
    ),
    pin(
        "a border that does not count: a corner of a 3 x 3 window is divided by 4, an edge by 6",
        AvgPool2d(kernel=(3, 3), padding=((1, 1), (1, 1))),
        int8(count(3, 3, 1, first=-100, step=25)),
    ),
    pin(
        "a border that counts as zero points: every sum is divided by 9",
        AvgPool2d(kernel=(3, 3), padding=((1, 1), (1, 1)), zero_point=-100, count_padding=True),
        int8(count(3, 3, 1, first=-100, step=25)),
    ),
    pin(
        "asymmetric border, stride 2: only the last window is cut",
        AvgPool2d(kernel=(2, 2), stride=(2, 2), padding=((0, 1), (0, 1))),
        int8(count(3, 3, 1, first=-4)),
    ),
    pin(
        "a window of the lower end only stays there",
        AvgPool2d(kernel=(2, 2)),
        int8([[[-128], [-128]], [[-128], [-128]]]),
    ),
)

HALVES = FloatAvgPool2d(
    (1, 2), table=np.arange(-8, 8, dtype=np.float32), scale=np.float32(1), input_format=IntFormat(4)
)

FLOAT_AVERAGES = (
    pin(
        "ties to even: 1/2 and 3/2 become 0 and 2, -1/2 becomes 0",
        HALVES,
        codes("int4", [[[0], [1], [2], [-3]]]),
    ),
    pin(
        "the same with zero point 1, which is in the sum that is rounded: 3/2 and 5/2 both become 2",
        HALVES.replace(zero_point=1),
        codes("int4", [[[0], [1], [2], [-3]]]),
    ),
    pin(
        "a third of a code's scale, which no float holds: -8 stands for -24 and a bit",
        HALVES.replace(kernel=(1, 1), scale=np.float32(1 / 3)),
        codes("int4", [[[-8], [1], [7], [0]]]),
    ),
    pin(
        "a border that counts: sums of one tap and of two, each divided by 2",
        HALVES.replace(padding=((0, 0), (1, 1)), count_padding=True),
        codes("int4", [[[7], [5], [-8], [-5]]]),
    ),
)

MAXIMA = (
    pin(
        "a border never wins, even against the lowest code",
        MaxPool2d(kernel=(2, 2), padding=((1, 0), (1, 0))),
        int8([[[-128], [-128]], [[-128], [-127]]]),
    ),
    pin(
        "each channel on its own",
        MaxPool2d(kernel=(1, 3)),
        int8([[[1, -128], [-5, 127], [0, 0]]]),
    ),
    pin(
        "dilation 2 jumps over the largest pixel",
        MaxPool2d(kernel=(1, 2), dilation=(1, 2)),
        int8([[[3], [127], [4], [-1]]]),
    ),
    pin(
        "stride 3 and an asymmetric border: the last window sees one pixel",
        MaxPool2d(kernel=(1, 2), stride=(1, 3), padding=((0, 0), (0, 1))),
        int8([[[1], [2], [9], [-7]]]),
    ),
)

REDUCTIONS = (
    pin(
        "mean with a tie on each side of zero: away from it",
        Mean(axes=(1,)),
        int8([[1, 2], [-1, -2], [-128, 127]]),
    ),
    pin(
        "mean with ties to even, about a zero point of 3",
        Mean(axes=(1,), rounding=Rounding.HALF_EVEN, zero_point=3),
        int8([[3, 4], [4, 5], [2, 3]]),
    ),
    pin(
        "mean over height and width, sizes kept: three channels stay three",
        Mean(axes=(0, 1), keepdims=True),
        int8(count(2, 2, 3, first=-128, step=21)),
    ),
    pin(
        "mean of int16 at both ends: the exact sum is far outside 16 bits",
        Mean(axes=(0,), rounding=Rounding.FLOOR),
        int16([[32767, -32768], [32767, -32768], [32766, -32767]]),
    ),
    pin(
        "sum without zero point: four times the lower end",
        Sum(axes=(0,)),
        int8([-128, -128, -128, -128]),
    ),
    pin(
        "sum over height and width, each channel on its own, in 8 bits that saturate on the way",
        Sum(axes=(0, 1), accumulator=Accumulator(IntFormat(8), Overflow.SATURATE)),
        int8([[[100, 1], [100, 1]], [[-100, 1], [-50, 1]]]),
    ),
    pin(
        "sum over width and channels only; the height stays",
        Sum(axes=(1, 2), keepdims=True),
        int8(count(2, 2, 2, first=-3)),
    ),
    pin(
        "sum that wraps in a register of the codes' own width",
        Sum(axes=(0,), accumulator=Accumulator(IntFormat(8))),
        int8([127, 127, 3]),
    ),
    pin("largest of codes at both ends", ReduceMax(axes=(0,)), int8([-128, 127, 0])),
    pin("largest of negative codes only", ReduceMax(axes=(0,)), int8([-128, -127, -3])),
    pin(
        "largest along the middle axis, size kept",
        ReduceMax(axes=(1,), keepdims=True),
        int8([[[1, -8], [5, -9]], [[-1, 2], [-2, 3]]]),
    ),
    pin("smallest of codes at both ends", ReduceMin(axes=(0,)), int8([-128, 127, 0])),
    pin("smallest of unsigned codes, where 255 is not -1", ReduceMin(axes=(0,)), uint8([255, 128, 254])),
    pin(
        "smallest along two axes that are not neighbours",
        ReduceMin(axes=(0, 2)),
        int8([[[1, -8], [5, -9]], [[-1, 2], [-2, 3]]]),
    ),
)

PLACES = (
    pin("the first of equal largest codes", ArgMax(axis=0), int8([3, 127, 127, -128])),
    pin("the last of equal largest codes", ArgMax(axis=0, last=True), int8([3, 127, 127, -128])),
    pin("all codes equal, at the lower end: place 0", ArgMax(axis=0), int8([-128, -128])),
    pin(
        "largest along rows, size kept, in 2 bits",
        ArgMax(axis=0, keepdims=True, format=IntFormat(2, signed=False)),
        int8([[1, 9], [2, 8], [3, 7], [4, 6]]),
    ),
    pin("the first of equal smallest codes", ArgMin(axis=0), int8([3, -128, 127, -128])),
    pin("the last of equal smallest codes", ArgMin(axis=0, last=True), int8([3, -128, 127, -128])),
    pin("smallest unsigned code: 128 is not negative", ArgMin(axis=0), uint8([128, 127, 255])),
)

BILINEAR_UP = Between(low=[0, 0, 0, 1], high=[1, 1, 1, 1], weight=[0, 256, 768, 0])
BILINEAR_ONE = Between(low=[0], high=[0], weight=[0])

RESIZES = (
    pin(
        "twice as wide, half-pixel centres in 10 bits: the outermost pixels are repeated",
        ResizeBilinear(rows=BILINEAR_ONE, columns=BILINEAR_UP),
        int8([[[-128], [127]]]),
    ),
    pin(
        "exactly between: ties away from zero on both sides of it",
        ResizeBilinear(rows=BILINEAR_ONE, columns=Between(low=[0, 1], high=[1, 2], weight=[512, 512])),
        int8([[[1], [2], [-5]]]),
    ),
    pin(
        "the same, ties up",
        ResizeBilinear(
            rows=BILINEAR_ONE,
            columns=Between(low=[0, 1], high=[1, 2], weight=[512, 512]),
            rounding=Rounding.HALF_UP,
        ),
        int8([[[1], [2], [-5]]]),
    ),
    pin(
        "rows and columns at once are rounded once: 4 pixels of 1, 0, 0, 0 in the middle give 0.25",
        ResizeBilinear(
            rows=Between(low=[0], high=[1], weight=[1]),
            columns=Between(low=[0], high=[1], weight=[1]),
            weight_bits=1,
            rounding=Rounding.CEIL,
        ),
        int8([[[1], [0]], [[0], [0]]]),
    ),
    pin(
        "a weight of one whole takes the other pixel alone",
        ResizeBilinear(rows=BILINEAR_ONE, columns=Between(low=[0], high=[1], weight=[1024])),
        int8([[[-128], [127]]]),
    ),
    pin(
        "twice as large by repeating",
        ResizeNearest(rows=[0, 0, 1, 1], columns=[0, 0, 1, 1]),
        int8(count(2, 2, 1, first=-2)),
    ),
    pin(
        "smaller, from the last column to the first: places may be in any order and left out",
        ResizeNearest(rows=[1], columns=[2, 0]),
        int8(count(2, 3, 2, first=-128, step=20)),
    ),
    pin("one pixel of 4 bits everywhere", ResizeNearest(rows=[0, 0], columns=[0]), codes("int4", [[[-8]]])),
)

CASES = (*AVERAGES, *FLOAT_AVERAGES, *MAXIMA, *REDUCTIONS, *PLACES, *RESIZES)
