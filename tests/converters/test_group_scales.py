"""Scales of groups over a common unit, by fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters.group_scales import Groups, whole_scales


def groups_of(scale: list[list[float]], dtype: str = "float32") -> Groups:
    """Weights of 3 in groups of 2, the last of 1, less a zero point of 1."""
    values = np.array(scale, dtype)
    rows, count = values.shape
    return Groups(np.full((rows, 2 * count - 1), 3), values, np.ones((rows, count), np.int64), 2)


scales = st.floats(2.0**-30, 2.0**30, width=32)


@given(scale=st.lists(st.lists(scales, min_size=3, max_size=3), min_size=1, max_size=3))
def test_scales_are_whole_multiples_of_the_largest_unit(scale: list[list[float]]) -> None:
    found = whole_scales(groups_of(scale), 255)
    for row, integers, unit, reach in zip(scale, found.integers, found.units, found.reach, strict=True):
        assert [int(m) * unit for m in integers] == [Fraction(value) for value in row]
        assert reach == 255 * (4 * int(integers[0]) + 4 * int(integers[1]) + 2 * int(integers[2]))
    everything = [int(m) for row in found.integers for m in row]
    if len(set(found.units)) == 1:
        assert math.gcd(*everything) == 1
    else:
        assert all(math.gcd(*map(int, row)) == 1 for row in found.integers)
    assert found.fits == (max(found.reach) < 2**63 - 1)


def test_equal_scales_are_one() -> None:
    found = whole_scales(groups_of([[0.3, 0.3], [0.3, 0.3]]), 1)
    assert found.integers.tolist() == [[1, 1], [1, 1]]
    assert found.units == [Fraction(float(np.float32(0.3)))] * 2
    assert found.reach == [6, 6]


def test_a_unit_for_each_output_where_one_is_too_small() -> None:
    found = whole_scales(groups_of([[2.0**40, 2.0**41], [2.0**-30, 3 * 2.0**-30]]), 255)
    assert found.units == [Fraction(2) ** 40, Fraction(1, 2**30)]
    assert found.integers.tolist() == [[1, 2], [1, 3]]


def test_what_does_not_fit_is_told() -> None:
    found = whole_scales(groups_of([[1, 1], [2.0**-60, 1]], "float64"), 255)
    assert not found.fits
    assert found.misfit() == (
        "sums must fit 64 bits, but those of output 1 may need 70: over a common unit its scales are integers"
        " of 1 to 61 bits"
    )
    assert found.reach == [255 * 6, 255 * (4 + 2 * 2**60)]
