"""gemmlowp's fixed-point functions against the fractions of the oracles, and against the reals they mean."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import fixed_point as fx
from tests.oracles import fixed_point as oracle
from tests.oracles.arith import round_div

INT32 = st.integers(-(2**31), 2**31 - 1)
KINDS = pytest.mark.parametrize("dtype", [np.int64, object])


def edges(low: int, high: int) -> st.SearchStrategy[int]:
    """Integers of a range: its ends and powers of two and their neighbours, or any."""
    likely = {low, high, low + 1, high - 1}
    likely |= {sign * 2**bit + step for bit in range(32) for sign in (1, -1) for step in (-1, 0, 1)}
    return st.sampled_from(sorted(value for value in likely if low <= value <= high)) | st.integers(low, high)


def one(value: int, dtype: object) -> np.ndarray:
    return np.array([value], dtype=dtype)


def only(array: np.ndarray) -> int:
    """The one integer of a result, of the kind that was given."""
    (value,) = array
    return int(value)


@KINDS
@given(a=INT32, b=INT32)
def test_high_multiply(dtype, a, b):
    exact = math.floor(Fraction(a * b, 2**31) + Fraction(1, 2))
    assert only(fx.high_multiply(one(a, dtype), one(b, dtype))) == min(exact, 2**31 - 1)


@given(value=st.integers(0, 2**62))
def test_bit_length(value):
    for dtype in (np.int64, object):
        assert only(fx.bit_length(one(value, dtype))) == value.bit_length()


@KINDS
@given(a=edges(-(2**31), 0), bits=st.integers(0, 5))
def test_exp(dtype, a, bits):
    found = only(fx.exp_of_negative(one(a, dtype), bits))
    assert Fraction(found, 2**31) == oracle.exp(Fraction(a, 2 ** (31 - bits)))


@KINDS
@given(a=edges(0, 2**31 - 1))
def test_one_over_one_plus(dtype, a):
    found = only(fx.one_over_one_plus(one(a, dtype)))
    assert Fraction(found, 2**31) == oracle.inverse(Fraction(a, 2**31))


@KINDS
@given(x=edges(1, 2**31 - 1))
def test_reciprocal(dtype, x):
    scale, over = fx.reciprocal(one(x, dtype), 12)
    halvings = x.bit_length() - 20
    assert only(over) == halvings
    mantissa = Fraction(x, 2**19) / Fraction(2) ** halvings
    assert Fraction(only(scale), 2**31) == oracle.inverse(mantissa - 1)


@KINDS
@given(x=edges(2**19, 2**31 - 1))
def test_logarithm(dtype, x):
    found = only(fx.natural_logarithm(one(x, dtype), 12, 5))
    assert Fraction(found, 2**26) == oracle.logarithm(Fraction(x, 2**19), 12, 5)


@KINDS
@given(x=edges(0, 2**31 - 1))
def test_inverse_square_root(dtype, x):
    multiplier, shift = fx.inverse_square_root(one(x, dtype))
    assert (only(multiplier), only(shift)) == oracle.inverse_root(x)


@KINDS
@given(a=edges(-(2**31) + 1, 2**31 - 1))
def test_logistic_and_tanh(dtype, a):
    magnitude = oracle.exp(-abs(Fraction(a, 2**27)))
    upper = oracle.inverse(magnitude)
    wanted = Fraction(1, 2) if a == 0 else upper if a > 0 else oracle.TOP - upper
    assert Fraction(only(fx.logistic(one(a, dtype), 4)), 2**31) == wanted
    double = oracle.exp(-abs(Fraction(a, 2**26)))
    steep = oracle.q(oracle.two_over_one_plus(double) - 1, 0, "half_away")
    wanted = 0 if a == 0 else steep if a > 0 else -steep
    assert Fraction(only(fx.tanh(one(a, dtype), 4)), 2**31) == wanted


@given(
    value=INT32,
    multiplier=st.integers(0, 2**31 - 1),
    shift=st.integers(-31, 7),
    single=st.booleans(),
)
def test_multiply_by_multiplier(value, multiplier, shift, single):
    found = fx.multiply_by_multiplier(one(value, object), one(multiplier, object), one(shift, object), single)
    exact = Fraction(value * multiplier) * Fraction(2) ** (shift - 31)
    if single:
        wanted = math.floor(exact + Fraction(1, 2))
    else:
        wide = (value * 2 ** max(shift, 0) + 2**31) % 2**32 - 2**31
        high = min(math.floor(Fraction(wide * multiplier, 2**31) + Fraction(1, 2)), 2**31 - 1)
        wanted = round_div(high, 2 ** max(-shift, 0), "half_away")
    assert only(found) == wanted


def test_ends():
    assert fx.exp_of_negative(np.array([0, -(2**31)]), 5).tolist() == [fx.ONE, 0]
    assert fx.logistic(np.array([0, 2**31 - 1, -(2**31) + 1]), 4).tolist() == [2**30, 2**31 - 242, 241]
    assert fx.inverse_square_root(np.array([0, 1]))[0].tolist() == [fx.ONE, fx.ONE]
