"""The steps from a sum to a code, and what is known of their ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import (
    Add,
    Clamp,
    Compare,
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
    Thresholds,
)
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat
from intsim.testing import plain
from intsim.testing.strategies import codes, requantizations
from tests.oracles import arith


def one(step, *values):
    return step.apply(np.array(values)).tolist()


# --- each step by hand ---


def test_each_step():
    assert one(Add(values=-3), 1, 5) == [-2, 2]
    assert one(ShiftLeft(bits=4), -1, 3) == [-16, 48]
    assert one(Multiply(multipliers=[2, -3]), 5, 5) == [10, -15]
    assert one(ShiftRight(bits=1, rounding=Rounding.HALF_AWAY), -3, 3) == [-2, 2]
    assert one(ShiftRight(bits=[0, 2]), 7, 7) == [7, 1]
    assert one(Clamp(lo=[0, -1], hi=6), -5, -5) == [0, -1]
    assert one(Scale(factors=np.float64(0.5)), 3, 5) == [2, 2]
    assert one(Thresholds(values=(-1, 4, 4)), -2, -1, 4) == [0, 1, 3]
    assert one(Thresholds(values=(-1, 4, 4), compare=Compare.ABOVE), -2, -1, 5) == [0, 0, 3]
    assert one(Thresholds(values=[[0, 1], [5, 9]]), 1, 5) == [2, 1]
    assert one(Table(entries=(9, 8, 7), first=-1), -1, 0, 1) == [9, 8, 7]
    assert one(Slice(hi=15, lo=8), 0x1234, -1, 0xFF00) == [0x12, -1, -1]
    assert one(Slice(hi=3, lo=0, signed=False), -1, 16) == [15, 0]


def test_a_register_after_a_step():
    into = Register(IntFormat(34))
    assert one(ShiftRight(bits=1, into=into), 2**35) == [0]
    assert one(ShiftRight(bits=1, into=into), 2**34) == [-(2**33)]
    assert one(Add(values=1, into=Register(IntFormat(8), Overflow.SATURATE)), 127) == [127]
    assert one(Add(values=1, into=Register(IntFormat(8))), 127) == [-128]
    with pytest.raises(OverflowTrap):
        one(Add(values=1, into=Register(IntFormat(8), Overflow.TRAP)), 127)


def test_a_product_kept_in_32_bits_flips_its_sign():
    """A 33-bit intermediate truncated to 32: what a real requantization once did."""
    wide = Multiply(multipliers=2)
    narrow = wide.replace(into=Register(IntFormat(32)))
    assert one(wide, 2**30) == [2**31]
    assert one(narrow, 2**30) == [-(2**31)]


def test_float_steps_round_each_operation():
    third = np.float32(1) / np.float32(3)
    assert one(Scale(factors=third), 2**24 + 1) == [int(np.rint(np.float32(2**24) * third))]
    # 2**24 + 1 is no float32, so the sum is rounded before the product sees it
    assert one(Scale(factors=np.float64(1)), 2**24 + 1) == [2**24 + 1]
    assert one(Scale(factors=np.float32(1)), 2**24 + 1) == [2**24]


def test_a_zero_point_before_the_rounding_moves_ties():
    half = np.float32(0.5)
    after = Requantization((Scale(factors=half), Add(values=1)), IntFormat(8))
    before = Requantization((Scale(factors=half, after=np.float32(1)),), IntFormat(8))
    odd = np.array([-3, -1, 1, 3])
    assert after.apply(odd).tolist() == [-1, 1, 1, 3]
    assert before.apply(odd).tolist() == [0, 0, 2, 2]


def test_the_code_register():
    wrap = Requantization((), IntFormat(8), Overflow.WRAP)
    assert wrap.apply(np.array([200, -200])).tolist() == [-56, 56]
    assert Requantization((), IntFormat(8)).apply(np.array([200, -200])).tolist() == [127, -128]
    with pytest.raises(OverflowTrap):
        Requantization((), IntFormat(8), Overflow.TRAP).apply(np.array([200]))


def test_a_value_outside_a_table_is_refused():
    table = Table(entries=(1, 2), first=-1)
    for values in (np.array([-2]), np.array([1]), np.array([1], object)):
        with pytest.raises(IndexError, match=r"^table holds -1 to 0, not "):
            table.apply(values)
    with pytest.raises(IndexError, match=r"^table holds -1 to 0, not \[-1, 1\]$"):
        table.bounds(Interval(-1, 1))


# --- any requantization ---


@given(data=st.data(), channels=st.integers(1, 3), input_bits=st.sampled_from([8, 16, 32]))
def test_any_requantization(data, channels, input_bits):
    format = IntFormat(input_bits)
    rule = data.draw(requantizations(channels, trap=True, input_bits=input_bits))
    value = codes(format)
    rows = data.draw(st.lists(st.lists(value, min_size=channels, max_size=channels), min_size=1, max_size=3))
    try:
        expected = [arith.requantize(row, plain(rule)) for row in rows]
    except arith.Trap:
        with pytest.raises(OverflowTrap):
            rule.apply(np.array(rows, object))
        return
    assert rule.apply(np.array(rows, object)).tolist() == expected
    _, met = rule.bounds(Interval.of_format(format))
    if met.within(IntFormat(64)):
        assert rule.apply(np.array(rows)).tolist() == expected


@given(data=st.data(), low=st.integers(-40, 40), size=st.integers(0, 60))
def test_ranges_contain_every_code_and_are_reached(data, low, size):
    """Over every value of a small range: nothing outside; for monotone rules both ends are met."""
    rule = data.draw(requantizations(1, input_bits=8))
    every = np.arange(low, low + size + 1, dtype=object)[:, None]
    found = rule.apply(every)
    interval, met = rule.bounds(Interval(low, low + size))
    assert interval.contains(found)
    assert met.contains(found)
    assert met.contains(every)
    stochastic = any(getattr(step, "rounding", None) is Rounding.STOCHASTIC for step in rule.steps)
    wraps = rule.overflow is Overflow.WRAP or any(step.into is not None for step in rule.steps)
    tables = any(isinstance(step, Table | Slice) for step in rule.steps)
    if not (stochastic or wraps or tables):
        assert (interval.min, interval.max) == (found.min(), found.max())


@given(entries=st.lists(st.integers(-9, 9), min_size=1, max_size=12), data=st.data())
def test_the_range_of_a_table_is_exact(entries, data):
    low = data.draw(st.integers(0, len(entries) - 1))
    high = data.draw(st.integers(low, len(entries) - 1))
    reached, _ = Table(entries=entries, first=-4).bounds(Interval(low - 4, high - 4))
    assert (reached.min, reached.max) == (min(entries[low : high + 1]), max(entries[low : high + 1]))


@given(
    hi=st.integers(0, 5),
    lo=st.integers(0, 5),
    signed=st.booleans(),
    low=st.integers(-99, 99),
    size=st.integers(0, 99),
)
def test_the_range_of_a_slice(hi, lo, signed, low, size):
    hi, lo = max(hi, lo), min(hi, lo)
    step = Slice(hi=hi, lo=lo, signed=signed)
    found = step.apply(np.arange(low, low + size + 1))
    reached, _ = step.bounds(Interval(low, low + size))
    assert reached.min <= found.min()
    assert found.max() <= reached.max
    whole = IntFormat(hi - lo + 1, signed)
    if (reached.min, reached.max) != (whole.min, whole.max):
        assert (reached.min, reached.max) == (found.min(), found.max())


def test_ranges_per_channel():
    rule = Requantization((Multiply(multipliers=[1, -2]), Add(values=[0, 10])), IntFormat(8))
    interval, _ = rule.bounds(Interval(-3, 5))
    assert interval == Interval(np.array([-3, 0], object), np.array([5, 16], object))
    by_channel = Interval(np.array([0, 1], object), np.array([5, 5], object))
    interval, _ = rule.bounds(by_channel)
    assert interval == Interval(np.array([0, 0], object), np.array([5, 8], object))


# --- what is refused ---


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Add(values=[[1]]), "Add.values: must be one value or a list, not of shape (1, 1)"),
        (lambda: Add(values=[]), "Add.values: must be one value or a list, not of shape (0,)"),
        (lambda: ShiftLeft(bits=63), "ShiftLeft.bits: must be 0 to 62, not 63"),
        (lambda: ShiftRight(bits=[0, -1]), "ShiftRight.bits: must be 0 to 62, not -1"),
        (lambda: Clamp(lo=1, hi=0), "Clamp.hi: must not be below lo"),
        (lambda: Clamp(lo=[0, 0], hi=[1, 1, 1]), "Clamp.hi: must have as many values as lo (2), not 3"),
        (lambda: Scale(factors=1), "Scale.factors: must be float32 or float64, not int64"),
        (lambda: Scale(factors=np.float32(np.inf)), "Scale.factors: must be finite"),
        (
            lambda: Scale(factors=np.float32(1), after=np.float64(1)),
            "Scale.after: must be float32 as factors is, not float64",
        ),
        (lambda: Scale(rounding=Rounding.STOCHASTIC), "Scale.rounding: must not be STOCHASTIC"),
        (lambda: Thresholds(values=[2, 1]), "Thresholds.values: must ascend"),
        (
            lambda: Thresholds(values=np.zeros((1, 1, 1), int)),
            "Thresholds.values: must be a list or one row per channel, not of shape (1, 1, 1)",
        ),
        (lambda: Table(entries=3), "Table.entries: must be a list, not of shape ()"),
        (lambda: Slice(hi=63), "Slice.hi: must be lo (0) to 62, not 63"),
        (
            lambda: Requantization((Add(values=[1, 2]), Multiply(multipliers=[1, 2, 3]))),
            "Requantization.steps: must agree on the number of channels, not [2, 3]",
        ),
    ],
)
def test_refused(build, message):
    with pytest.raises(SpecError) as error:
        build()
    assert str(error.value) == message


def test_a_float_step_takes_64_bits():
    with pytest.raises(OverflowError, match=r"^a float step takes values of at most 64 bits$"):
        Scale().apply(np.array([2**63], object))
