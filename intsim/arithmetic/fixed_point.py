"""Fixed-point functions of gemmlowp and TensorFlow Lite: 32-bit integers in, 32-bit integers out.

A number in Qm.n is an integer that stands for itself / 2**n, with m integer bits and n = 31 - m. The
functions take int64 arrays, or object arrays of Python ints, all values inside int32, and give the
same kind. Every step is an integer one; no step rounds other than `rounding` says.

References
----------
gemmlowp, fixedpoint/fixedpoint.h (exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1, logistic,
tanh); LiteRT 2.3.0, tflite/kernels/internal/common.h (GetReciprocal, GetInvSqrtQuantizedMultiplierExp,
log_x_for_x_greater_than_or_equal_to_1_impl) and common.cc (MultiplyByQuantizedMultiplier).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic.overflow import saturate, wrap
from intsim.arithmetic.rounding import Rounding, round_shift
from intsim.formats import IntFormat
from intsim.record import Array

_INT32 = IntFormat(32)
ONE = 2**31 - 1
"""1 in Q0.31, as near as it gets."""

_HALF_LIFE = (  # (exponent, exp(-2**exponent) in Q0.31)
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
_EXP_OF_MINUS_EIGHTH = 1895147668  # Q0.31
_THIRD = 715827883  # Q0.31
_48_OVER_17 = 1515870810  # Q2.29
_32_OVER_17 = 1010580540  # Q2.29
_LOG_2 = 1488522236  # Q0.31
_SQRT_HALF = 1518500250  # Q0.31
_ROOT4_HALF = 1805811301  # sqrt(sqrt(1/2)), Q0.31
_ALPHA_N = 117049297  # 11/240 * 2**(1/4), Q0.31
_ALPHA_D = 127690142  # 1/20 * 2**(1/4), Q0.31
_ALPHA_I = 1057819769  # 2 / 2**(1/4) - 2**(1/4), Q0.31
_ALPHA_F = 638450708  # 1/4 * 2**(1/4), Q0.31


def high_multiply(a: Any, b: Any, bits: int = 32) -> Array:
    """a * b / 2**(bits - 1), ties up, saturated: the doubling high product of `bits`-bit integers.

    The integer bits of the operands' Q formats add up.

    Examples
    --------
    >>> int(high_multiply(np.int64(-(2**31)), np.int64(-(2**31)))), int(high_multiply(np.int64(3), 2**30))
    (2147483647, 2)
    """
    return np.asarray(saturate(round_shift(np.asarray(a * b), bits - 1, Rounding.HALF_UP), IntFormat(bits)))


def rescale(value: Array, integer_bits: int, wanted: int) -> Array:
    """From Qm to Qm' of other integer bits: saturated to the left, half away from zero to the right."""
    if wanted <= integer_bits:
        return shift_left(value, integer_bits - wanted)
    return np.asarray(round_shift(value, wanted - integer_bits, Rounding.HALF_AWAY))


def shift_left(value: Array, bits: Any) -> Array:
    """value * 2**bits, saturated to 32 bits."""
    return np.asarray(saturate(np.asarray(value << bits), _INT32))


def bit_length(value: Array) -> Array:
    """How many bits the values take; they are not negative.

    Examples
    --------
    >>> bit_length(np.array([0, 1, 2, 255, 256])).tolist()
    [0, 1, 2, 8, 9]
    """
    length, rest = value * 0, value
    for step in (32, 16, 8, 4, 2, 1):
        high = rest >> step
        length = np.where(high > 0, length + step, length)
        rest = np.where(high > 0, high, rest)
    return length + rest


def leading_zeros(value: Array) -> Array:
    """Zeros above the top bit of 32."""
    return 32 - bit_length(value)


def multiply_by_multiplier(value: Array, multiplier: Any, shift: Any, single_rounding: bool = False) -> Array:
    """value * multiplier * 2**(shift - 31) with a shift per element, in 32 bits.

    Where the shift is known beforehand, the steps of a `Requantization` say the same. Here it is data.

    Parameters
    ----------
    value, multiplier : 32-bit integers
    shift : to the left where above 0, -31 to 31
    single_rounding : one right shift half up, in place of a high product and a shift half away
    """
    if single_rounding:
        return np.asarray(round_shift(np.asarray(value * multiplier), 31 - shift, Rounding.HALF_UP))
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    wide = np.asarray(wrap(np.asarray(value << left), _INT32))
    return np.asarray(round_shift(high_multiply(wide, multiplier), right, Rounding.HALF_AWAY))


def exp_of_negative(a: Array, integer_bits: int) -> Array:
    """exp(a) in Q0.31 for a <= 0 with at most 5 integer bits.

    A polynomial on [-1/4, 0), times exp(-2**k) for every bit 2**k of what is left.
    """
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    near = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(rescale(near, integer_bits, 0))
    rest = near - a
    for exponent, factor in _HALF_LIFE:
        if integer_bits > exponent:
            has = (rest >> (fraction + exponent)) & 1
            result = np.where(has == 1, high_multiply(result, factor), result)
    return np.where(a == 0, a * 0 + ONE, result)


def _exp_near_zero(a: Array) -> Array:
    """exp(a) for a in [-1/4, 0), both Q0.31: the Taylor polynomial around -1/8 of degree 4."""
    x = a + (1 << 28)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4 = high_multiply(x2, x2)
    cubic = high_multiply(round_shift(x4, 2, Rounding.HALF_AWAY) + x3, _THIRD) + x2
    return _EXP_OF_MINUS_EIGHTH + high_multiply(
        x + round_shift(cubic, 1, Rounding.HALF_AWAY), _EXP_OF_MINUS_EIGHTH
    )


def _newton(a: Array) -> Array:
    """2 / (1 + a) in Q2.29 for a in [0, 1], Q0.31: three steps of Newton and Raphson."""
    half = round_shift(a + ONE, 1, Rounding.HALF_AWAY)
    x = _48_OVER_17 + high_multiply(half, -_32_OVER_17)
    for _ in range(3):
        error = (1 << 29) - high_multiply(half, x)
        x = x + rescale(high_multiply(x, error), 4, 2)
    return np.asarray(x)


def one_over_one_plus(a: Array) -> Array:
    """1 / (1 + a) in Q0.31 for a in [0, 1], Q0.31."""
    return rescale(_newton(a), 1, 0)


def logistic(a: Array, integer_bits: int) -> Array:
    """1 / (1 + exp(-a)) in Q0.31."""
    upper = one_over_one_plus(exp_of_negative(-abs(a), integer_bits))
    signed = np.where(a > 0, upper, ONE - upper)
    return np.where(a == 0, a * 0 + (1 << 30), signed)


def tanh(a: Array, integer_bits: int) -> Array:
    """tanh(a) in Q0.31, a with at most 4 integer bits."""
    falling = exp_of_negative(-abs(a), integer_bits + 1)  # the same integer, read as twice the value
    upper = rescale(_newton(falling) - (1 << 29), 2, 0)
    return np.where(a == 0, a * 0, np.where(a < 0, -upper, upper))


def reciprocal(x: Array, integer_bits: int) -> tuple[Array, Array]:
    """1 / x for x > 0 as (scale in Q0.31, bits): 1 / x is scale / 2**bits, bits may be negative."""
    headroom = leading_zeros(x)
    return one_over_one_plus((x << headroom) - (1 << 31)), integer_bits - headroom


def inverse_square_root(x: Array) -> tuple[Array, Array]:
    """1 / sqrt(x) for integers 0 <= x < 2**31 as (multiplier in Q0.31, shift to the right); 0 counts as 1.

    Five steps of Newton and Raphson in Q3.28 from 1.
    """
    tiny = x <= 1
    value = np.where(tiny, x * 0 + 2, x)
    large = value >= 1 << 29
    shift = np.where(large, x * 0 + 12, x * 0 + 11)
    value = np.where(large, value >> 2, value)
    pairs = (leading_zeros(value) - 1) // 2 - 1
    shift = shift - pairs
    value = (value << (2 * pairs)) >> 1
    half = round_shift(value, 1, Rounding.HALF_AWAY)
    root = x * 0 + (1 << 28)
    for _ in range(5):
        cube = rescale(high_multiply(high_multiply(root, root), root), 9, 3)
        root = rescale(high_multiply(root, 3 << 27) - high_multiply(half, cube), 6, 3)
    root = high_multiply(root, _SQRT_HALF) << np.maximum(-shift, 0)
    return np.where(tiny, x * 0 + ONE, root), np.where(tiny, x * 0, np.maximum(shift, 0))


def natural_logarithm(x: Array, integer_bits: int, wanted: int) -> Array:
    """log(x) for x >= 1 in Q`integer_bits`, given in Q`wanted`.

    x is brought to a power of two times r near 2**(-1/4), by the better of two ways to halve it; the
    logarithm of r is a rational function.
    """
    bits = wanted + 1  # one more, so that a saturated power of two does no harm
    quarter = 1 << (29 - bits)
    headroom = leading_zeros(x)
    r_a = shift_left(high_multiply(shift_left(x, headroom - 1), _SQRT_HALF), 1)
    power_a = saturate(shift_left(integer_bits - headroom, 31 - bits) + quarter, _INT32)
    room_b = leading_zeros(high_multiply(x, _SQRT_HALF)) - 1
    power_b = saturate(shift_left(integer_bits - room_b, 31 - bits) - quarter, _INT32)
    r = np.minimum(r_a, shift_left(x, room_b))
    power = np.maximum(power_a, power_b)
    q = 2 * (r - _ROOT4_HALF)
    square = high_multiply(q, q)
    numerator = high_multiply(q, r) + high_multiply(high_multiply(q, square), _ALPHA_N)
    middle = round_shift(r + _ROOT4_HALF, 1, Rounding.HALF_AWAY)
    below = high_multiply(middle, _ALPHA_I + q + high_multiply(square, _ALPHA_D)) + high_multiply(q, _ALPHA_F)
    fraction = high_multiply(rescale(numerator, 0, bits), one_over_one_plus(below))
    return rescale(high_multiply(power, _LOG_2) + fraction, bits, wanted)
