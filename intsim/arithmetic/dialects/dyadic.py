"""HAWQ-V3's dyadic numbers: multiplier / 2**shift, the product rounded half to even.

HAWQ multiplies in float64, so a product of more than 53 bits is rounded once more before the shift; below
that the steps are an integer product and a right shift rounded half to even.

References
----------
HAWQ (Zhen-Dong/HAWQ): utils/quantization_utils/quant_utils.py, batch_frexp and fixedpoint_mul.
"""

from __future__ import annotations

import math

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, positive_ratios, ratio_float32_product
from intsim.arithmetic.requantize import AnyStep, Scale
from intsim.arithmetic.rounding import Rounding
from intsim.record import Array

MULTIPLIER_BITS = 31


def dyadic(ratio: float) -> tuple[int, int]:
    """A positive real ratio as (multiplier, shift), ratio ~ multiplier * 2**-shift; multiplier up to 2**31.

    Examples
    --------
    >>> dyadic(0.75)
    (1610612736, 31)
    """
    mantissa, exponent = math.frexp(ratio)
    return math.floor(mantissa * 2**MULTIPLIER_BITS + 0.5), MULTIPLIER_BITS - exponent


def float64_half_even(ratios: Array) -> tuple[AnyStep, ...]:
    """The float64 product with a 31-bit dyadic number, rounded half to even."""
    pairs = [dyadic(float(ratio)) for ratio in positive_ratios(ratios, "dyadic-rne")]
    factors = [math.ldexp(multiplier, -shift) for multiplier, shift in pairs]
    return (Scale(factors=np.array(factors, np.float64), rounding=Rounding.HALF_EVEN),)


DIALECTS = (
    Dialect(
        "dyadic-rne",
        "31-bit multiplier over a power of two, product in float64, ties to even",
        "HAWQ-V3: utils/quantization_utils/quant_utils.py, fixedpoint_mul",
        float64_half_even,
        ratio_float32_product,
    ),
)
