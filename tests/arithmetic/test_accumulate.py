"""Sums through registers, against the shared oracle and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Events,
    Overflow,
    Topology,
    ZeroPointPlace,
    accumulate,
)
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat
from intsim.ops.dot import sum_of_products
from intsim.testing import plain
from intsim.testing.strategies import accumulators, codes
from tests.oracles import arith

INT4, INT8 = IntFormat(4), IntFormat(8)


def total(terms, accumulator, start=0, after=(), sizes=None):
    """One sum, and its events."""
    terms = np.asarray(terms)
    events = Events.none(accumulator)
    order = accumulator.permutation(sizes or (1, 1, len(terms)))
    value = accumulate(lambda k: terms[k], order, accumulator, start=start, after=after, events=events)
    return int(value), events


# --- by hand ---


def test_saturating_each_step_is_not_saturating_once():
    each = Accumulator(INT4, Overflow.SATURATE)
    once = Accumulator(INT4, Overflow.SATURATE, tile=3)
    assert total([7, 7, -7], each) == (0, Events([0], [1]))
    assert total([7, 7, -7], once) == (7, Events([0], [0]))


def test_eight_bits_wrap():
    products = [7 * 7] * 3
    assert total(products, Accumulator(INT8)) == (-109, Events([1], [0]))
    assert total(products, Accumulator(IntFormat(16))) == (147, Events([0], [0]))


def test_an_inner_wrap_is_not_undone_by_a_wider_outer_register():
    inner = Accumulator(IntFormat(7))
    nested = Accumulator(IntFormat(16), tile=1, inner=inner)
    assert total([100, -60], nested) == (-88, Events([0, 1], [0, 0]))
    assert total([100, -60], Accumulator(IntFormat(16), tile=2, inner=inner)) == (40, Events([0, 0], [0, 1]))


def test_the_order_matters_where_the_register_saturates():
    terms = [7, 7, -7, -7]
    assert total(terms, Accumulator(INT4, Overflow.SATURATE))[0] == -7
    assert total(terms, Accumulator(INT4, Overflow.SATURATE, order=(0, 2, 1, 3)))[0] == 0
    assert total(terms, Accumulator(INT4, Overflow.WRAP))[0] == 0


def test_orders_of_the_axes():
    def entering(order):
        return Accumulator(order=order).permutation((2, 2, 3)).tolist()

    assert entering("hwc") == list(range(12))
    assert entering("chw") == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
    assert entering("whc") == [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]
    assert entering(tuple(range(11, -1, -1))) == list(range(11, -1, -1))
    with pytest.raises(ValueError, match=r"^order must list 12 terms, not 2\. \[A4\]$"):
        entering((1, 0))


def test_a_tree_adds_neighbours():
    saturating = Accumulator(INT4, Overflow.SATURATE, topology=Topology.TREE)
    assert total([7, 7, -7, -7, 1], saturating) == (0, Events([0], [1]))  # (7 + -8) + 1
    assert total([7, -7, 7, -7, 1], saturating) == (1, Events([0], [0]))
    assert total([9], saturating) == (7, Events([1], [0]))  # a leaf passes through the register
    assert total([7, -7], saturating, start=9) == (7, Events([1], [0]))


def test_the_bias_enters_first_or_last():
    register = Accumulator(INT4, Overflow.SATURATE)
    assert total([5, -5], register, start=6)[0] == 2
    assert total([5, -5], register, after=[6])[0] == 6
    assert total([5, -5], register, after=[6, -6])[0] == 0


def test_trap():
    with pytest.raises(OverflowTrap) as error:
        total([7, 1], Accumulator(INT4, Overflow.TRAP))
    assert str(error.value) == "register must hold int4 (-8 to 7), not 8 at (): 1 of 1 values do not fit"
    assert total([7, -1], Accumulator(INT4, Overflow.TRAP))[0] == 6


def test_events_count_elements():
    terms = np.array([[7, 7, 3], [1, -8, 3], [-8, 0, 3]])
    events = Events.none(Accumulator(INT4))
    accumulate(lambda k: terms[k], [0, 1, 2], Accumulator(INT4), events=events)
    assert events == Events([1], [1])  # the sums are 0 by way of 8; -1; 9
    events.add(Events([2], [5]))
    assert (events, events.total) == (Events([3], [6]), 9)


# --- against the oracle ---


@st.composite
def sums(draw):
    sizes = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)))
    accumulator = draw(accumulators(sizes, trap=True))
    batch = draw(st.integers(1, 3))
    count = int(np.prod(sizes))
    element = codes(IntFormat(draw(st.sampled_from([4, 8, 16]))))
    terms = draw(st.lists(st.lists(element, min_size=count, max_size=count), min_size=batch, max_size=batch))
    return sizes, accumulator, terms, draw(element), draw(element)


@given(sums(), st.sampled_from([np.int64, object]))
def test_any_accumulator(drawn, dtype):
    sizes, accumulator, terms, bias, correction = drawn
    subtract = accumulator.zero_point is ZeroPointPlace.SUBTRACT
    first, last = [], []
    if not subtract:
        (first if accumulator.zero_point is ZeroPointPlace.PRELOAD else last).append(correction)
    (first if accumulator.bias is BiasPlace.FIRST else last).append(bias)
    array = np.array(terms).astype(dtype)
    events = Events.none(accumulator)

    def found():
        return accumulate(
            lambda k: array[:, k],
            accumulator.permutation(sizes),
            accumulator,
            start=sum(first),
            after=last,
            events=events,
        )

    try:
        expected = [arith.accumulate(row, sizes, plain(accumulator), bias, correction) for row in terms]
    except arith.Trap:
        with pytest.raises(OverflowTrap):
            found()
        return
    assert found().tolist() == [value for value, _, _ in expected]
    assert events.persistent == [sum(level) for level in zip(*(p for _, p, _ in expected), strict=True)]
    assert events.transient == [sum(level) for level in zip(*(t for _, _, t in expected), strict=True)]


@given(sums(), st.integers(-9, 9), st.integers(-9, 9), st.data())
def test_products_with_zero_points(drawn, input_zero_point, weight_zero_point, data):
    sizes, accumulator, terms, bias, _ = drawn
    x = [value % 256 - 128 for value in terms[0]]
    w = data.draw(st.lists(codes(INT8), min_size=len(x), max_size=len(x)))
    arguments = (input_zero_point, weight_zero_point, sizes, plain(accumulator), bias)

    def found():
        return sum_of_products(
            np.array([x]), np.array(w), input_zero_point, weight_zero_point, bias, accumulator, sizes
        )

    try:
        expected = arith.dot(x, w, *arguments)
    except arith.Trap:
        with pytest.raises(OverflowTrap):
            found()
        return
    assert found().tolist() == [expected]


@given(sums())
def test_wrapping_is_free_of_order(drawn):
    sizes, accumulator, terms, bias, _ = drawn
    free = accumulator.replace(overflow=Overflow.WRAP, inner=None)
    exact = arith.fit(sum(terms[0]) + bias, plain(free.format), "wrap")
    assert total(terms[0], free, start=bias, sizes=sizes)[0] == exact


# --- what is refused ---


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"order": "hw"}, "Accumulator.order: must be the letters h, w and c once each, not 'hw'. [A4]"),
        ({"order": (0, 2)}, "Accumulator.order: must name every term from 0 up exactly once. [A4]"),
        ({"tile": 0}, "Accumulator.tile: must be at least 1, not 0. [A3]"),
        ({"inner": Accumulator()}, "Accumulator.inner: needs a tile. [A3]"),
        (
            {"tile": 4, "inner": Accumulator(tile=4)},
            "Accumulator.inner.tile: must be below the outer tile 4, not 4. [A3]",
        ),
        (
            {"tile": 4, "inner": Accumulator(order="chw")},
            "Accumulator.inner.order: is said by the outermost register only. [A3]",
        ),
        (
            {"tile": 4, "inner": Accumulator(bias=BiasPlace.FIRST, zero_point=ZeroPointPlace.AFTER)},
            "Accumulator.inner.bias: is said by the outermost register only. [A3]\n"
            "Accumulator.inner.zero_point: is said by the outermost register only. [A3]",
        ),
        (
            {"topology": "star", "tile": "4"},
            "Accumulator.topology: must be one of chain, tree, not 'star'\n"
            "Accumulator.tile: must be an integer, not '4'",
        ),
    ],
)
def test_refused(fields, message):
    with pytest.raises(SpecError) as error:
        Accumulator(**fields)
    assert str(error.value) == message


def test_names_in_lower_case_are_taken():
    assert Accumulator(overflow="saturate", topology="tree") == Accumulator(
        overflow=Overflow.SATURATE, topology=Topology.TREE
    )
