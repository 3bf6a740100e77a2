"""gemmlowp's fixed-point functions once more: one number at a time, values as exact fractions.

A number in Qm is given as the fraction that it stands for; `q` puts a fraction back on the grid of Qm, the
way that a step rounds it. Nothing is shared with intsim.
"""

from __future__ import annotations

from fractions import Fraction

from tests.oracles.arith import round_fraction

F = Fraction
TOP = F(2**31 - 1, 2**31)


def q(value: Fraction, integer_bits: int, rounding: str) -> Fraction:
    """The nearest number of Q`integer_bits` in 32 bits, saturated."""
    unit = F(2) ** (integer_bits - 31)
    code = round_fraction(value / unit, rounding)
    return max(-(2**31), min(2**31 - 1, code)) * unit


def times(a: Fraction, a_bits: int, b: Fraction, b_bits: int) -> Fraction:
    """A doubling high product: integer bits add up, ties go up."""
    return q(a * b, a_bits + b_bits, "half_up")


def constant(value: float, integer_bits: int = 0) -> Fraction:
    """A real constant on its grid."""
    return q(F(value), integer_bits, "half_away")


def exp(a: Fraction) -> Fraction:
    """exp(a) in Q0 for a <= 0 in Q5 (or any Qm with m <= 5)."""
    if a == 0:
        return TOP
    quarters, part = divmod(a, F(1, 4))
    result = _exp_small(part - F(1, 4))
    count = -(quarters + 1)
    for weight, factor in ((1, E[0]), (2, E[1]), (4, E[2]), (8, E[3]), (16, E[4]), (32, E[5]), (64, E[6])):
        if count // weight % 2:
            result = times(result, 0, factor, 0)
    return result


E = [
    F(code, 2**31)  # exp(-1/4), exp(-1/2), exp(-1) ... exp(-16) to 31 places
    for code in (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
]


def _exp_small(a: Fraction) -> Fraction:
    x = q(a, 0, "half_away") + F(1, 8)
    square = times(x, 0, x, 0)
    cube = times(square, 0, x, 0)
    fourth = q(times(square, 0, square, 0) / 4, 0, "half_away")
    inner = times(fourth + cube, 0, constant(1 / 3), 0) + square
    middle = F(1895147668, 2**31)  # exp(-1/8)
    return middle + times(middle, 0, x + q(inner / 2, 0, "half_away"), 0)


def two_over_one_plus(a: Fraction) -> Fraction:
    """2 / (1 + a) in Q2, a in Q0 from 0 to 1."""
    half = q((a + TOP) / 2, 0, "half_away")
    x = constant(48 / 17, 2) + times(half, 0, -constant(32 / 17, 2), 2)  # a tie goes up, so the sign matters
    for _ in range(3):
        x += q(times(x, 2, 1 - times(half, 0, x, 2), 2), 2, "half_away")
    return x


def inverse(a: Fraction) -> Fraction:
    """1 / (1 + a) in Q0."""
    return q(two_over_one_plus(a) / 2, 0, "half_away")


def logarithm(x: Fraction, integer_bits: int, wanted: int) -> Fraction:
    """log(x) in Q`wanted`, x >= 1 in Q`integer_bits`."""
    wide = wanted + 1
    raw = x / F(2) ** integer_bits  # the same integer as Q0
    root = constant(0.5**0.5)
    below = times(raw, 0, root, 0)
    zeros_a, zeros_b = _zeros(raw), _zeros(below) - 1
    first = q(2 * times(q(raw * 2 ** (zeros_a - 1), 0, "floor"), 0, root, 0), 0, "floor")
    second = q(raw * F(2) ** zeros_b, 0, "floor")
    power = max(
        q(q(F(integer_bits - zeros_a), wide, "floor") + F(1, 4), wide, "floor"),
        q(q(F(integer_bits - zeros_b), wide, "floor") - F(1, 4), wide, "floor"),
    )
    r = min(first, second)
    pivot = F(1805811301, 2**31)  # (1/2) ** (1/4)
    p, diff = q((r + pivot) / 2, 0, "half_away"), 2 * (r - pivot)
    square = times(diff, 0, diff, 0)
    alpha = [F(code, 2**31) for code in (117049297, 127690142, 1057819769, 638450708)]
    top = times(diff, 0, r, 0) + times(times(diff, 0, square, 0), 0, alpha[0], 0)
    bottom = times(p, 0, alpha[2] + diff + times(alpha[1], 0, square, 0), 0) + times(alpha[3], 0, diff, 0)
    fraction = times(q(top, wide, "half_away"), wide, inverse(bottom), 0)
    return q(times(power, wide, constant(0.6931471805599453), 0) + fraction, wanted, "half_away")


def _zeros(a: Fraction) -> int:
    """Leading zeros of a Q0 number in 32 bits."""
    return 32 - int(a * 2**31).bit_length()


def inverse_root(total: int) -> tuple[int, int]:
    """1 / sqrt(total) as (32-bit multiplier, shift to the right after 31 places)."""
    if total < 2:
        return 2**31 - 1, 0
    shift = 11
    while total >= 2**29:
        total, shift = total // 4, shift + 1
    while total < 2**27:
        total, shift = total * 4, shift - 1
    x = F(total // 2, 2**28)
    half, y = q(x / 2, 3, "half_away"), F(1)
    for _ in range(5):
        cube = q(times(times(y, 3, y, 3), 6, y, 3), 3, "half_away")
        y = q(times(F(3, 2), 3, y, 3) - times(half, 3, cube, 3), 3, "half_away")
    code = int(times(y, 3, constant(0.5**0.5), 0) * 2**28)
    return (code * 2**-shift, 0) if shift < 0 else (code, shift)
