"""Quotients that are rounded as the exact ones are, ties and all."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Rounding
from intsim.arithmetic.encode import encode
from intsim.arithmetic.quotient import divide, divide_in
from intsim.errors import SpecError
from intsim.formats.dyadic import Dyadic
from intsim.formats.minifloat import BINARY32, BINARY64
from intsim.formats.table import E2M1


@pytest.mark.parametrize("power", [10, 22, 100])
@pytest.mark.parametrize("divisor", [1, 3, 12345, 2**36 - 1])
def test_the_least_bit_beside_a_tie_decides(power, divisor):
    """2.5 is a middle of E2M1: one unit of the dividend more or less is seen, however long it is."""
    tie = 5 * divisor * 2**power
    dividends = Dyadic.of_integers(np.array([tie - 1, tie, tie + 1], object), -power - 1)
    quotients = divide(dividends, Dyadic.of_integers(np.array([divisor] * 3)))
    assert encode(E2M1, quotients).tolist() == [4, 4, 5]
    assert encode(E2M1, quotients, Rounding.HALF_AWAY).tolist() == [4, 5, 5]
    assert encode(E2M1, quotients, Rounding.CEIL).tolist() == [5, 5, 5]


@given(st.integers(-(2**80), 2**80), st.integers(1, 2**36 - 1), st.sampled_from(list(Rounding)[:-1]))
def test_rounded_to_24_bits_as_the_fraction(dividend, divisor, rounding):
    quotient = divide(Dyadic.of_integers(np.array([dividend], object)), Dyadic.of_integers([divisor]))
    found = BINARY32.decode(encode(BINARY32, quotient, rounding)).fractions()[0]
    exact = Fraction(dividend, divisor)
    wide = exact.numerator * 2**200 // exact.denominator | (exact.numerator * 2**200 % exact.denominator > 0)
    expected = encode(BINARY32, Dyadic.of_integers(np.array([wide], object), -200), rounding)
    assert found == BINARY32.decode(expected).fractions()[0]


def test_too_long():
    with pytest.raises(SpecError, match=r"^divisors must have at most 36 bits, not 37$"):
        divide(Dyadic.of_integers([1]), Dyadic.of_integers([2**36]))
    with pytest.raises(SpecError, match=r"^format must have at most 24 bits of precision, not 53$"):
        divide_in(BINARY64, Dyadic.of_integers([1]), Dyadic.of_integers([3]))
