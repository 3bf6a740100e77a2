"""The dialects against the published rules, transcribed as exact fractions.

Where a tool can be run, `test_dialects_litert` and `test_dialects_external` compare with the tool itself;
single rounding, rndnu, the power-of-two shifters and HAWQ's dyadic numbers are compared with their rules.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import (
    Add,
    Clamp,
    Interval,
    Multiply,
    Overflow,
    Register,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
    Slice,
    Table,
)
from intsim.arithmetic.dialects import (
    DIALECTS,
    bias_in_sums,
    quantize_multiplier,
    ratio_float32,
    ratio_float32_product,
    ratio_float64,
    thresholds_from_reals,
    thresholds_of,
    xnnpack_add_multipliers,
)
from intsim.arithmetic.dialects.dyadic import dyadic
from intsim.arithmetic.dialects.tosa import scale_by, scale_multiplier
from intsim.errors import SpecError
from intsim.formats import IntFormat
from tests.oracles.arith import fit, round_float, round_fraction

INT16 = {"bits": 16, "signed": True}
ratios = st.floats(2.0**-30, 100.0)
sums = st.integers(-(2**31), 2**31 - 1) | st.integers(-600, 600)
zero_points = st.integers(-5, 5)


def code(name, ratio, value, zero_point=0, format=None):
    rule = DIALECTS[name].requantization(ratio, zero_point=zero_point, format=format or IntFormat(16))
    wide = rule.apply(np.array([value], object)).tolist()
    assert wide == rule.apply(np.array([value])).tolist()
    return wide[0]


def mantissa(ratio, bits):
    """The ratio as (multiplier of `bits`, shift), the multiplier rounded half up."""
    fraction, exponent = math.frexp(ratio)
    multiplier = round_fraction(Fraction(fraction) * 2**bits, "half_up")
    return (multiplier // 2, bits - exponent - 1) if multiplier == 2**bits else (multiplier, bits - exponent)


# --- TensorFlow Lite ---


@given(ratios, sums, zero_points)
def test_single_rounding(ratio, value, zero_point):
    multiplier, shift = mantissa(ratio, 31)
    exact = Fraction(value * multiplier, 2**shift) if ratio >= 2.0**-32 else 0
    wanted = fit(round_fraction(exact, "half_up") + zero_point, INT16, "saturate")
    assert code("tflite-single", ratio, value, zero_point) == wanted


@given(st.floats(2.0**-30, 0.999), sums)
def test_double_rounding_in_one_formula(ratio, value):
    multiplier, shift = mantissa(ratio, 31)
    nudge = 2 ** (shift - 1) + ((2**30 if value >= 0 else -(2**30)) if shift > 31 else 0)
    wanted = fit((value * multiplier + nudge) // 2**shift, INT16, "saturate")
    assert code("tflite-double", ratio, value) == wanted
    assert code("tosa-scale32-double", ratio, value) == wanted


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (-0.5, (-(2**30), 0)),
        (1 - 2.0**-40, (2**30, 1)),  # rounds up to the next power of two
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),  # flushed
        (2.0**40, (2**30, 41)),
    ],
)
def test_multipliers(ratio, expected):
    assert quantize_multiplier(ratio) == expected


def test_single_rounding_caps_the_shift():
    assert quantize_multiplier(2.0**40, single_rounding=True) == (2**31 - 1, 30)
    for ratio in (math.inf, math.nan):
        with pytest.raises(SpecError, match=r"^ratio of scales must be finite, not (inf|nan)$"):
            quantize_multiplier(ratio)


def test_a_left_shift_stays_in_32_bits():
    """An int32 register holds the shifted sum, and wraps."""
    assert quantize_multiplier(2.0) == (2**30, 2)
    assert code("tflite-double", 2.0, 2**29 - 1, format=IntFormat(32)) == 2**30 - 2
    assert code("tflite-double", 2.0, 2**29, format=IntFormat(32)) == -(2**30)


def test_a_wide_sum_takes_ratios_below_128():
    with pytest.raises(SpecError) as error:
        DIALECTS["tflite-m64"].requantization(200.0)
    assert str(error.value) == "ratio of scales must be below 2**7 for a 64-bit sum, not 200.0"


def test_the_three_ways_to_form_a_ratio_differ():
    scales = [np.float32(0.1), np.float32(0.3)], np.float32(0.7)
    exact = Fraction(float(scales[0][0])) * Fraction(float(scales[0][1]))
    single = round_float(exact, "float32")
    below = Fraction(float(scales[1]))
    assert ratio_float64(*scales)[0] == float(round_float(exact / below, "float64"))
    assert ratio_float32_product(*scales)[0] == float(round_float(single / below, "float64"))
    assert ratio_float32(*scales)[0] == float(round_float(single / below, "float32"))
    assert len({f(*scales)[0] for f in (ratio_float64, ratio_float32_product, ratio_float32)}) == 3


# --- float32 ---


@given(st.floats(2.0**-20, 4.0, width=32), sums, zero_points)
def test_float32(ratio, value, zero_point):
    product = round_float(round_float(Fraction(value), "float32") * Fraction(ratio), "float32")
    after = fit(round_fraction(product, "half_even") + zero_point, INT16, "saturate")
    assert code("f32-rne-zp-after", ratio, value, zero_point) == after
    moved = round_float(product + zero_point, "float32")
    before = fit(round_fraction(moved, "half_even"), INT16, "saturate")
    assert code("f32-rne-zp-before", ratio, value, zero_point) == before


def test_a_real_bias():
    bias = bias_in_sums([0.1, -0.2], 0.5, [0.25, 0.5])
    assert bias.dtype == np.float32
    assert bias.tolist() == [np.float32(0.1) / np.float32(0.125), np.float32(-0.2) / np.float32(0.25)]
    rule = DIALECTS["fbgemm-float-bias"].requantization([0.5, 0.5], bias=bias, zero_point=1)
    assert rule.steps[0] == Scale(factors=np.float32([0.5, 0.5]), before=bias)
    assert rule.apply(np.array([[10, 10]])).tolist() == [[6, 6]]  # 5.4 and 4.6, then the zero point
    for name in ("tflite-double", "f32-rne-zp-after", "multithreshold"):
        with pytest.raises(SpecError) as error:
            DIALECTS[name].requantization(0.5, bias=0.1)
        assert str(error.value) == f"{name} takes no real bias: add an integer bias to the sum"


def test_a_zero_point_that_is_no_float32():
    with pytest.raises(SpecError) as error:
        DIALECTS["f32-rne-zp-before"].requantization(0.5, zero_point=2**24 + 1, format=IntFormat(32))
    assert str(error.value) == "zero_point must be exact in float32, not 16777217"


# --- XNNPACK ---


@given(st.floats(2.0**-32, 255.0, width=32), sums, zero_points)
def test_rndnu(ratio, value, zero_point):
    fraction, exponent = math.frexp(ratio)
    multiplier = Fraction(fraction) * 2**24
    assert multiplier.denominator == 1
    wanted = round_fraction(value * multiplier / Fraction(2) ** (24 - exponent), "half_up") + zero_point
    assert code("xnnpack-rndnu", ratio, value, zero_point) == fit(wanted, INT16, "saturate")


@pytest.mark.parametrize("ratio", [2.0**-33, 256.0])
def test_rndnu_has_limits(ratio):
    with pytest.raises(SpecError) as error:
        DIALECTS["xnnpack-rndnu"].requantization(ratio)
    assert str(error.value) == f"ratio of scales must be 2**-32 to 2**8 for xnnpack-rndnu, not {ratio}"


def test_add_multipliers():
    assert xnnpack_add_multipliers(1.0, 1.0) == (2**20, 2**20, 20)
    assert xnnpack_add_multipliers(0.5, 200.0) == (2**12, 200 * 2**13, 13)
    with pytest.raises(
        SpecError, match=r"^ratios of scales must be 2\*\*-10 to 2\*\*8 for XNNPACK's ADD, not "
    ):
        xnnpack_add_multipliers(256.0, 1.0)


# --- TOSA ---


@given(st.floats(2.0**-60, 2.0**28), st.sampled_from([15, 31]))
def test_tosa_multipliers(ratio, bits):
    multiplier, shift = mantissa(ratio, bits)
    if shift < 2:
        with pytest.raises(SpecError) as error:
            scale_multiplier(ratio, bits)
        assert str(error.value) == f"ratio of scales must be below 2**{bits - 2} for TOSA, not {ratio}"
        return
    dropped = max(shift - 62, 0)
    assert scale_multiplier(ratio, bits) == (multiplier >> min(dropped, 31), shift - dropped)


@given(ratios, st.integers(-(2**47), 2**47 - 1), zero_points)
def test_tosa_scale16(ratio, value, zero_point):
    multiplier, shift = mantissa(ratio, 15)
    wanted = round_fraction(Fraction(value * multiplier, 2**shift), "half_up") + zero_point
    assert code("tosa-scale16", ratio, value, zero_point) == fit(wanted, INT16, "saturate")


def test_tosa_refuses():
    for multiplier, shift, message in [
        (1, 1, "shift must be 2 to 62 for TOSA, not 1 to 1"),
        (1, 63, "shift must be 2 to 62 for TOSA, not 63 to 63"),
        (-1, 2, "multiplier must not be negative for TOSA, not -1"),
    ]:
        with pytest.raises(SpecError) as error:
            scale_by(np.array([multiplier]), np.array([shift]))
        assert str(error.value) == message
    with pytest.raises(SpecError) as error:
        DIALECTS["tosa-scale32"].requantization([0.5, 0.0])
    assert str(error.value) == "ratio of scales must be positive and finite for TOSA, not 0.0"


# --- powers of two, dyadic numbers ---

SHIFTERS = {
    "pow2-half-up": "half_up",
    "pow2-half-away": "half_away",
    "pow2-even": "half_even",
    "pow2-floor": "floor",
}


@pytest.mark.parametrize("name", SHIFTERS)
@given(st.integers(-20, 40), sums, zero_points)
def test_powers_of_two(name, bits, value, zero_point):
    wanted = round_fraction(value / Fraction(2) ** bits, SHIFTERS[name]) + zero_point
    assert code(name, 2.0**-bits, value, zero_point) == fit(wanted, INT16, "saturate")


def test_no_power_of_two():
    for ratio in (0.3, 2.0**63, 2.0**-63):
        with pytest.raises(SpecError) as error:
            DIALECTS["pow2-even"].requantization([0.5, ratio])
        assert str(error.value) == f"ratio of scales must be a power of two from 2**-62 to 2**62, not {ratio}"


def test_powers_of_two_per_channel():
    rule = DIALECTS["pow2-half-up"].requantization([0.5, 4.0, 1.0])
    assert rule.apply(np.array([[-3, -3, -3]])).tolist() == [[-1, -12, -3]]


@given(ratios, sums, zero_points)
def test_dyadic(ratio, value, zero_point):
    """HAWQ: float64 product of the sum and the multiplier, over 2**e, ties to even."""
    fraction, exponent = math.frexp(ratio)
    multiplier = round_fraction(Fraction(fraction) * 2**31, "half_up")
    assert dyadic(ratio) == (multiplier, 31 - exponent)
    product = round_float(Fraction(value * multiplier), "float64") / Fraction(2) ** (31 - exponent)
    wanted = fit(round_fraction(product, "half_even") + zero_point, INT16, "saturate")
    assert code("dyadic-rne", ratio, value, zero_point) == wanted
    if abs(value * multiplier) < 2**53:
        exact = round_fraction(Fraction(value * multiplier) / Fraction(2) ** (31 - exponent), "half_even")
        assert wanted == fit(exact + zero_point, INT16, "saturate")


# --- thresholds ---


@given(st.floats(2.0**-20, 50.0), sums, zero_points)
def test_multithreshold(ratio, value, zero_point):
    exact = round_fraction(Fraction(value) * Fraction(ratio), "half_up") + zero_point
    wanted = fit(exact, {"bits": 5, "signed": True}, "saturate")
    assert code("multithreshold", ratio, value, zero_point, IntFormat(5)) == wanted


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=9).map(sorted), st.integers(-120, 120))
def test_real_thresholds_round_up(thresholds, value):
    step = thresholds_from_reals(thresholds)
    assert step.apply(np.array([value])).tolist() == [sum(value >= t for t in thresholds)]


def rules():
    """Monotone requantizations of every dialect, per tensor and per channel."""
    for name, dialect in DIALECTS.items():
        ratio = [0.25, 0.03125, 0.5] if name.startswith("pow2") else [0.21, 0.013, 0.5]
        yield pytest.param(dialect.requantization(ratio[0], zero_point=3, format=IntFormat(5)), id=name)
        rule = dialect.requantization(ratio, zero_point=-3, lo=-9, hi=6, format=IntFormat(6))
        yield pytest.param(rule, id=f"{name}-channels")


@pytest.mark.parametrize("rule", list(rules()))
def test_thresholds_are_the_same_function(rule):
    low, high = -700, 1300
    stairs = thresholds_of(rule, Interval(low, high))
    every = np.repeat(np.arange(low, high + 1)[:, None], rule.channels(), axis=1)
    assert stairs.apply(every).tolist() == rule.apply(every).tolist()
    if rule.channels() > 1:
        narrow = Interval(np.array([-9, 0, 5], object), np.array([9, 0, 90], object))
        stairs = thresholds_of(rule, narrow)
        some = every[(every[:, 0] >= -9) & (every[:, 0] <= 90)]
        assert stairs.apply(some).tolist() == rule.apply(some).tolist()


def test_thresholds_of_a_constant():
    rule = Requantization((Clamp(lo=5, hi=5),), IntFormat(8))
    stairs = thresholds_of(rule, Interval(-3, 3))
    assert stairs.apply(np.arange(-3, 4)).tolist() == [5] * 7
    flat = DIALECTS["multithreshold"].requantization(0.5, lo=4, hi=4)
    assert flat.apply(np.arange(-3, 4)).tolist() == [4] * 7


@pytest.mark.parametrize(
    "steps",
    [
        (Multiply(multipliers=-1),),
        (Scale(factors=np.float32(-1)),),
        (Clamp(lo=0, hi=1), Table(entries=(1, 0))),
        (Slice(hi=3, lo=0),),
        (ShiftRight(bits=2, rounding=Rounding.STOCHASTIC),),
        (ShiftLeft(bits=8, into=Register(IntFormat(8))),),
    ],
    ids=lambda steps: type(steps[-1]).__name__,
)
def test_what_cannot_become_thresholds(steps):
    with pytest.raises(SpecError, match=r"^steps must be monotone to become thresholds, not "):
        thresholds_of(Requantization(steps, IntFormat(8)), Interval(-100, 100))


def test_codes_that_wrap_or_are_too_many():
    with pytest.raises(SpecError) as error:
        thresholds_of(Requantization((), IntFormat(4), Overflow.WRAP), Interval(-100, 100))
    assert str(error.value) == "codes must fit int4 to become thresholds, not [-100, 100]"
    with pytest.raises(SpecError) as error:
        thresholds_of(Requantization((), IntFormat(32)), Interval(0, 2**20))
    assert str(error.value) == "codes must be at most 65536 apart, not [0, 1048576]"
    with pytest.raises(SpecError) as error:
        DIALECTS["multithreshold"].requantization(0.5, format=IntFormat(32))
    assert str(error.value) == "codes must be at most 65536 apart, not -2147483648 to 2147483647"
    with pytest.raises(SpecError, match=r"^thresholds must be finite$"):
        thresholds_from_reals([0.0, math.inf])


# --- all of them ---


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_says_what_it_is_and_where_from(name):
    dialect = DIALECTS[name]
    assert dialect.name == name
    assert dialect.summary
    assert dialect.source
    rule = dialect.requantization(0.5, zero_point=-3, lo=-3, hi=100)
    assert rule.apply(np.array([-(2**20), 0, 2**20])).tolist() == [-3, -3, 100]


def test_the_dialects():
    assert sorted(DIALECTS) == [
        "dyadic-rne",
        "f32-rne-zp-after",
        "f32-rne-zp-before",
        "fbgemm-float-bias",
        "litert-ref-fc",
        "multithreshold",
        "pow2-even",
        "pow2-floor",
        "pow2-half-away",
        "pow2-half-up",
        "tflite-double",
        "tflite-m64",
        "tflite-neon",
        "tflite-single",
        "tosa-scale16",
        "tosa-scale32",
        "tosa-scale32-double",
        "xnnpack-rndnu",
    ]
    assert Add(values=3) in DIALECTS["tflite-double"].requantization(0.5, zero_point=3).steps
