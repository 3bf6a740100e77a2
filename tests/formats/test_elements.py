"""Formats of single values: every code as gfloat, ml_dtypes and the definition decode it."""

from fractions import Fraction

import gfloat
import gfloat.formats as g
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.errors import InputError, SpecError
from intsim.formats.bipolar import Bipolar
from intsim.formats.codebook import Codebook
from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.element import integer_table, largest, table
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import BINARY16, BINARY64, Minifloat, NanCodes, ieee, read_floats
from intsim.formats.power_of_two import E8M0, PowerOfTwo
from intsim.formats.table import E2M1, E2M3, E3M2, E4M3, E5M2, FIXED8, FORMATS
from intsim.formats.ternary import Ternary, TernaryCoding
from tests.oracles import lowbit

BY_GFLOAT = {
    "e5m2": g.format_info_ocp_e5m2,
    "e4m3": g.format_info_ocp_e4m3,
    "e3m2": g.format_info_ocp_e3m2,
    "e2m3": g.format_info_ocp_e2m3,
    "e2m1": g.format_info_ocp_e2m1,
    "e8m0": g.format_info_ocp_e8m0,
    "float16": g.format_info_binary16,
    "bfloat16": g.format_info_bfloat16,
}
BY_ML_DTYPES = {
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3-ieee": ml_dtypes.float8_e4m3,
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
}


def same_bits(found, expected):
    """Equal as float64, minus zero apart from plus zero, all NaN alike."""
    nan = np.isnan(expected)
    assert (np.isnan(found) == nan).all()
    assert (found.view(np.uint64)[~nan] == expected.view(np.uint64)[~nan]).all()


@pytest.mark.parametrize("name", BY_GFLOAT)
def test_every_code_as_gfloat_decodes_it(name):
    format = FORMATS[name].format
    every = range(0, 1 << format.bits, 1 if format.bits <= 8 else 7)
    expected = np.array([gfloat.decode_float(BY_GFLOAT[name], code).fval for code in every])
    same_bits(format.decode(every).floats(), expected)


def test_every_code_of_mxint8s_elements_as_gfloat_decodes_it():
    expected = np.array([gfloat.decode_float(g.format_info_ocp_int8, code).fval for code in range(256)])
    same_bits(table(FIXED8).floats(), expected)
    assert table(FIXED8).fractions()[0x80] == -2


@pytest.mark.parametrize("name", BY_ML_DTYPES)
def test_every_code_as_ml_dtypes_decodes_it(name):
    format = FORMATS[name].format
    codes = np.arange(1 << format.bits, dtype=np.uint8 if format.bits <= 8 else np.uint16)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        expected = codes.view(BY_ML_DTYPES[name]).astype(np.float64)
    same_bits(table(format).floats(), expected)


@pytest.mark.parametrize(
    ("format", "values", "top", "lowest", "specials"),
    [
        (E5M2, 33, 57344, Fraction(1, 2**16), {0x7C: "inf", 0xFC: "-inf", 0x7D: "nan", 0xFF: "nan"}),
        (E4M3, 19, 448, Fraction(1, 2**9), {0x7F: "nan", 0xFF: "nan"}),
        (E3M2, 10, 28, Fraction(1, 2**4), {}),
        (E2M3, 7, Fraction(15, 2), Fraction(1, 2**3), {}),
        (E2M1, 5, 6, Fraction(1, 2), {}),
    ],
)
def test_ranges_as_the_specification_lists_them(format, values, top, lowest, specials):
    integers, kinds = integer_table(format)
    assert width_of(integers) == values
    assert largest(format).fractions() == [top]
    assert min(v for v in table(format)[kinds == Kind.FINITE].fractions() if v > 0) == lowest
    shown = {code: str(table(format).floats()[code]) for code in specials}
    assert shown == specials


def width_of(values):
    """Width of the two's complement integers that hold the values."""
    return int(np.abs(values).max()).bit_length() + 1


def minifloats():
    def build(e, m, bias, infinities, nan, signed):
        try:
            zero = nan is not NanCodes.MINUS_ZERO
            return Minifloat(e, m, bias, infinities, nan, signed=signed, signed_zero=zero)
        except SpecError:
            return None

    drawn = st.builds(
        build,
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(-9, 20),
        st.booleans(),
        st.sampled_from(NanCodes),
        st.booleans(),
    )
    return drawn.filter(lambda built: built is not None)


@given(minifloats())
def test_any_parameters_by_the_definition(format):
    values = table(format)
    for code in range(1 << format.bits):
        sign, value = lowbit.minifloat(
            code,
            format.exponent_bits,
            format.mantissa_bits,
            format.bias,
            format.infinities,
            format.nan.name.lower(),
            format.signed,
        )
        entry = values[code]
        kind = {lowbit.NAN: Kind.NAN, lowbit.INFINITY: Kind.INFINITE}.get(value, Kind.FINITE)
        assert (entry.kind, entry.negative) == (kind, sign)
        if kind is Kind.FINITE:
            assert entry.magnitude().fractions() == [value]


def test_without_subnormals_field_0_is_zero():
    values = table(Minifloat(2, 2, bias=1, subnormals=False)).floats()
    assert values[:5].tolist() == [0, 0, 0, 0, 1]
    assert np.signbit(values[16:20]).all()
    plain = table(Minifloat(2, 2, bias=1, subnormals=False, signed_zero=False)).floats()
    assert not np.signbit(plain[16:20]).any()


def test_without_exponent_bits_it_is_sign_and_magnitude():
    assert table(Minifloat(0, 2, bias=0)).floats().tolist() == [0, 0.5, 1, 1.5, -0.0, -0.5, -1, -1.5]


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (Bipolar(), [-1, 1]),
        (Bipolar(positive=0), [1, -1]),
        (Ternary(), [-1, 0, 1, None]),
        (Ternary(TernaryCoding.OFFSET_TWO), [None, -1, 0, 1]),
        (Ternary(TernaryCoding.TWOS_COMPLEMENT), [0, 1, None, -1]),
        (Ternary(TernaryCoding.PLUS_MINUS), [0, 1, -1, None]),
        (Codebook([5, -3, 0], exponent=-1), [2.5, -1.5, 0, None]),
        (FixedPoint(2), [0, 1, -2, -1]),
        (FixedPoint(2, signed=False, offset=2, exponent=1), [-4, -2, 0, 2]),
        (PowerOfTwo(2, bias=1), [0.5, 1, 2, 4]),
        (PowerOfTwo(2, bias=1, nan=True, down=True), [2, 1, 0.5, None]),
    ],
)
def test_small_formats(format, expected):
    found = [None if np.isnan(value) else value for value in table(format).floats()]
    assert found == expected


def test_e8m0_has_no_zero_and_one_nan():
    assert E8M0.decode([0, 0xFE]).fractions() == [Fraction(1, 2**127), Fraction(2**127)]
    assert (table(E8M0).kind == Kind.NAN).nonzero()[0].tolist() == [0xFF]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: E2M1.decode(0x17), "codes must be 0 to 15, not 23"),
        (lambda: E2M1.decode([0, -1]), "codes must be 0 to 15, not -1 at (1,)"),
        (lambda: E2M1.decode([0.5]), "codes must be integers, not float64"),
        (lambda: table(ieee(8, 23)), "format must have at most 16 bits to be a table, not 32"),
        (lambda: Minifloat(12, 0, 0), "minifloat.exponent_bits: must be 0 to 11, not 12"),
        (
            lambda: Minifloat(4, 0, 7, nan=NanCodes.TOP_EXPONENT),
            "minifloat.nan: must not be top_exponent without exponent bits and mantissa bits",
        ),
        (
            lambda: Minifloat(4, 3, 7, nan=NanCodes.MINUS_ZERO),
            "minifloat.signed_zero: must be false where minus zero is NaN",
        ),
        (lambda: Codebook([1, 1]), "codebook.values: must all be different"),
        (lambda: Codebook([1]), "codebook.values: must be a list of 2 to 65536, not of shape (1,)"),
        (lambda: Bipolar(positive=2), "bipolar.positive: must be 0 or 1, not 2"),
        (lambda: FixedPoint(33), "fixed_point.bits: must be 1 to 32, not 33"),
        (lambda: PowerOfTwo(0), "power_of_two.bits: must be 1 to 11, not 0"),
        (lambda: read_floats(np.array([1])), "values must be float16, float32 or float64, not int64"),
        (
            lambda: E5M2.decode([0, 0xFC]).integers(0),
            "values must be finite to be integers, not -infinity at (1,)",
        ),
        (lambda: E2M1.decode(3).integers(0), "values must be multiples of 2**0, not 3/2"),
        (lambda: BINARY64.decode(1).integers(-1), "values must be multiples of 2**-1, not 1 * 2**-1074"),
    ],
)
def test_refused(use, message):
    with pytest.raises((InputError, SpecError)) as error:
        use()
    assert str(error.value) == message


@given(st.lists(st.integers(0, 2**62 - 1) | st.integers(0, 62).map(lambda k: 2**k - 1), min_size=1))
def test_bit_lengths_without_logarithms(values):
    expected = [value.bit_length() for value in values]
    assert bit_length(np.array(values)).tolist() == expected
    assert bit_length(np.array(values, object) << 40).tolist() == [n + 40 if n else 0 for n in expected]


@given(st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_are_read_by_their_bits(values):
    array = np.array(values)
    read = read_floats(array)
    assert read.fractions() == [Fraction(value) for value in values]
    same_bits(read.floats(), array)
    with np.errstate(over="ignore"):
        same_bits(read_floats(array.astype(np.float32)).floats(), array.astype(np.float32).astype(np.float64))


def test_integers_of_any_size():
    big = 2**70 + 1
    assert Dyadic.of_integers(np.array([big, -big], object), 3).integers(3).tolist() == [big, -big]
    assert Dyadic.of_integers([2**62, 1]).integers(-5).tolist() == [2**67, 32]
    assert BINARY16.decode([1]).integers(-24).dtype == np.int64
