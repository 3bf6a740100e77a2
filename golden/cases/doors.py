"""quantize and dequantize: IEEE floats at the door of a network."""

from __future__ import annotations

import numpy as np

from golden.cases.base import Tensor, float32, int8, int32, pin, uint8
from intsim.arithmetic import Rounding
from intsim.formats import IntFormat, RealFormat
from intsim.formats.table import E4M3, E5M2
from intsim.ops import Dequantize, Quantize

HALF = np.float32(0.5)
TENTH = np.float32(0.1)
TIES = [-0.75, -0.25, -0.0, 0.0, 0.25, 0.75, 1.25]

CASES = (
    pin("ties away from zero, then the zero point", Quantize(scale=HALF, zero_point=3), float32(TIES)),
    pin(
        "ties to even, then the zero point",
        Quantize(scale=HALF, zero_point=3, rounding=Rounding.HALF_EVEN),
        float32(TIES),
    ),
    pin(
        "both ends and beyond: infinities and the largest float32 saturate",
        Quantize(scale=HALF, zero_point=-1),
        float32([-np.inf, -3.4028234663852886e38, -64.0, 64.0, 3.4028234663852886e38, np.inf]),
    ),
    pin(
        "a quotient just below 15.5 by division: 15",
        Quantize(scale=np.float32(0.7)),
        float32([10.84999942779541, -10.84999942779541]),
    ),
    pin(
        "the same by the product with 1 / scale, rounded twice, is the tie 15.5: 16",
        Quantize(scale=np.float32(0.7), reciprocal=True),
        float32([10.84999942779541, -10.84999942779541]),
    ),
    pin(
        "a scale and a zero point per channel, to unsigned codes",
        Quantize(
            scale=np.array([1, 0.25], np.float32),
            zero_point=[0, 128],
            axis=1,
            format=IntFormat(8, signed=False),
        ),
        float32([[-1.0, -1.0], [255.5, 31.75]]),
    ),
    pin(
        "denormal floats: 2**-149 over itself is 1",
        Quantize(scale=np.float32(2**-149)),
        float32([2.0**-149, -(2.0**-149), 2.0**-142]),
    ),
    pin(
        "both ends of int8 about a zero point", Dequantize(scale=HALF, zero_point=-128), int8([-128, 0, 127])
    ),
    pin(
        "the product is made in float64 and rounded once to float32",
        Dequantize(scale=TENTH, zero_point=3),
        int8([3, 4, -128, 10]),
    ),
    pin(
        "int32 codes beyond 2**24: float64 holds them, float32 does not",
        Dequantize(scale=np.float32(1)),
        int32([2**24 + 1, 2**31 - 1, -(2**31)]),
    ),
    pin(
        "a scale per channel, float64 out",
        Dequantize(scale=np.array([0.1, 3.0]), zero_point=[0, 255], axis=0, format=RealFormat(64)),
        uint8([[255, 0], [255, 0]]),
    ),
    pin(
        "codes whose real value is too large for float32 become infinite",
        Dequantize(scale=np.float32(2.0**127)),
        int8([1, 2, -2]),
    ),
    pin(
        "a float64 door, ties to even in 32-bit codes; the last two are beyond them",
        Quantize(scale=np.float64(2.0), format=IntFormat(32), rounding=Rounding.HALF_EVEN),
        Tensor(RealFormat(64), [1.0, 3.0, 5.0, -1.0, 2.0**32 - 1, -(2.0**33)]),
    ),
    pin(
        "to E4M3: ties to even, half the smallest subnormal, a zero's sign, and 448 for all beyond",
        Quantize(scale=HALF, format=E4M3, rounding=Rounding.HALF_EVEN),
        float32([0.53125, 0.59375, 2.0**-11, 3 * 2.0**-11, -0.0, 232.0, 1e9, -np.inf]),
    ),
    pin(
        "from E5M2: the largest, an infinity and minus zero; a tie of float32 between subnormals",
        Dequantize(scale=np.float32(3 * 2.0**-134), input_format=E5M2),
        Tensor(E5M2, [0x7B, 0x7C, 0x80, 0x01, 0xC1]),
    ),
)
