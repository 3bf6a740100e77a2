"""The dialects once more, each as one formula in Python ints, from scales to the value before the zero point.

Nothing here comes from intsim: ratios are exact fractions rounded to floats where the tool has floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from tests.oracles.arith import round_float, round_fraction

Scales = tuple[list[float], float]
"""Scales whose product is taken, and the one that divides; all of them float32."""


def ratio_float64(scales: Scales) -> Fraction:
    """Products and quotient in float64, one after another."""
    numerators, denominator = scales
    product = Fraction(1)
    for scale in numerators:
        product = round_float(product * Fraction(scale), "float64")
    return round_float(product / Fraction(denominator), "float64")


def multiplier_of(ratio: Fraction) -> tuple[int, int]:
    """31-bit multiplier and shift: ratio is about multiplier * 2**(shift - 31)."""
    shift = 0
    while ratio >= Fraction(2) ** shift:
        shift += 1
    while ratio < Fraction(2) ** (shift - 1):
        shift -= 1
    multiplier = round_fraction(ratio * Fraction(2) ** (31 - shift), "half_away")
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    return (multiplier, shift) if shift >= -31 else (0, 0)


def int32(value: int) -> int:
    """C's conversion to int32_t."""
    return (value + 2**31) % 2**32 - 2**31


def tflite_double(value: int, scales: Scales) -> int:
    multiplier, shift = multiplier_of(ratio_float64(scales))
    if shift > 0:
        return math.floor(Fraction(int32(value * 2**shift) * multiplier, 2**31) + Fraction(1, 2))
    nudge = 0 if shift == 0 else 2**30 if value >= 0 else -(2**30)
    return (value * multiplier + 2 ** (30 - shift) + nudge) >> (31 - shift)


def tflite_neon(value: int, scales: Scales) -> int:
    multiplier, shift = multiplier_of(ratio_float64(scales))
    high = (int32(value << max(shift, 0)) * multiplier + 2**30) >> 31
    return round_fraction(Fraction(high, 2 ** max(-shift, 0)), "half_up")


def tflite_single(value: int, scales: Scales) -> int:
    multiplier, shift = multiplier_of(ratio_float64(scales))
    return round_fraction(Fraction(value * multiplier) * Fraction(2) ** (shift - 31), "half_up")


def tflite_m64(value: int, scales: Scales) -> int:
    multiplier, shift = multiplier_of(ratio_float64(scales))
    narrow = min(round_fraction(Fraction(multiplier, 2**16), "half_up"), 0x7FFF)
    return int32(round_fraction(Fraction(value * narrow) * Fraction(2) ** (shift - 15), "half_up"))


def litert_ref_fc(value: int, scales: Scales) -> int:
    return round_fraction(round_float(value * ratio_float64(scales), "float64"), "half_away")


CLOSED_FORMS: dict[str, Callable[[int, Scales], int]] = {
    "litert-ref-fc": litert_ref_fc,
    "tflite-double": tflite_double,
    "tflite-m64": tflite_m64,
    "tflite-neon": tflite_neon,
    "tflite-single": tflite_single,
}
"""Dialect -> formula(sum, scales)."""
