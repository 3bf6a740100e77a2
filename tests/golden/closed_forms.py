"""The dialects once more, each as one formula in Python ints, from scales to the code before saturation.

Nothing here comes from intsim: scales are exact fractions, rounded to floats where the tool has floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from tests.oracles.arith import round_float, round_fraction

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Given:
    """One sum, and what it is scaled by; the scales are float32."""

    value: int
    numerators: list[float]
    denominator: float
    zero_point: int
    bias: float

    def ratio(self, product: str, quotient: str) -> Fraction:
        """Products and quotient, each rounded to the named float."""
        total = Fraction(1)
        for scale in self.numerators:
            total = round_float(total * Fraction(scale), product)
        return round_float(total / Fraction(self.denominator), quotient)

    @property
    def float64(self) -> Fraction:
        return self.ratio("float64", "float64")

    @property
    def float32(self) -> Fraction:
        return self.ratio("float32", "float32")


def power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def parts(ratio: Fraction, bits: int) -> tuple[int, int]:
    """ratio is about multiplier * 2**(exponent - bits), the multiplier having `bits` bits."""
    exponent = 0
    while ratio >= power(exponent):
        exponent += 1
    while ratio < power(exponent - 1):
        exponent -= 1
    multiplier = math.floor(ratio * power(bits - exponent) + HALF)
    return (multiplier // 2, exponent + 1) if multiplier == 2**bits else (multiplier, exponent)


def int32(value: int) -> int:
    """C's conversion to int32_t."""
    return (value + 2**31) % 2**32 - 2**31


def tflite_parts(g: Given) -> tuple[int, int]:
    multiplier, shift = parts(g.float64, 31)
    return (multiplier, shift) if shift >= -31 else (0, 0)


def tflite_double(g: Given) -> int:
    multiplier, shift = tflite_parts(g)
    if shift > 0:
        return math.floor(Fraction(int32(g.value * 2**shift) * multiplier, 2**31) + HALF) + g.zero_point
    nudge = 0 if shift == 0 else 2**30 if g.value >= 0 else -(2**30)
    return ((g.value * multiplier + 2 ** (30 - shift) + nudge) >> (31 - shift)) + g.zero_point


def tflite_neon(g: Given) -> int:
    multiplier, shift = tflite_parts(g)
    high = (int32(g.value << max(shift, 0)) * multiplier + 2**30) >> 31
    return math.floor(high * power(min(shift, 0)) + HALF) + g.zero_point


def tflite_single(g: Given) -> int:
    multiplier, shift = tflite_parts(g)
    return math.floor(g.value * multiplier * power(shift - 31) + HALF) + g.zero_point


def tflite_m64(g: Given) -> int:
    multiplier, shift = tflite_parts(g)
    narrow = min((multiplier + 2**15) // 2**16, 0x7FFF)
    return int32(math.floor(g.value * narrow * power(shift - 15) + HALF)) + g.zero_point


def litert_ref_fc(g: Given) -> int:
    return round_fraction(round_float(g.value * g.float64, "float64"), "half_away") + g.zero_point


def float32_product(value: Fraction, g: Given) -> Fraction:
    return round_float(round_float(value, "float32") * g.float32, "float32")


def zero_point_after(g: Given) -> int:
    return round_fraction(float32_product(Fraction(g.value), g), "half_even") + g.zero_point


def zero_point_before(g: Given) -> int:
    shifted = round_float(float32_product(Fraction(g.value), g) + g.zero_point, "float32")
    return round_fraction(shifted, "half_even")


def fbgemm(g: Given) -> int:
    biased = round_float(Fraction(g.value), "float32") + Fraction(g.bias)
    return round_fraction(float32_product(biased, g), "half_even") + g.zero_point


def rndnu(g: Given) -> int:
    """The 24 bits that a float32 has."""
    multiplier, exponent = parts(g.float32, 24)
    return math.floor(g.value * multiplier * power(exponent - 24) + HALF) + g.zero_point


def tosa(g: Given, bits: int, double: bool = False) -> int:
    multiplier, exponent = parts(g.float64, bits)
    shift = bits - exponent
    if shift > 62:
        multiplier, shift = multiplier // 2 ** (shift - 62), 62
    nudge = 0 if not double or shift <= 31 else 2**30 if g.value >= 0 else -(2**30)
    return ((g.value * multiplier + 2 ** (shift - 1) + nudge) >> shift) + g.zero_point


def dyadic(g: Given) -> int:
    multiplier, exponent = parts(g.ratio("float32", "float64"), 31)
    product = round_float(g.value * multiplier * power(exponent - 31), "float64")
    return round_fraction(product, "half_even") + g.zero_point


def exact(rounding: str) -> Callable[[Given], int]:
    """No arithmetic of a machine at all: the quotient itself, rounded."""
    return lambda g: round_fraction(g.value * g.float64, rounding) + g.zero_point


CLOSED_FORMS: dict[str, Callable[[Given], int]] = {
    "dyadic-rne": dyadic,
    "f32-rne-zp-after": zero_point_after,
    "f32-rne-zp-before": zero_point_before,
    "fbgemm-float-bias": fbgemm,
    "litert-ref-fc": litert_ref_fc,
    "multithreshold": exact("half_up"),
    "pow2-even": exact("half_even"),
    "pow2-floor": exact("floor"),
    "pow2-half-away": exact("half_away"),
    "pow2-half-up": exact("half_up"),
    "tflite-double": tflite_double,
    "tflite-m64": tflite_m64,
    "tflite-neon": tflite_neon,
    "tflite-single": tflite_single,
    "tosa-scale16": lambda g: tosa(g, 15),
    "tosa-scale32": lambda g: tosa(g, 31),
    "tosa-scale32-double": lambda g: tosa(g, 31, double=True),
    "xnnpack-rndnu": rndnu,
}
"""Dialect -> formula."""
