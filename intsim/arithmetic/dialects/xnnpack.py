"""XNNPACK's fixed-point rules: 24-bit multipliers, and the coarser ones of its elementwise kernels.

Its convolutions and fully connected layers are `f32-rne-zp-after` on most processors, and `xnnpack-rndnu`
in the kernels of that name (32-bit ARM, scalar).

References
----------
XNNPACK: src/microparams-init.c (xnn_init_qs8_conv_minmax_rndnu_scalar_params,
xnn_init_qs8_add_minmax_scalar_params, xnn_init_qs8_cvt_scalar_params, xnn_init_qs8_lrelu_scalar_params);
src/qs8-vadd, src/qs8-vcvt, src/qs8-vlrelu.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from intsim.arithmetic.dialects.base import Dialect, positive_ratios, ratio_float32
from intsim.arithmetic.requantize import AnyStep, Multiply, ShiftRight
from intsim.arithmetic.rounding import Rounding
from intsim.errors import SpecError
from intsim.record import Array

ADD_BITS = 20
CONVERT_BITS = 8


def half_up_24(ratios: Array) -> tuple[AnyStep, ...]:
    """The 24 bits of a float32 ratio, one right shift rounded half up."""
    singles = positive_ratios(ratios.astype(np.float32), "xnnpack-rndnu")
    wrong = (singles < 2.0**-32) | (singles >= 256)
    if wrong.any():
        raise SpecError(f"ratio of scales must be 2**-32 to 2**8 for xnnpack-rndnu, not {singles[wrong][0]}")
    parts = [math.frexp(ratio) for ratio in singles.astype(np.float64)]
    return (
        Multiply(multipliers=np.array([int(mantissa * 2**24) for mantissa, _ in parts])),
        ShiftRight(bits=np.array([24 - exponent for _, exponent in parts]), rounding=Rounding.HALF_UP),
    )


def xnnpack_add_multipliers(a_ratio: Any, b_ratio: Any) -> tuple[int, int, int]:
    """The multipliers of both operands of ADD, and the one right shift (half up) after their sum.

    The code is ((a - za) * ma + (b - zb) * mb) >> shift, rounded half up, plus the zero point.

    Parameters
    ----------
    a_ratio, b_ratio : scale of the operand over that of the output, float32, 2**-10 to 2**8

    Examples
    --------
    >>> xnnpack_add_multipliers(1.0, 0.3)
    (1048576, 314573, 20)
    """
    ratios = [float(np.float32(ratio)) for ratio in (a_ratio, b_ratio)]
    if not all(2.0**-10 <= abs(ratio) < 2.0**8 for ratio in ratios):
        raise SpecError(f"ratios of scales must be 2**-10 to 2**8 for XNNPACK's ADD, not {ratios}")
    exponent = math.frexp(max(map(abs, ratios)))[1] - 1
    shift = ADD_BITS - exponent
    a, b = (round(math.ldexp(ratio, shift)) for ratio in ratios)  # lrintf: ties to even
    return a, b, shift


def xnnpack_convert_multiplier(ratio: Any) -> int:
    """The multiplier of QUANTIZE, and of each side of LEAKY_RELU; the right shift after it is 8, half up.

    Parameters
    ----------
    ratio : scale of the input over that of the output, float32 (LEAKY_RELU: times the slope, in float32)

    Raises
    ------
    SpecError
        XNNPACK has no such kernel.

    Examples
    --------
    >>> xnnpack_convert_multiplier(0.083)
    21
    """
    single = float(np.float32(ratio))
    multiplier = round(math.ldexp(single, CONVERT_BITS))
    if not 2.0**-CONVERT_BITS <= abs(single) <= 2.0 ** (15 - CONVERT_BITS):
        raise SpecError(f"ratio of scales must be 2**-8 to 2**7 for XNNPACK's QUANTIZE, not {single}")
    return multiplier


DIALECTS = (
    Dialect(
        "xnnpack-rndnu",
        "24-bit multiplier; one right shift half up",
        "XNNPACK rndnu kernels: src/microparams-init.c, xnn_init_qs8_conv_minmax_rndnu_scalar_params",
        half_up_24,
        ratio_float32,
    ),
)
