"""Two tensors into one against the steps, for every pair of codes."""

import numpy as np
import pytest
from hypothesis import given, settings
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
    ShiftLeft,
    ShiftRight,
    Table,
)
from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat
from intsim.kernels.pairing import (
    ADD,
    ADD_DOUBLE,
    MUL,
    MUL_DOUBLE,
    PRODUCT_SINGLE,
    SUB,
    SUB_DOUBLE,
    SUM_SINGLE,
    Pair,
    pair_of,
    single_codes,
)
from intsim.kernels.pairs import combine

INT8, INT32 = IntFormat(8), IntFormat(32)
EXACT = {ADD: np.add, SUB: np.subtract, MUL: np.multiply}


def scaled(ratio, zero_point, left, dialect="tflite-double"):
    """An operand brought to a common scale: less its zero point, up by `left` bits, times the ratio."""
    steps = (Add(values=-zero_point), ShiftLeft(bits=left), *DIALECTS[dialect].steps(np.array([ratio])))
    return Requantization(steps, INT32)


def result(ratio, zero_point, dialect="tflite-double", format=INT8):
    return DIALECTS[dialect].requantization(ratio, zero_point=zero_point, format=format)


def wanted(op, a, b, before, rule):
    left, right = (x if own is None else own.apply(x) for x, own in zip((a, b), before, strict=True))
    return rule.apply(EXACT[op](left, right))


def run(pair, a, b, dtype=np.int8):
    out = np.full(a.size + 2, 99, dtype)
    combine(a, b, pair, 0, a.size, out)
    assert out[-2:].tolist() == [99, 99]
    return out[:-2].astype(np.int64)


def every_pair(interval, dtype):
    codes = np.arange(interval.min, interval.max + 1)
    a, b = (x.ravel() for x in np.meshgrid(codes, codes))
    return a, b, a.astype(dtype), b.astype(dtype)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([ADD, SUB]), st.integers(0, 2**31), st.booleans())
def test_sums_of_two_scales(op, seed, signed):
    rng = np.random.default_rng(seed)
    format = IntFormat(8, signed)
    zeros = rng.integers(format.min, format.max + 1, 3).tolist()
    before = tuple(
        scaled(ratio, zero, 20) for ratio, zero in zip(rng.uniform(0.1, 1, 2), zeros, strict=False)
    )
    rule = result(float(rng.uniform(0.2, 3)) * 2.0**-20, zeros[2], format=format)
    interval = Interval.of_format(format)
    made = pair_of(op, (interval, interval), before, INT32, rule)
    assert not isinstance(made, str), made
    wide_a, wide_b, a, b = every_pair(interval, format.storage)
    assert np.array_equal(run(made[0], a, b, format.storage), wanted(op, wide_a, wide_b, before, rule))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from(["tflite-double", "tflite-single", "f32-rne-zp-after"]))
def test_products_less_zero_points(seed, dialect):
    rng = np.random.default_rng(seed)
    before = tuple(Requantization((Add(values=int(zero)),), INT32) for zero in rng.integers(-128, 128, 2))
    rule = result(float(2.0 ** rng.uniform(-12, -5)), int(rng.integers(-128, 128)), dialect)
    interval = Interval(-128, 127)
    made = pair_of(MUL, (interval, interval), before, INT32, rule)
    if isinstance(made, str):
        assert dialect.startswith("f32")
        return
    wide_a, wide_b, a, b = every_pair(interval, np.int8)
    assert np.array_equal(run(made[0], a, b), wanted(MUL, wide_a, wide_b, before, rule))


@pytest.mark.parametrize("offset", [-5000, -55, 0, 300, 60_000])
def test_sums_far_from_their_codes(offset):
    """Multipliers of 40 bits, as a float32 sum comes to in integers, and limits far from where 0 goes."""
    before = tuple(
        Requantization((Multiply(multipliers=m),), IntFormat(64)) for m in (785365467136, 412345678901)
    )
    steps = (
        Add(values=(offset << 40) + 157146201),
        ShiftRight(bits=40, rounding=Rounding.HALF_EVEN),
        Clamp(lo=offset + 9, hi=offset + 209),
    )
    rule = Requantization(steps, INT32)
    interval = Interval(0, 255)
    pair, proof = pair_of(ADD, (interval, interval), before, IntFormat(64), rule)
    assert pair.form == SUM_SINGLE, proof
    wide_a, wide_b, a, b = every_pair(interval, np.uint8)
    assert np.array_equal(run(pair, a, b, np.int32), wanted(ADD, wide_a, wide_b, before, rule))


@pytest.mark.parametrize(
    ("multipliers", "offset"),
    [
        ((850193285120, 2248739913728), -296833679097856),
        ((725614198784, 1879779049472), -357304134270976),
    ],
)
def test_sums_whose_codes_float32_itself_decides(multipliers, offset):
    """A runtime's float32 sums in integers: near ties the roundings on the way must be the runtime's own."""
    before = tuple(Requantization((Multiply(multipliers=m),), IntFormat(64)) for m in multipliers)
    steps = Add(values=offset), ShiftRight(bits=40, rounding=Rounding.HALF_EVEN)
    rule = Requantization(steps, IntFormat(8, signed=False))
    interval = Interval(0, 255)
    pair, proof = pair_of(ADD, (interval, interval), before, IntFormat(64), rule)
    assert (pair.form, pair.centre) == (SUM_SINGLE, 0), proof
    wide_a, wide_b, a, b = every_pair(interval, np.uint8)
    assert np.array_equal(run(pair, a, b, np.uint8), wanted(ADD, wide_a, wide_b, before, rule))


@pytest.mark.parametrize(("op", "form"), [(ADD, ADD_DOUBLE), (SUB, SUB_DOUBLE), (MUL, MUL_DOUBLE)])
def test_16_bit_operands_take_float64(op, form):
    rng = np.random.default_rng(1)
    before = (scaled(0.7, 0, 10 if op != MUL else 0), None)
    scale = 2.0**-16 if op != MUL else 2.0**-22
    rule = result(scale, 3)
    interval = Interval(-(2**15), 2**15 - 1)
    pair, proof = pair_of(op, (interval, interval), before, IntFormat(64), rule)
    assert pair.form == form
    assert proof.startswith("float64 equals the steps on every code of the operands")
    a, b = (
        np.append(rng.integers(-(2**15), 2**15, 100000), [2**15 - 1, -(2**15), 0]).astype(np.int16)
        for _ in "ab"
    )
    wide = a.astype(np.int64), b.astype(np.int64)
    assert np.array_equal(run(pair, a, b), wanted(op, *wide, before, rule))


def test_every_16_bit_operand_through_double_rounding():
    """A nudge stands for the first of its two roundings."""
    before = (scaled(0.637, 0, 5), None)
    rule = Requantization((ShiftRight(bits=12, rounding=Rounding.HALF_UP),), IntFormat(16))
    interval = Interval(-(2**15), 2**15 - 1)
    pair, _ = pair_of(ADD, (interval, Interval(-300, 300)), before, INT32, rule)
    a = np.arange(-(2**15), 2**15).astype(np.int16)
    b = (a % 600 - 300).astype(np.int16)
    wide = a.astype(np.int64), b.astype(np.int64)
    assert np.array_equal(run(pair, a, b, np.int16), wanted(ADD, *wide, before, rule))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 47])
@pytest.mark.parametrize("begin", [0, 3])
def test_any_piece_of_any_size(size, begin):
    before = (scaled(0.5, 3, 20), scaled(0.9, -4, 20))
    pair, _ = pair_of(ADD, (Interval(-128, 127),) * 2, before, INT32, result(2.0**-20, 1))
    rng = np.random.default_rng(size)
    a, b = (rng.integers(-128, 128, size + 9).astype(np.int8) for _ in "ab")
    out = np.full(size + 9, 99, np.int8)
    combine(a, b, pair, begin, begin + size, out)
    expected = np.full(size + 9, 99)
    piece = slice(begin, begin + size)
    expected[piece] = wanted(
        ADD, a[piece].astype(np.int64), b[piece].astype(np.int64), before, result(2.0**-20, 1)
    )
    assert out.tolist() == expected.tolist()


@pytest.mark.parametrize("op", [ADD, MUL])
def test_a_faulty_form_shows_on_some_pair(op):
    """The test of every pair can tell: a little beside the found offset or factor some codes change."""
    before = (scaled(0.43712519, 3, 20), scaled(0.91377031, -4, 20)) if op == ADD else (None, None)
    rule = result(1.1371283e-6 if op == ADD else 0.00377138127, 1, "tflite-single")
    interval = Interval(-128, 127)
    pair, proof = pair_of(op, (interval, interval), before, INT32, rule)
    assert pair.form == (SUM_SINGLE if op == ADD else PRODUCT_SINGLE)
    assert proof == "float32 equals the steps on all 65536 pairs of codes [L2]"
    a, b = np.arange(-128, 128)[:, None], np.arange(-128, 128)[None]
    codes = wanted(op, a, b, before, rule)
    assert np.array_equal(single_codes(pair, a, b), codes)
    factor = {"fa": pair.fa * 1.01} if op == ADD else {"factor": pair.factor * 1.01}
    for fault in ({"offset": pair.offset + 2.0**-5}, factor, {"centre": pair.centre + 1}):
        assert not np.array_equal(single_codes(pair._replace(**fault), a, b), codes)


def test_what_float64_cannot_tell_is_refused():
    pair = Pair(SUM_SINGLE, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 2.0**-60, 0.0, 0, -9, 9)
    assert single_codes(pair, np.arange(3), np.arange(3)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ranges": (Interval(0, 2**16), Interval(0, 1))}, "more than 65536 codes"),
        ({"register": IntFormat(10)}, "beyond int10"),
        (
            {"rule": Requantization((Table(entries=np.zeros(30000, np.int64), first=-15000),), IntFormat(8))},
            "Table is not monotone",
        ),
        (
            {"rule": Requantization((Multiply(multipliers=np.array([1, 2])),), IntFormat(8))},
            "the requantization is per channel",
        ),
        (
            {"before": (Requantization((Clamp(lo=-3, hi=3),), INT32), None)},
            "an operand's requantization is no line in float64",
        ),
        (
            {"before": (Requantization((Add(into=Register(IntFormat(4), Overflow.WRAP)),), INT32), None)},
            "a register of int4 wrap can overflow",
        ),
    ],
)
def test_what_has_no_form(change, reason):
    given = {
        "ranges": (Interval(-200, 200), Interval(-200, 300)),
        "before": (scaled(0.5, 0, 6), None),
        "register": INT32,
        "rule": result(2.0**-7, 1),
    } | change
    assert reason in pair_of(ADD, given["ranges"], given["before"], given["register"], given["rule"])
