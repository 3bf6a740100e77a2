"""Scales that are powers of two: one right shift, rounded the way the hardware's shifter rounds.

References
----------
AMD Vitis AI 3.5: vai_library, fix.cpp (DPU_ROUND) and pytorch_nndct nndct_fix_kernels_cpu.h, rounding
methods 2 (half up), 3 (half away from zero), 4 (floor) and 8 (half to even); NVDLA: hardware manual,
precision preservation, and its C models' ac_fixed with AC_RND_INF.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, positive_ratios
from intsim.arithmetic.requantize import AnyStep, ShiftLeft, ShiftRight
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.record import Array


def exponents(ratios: Array) -> Array:
    """The e of each ratio 2**e.

    Raises
    ------
    SpecError
        A ratio is no power of two, or out of 2**-62 to 2**62.
    """
    found = []
    for ratio in positive_ratios(ratios, "powers of two"):
        mantissa, exponent = math.frexp(ratio)
        if mantissa != 0.5 or abs(exponent - 1) > 62:
            raise SpecError(f"ratio of scales must be a power of two from 2**-62 to 2**62, not {ratio}")
        found.append(exponent - 1)
    return np.array(found)


def shift(ratios: Array, rounding: Rounding) -> tuple[AnyStep, ...]:
    """A shift to the left where the ratio is above 1, and one to the right."""
    bits = exponents(ratios)
    left = (ShiftLeft(bits=np.maximum(bits, 0)),) if (bits > 0).any() else ()
    return (*left, ShiftRight(bits=np.maximum(-bits, 0), rounding=rounding))


DIALECTS = (
    Dialect(
        "pow2-half-up",
        "right shift, half up",
        "AMD DPU: Vitis AI 3.5 vai_library fix.cpp (DPU_ROUND), nndct rounding method 2",
        partial(shift, rounding=Rounding.HALF_UP),
    ),
    Dialect(
        "pow2-half-away",
        "right shift, half away from zero",
        "NVDLA: hardware manual, precision preservation; ac_fixed AC_RND_INF. Vitis AI rounding method 3",
        partial(shift, rounding=Rounding.HALF_AWAY),
    ),
    Dialect(
        "pow2-even",
        "right shift, half to even",
        "Vitis AI nndct rounding method 8; power-of-two fake quantization by torch.round",
        partial(shift, rounding=Rounding.HALF_EVEN),
    ),
    Dialect(
        "pow2-floor",
        "right shift, floor",
        "plain arithmetic shifts; Vitis AI nndct rounding method 4",
        partial(shift, rounding=Rounding.FLOOR),
    ),
)
