"""Writing codes: at every value, middle and neighbour, as gfloat, ml_dtypes and a search do.

Where tools differ from the rules or from each other, a test of its own pins the difference.
"""

from fractions import Fraction

import gfloat
import gfloat.formats as g
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Rounding
from intsim.arithmetic.encode import Beyond, encode, round_to
from intsim.arithmetic.quotient import divide_in, multiply_in, subtract_in
from intsim.errors import InputError, SpecError
from intsim.formats.bipolar import Bipolar
from intsim.formats.codebook import Codebook
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.element import table
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import BINARY16, BINARY32, BINARY64, Minifloat, read_floats
from intsim.formats.power_of_two import E8M0, PowerOfTwo
from intsim.formats.table import E2M1, E2M3, E3M2, E4M3, E5M2, FORMATS
from intsim.formats.ternary import Ternary, TernaryCoding
from tests.oracles import lowbit

FIVE = {"e5m2": E5M2, "e4m3": E4M3, "e3m2": E3M2, "e2m3": E2M3, "e2m1": E2M1}
BY_GFLOAT = {name: getattr(g, f"format_info_ocp_{name}") for name in FIVE}
BY_ML_DTYPES = {
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e2m1": ml_dtypes.float4_e2m1fn,
}
NANS = {"e5m2", "e4m3"}
GFLOAT_ROUNDINGS = {
    Rounding.HALF_EVEN: gfloat.RoundMode.TiesToEven,
    Rounding.HALF_AWAY: gfloat.RoundMode.TiesToAway,
    Rounding.TOWARD_ZERO: gfloat.RoundMode.TowardZero,
    Rounding.FLOOR: gfloat.RoundMode.TowardNegative,
    Rounding.CEIL: gfloat.RoundMode.TowardPositive,
}
OF_MAGNITUDES = {  # the oracle's roundings, for positive and for negative values
    Rounding.FLOOR: ("down", "up"),
    Rounding.CEIL: ("up", "down"),
    Rounding.TOWARD_ZERO: ("down", "down"),
    Rounding.AWAY_FROM_ZERO: ("up", "up"),
    Rounding.HALF_UP: ("half_up", "half_down"),
    Rounding.HALF_DOWN: ("half_down", "half_up"),
    Rounding.HALF_AWAY: ("half_up", "half_up"),
    Rounding.HALF_TOWARD_ZERO: ("half_down", "half_down"),
    Rounding.HALF_EVEN: ("half_even", "half_even"),
    Rounding.HALF_ODD: ("half_odd", "half_odd"),
}


def interesting(format, dtype):
    """Every value and middle of a format, their neighbours in `dtype`, beyond the largest, and zeros."""
    values = np.unique(table(format)[table(format).finite].magnitude().floats())
    top = values[-1]
    step = values[-1] - values[-2]
    values = np.concatenate([values, top + step * np.array([0.25, 0.5, 0.75, 1, 1.5, 2, 4, 1000])])
    points = np.unique(np.concatenate([values, (values[:-1] + values[1:]) / 2])).astype(dtype)
    points = np.concatenate([points, np.nextafter(points, dtype(np.inf)), np.nextafter(points, dtype(0))])
    return np.concatenate([points, -points]).astype(dtype)


@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize("rounding", GFLOAT_ROUNDINGS)
@pytest.mark.parametrize("beyond", [Beyond.SATURATE, Beyond.SPECIAL])
def test_rounding_as_gfloat(name, rounding, beyond):
    format, info = FIVE[name], BY_GFLOAT[name]
    if beyond is Beyond.SPECIAL and name not in NANS:
        return  # gfloat raises there, as intsim does
    away = rounding is Rounding.HALF_AWAY  # see test_gfloat_takes_what_is_just_below_a_tie_for_one
    points = interesting(format, np.float32 if away else np.float64)
    how, saturate = GFLOAT_ROUNDINGS[rounding], beyond is Beyond.SATURATE
    expected = [gfloat.round_float(info, float(v), how, saturate) for v in points]
    found = format.decode(encode(format, points, rounding, beyond)).floats()
    nan = np.isnan(expected)
    assert (np.isnan(found) == nan).all()
    assert (found.view(np.uint64) == np.array(expected).view(np.uint64))[~nan].all()


@pytest.mark.parametrize("name", FIVE)
def test_rounding_as_ml_dtypes(name):
    format = FIVE[name]
    points = interesting(format, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = points.astype(BY_ML_DTYPES[name]).view(np.uint8)
    found = encode(format, points, beyond=Beyond.SPECIAL if name in NANS else Beyond.SATURATE)
    nan = format.decode(found).kind == Kind.NAN
    assert (nan == (format.decode(expected).kind == Kind.NAN)).all()
    assert (found == expected)[~nan].all()


@pytest.mark.parametrize("rounding", OF_MAGNITUDES)
@pytest.mark.parametrize(
    "format",
    [
        E5M2,
        E4M3,
        E3M2,
        E2M3,
        E2M1,
        Minifloat(3, 0, 2),
        Minifloat(0, 3, 1),
        Minifloat(2, 2, 1, subnormals=False),
    ],
    ids=str,
)
def test_every_rounding_by_search(format, rounding):
    least = 0 if format.subnormals else 1 << format.mantissa_bits
    codes = [code for code in range(format.max_code + 1) if code == 0 or code >= least]
    points = format.decode(codes).fractions()
    values = interesting(format, np.float64)
    values = values[np.abs(values) <= float(points[-1])]
    for value, code in zip(values, encode(format, values, rounding), strict=True):
        negative = bool(np.signbit(value))
        how = OF_MAGNITUDES[rounding][negative]
        body = lowbit.nearest(codes, points, abs(Fraction(value)), how)
        assert int(code) == body + (negative << (format.bits - 1)), (value, how)


def test_overflow_infinity_and_nan_of_e4m3_and_e5m2():
    values = np.array([448, 464, 464.0001, -1e9, np.inf, -np.inf, np.nan])
    assert encode(E4M3, values).tolist() == [0x7E, 0x7E, 0x7E, 0xFE, 0x7E, 0xFE, 0x7F]
    assert encode(E4M3, values, beyond=Beyond.SPECIAL).tolist() == [0x7E, 0x7E] + [0x7F] * 5
    values = np.array([57344, 61439.9, 61440, -1e9, np.inf, -np.inf, np.nan])
    assert encode(E5M2, values).tolist() == [0x7B, 0x7B, 0x7B, 0xFB, 0x7B, 0xFB, 0x7E]
    special = [0x7B, 0x7B, 0x7C, 0xFC, 0x7C, 0xFC, 0x7E]
    assert encode(E5M2, values, beyond=Beyond.SPECIAL).tolist() == special
    inward = encode(E5M2, np.array([1e9, -1e9, np.inf]), Rounding.TOWARD_ZERO, Beyond.SPECIAL)
    assert inward.tolist() == [0x7B, 0xFB, 0x7C]
    assert encode(E5M2, np.array([1e9, -1e9]), Rounding.FLOOR, Beyond.SPECIAL).tolist() == [0x7B, 0xFC]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: encode(E2M1, np.array([1, np.nan])),
            "values must have a code, and NaN and infinity have none: NaN at (1,)",
        ),
        (
            lambda: encode(E2M1, np.array([9.5]), beyond=Beyond.SPECIAL),
            "values must have a code, and NaN and infinity have none: 19/2 at (0,)",
        ),
        (lambda: encode(E2M1, 7.0, beyond=Beyond.TRAP), "values must be within the format, not 7"),
        (lambda: encode(E2M1, -1e300, beyond=Beyond.TRAP), "values must be within the format, not -"),
        (lambda: encode(Ternary(), np.nan), "values must have a code, and NaN has none: NaN"),
        (lambda: encode(FixedPoint(8), 200, beyond=Beyond.TRAP), "values must be within the format, not 200"),
        (
            lambda: encode(Codebook([0, 1]), 1.5, beyond=Beyond.TRAP),
            "values must be within the format, not 3/2",
        ),
        (
            lambda: encode(E8M0, 2.0**128, beyond=Beyond.TRAP),
            "values must be within the format, not 1 * 2**128",
        ),
        (
            lambda: encode(PowerOfTwo(2), 0.0, beyond=Beyond.SPECIAL),
            "values must have a code, and NaN has none: 0",
        ),
        (lambda: encode(E8M0, 1.0, Rounding.STOCHASTIC), "rounding must not be STOCHASTIC to powers of two"),
        (
            lambda: encode(Codebook([0, 1]), 1.0, Rounding.STOCHASTIC),
            "rounding must not be STOCHASTIC to a codebook",
        ),
        (lambda: encode(E2M1, np.array(["a"])), "values must be integers, not <U1"),
    ],
)
def test_refused(use, message):
    with pytest.raises((InputError, SpecError)) as error:
        use()
    if message.endswith("-"):
        assert str(error.value).startswith(message)
    else:
        assert str(error.value) == message


def test_unsigned_formats_hold_nothing_below_zero():
    format = Minifloat(4, 3, 7, nan=FORMATS["e4m3"].format.nan, signed=False)
    values = np.array([-0.0, -1e-9, -1.0, 1.0, 1e9, -np.inf])
    assert encode(format, values).tolist() == [0, 0, 0, 0x38, 0x7E, 0]
    assert encode(format, values, beyond=Beyond.SPECIAL).tolist() == [0, 0, 0x7F, 0x38, 0x7F, 0x7F]


def test_signs_of_zero():
    assert encode(E2M1, np.array([0.0, -0.0, -0.25, 0.25])).tolist() == [0, 8, 8, 0]
    fnuz = FORMATS["e4m3fnuz"].format
    assert encode(fnuz, np.array([0.0, -0.0, -1e-9])).tolist() == [0, 0, 0]
    assert encode(FixedPoint(4), np.array([-0.0])).tolist() == [0]


def test_e8m0_half_up_as_ml_dtypes_half_even_as_gfloat():
    values = np.array([1, 1.25, 1.5, 3, 5, 6, 12, 2.0**127, 1.5 * 2.0**127, 2.0**-127, 2.0**-140])
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype(np.float32).astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    assert encode(E8M0, values, Rounding.HALF_UP, Beyond.SPECIAL).tolist() == expected.tolist()
    inside = values[1:8]
    expected = [gfloat.round_float(g.format_info_ocp_e8m0, float(v)) for v in inside]
    assert E8M0.decode(encode(E8M0, inside)).floats().tolist() == expected
    assert encode(E8M0, values, Rounding.FLOOR).tolist() == [
        127,
        127,
        127,
        128,
        129,
        129,
        130,
        254,
        254,
        0,
        0,
    ]
    assert encode(E8M0, values, Rounding.CEIL).tolist() == [127, 128, 128, 129, 130, 130, 131, 254, 254, 0, 0]


def test_e8m0_of_zero_and_below():
    values = np.array([0.0, -1.0, np.inf, np.nan])
    assert encode(E8M0, values, beyond=Beyond.SPECIAL).tolist() == [0xFF] * 4
    assert encode(E8M0, values).tolist() == [0, 0, 0xFE, 0xFF]


@pytest.mark.parametrize("rounding", list(OF_MAGNITUDES))
def test_codebooks_by_search(rounding):
    book = Codebook([7, -4, 0, 3, -9], exponent=-1)
    places = sorted(range(5), key=lambda code: book.values[code])
    points = [Fraction(int(book.values[code]), 2) for code in places]
    values = np.concatenate([np.arange(-44, 40) / 8, [0.249999, 2.500001]])
    for value, code in zip(values, encode(book, values, rounding), strict=True):
        exact = Fraction(value)
        low = max((p for p in points if p <= exact), default=points[0])
        high = min((p for p in points if p >= exact), default=points[-1])
        if exact - low != high - exact and rounding.name.startswith("HALF"):
            want = low if exact - low < high - exact else high
        else:
            outward = abs(high) >= abs(low)
            even = places[points.index(high)] % 2 == 0
            goes_up = {
                "FLOOR": False,
                "CEIL": True,
                "TOWARD_ZERO": not outward,
                "AWAY_FROM_ZERO": outward,
                "HALF_UP": True,
                "HALF_DOWN": False,
                "HALF_AWAY": outward,
                "HALF_TOWARD_ZERO": not outward,
                "HALF_EVEN": even,
                "HALF_ODD": not even,
            }[rounding.name]
            want = high if goes_up else low
        assert points[places.index(int(code))] == want, value


def test_signs_and_trits():
    values = np.array([-2.0, -0.0, 0.0, 0.6])
    assert encode(Bipolar(), values).tolist() == [0, 1, 1, 1]
    assert encode(Bipolar(positive=0, zero=-1), values).tolist() == [1, 1, 1, 0]
    assert encode(Ternary(), values).tolist() == [0, 1, 1, 2]
    assert encode(Ternary(TernaryCoding.TWOS_COMPLEMENT), values).tolist() == [3, 0, 0, 1]
    assert encode(FixedPoint(8, exponent=-6), np.array([-1.9999, 1.9999, -2.5])).tolist() == [
        0x80,
        0x7F,
        0x80,
    ]
    symmetric = encode(FixedPoint(8, exponent=-6), np.array([-1.9999, -3.0]), symmetric=True)
    assert symmetric.tolist() == [0x81, 0x81]


def test_stochastic_rounding_follows_its_seed_and_the_fraction():
    value = np.full((1, 20000), 2.25)  # the first axis is the batch, and every sample draws alike
    codes = encode(E2M1, value, Rounding.STOCHASTIC, seed=3)
    assert set(codes.ravel().tolist()) == {4, 5}
    assert abs((codes == 5).mean() - 0.25) < 0.02
    assert (codes == encode(E2M1, value, Rounding.STOCHASTIC, seed=3)).all()
    assert (codes != encode(E2M1, value, Rounding.STOCHASTIC, seed=4)).any()


def all_floats():
    edges = [0, 1, 0x007FFFFF, 0x00800000, 0x3F800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000]
    bits = st.integers(0, 2**32 - 1) | st.sampled_from(edges + [2**31 + edge for edge in edges])
    return st.lists(bits, min_size=1, max_size=50).map(
        lambda drawn: np.array(drawn, np.uint32).view(np.float32)
    )


@given(all_floats(), st.integers(0, 2**32 - 1))
def test_steps_of_float32_as_the_processor_does_them(values, turn):
    others = np.roll(values.view(np.uint32) ^ np.uint32(turn), 1).view(np.float32)
    with np.errstate(all="ignore"):
        for step, operation in (
            (multiply_in, np.multiply),
            (subtract_in, np.subtract),
            (divide_in, np.divide),
        ):
            expected = operation(values, others)
            found = step(BINARY32, read_floats(values), read_floats(others)).floats().astype(np.float32)
            nan = np.isnan(expected)
            assert (np.isnan(found) == nan).all()
            assert (found.view(np.uint32) == expected.view(np.uint32))[~nan].all()


@given(st.lists(st.floats(width=64), min_size=1))
def test_casts_to_ieee_formats_as_the_processor_does_them(values):
    array = np.array(values)
    for format, dtype in ((BINARY16, np.float16), (BINARY32, np.float32), (BINARY64, np.float64)):
        with np.errstate(all="ignore"):
            expected = array.astype(dtype)
        found = encode(format, array, beyond=Beyond.SPECIAL)
        nan = np.isnan(expected)
        assert (found == expected.view(f"u{expected.itemsize}"))[~nan].all()
        assert (round_to(format, array).kind == Kind.NAN).tolist() == nan.tolist()


def test_wide_values_are_rounded_once():
    """100 bits, of which the last one decides a tie."""
    tie = (3 << 98) | 1
    value = Dyadic.of_integers(np.array([tie, tie - 1], object), -98)
    assert encode(E2M1, Dyadic.of_integers(np.array([5 * 2**98 + 1, 5 * 2**98], object), -99)).tolist() == [
        5,
        4,
    ]
    assert E2M1.decode(encode(E2M1, value)).floats().tolist() == [3, 3]


def test_ml_dtypes_rounds_float64_twice():
    """It goes through float32; 1 + 1/16 + 2**-40 is just above a middle of E4M3."""
    value = np.array([1 + 2.0**-4 + 2.0**-40])
    assert value.astype(ml_dtypes.float8_e4m3fn).astype(float).tolist() == [1.0]
    assert E4M3.decode(encode(E4M3, value)).floats().tolist() == [1.125]


def test_ml_dtypes_makes_minus_zero_of_nan():
    """E2M1 has no NaN: ml_dtypes writes minus zero, intsim refuses."""
    with np.errstate(invalid="ignore"):
        assert np.array([np.nan], np.float32).astype(ml_dtypes.float4_e2m1fn).view(np.uint8).tolist() == [8]
    with pytest.raises(InputError):
        encode(E2M1, np.array([np.nan]))


def test_ml_dtypes_keeps_the_sign_of_nan():
    with np.errstate(over="ignore", invalid="ignore"):
        code = np.array([-1e9], np.float32).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)
    assert code.tolist() == [0xFF]
    assert encode(E4M3, np.array([-1e9]), beyond=Beyond.SPECIAL).tolist() == [0x7F]


def test_gfloat_writes_a_scale_of_zero_that_is_none():
    """E8M0 has no zero; gfloat 0.5.2 gives 0.0 all the same."""
    assert gfloat.round_float(g.format_info_ocp_e8m0, 0.0) == 0.0
    assert encode(E8M0, np.array([0.0]), beyond=Beyond.SPECIAL).tolist() == [0xFF]


def test_microxcaling_rounds_up_what_is_just_below_half_the_smallest():
    """floor(|x| + 0.5) in float32 loses the last bit; the exact neighbour of 1/4 is 0."""
    value = np.nextafter(np.float32(0.25), np.float32(0))
    assert np.floor(value * 2 + np.float32(0.5)) == 1
    assert encode(E2M1, value, Rounding.HALF_AWAY).tolist() == 0


def test_gfloat_takes_what_is_just_below_a_tie_for_one():
    """TiesToAway asks whether delta + 0.5 >= 1 in float64, where 0.5 - 2**-54 plus 0.5 is 1."""
    value = float(np.nextafter(0.25, 0))
    assert gfloat.round_float(g.format_info_ocp_e2m1, value, gfloat.RoundMode.TiesToAway) == 0.5
    assert encode(E2M1, value, Rounding.HALF_AWAY).tolist() == 0
