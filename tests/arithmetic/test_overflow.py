"""What registers hold, against the shared oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Overflow, Register, fit
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.testing import plain
from intsim.testing.strategies import codes, formats
from tests.oracles.arith import Trap
from tests.oracles.arith import fit as oracle_fit


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SATURATE])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_value_of_ten_bits(bits, signed, overflow):
    format = IntFormat(bits, signed)
    values = np.arange(-600, 601)
    expected = [oracle_fit(int(v), plain(format), overflow.name.lower()) for v in values]
    assert fit(values, format, overflow).tolist() == expected
    assert fit(values.astype(object), format, overflow).tolist() == expected
    assert [fit(int(v), format, overflow) for v in values] == expected


@given(
    values=st.lists(codes(IntFormat(64)), min_size=1, max_size=5),
    format=formats(1, 64),
    overflow=st.sampled_from(Overflow),
)
def test_the_edges_of_int64(values, format, overflow):
    array = np.array(values)
    try:
        expected = [oracle_fit(value, plain(format), overflow.name.lower()) for value in values]
    except Trap:
        for given_values in (array, array.astype(object)):
            with pytest.raises(OverflowTrap):
                fit(given_values, format, overflow)
        return
    assert fit(array, format, overflow).tolist() == expected
    assert fit(array.astype(object), format, overflow).tolist() == expected


@given(
    value=st.integers(-(2**80), 2**80),
    format=formats(1, 64),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
)
def test_python_ints_of_any_width(value, format, overflow):
    expected = oracle_fit(value, plain(format), overflow.name.lower())
    assert fit(value, format, overflow) == expected
    assert fit(np.array([value], object), format, overflow).tolist() == [expected]


def test_trap_names_the_first_place():
    values = np.array([[0, 7], [8, -9]])
    with pytest.raises(OverflowTrap) as error:
        fit(values, IntFormat(4), Overflow.TRAP)
    assert str(error.value) == "register must hold int4 (-8 to 7), not 8 at (1, 0): 2 of 4 values do not fit"
    assert fit(values[:1], IntFormat(4), Overflow.TRAP) is not None
    with pytest.raises(OverflowTrap) as error:
        fit(16, IntFormat(4, signed=False), Overflow.TRAP)
    assert str(error.value) == "register must hold uint4 (0 to 15), not 16 at (): 1 of 1 values do not fit"


def test_a_wrap_to_uint64_keeps_what_int64_cannot():
    assert fit(np.array([-1]), IntFormat(64, signed=False), Overflow.WRAP).tolist() == [2**64 - 1]
    assert fit(np.array([1]), IntFormat(64, signed=False), Overflow.WRAP).dtype == np.int64


def test_register_names():
    assert str(Register(IntFormat(20), Overflow.SATURATE)) == "int20 saturate"
    assert repr(Register(IntFormat(20))) == "Register(format=IntFormat(bits=20))"
