"""Low-bit floats, one Python int and fraction at a time: values by the definition, rounding by search."""

from fractions import Fraction

INFINITY, NAN = "inf", "nan"


def minifloat(code, exponent_bits, mantissa_bits, bias, infinities=False, nan="none", signed=True):
    """(sign, value) of a code; the value is a Fraction, INFINITY or NAN, and the sign True for negative."""
    body_bits = exponent_bits + mantissa_bits
    sign = signed and code >> body_bits == 1
    body = code % 2**body_bits
    high = 2**body_bits - 1
    count = {"none": 0, "minus_zero": 0, "top_code": 1, "top_exponent": 2**mantissa_bits - 1}[nan]
    if body > high - count or (nan == "minus_zero" and sign and body == 0):
        return False, NAN
    if infinities and body == high - count:
        return sign, INFINITY
    field, mantissa = divmod(body, 2**mantissa_bits)
    power = Fraction(2) ** (max(field, 1) - bias)
    return sign, power * (Fraction(mantissa, 2**mantissa_bits) + (field > 0))


def nearest(codes, points, value, rounding):
    """The code that `value` is rounded to; the codes' points ascend from 0, and value >= 0.

    `rounding` is of magnitudes: down, up, half_down, half_up, half_even, half_odd (of the code).
    """
    below = max(i for i, point in enumerate(points) if point <= value)
    if points[below] == value or below == len(points) - 1:
        return codes[below]
    low, high = value - points[below], points[below + 1] - value
    odd = codes[below] % 2 == 1
    tie = {"half_down": False, "half_up": True, "half_even": odd, "half_odd": not odd}
    goes_up = (
        rounding == "up" if rounding in ("down", "up") else low > high or (low == high and tie[rounding])
    )
    return codes[below + goes_up]
