"""Two scalings of a sum in Python ints, quick enough for long ranges: gemmlowp's, and a float32 product."""

from __future__ import annotations


def half_even(value: int, shift: int) -> int:
    """value / 2**shift to the nearest integer, ties to even; a negative shift multiplies."""
    if shift <= 0:
        return value * 2**-shift
    low, rest = divmod(value, 2**shift)
    return low + (2 * rest > 2**shift or (2 * rest == 2**shift and low % 2))


def half_away(value: int, shift: int) -> int:
    """value / 2**shift to the nearest integer, ties away from zero."""
    size = (2 * abs(value) + 2**shift) // 2 ** (shift + 1)
    return size if value >= 0 else -size


def double_rounding(value: int, multiplier: int, shift: int) -> int:
    """The high half of twice the product, rounded half up; then a right shift, half away from zero."""
    return half_away((value * multiplier + 2**30) // 2**31, shift)


def float32(value: int) -> tuple[int, int]:
    """An integer as a float32: mantissa of 24 bits, and an exponent of at least 0."""
    spare = max(abs(value).bit_length() - 24, 0)
    return half_even(value, spare), spare


def float32_product(value: int, factor: float) -> int:
    """The product of a sum and a float32 factor, each rounded to float32, to the nearest integer."""
    mantissa, exponent = float32(value)
    numerator, denominator = factor.as_integer_ratio()
    product, more = float32(mantissa * numerator)
    return half_even(product, denominator.bit_length() - 1 - exponent - more)


def clamped(value: int, zero_point: int, lo: int, hi: int) -> int:
    """A scaled sum as a code."""
    return max(lo, min(hi, value + zero_point))
