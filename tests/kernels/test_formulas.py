"""Formulas that stand for requantizations: against every reachable value, and against planted faults."""

import dataclasses

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
    Scale,
    ShiftLeft,
    ShiftRight,
    Table,
    Thresholds,
)
from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat
from intsim.kernels.epilogue import DOUBLE, FIXED, LANES, SIGNED, SINGLE, Epilogue, padded
from intsim.kernels.finish import finish
from intsim.kernels.finishing import epilogue_of
from intsim.kernels.formulas import find, holds, literal
from intsim.kernels.staircase import Staircase, staircase

FORMS = {
    "float32 around a pivot": lambda stairs: find(stairs, np.float32, pivoted=True),
    "float32 by sign": lambda stairs: find(stairs, np.float32, signed=True),
    "float64": lambda stairs: find(stairs, np.float64, signed=True),
    "the scale itself": literal,
}


NAMES = sorted(DIALECTS.keys() - {"multithreshold"})


def a_rule(dialect, seed, channels=16, relu=False):
    """A dialect's requantization for random ratios, a zero point and the limits of int8."""
    rng = np.random.default_rng(seed)
    ratios = 2.0 ** rng.uniform(-8, -4, channels)
    if dialect.startswith("pow2"):
        ratios = 2.0 ** rng.integers(-8, -3, channels)
    zero = -128 if relu else int(rng.integers(-20, 20))
    return DIALECTS[dialect].requantization(ratios, zero_point=zero), ratios


def a_range(ratios, seed):
    rng = np.random.default_rng(seed)
    ends = [
        np.rint(rng.uniform(20, 300, ratios.size) / ratios).astype(np.int64).astype(object) for _ in range(2)
    ]
    return Interval(-ends[0], ends[1])


def every_value(interval, channels):
    """All values of a range, (values, channels); a shorter channel's go round again."""
    lo, hi = (
        np.broadcast_to(np.asarray(end), (channels,)).astype(np.int64) for end in (interval.lo, interval.hi)
    )
    return lo + np.arange(int((hi - lo).max()) + 1)[:, None] % (hi - lo + 1)


def finished(epilogue, values, dtype=np.int32):
    """What the kernel makes of values: from sums that lack the start values."""
    sums = np.zeros((values.shape[0], padded(values.shape[1])), np.int32)
    sums[:, : values.shape[1]] = values
    out = np.zeros(values.shape, dtype)
    finish(sums, values.shape[0], epilogue, out, 0, 0)
    return out


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("relu", [False, True])
def test_every_reachable_sum_of_every_dialect(dialect, relu):
    rule, ratios = a_rule(dialect, seed=1, relu=relu)
    interval = a_range(ratios, seed=2)
    made = epilogue_of(rule, interval, ratios.size)
    values = every_value(interval, ratios.size)
    assert np.array_equal(finished(made[0], values), rule.apply(values))
    assert "equals the steps on all" in made[1] or "int64 product" in made[1]


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    dialect=st.sampled_from(["tflite-double", "tflite-single", "tflite-neon", "litert-ref-fc", "pow2-floor"]),
    seed=st.integers(0, 2**31),
    relu=st.booleans(),
)
def test_what_is_found_equals_the_steps_on_every_value(form, dialect, seed, relu):
    rule, ratios = a_rule(dialect, seed, 4, relu)
    interval = a_range(ratios, seed)
    stairs = staircase(rule, interval)
    formula, found = FORMS[form](stairs)
    values = every_value(interval, 4)
    equal = (formula.apply(values) == rule.apply(values)).all(axis=0)
    assert (equal | ~found).all()
    assert (holds(formula, stairs) == (equal & formula.sound())).all()


@given(st.data())
def test_the_staircase_is_the_function(data):
    roundings = st.sampled_from([r for r in Rounding if r is not Rounding.STOCHASTIC])
    steps = [Add(values=data.draw(st.integers(-50, 50)))]
    steps += [
        Multiply(multipliers=np.array(data.draw(st.lists(st.integers(0, 900), min_size=3, max_size=3))))
    ]
    steps += [ShiftRight(bits=data.draw(st.integers(0, 9)), rounding=data.draw(roundings)) for _ in range(2)]
    if data.draw(st.booleans()):
        steps += [
            Thresholds(values=np.sort(data.draw(st.lists(st.integers(-99, 99), min_size=1, max_size=9))))
        ]
    steps += [Clamp(lo=-20, hi=data.draw(st.integers(-20, 40)))]
    rule = Requantization(tuple(steps), IntFormat(8))
    ends = np.sort(
        np.array(data.draw(st.lists(st.integers(-600, 600), min_size=6, max_size=6))).reshape(2, 3), 0
    )
    stairs = staircase(rule, Interval(ends[0].astype(object), ends[1].astype(object)))
    assert isinstance(stairs, Staircase)
    for c in range(3):
        values = np.arange(ends[0, c], ends[1, c] + 1)
        codes = [int(rule.apply(np.full((1, 3), value))[0, c]) for value in values]
        assert (stairs.first[c], stairs.last[c]) == (codes[0], codes[-1])
        for code, point, reached in zip(
            stairs.codes[:, 0], stairs.points[:, c], stairs.reached[:, c], strict=True
        ):
            assert reached == (codes[0] < code <= codes[-1])
            if reached:
                assert point == values[next(i for i, found in enumerate(codes) if found >= code)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by", [-1, 1])
def test_a_breakpoint_off_by_one_is_refused(form, by):
    """Every one of them, in either direction: no formula holds for both staircases."""
    dialect = "f32-rne-zp-after" if form == "the scale itself" else "tflite-double"
    rule, _ = a_rule(dialect, seed=3, channels=1, relu=form == "float32 around a pivot")
    stairs = staircase(rule, a_range(np.full(1, 2.0**-8), seed=3))
    formula, found = FORMS[form](stairs)
    assert found.all()
    for index in np.flatnonzero(stairs.reached):
        points = stairs.points.copy()
        points[index] += by
        assert not holds(formula, dataclasses.replace(stairs, points=points)).any()


@pytest.mark.parametrize("end", ["first", "last"])
def test_a_code_of_an_end_off_by_one_is_refused(end):
    rule, _ = a_rule("tflite-double", seed=5, channels=1)
    stairs = staircase(rule, Interval(-300, 300))
    formula, found = find(stairs, np.float64, signed=True)
    assert found.all()
    for by in (-1, 1):
        assert not holds(formula, dataclasses.replace(stairs, **{end: getattr(stairs, end) + by})).any()


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((Multiply(multipliers=-3),), "Multiply is not monotone"),
        ((Table(entries=np.arange(999), first=-400),), "Table is not monotone"),
        ((Scale(factors=np.float64(-1)),), "Scale is not monotone"),
        ((ShiftRight(bits=2, rounding=Rounding.STOCHASTIC),), "STOCHASTIC rounding draws per element"),
        ((Add(into=Register(IntFormat(8))),), "a register of int8 wrap can overflow"),
        ((Add(into=Register(IntFormat(8), Overflow.TRAP)),), "a register of int8 trap can overflow"),
        ((ShiftLeft(bits=60),), "beyond int64"),
        ((ShiftLeft(bits=9),), "too many to look at"),
    ],
)
def test_what_has_no_staircase(steps, reason):
    rule = Requantization(steps, IntFormat(32))
    assert reason in staircase(rule, Interval(-300, 300))


def test_a_code_that_wraps_has_no_staircase():
    rule = Requantization((ShiftRight(bits=1),), IntFormat(8), Overflow.WRAP)
    assert staircase(rule, Interval(-300, 300)) == "the code's register can overflow"
    assert isinstance(staircase(rule, Interval(-256, 255)), Staircase)


def test_the_cheapest_form_is_taken_block_by_block():
    ratios = np.repeat([0.01, 2.0**-17 / 3], [16, 8])
    steps = (*DIALECTS["tflite-double"].steps(ratios), Add(values=-128), Clamp(lo=-128, hi=127))
    interval = Interval(
        np.array([-9000] * 24, dtype=object), np.array([30000] * 16 + [2**25] * 8, dtype=object)
    )
    epilogue, proof = epilogue_of(Requantization(steps, IntFormat(8)), interval, 24)
    assert epilogue.kinds.tolist() == [SINGLE, DOUBLE]
    assert proof.startswith("float32 in 1 of 2 and float64 in 1 of 2 equals the steps on all ")
    assert (epilogue.start[:16] != 0).all()
    assert not epilogue.start[16:].any()


def test_negative_sums_round_another_way_in_double_rounding():
    rule, ratios = a_rule("tflite-double", seed=8)
    epilogue, _ = epilogue_of(rule, a_range(ratios, 8), ratios.size)
    assert set(epilogue.kinds.tolist()) <= {SIGNED, DOUBLE}
    rule, ratios = a_rule("f32-rne-zp-after", seed=8)
    epilogue, _ = epilogue_of(rule, a_range(ratios, 8), ratios.size)
    assert epilogue.kinds.tolist() == [SINGLE]


def test_a_narrow_register_has_no_pivot():
    rule, ratios = a_rule("tflite-double", seed=9, relu=True)
    interval = Interval(-(2**15), 2**15 - 1)
    epilogue, _ = epilogue_of(rule, interval, ratios.size, IntFormat(16))
    assert epilogue.width == 16
    assert not epilogue.start.any()
    values = every_value(interval, 16)
    assert np.array_equal(finished(epilogue, values + 5 * 2**16), rule.apply(values))


def many_codes(*shifts):
    """Three channels of int16 codes, over a range per channel."""
    rule = Requantization(
        (
            Multiply(multipliers=np.array([2**30 + 1, 7 * 2**20, 2**31 - 1])),
            *shifts,
            Add(values=-7),
            Clamp(lo=-(2**15), hi=2**15 - 1),
        ),
        IntFormat(16),
    )
    return rule, Interval(*(np.array([end] * 3, dtype=object) for end in (-90000, 90000)))


def test_codes_too_many_to_look_at_take_the_stages():
    shifts = ShiftRight(bits=31, rounding=Rounding.HALF_UP), ShiftRight(bits=np.array([1, 0, 1]))
    rule, interval = many_codes(*shifts)
    epilogue, _ = epilogue_of(rule, interval, 3)
    assert epilogue.kinds.tolist() == [FIXED]
    values = np.arange(-90000, 90000).reshape(-1, 3)
    assert np.array_equal(finished(epilogue, values), rule.apply(values))


@pytest.mark.parametrize("rounding", [r for r in Rounding if r is not Rounding.STOCHASTIC])
def test_one_product_and_one_shift_by_algebra(rounding):
    rule, interval = many_codes(ShiftRight(bits=np.array([31, 30, 32]), rounding=rounding))
    made = epilogue_of(rule, interval, 3)
    if rounding in (Rounding.TOWARD_ZERO, Rounding.AWAY_FROM_ZERO, Rounding.HALF_EVEN, Rounding.HALF_ODD):
        assert "too many to look at" in made
        return
    assert made[1].startswith("float64 holds every product, below 2**48")
    values = np.arange(-90000, 90001)[:, None] + np.zeros(3, np.int64)
    assert np.array_equal(finished(made[0], values), rule.apply(values))


@pytest.mark.parametrize(
    "rounding", [Rounding.HALF_UP, Rounding.HALF_AWAY, Rounding.HALF_DOWN, Rounding.FLOOR]
)
def test_ties_by_algebra(rounding):
    steps = Multiply(multipliers=np.array([3, 1, 2])), ShiftRight(bits=np.array([1, 0, 2]), rounding=rounding)
    rule = Requantization(steps, IntFormat(18))
    interval = Interval(*(np.array([end] * 3, dtype=object) for end in (-60000, 60000)))
    epilogue, proof = epilogue_of(rule, interval, 3)
    assert "[N2]" in proof
    values = np.arange(-60000, 60001)[:, None] + np.zeros(3, np.int64)
    assert np.array_equal(finished(epilogue, values), rule.apply(values))


def test_sums_beyond_int32_have_no_epilogue():
    rule = Requantization((ShiftRight(bits=20),), IntFormat(16))
    assert epilogue_of(rule, Interval(0, 2**31), 1) == "sums can be in [0, 2147483648], beyond int32"
    assert isinstance(epilogue_of(rule, Interval(0, 2**31 - 1), 1, IntFormat(48))[0], Epilogue)
    assert LANES == 16
