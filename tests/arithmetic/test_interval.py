"""Ranges of Python ints, per tensor or per channel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Interval, Overflow, fit
from intsim.formats import IntFormat
from intsim.testing.strategies import formats


def channels(*ends):
    """An interval with one (lo, hi) per channel."""
    lo, hi = zip(*ends, strict=True)
    return Interval(np.array(lo, object), np.array(hi, object))


def test_join_hull_and_text():
    assert Interval.join([Interval(0, 3), Interval(-2, 1)]) == Interval(-2, 3)
    assert Interval.join([Interval(0, 1), channels((-5, 0), (2, 9))]) == channels((-5, 1), (0, 9))
    assert channels((-5, 0), (2, 9)).hull() == Interval(-5, 9)
    assert str(channels((-5, 0), (2, 9))) == "[-5, 9]"
    assert Interval.of_format(IntFormat(4)) == Interval(-8, 7)
    assert Interval(0, 1) != "0 to 1"


def test_contains_looks_at_each_channel():
    interval = channels((0, 1), (5, 9))
    assert interval.contains(np.array([[0, 5], [1, 9]]))
    assert not interval.contains(np.array([[5, 0]]))
    assert Interval(0, 2**70).contains(np.array([2**69], object))
    assert not Interval(0, 2**70).contains(np.array([2**71], object))


def test_of_arrays_makes_python_ints():
    per_tensor = Interval.of_arrays(np.int64(3), np.array(4))
    assert (type(per_tensor.lo), type(per_tensor.hi)) == (int, int)
    per_channel = Interval.of_arrays(np.array([1, 2]), np.array([3, 4]))
    assert {type(end) for end in (*per_channel.lo, *per_channel.hi)} == {int}


@pytest.mark.parametrize("overflow", Overflow)
@given(format=formats(1, 5), low=st.integers(-40, 40), size=st.integers(0, 80))
def test_fit_contains_what_a_register_can_hold(overflow, format, low, size):
    every = np.arange(low, low + size + 1)
    interval = Interval(low, low + size).fit(format, overflow)
    inside = every[~format.outside(every)] if overflow is Overflow.TRAP else every
    held = fit(inside, format, overflow)
    assert interval.contains(held)
    assert interval.within(format)
    if overflow is Overflow.SATURATE or Interval(low, low + size).within(format):
        assert (interval.min, interval.max) == (held.min(), held.max())


@pytest.mark.parametrize("overflow", Overflow)
def test_fit_at_the_ends_of_64_bits(overflow):
    huge = Interval(-(2**70), 2**70)
    for format in (IntFormat(64), IntFormat(64, signed=False), IntFormat(8)):
        assert huge.fit(format, overflow) == Interval.of_format(format)
    assert channels((0, 2**70), (5, 6)).fit(IntFormat(64), Overflow.WRAP) == channels(
        (-(2**63), 2**63 - 1), (5, 6)
    )


def test_clamp():
    assert Interval(-5, 2**70).clamp(0, 6) == Interval(0, 6)
    assert channels((-5, 3), (2, 9)).clamp(0, 6) == channels((0, 3), (2, 6))
    assert Interval(0, 1).clamp(-(2**70), 2**70) == Interval(0, 1)
