"""depthwise_conv2d, transpose_conv2d and batch_matmul: what they have beyond conv2d and dense."""

from __future__ import annotations

import numpy as np

from golden.cases.base import count, int8, pin, uint8
from intsim.arithmetic import Accumulator, Overflow, ZeroPointPlace
from intsim.formats import IntFormat
from intsim.ops import BatchMatmul, DepthwiseConv2d, TransposeConv2d

DEPTHWISE = (
    pin(
        "two filters for each of two channels: outputs 0 and 1 see channel 0, outputs 2 and 3 channel 1",
        DepthwiseConv2d(weight=np.array([1, 10, 100, -1]).reshape(2, 2, 1, 1)),
        int8([[[3, 5]]]),
    ),
    pin(
        "asymmetric padding: one row above and two columns right, all of them the zero point 3",
        DepthwiseConv2d(
            weight=np.array([1, 10, 100, 127]).reshape(1, 1, 2, 2),
            input_zero_point=3,
            padding=((1, 0), (0, 2)),
        ),
        int8([[[4], [5]], [[3], [2]]]),
    ),
    pin(
        "dilation down and stride across at once",
        DepthwiseConv2d(weight=np.array([1, 100]).reshape(1, 1, 2, 1), dilation=(2, 1), stride=(1, 2)),
        int8(count(4, 3, 1, first=1)),
    ),
    pin(
        "bias per output channel; weights at both ends of int8 against the input's lower end",
        DepthwiseConv2d(weight=np.array([-128, 127]).reshape(1, 2, 1, 1), bias=[-16384, 16256]),
        int8([[[-128]]]),
    ),
    pin(
        "nine taps of -128 in 10 bits: the fifth saturates at -512, four more bring it to 0, not to -128",
        DepthwiseConv2d(
            weight=np.array([1, 1, 1, 1, 1, -1, -1, -1, -1]).reshape(1, 1, 3, 3),
            accumulator=Accumulator(IntFormat(10), Overflow.SATURATE),
        ),
        int8(np.full((3, 3, 1), -128).tolist()),
    ),
)

TRANSPOSED = (
    pin(
        "stride 2 spreads the pixels: taps overlap in every other output",
        TransposeConv2d(weight=np.array([1, 10, 100]).reshape(1, 1, 3, 1), output_size=(1, 7), stride=(1, 2)),
        int8([[[1], [2], [3]]]),
    ),
    pin(
        "offset 1 drops the first row and column of the spread-out sums, as SAME does",
        TransposeConv2d(
            weight=np.array([1, 10, 100, 127]).reshape(1, 2, 2, 1), output_size=(2, 2), offset=(1, 1)
        ),
        int8(count(2, 2, 1, first=1)),
    ),
    pin(
        "outputs that no pixel reaches hold the bias: stride 3 with a kernel of 1",
        TransposeConv2d(weight=[[[[7]]]], output_size=(1, 5), stride=(1, 3), bias=-9, input_zero_point=-2),
        int8([[[-2], [0]]]),
    ),
    pin(
        "an output larger than what the pixels reach: the rest is the bias",
        TransposeConv2d(weight=[[[[2]]], [[[-2]]]], output_size=(2, 2), bias=[1, -1]),
        int8([[[-128]]]),
    ),
    pin(
        "a weight zero point counts only where a pixel is met, as the gaps hold the input zero point",
        TransposeConv2d(
            weight=np.array([0, 255]).reshape(1, 1, 2, 1),
            weight_format=IntFormat(8, signed=False),
            weight_zero_point=128,
            input_zero_point=100,
            output_size=(1, 4),
            stride=(1, 2),
        ),
        uint8([[[0], [255]]]),
    ),
)

MATRICES = (
    pin(
        "two matrices, rows by columns",
        BatchMatmul(),
        int8([[1, 10], [100, -1]]),
        int8([[1, 2, 3], [4, 5, 6]]),
    ),
    pin(
        "both operands transposed",
        BatchMatmul(transpose_x=True, transpose_y=True),
        int8([[1, 100], [10, -1]]),
        int8([[1, 4], [2, 5], [3, 6]]),
    ),
    pin(
        "one right-hand matrix for two left-hand ones: leading axes broadcast",
        BatchMatmul(),
        int8([[[1, 2]], [[-3, -4]]]),
        int8([[[5], [6]]]),
    ),
    pin(
        "zero points of both operands at opposite ends: (-128 - 127) * (127 + 128) is -255 squared",
        BatchMatmul(x_zero_point=127, y_zero_point=-128),
        int8([[-128, 127]]),
        int8([[127], [-128]]),
    ),
    pin(
        "zero points preloaded as one correction, in 17 bits that saturate: the end -130050 does not fit",
        BatchMatmul(
            x_zero_point=127,
            y_zero_point=-128,
            accumulator=Accumulator(IntFormat(17), Overflow.SATURATE, zero_point=ZeroPointPlace.PRELOAD),
        ),
        int8([[-128, 127, -128]]),
        int8([[127], [-128], [127]]),
    ),
)

CASES = (*DEPTHWISE, *TRANSPOSED, *MATRICES)
