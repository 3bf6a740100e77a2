"""How far Brevitas' float32 carriers can be from the reals they stand for.

Rules
-----
U1. Brevitas multiplies and adds dequantized values in float32. In any order, with or without fused steps,
    K products differ from the exact sum by at most ((1 + u)**(K + 4) - 1) times the sum of magnitudes,
    u = 2**-24: two roundings in the operands, one in the product, at most K in the sum, one for the bias.
    Transformed convolutions (Winograd, FFT) are not covered.
U2. Nothing is rounded, and the difference is 0, where every term and the bias are multiples of one power of
    two and the sum of their magnitudes is at most 2**24 of it.
U3. A batch norm in evaluation mode is x * a + b in float32, a and b of a few operations: at most 6 u times
    |x a| + |mean a| + |bias|, besides what x brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

UNIT = Fraction(1, 1 << 24)


def sum_error(terms: int, magnitude: Fraction) -> Fraction:
    """Rule U1."""
    return ((1 + UNIT) ** (terms + 4) - 1) * magnitude


def exact_sum(scales: Sequence[Fraction], magnitude: Fraction, bias: Fraction = Fraction(0)) -> bool:
    """Rule U2: terms are products of the scales and integers, and magnitudes include the bias."""
    if not all(is_power_of_two(scale) for scale in scales):
        return False
    grid = Fraction(1)
    for scale in scales:
        grid *= scale
    if bias:
        grid = min(grid, lowest_bit(bias))
    return magnitude <= grid * (1 << 24)


def is_power_of_two(value: Fraction) -> bool:
    n, d = value.numerator, value.denominator
    return n > 0 and n & (n - 1) == 0 and d & (d - 1) == 0


def lowest_bit(value: Fraction) -> Fraction:
    """The largest power of two that a dyadic fraction is a multiple of."""
    n = abs(value.numerator)
    return Fraction(n & -n, value.denominator)
