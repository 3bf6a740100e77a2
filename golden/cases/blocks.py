"""block_quantize, block_dequantize and block_dense: blocks of low-bit numbers under shared scales."""

from __future__ import annotations

import numpy as np

from golden.cases.base import Tensor, float32, int8, pin
from intsim.arithmetic.blocks import FP32, BlockAccumulator, FloatRegister, SoftFloat
from intsim.formats import BlockFormat, Level, Ternary
from intsim.formats.minifloat import BFLOAT16, BINARY16, BINARY32
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E2M1, E4M3, E5M2, named
from intsim.ops import BlockDense, BlockDequantize, BlockQuantize

MXFP4, NVFP4, VS_QUANT, GPTQ = (named(name).format for name in ("mxfp4", "nvfp4", "vs-quant", "gptq"))
PAIRS = BlockFormat(E2M1, (Level(2, E8M0),))
WIDE = BlockFormat(E5M2, (Level(4, E8M0),))
ONE, HALF, NAN = 127, 126, 255
"""Codes of E8M0."""
FOUR = Tensor(E5M2, [0x7B, 0x4C, 0x00, 0x01])
"""57344, 16, 0 and 2**-16."""


def scales(codes: list[int]) -> Tensor:
    return Tensor(E8M0, codes)


CASES = (
    pin(
        "MXFP4 by the exponent of the largest: 7 saturates at 6, 2.5 is a tie to even, -0.25 is minus zero",
        BlockQuantize(MXFP4),
        float32([7.0, 2.5, -0.25, 3.5, 0.0]),
    ),
    pin(
        "a block of zeros has the smallest scale; the block beside it is the smallest float32",
        BlockQuantize(PAIRS),
        float32([0.0, -0.0, 2.0**-149, 0.0, 1.0]),
    ),
    pin(
        "NVFP4: the float32 scale of the sample, then E4M3 scales that are rounded under it",
        BlockQuantize(NVFP4),
        float32([[0.1] * 16 + [3.0], [-5.0] * 16 + [0.7]]),
    ),
    pin(
        "NVFP4 under a float32 scale that was chosen before: 1.0",
        BlockQuantize(NVFP4, outer=[0x3F800000]),
        float32([448.0 * 6, 0.3, -1.0]),
    ),
    pin(
        "VS-Quant from integers, a float16 for every row",
        BlockQuantize(VS_QUANT, per_row=True),
        int8([[127, -128, 3], [0, 0, 0]]),
    ),
    pin(
        "MXFP4 to float32 at the door: beyond its largest, and 2**-128",
        BlockDequantize(PAIRS, real=True),
        Tensor(E2M1, [7, 15, 1, 9]),
        scales([254, 0]),
    ),
    pin(
        "codes of E5M2 for a NaN scale, and for 3 * 2**-17, a tie between subnormals",
        BlockDequantize(PAIRS, output=SoftFloat(E5M2)),
        Tensor(E2M1, [1, 0, 3, 11]),
        scales([NAN, 111]),
    ),
    pin(
        "groups of GPTQ: 15 less a zero point that is kept less 1, under 0.5",
        BlockDequantize(GPTQ),
        Tensor(GPTQ.element, [15, 0, 8]),
        Tensor(BINARY16, [0x3800]),
        Tensor(GPTQ.levels[0].zero, [8]),
    ),
    pin(
        "a product of three significands, rounded once to bfloat16: NVFP4",
        BlockDequantize(NVFP4, output=SoftFloat(BFLOAT16)),
        Tensor(E2M1, [7, 3, 8]),
        Tensor(E4M3, [0x3D]),
        Tensor(BINARY32, [0x3DCCCCCD]),
    ),
    pin(
        "E5M2 squares take 65 bits: 2**-32 decides that 49 * 2**26 + 128 is rounded up",
        BlockDense([[0x7B, 0x48, 0x00, 0x01]], ([[ONE]],), WIDE, WIDE),
        FOUR,
        scales([ONE]),
    ),
    pin(
        "the same without it is a tie to even, downward",
        BlockDense([[0x7B, 0x48, 0x00, 0x00]], ([[ONE]],), WIDE, WIDE),
        FOUR,
        scales([ONE]),
    ),
    pin(
        "a bfloat16 register between blocks loses 1 beside 256, one block after another; then a bias",
        BlockDense(
            [[6, 0, 2, 0, 2, 0]],
            ([[133, ONE, ONE]],),
            PAIRS,
            PAIRS,
            bias=[0x3F80],
            accumulator=BlockAccumulator(register=FloatRegister(SoftFloat(BFLOAT16))),
        ),
        Tensor(E2M1, [2, 0, 2, 0, 2, 0]),
        scales([ONE, ONE, ONE]),
    ),
    pin(
        "a NaN scale makes the whole row NaN, zeros or not",
        BlockDense([[0, 0, 2, 2]], ([[NAN, ONE]],), PAIRS, PAIRS),
        Tensor(E2M1, [2, 2, 2, 2]),
        scales([ONE, ONE]),
    ),
    pin(
        "NVFP4 both ways: the product of two float32 scales is rounded, and then its product with the sum",
        BlockDense(
            [[7, 2], [1, 9]],
            ([[0x7E], [0x01]], [0x3F8CCCCD]),
            NVFP4,
            NVFP4,
            outer=[0x3DCCCCCD],
            accumulator=BlockAccumulator(output=FP32, outer=FP32),
        ),
        Tensor(E2M1, [7, 3]),
        Tensor(E4M3, [0x3D]),
    ),
    pin(
        "int8 activations against trits under a float16, as in ggml's TQ2_0",
        BlockDense(
            np.array([[1, 0, -1, 1]]),
            ([[0x3555]],),
            BlockFormat(Ternary(), (Level(256, BINARY16),)),
        ),
        int8([127, 5, -128, 2]),
    ),
)
