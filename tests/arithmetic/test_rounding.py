"""Rounding against exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Rounding, round_divide, round_real, round_shift
from intsim.arithmetic.rounding import random_bits
from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.testing.strategies import codes
from tests.oracles.arith import round_div, round_fraction, splitmix64
from tests.oracles.arith import round_shift as oracle_shift

DETERMINED = [rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC]
every_rounding = pytest.mark.parametrize("rounding", DETERMINED, ids=lambda r: r.name.lower())


def name(rounding):
    return rounding.name.lower()


@every_rounding
def test_every_small_value_and_shift(rounding):
    values = np.arange(-600, 601)
    for shift in range(10):
        expected = [oracle_shift(int(value), shift, name(rounding)) for value in values]
        found = round_shift(values, shift, rounding)
        assert found.dtype == np.int64
        assert found.tolist() == expected
        wide = round_shift(values.astype(object), shift, rounding)
        assert wide.tolist() == expected
        assert {type(value) for value in wide} == {int}
        assert [round_shift(int(value), shift, rounding) for value in values[::37]] == expected[::37]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        # of -5/2, -3/2, -5/4, -3/4, -1/2, -1/4, 0, 1/4, 1/2, 3/4, 5/4, 3/2, 5/2
        (Rounding.FLOOR, [-3, -2, -2, -1, -1, -1, 0, 0, 0, 0, 1, 1, 2]),
        (Rounding.CEIL, [-2, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3]),
        (Rounding.TOWARD_ZERO, [-2, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2]),
        (Rounding.AWAY_FROM_ZERO, [-3, -2, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3]),
        (Rounding.HALF_UP, [-2, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2, 3]),
        (Rounding.HALF_DOWN, [-3, -2, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2]),
        (Rounding.HALF_AWAY, [-3, -2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3]),
        (Rounding.HALF_TOWARD_ZERO, [-2, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 2]),
        (Rounding.HALF_EVEN, [-2, -2, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2, 2]),
        (Rounding.HALF_ODD, [-3, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 3]),
    ],
)
def test_by_hand(rounding, expected):
    quarters = np.array([-10, -6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 6, 10])
    assert round_shift(quarters, 2, rounding).tolist() == expected
    assert round_divide(quarters, 4, rounding).tolist() == expected
    assert round_real(quarters / 4, rounding).tolist() == expected


@every_rounding
@given(
    values=st.lists(codes(IntFormat(64)), min_size=1, max_size=6),
    shift=st.integers(0, 62),
)
def test_the_edges_of_int64(rounding, values, shift):
    expected = [oracle_shift(value, shift, name(rounding)) for value in values]
    array = np.array(values)
    assert round_shift(array, shift, rounding).tolist() == expected
    assert round_shift(array.astype(object), shift, rounding).tolist() == expected
    assert round_shift(values[0], shift, rounding) == expected[0]


@every_rounding
@given(value=st.integers(-(2**100), 2**100), shift=st.integers(0, 120))
def test_python_ints_of_any_width(rounding, value, shift):
    assert round_shift(value, shift, rounding) == oracle_shift(value, shift, name(rounding))


def test_shifts_per_channel():
    values = np.array([[5, 5, 5], [-5, -5, -5]])
    shifted = round_shift(values, np.array([0, 1, 2]), Rounding.HALF_UP)
    assert shifted.tolist() == [[5, 3, 1], [-5, -2, -1]]


@pytest.mark.parametrize("shift", [-1, 63])
def test_a_shift_out_of_range(shift):
    with pytest.raises(SpecError) as error:
        round_shift(np.array([1]), shift, Rounding.FLOOR)
    assert str(error.value) == f"shift must be 0 to 62, not {shift}"


@every_rounding
@given(value=codes(IntFormat(62)), divisor=st.integers(1, 300) | st.integers(1, 2**62 - 1))
def test_division(rounding, value, divisor):
    expected = round_div(value, divisor, name(rounding))
    assert round_divide(value, divisor, rounding) == expected
    assert round_divide(np.array([value]), divisor, rounding).tolist() == [expected]
    assert round_divide(np.array([value], object), divisor, rounding).tolist() == [expected]


@every_rounding
def test_every_small_division(rounding):
    values = np.arange(-60, 61)
    for divisor in range(1, 20):
        expected = [round_div(int(value), divisor, name(rounding)) for value in values]
        assert round_divide(values, divisor, rounding).tolist() == expected


def test_what_division_refuses():
    with pytest.raises(SpecError) as error:
        round_divide(np.array([3]), np.array([2, 0]), Rounding.FLOOR)
    assert str(error.value) == "divisor must be positive, not 0"
    with pytest.raises(SpecError) as error:
        round_divide(3, 2, Rounding.STOCHASTIC)
    assert str(error.value) == "rounding must not be STOCHASTIC in a division"


@every_rounding
@given(data=st.data(), width=st.sampled_from([32, 64]))
def test_reals(rounding, data, width):
    finite = st.floats(width=width, allow_nan=False, allow_infinity=False)
    halves = st.integers(-(2**22), 2**22).map(lambda value: value / 2)
    value = data.draw(finite | halves)
    array = np.array([value], f"float{width}")
    rounded = round_real(array, rounding)
    assert rounded.dtype == array.dtype
    assert int(rounded[0]) == round_fraction(Fraction(float(array[0])), name(rounding))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reals_just_beside_a_tie(dtype):
    for middle in (0.5, 1.5, 2.5, -0.5, -1.5, -2.5):
        ties = np.array([middle], dtype)
        for value in (ties, np.nextafter(ties, dtype(-9)), np.nextafter(ties, dtype(9))):
            for rounding in DETERMINED:
                exact = Fraction(float(value[0]))
                assert int(round_real(value, rounding)[0]) == round_fraction(exact, name(rounding))


def test_reals_are_not_stochastic():
    with pytest.raises(SpecError) as error:
        round_real(np.array([0.5]), Rounding.STOCHASTIC)
    assert str(error.value) == "rounding must not be STOCHASTIC on reals"


# --- stochastic ---


@given(
    values=st.lists(codes(IntFormat(64)), min_size=1, max_size=9), seed=st.integers(0, 2**64), data=st.data()
)
def test_stochastic_is_its_stated_generator(values, seed, data):
    shift = data.draw(st.integers(0, 62))
    expected = [oracle_shift(v, shift, "stochastic", seed, index) for index, v in enumerate(values)]
    array = np.array([values])
    assert round_shift(array, shift, Rounding.STOCHASTIC, seed).tolist() == [expected]
    assert round_shift(array.astype(object), shift, Rounding.STOCHASTIC, seed).tolist() == [expected]
    assert round_shift(values[0], shift, Rounding.STOCHASTIC, seed) == expected[0]


def test_splitmix64_gives_the_published_numbers():
    # the first outputs of the generator of Steele, Lea and Flood, seeded with 1234567
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [splitmix64(1234567, index) for index in range(4)] == published
    drawn = random_bits(np.zeros((1, 4), object), 64, 1234567)
    assert drawn.tolist() == [published]


@pytest.mark.parametrize("shift", [1, 2, 4, 7])
def test_every_draw_once_rounds_up_as_often_as_the_fraction_says(shift):
    """Over all draws of `shift` bits, a value rounds up exactly (remainder) times."""
    modulus = 2**shift
    seeds = {}
    for seed in range(100000):
        seeds.setdefault(splitmix64(seed, 0) >> (64 - shift), seed)
        if len(seeds) == modulus:
            break
    assert sorted(seeds) == list(range(modulus))
    for value in (-modulus - 1, -1, 0, 1, modulus // 2, modulus - 1, modulus + 1):
        rounded = [round_shift(value, shift, Rounding.STOCHASTIC, seed) for seed in seeds.values()]
        assert sum(rounded) == value
        assert set(rounded) <= {math.floor(value / modulus), math.ceil(value / modulus)}


def test_stochastic_does_not_depend_on_the_batch():
    values = np.arange(24).reshape(4, 2, 3) * 7
    together = round_shift(values, 4, Rounding.STOCHASTIC, 99)
    for index in range(4):
        alone = round_shift(values[index : index + 1], 4, Rounding.STOCHASTIC, 99)
        assert (together[index : index + 1] == alone).all()
    assert (together == round_shift(values, 4, Rounding.STOCHASTIC, 99)).all()
    assert (together != round_shift(values, 4, Rounding.STOCHASTIC, 100)).any()
