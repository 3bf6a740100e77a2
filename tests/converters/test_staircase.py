"""Bisection for all at once, and its examples."""

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters import staircase


def test_examples():
    assert doctest.testmod(staircase).attempted > 0
    assert doctest.testmod(staircase).failed == 0


@given(
    st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(1, 9), st.integers(1, 2**41)), max_size=6)
)
def test_the_least_that_holds(parts):
    """Ends included: the first that is asked for, and the one after the last."""
    wanted = np.array([least for least, _, _ in parts], np.int64)
    below = wanted - np.array([down for _, down, _ in parts], np.int64)
    reached = wanted + np.array([up - 1 for _, _, up in parts], np.int64)
    asked = []

    def holds(n):
        asked.append(n)
        return n >= wanted

    assert np.array_equal(staircase.least(below, reached, holds), wanted)
    assert all(((n >= below) & (n <= reached)).all() for n in asked)
