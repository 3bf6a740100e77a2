"""The assertions hold where they should, and where they fail, say the whole of it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import Accumulator, Interval, IntFormat, NetworkBuilder, Overflow
from intsim.ops import Dense
from intsim.testing import assert_no_overflow, assert_proved, assert_same, assert_within
from intsim.testing.networks import networks
from intsim.testing.ranges import input_ranges, inputs_within, intervals, values_within
from intsim.testing.strategies import arrays, codes, formats

INT8 = IntFormat(8)


def message(assertion, *given_values):
    with pytest.raises(AssertionError) as caught:
        assertion(*given_values)
    return str(caught.value)


# --- assert_same ---


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2], np.array([1, 2], np.int8)),
        (np.array([2**70, 1], object), [2**70, 1]),
        (np.uint64(2**64 - 1), 2**64 - 1),
        ([], []),
        ([[1], [2]], np.array([[1], [2]], np.uint8)),
    ],
)
def test_the_same(a, b):
    assert_same(a, b)
    assert_same(b, a, IntFormat(64))


@pytest.mark.parametrize(
    ("a", "b", "format", "expected"),
    [
        (
            [[1, 2], [-109, 4]],
            [[1, 2], [147, 5]],
            INT8,
            "2 of 4 integers differ; the first at (1, 0): found -109 (0x93), expected 147 (not in int8)",
        ),
        ([-1], [1], None, "1 of 1 integers differ; the first at (0,): found -1, expected 1"),
        (
            [-1],
            [1],
            IntFormat(5),
            "1 of 1 integers differ; the first at (0,): found -1 (0x1f), expected 1 (0x01)",
        ),
        (
            np.uint64(2**64 - 1),
            -1,
            IntFormat(64),
            "1 of 1 integers differ; the first at (): "
            "found 18446744073709551615 (not in int64), expected -1 (0xffffffffffffffff)",
        ),
        ([1, 2], [[1, 2]], INT8, "found has shape (2,), expected (1, 2)"),
        ([1], [1, 2], None, "found has shape (1,), expected (2,)"),
        ([1.0], [1], None, "found must be integers, not float64. [T1]"),
        ([1], [True], None, "expected must be integers, not bool. [T1]"),
        ([1], np.array([1.0], object), None, "expected must be integers, not object. [T1]"),
    ],
)
def test_not_the_same(a, b, format, expected):
    assert message(assert_same, a, b, format) == expected


@given(data=st.data(), format=formats(1, 64))
def test_one_changed_bit_is_found(data, format):
    values = data.draw(arrays((3, 2), codes(format))).astype(object)
    assert_same(values, values.copy(), format)
    place = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 1))
    other = values.copy()
    other[place] ^= 1 << data.draw(st.integers(0, format.bits))
    said = message(assert_same, values, other, format)
    assert said.startswith(f"1 of 6 integers differ; the first at {place}: found {values[place]} (0x")


# --- assert_within ---


def test_within():
    assert_within(Interval(-1, 1), [-1, 0, 1])
    assert_within(Interval(np.array([0, 5], object), np.array([1, 6], object)), [[0, 5], [1, 6]])
    assert_within(Interval(0, 0), [])


@pytest.mark.parametrize(
    ("bounds", "values", "format", "expected"),
    [
        (
            Interval(-100, 100),
            [100, 101, -101],
            INT8,
            "2 of 3 integers are out of bounds; the first at (1,): 101 (0x65) is above 100",
        ),
        (
            Interval(np.array([0, 5], object), np.array([1, 6], object)),
            [[1, 5], [1, 4]],
            None,
            "1 of 4 integers are out of bounds; the first at (1, 1): 4 is below 5",
        ),
        (Interval(0, 1), [0.5], None, "values must be integers, not float64. [T1]"),
    ],
)
def test_not_within(bounds, values, format, expected):
    assert message(assert_within, bounds, values, format) == expected


# --- accumulators ---


def layer(accumulator, weight=((100, 100), (1, 1))):
    b = NetworkBuilder()
    x = b.input("pixels", (2,), INT8)
    b.output(b.add(Dense(weight=weight, accumulator=accumulator), x, name="head/sum"))
    return b.build()


def test_no_overflow():
    network = layer(Accumulator(IntFormat(15)))
    assert_no_overflow(network, np.array([[81, 82]]))
    assert_no_overflow(network, {"pixels": np.array([[81, 82]])}, "exact")


@pytest.mark.parametrize(
    ("accumulator", "x", "expected"),
    [
        (
            Accumulator(IntFormat(15)),
            [[127, 127], [1, 1], [-128, -128]],
            "accumulators overflow:\n"
            "  head/sum (dense), int15 wrap: 2 sums do not fit, 0 more do not on the way",
        ),
        (
            Accumulator(IntFormat(14), Overflow.SATURATE, tile=1, inner=Accumulator(IntFormat(13))),
            [[82, -82]],
            "accumulators overflow:\n"
            "  head/sum (dense), int13 wrap inside: 2 sums do not fit, 0 more do not on the way",
        ),
        (
            Accumulator(IntFormat(14)),
            [[100, -100]],
            "accumulators overflow:\n"
            "  head/sum (dense), int14 wrap: 0 sums do not fit, 1 more do not on the way",
        ),
    ],
)
def test_overflow(accumulator, x, expected):
    assert message(assert_no_overflow, layer(accumulator), np.array(x)) == expected


def test_a_trap_is_an_overflow():
    network = layer(Accumulator(IntFormat(14), Overflow.TRAP))
    assert message(assert_no_overflow, network, np.array([[1, 1], [100, 0]])) == (
        "an accumulator trapped: head/sum: sample 1: register must hold int14 (-8192 to 8191), not 10000 "
        "at (0, 0): 1 of 2 values do not fit"
    )


def test_proved():
    assert_proved(layer(Accumulator(IntFormat(16))))
    assert_proved(layer(Accumulator(IntFormat(15))), {"pixels": Interval(-81, 81)})


@pytest.mark.parametrize(
    ("accumulator", "ranges", "expected"),
    [
        (
            Accumulator(IntFormat(15)),
            None,
            "accumulators are not proved:\n"
            "  head/sum (dense, int15 wrap): 1 of 2 channels; channel 0 delivers -7368 where the "
            "sum is 25400, on [127, 127]",
        ),
        (
            Accumulator(IntFormat(14), Overflow.SATURATE),
            {"pixels": Interval(-128, 81)},
            "accumulators are not proved:\n"
            "  head/sum (dense, int14 saturate): 1 of 2 channels; channel 0 delivers 8191 where the "
            "sum is 16200, on [81, 81]",
        ),
    ],
)
def test_not_proved(accumulator, ranges, expected):
    assert message(assert_proved, layer(accumulator), ranges) == expected


def test_not_proved_and_no_witness():
    """Saturating at both ends, the one input comes out right: nothing is shown, nothing is proved."""
    rule = Accumulator(IntFormat(4), Overflow.SATURATE)
    network = layer(rule, [[1, -1]])
    single = {"pixels": Interval(np.array([10, 18], object), np.array([10, 18], object))}
    assert message(assert_proved, network, single) == (
        "accumulators are not proved:\n"
        "  head/sum (dense, int4 saturate): 1 of 1 channels; channel 0 may meet -8 to 10 on the way"
    )


def test_a_long_input_is_cut():
    b = NetworkBuilder()
    x = b.input("x", (11,), IntFormat(2, signed=False))
    b.output(b.add(Dense(weight=[[1] * 11], accumulator=Accumulator(IntFormat(6))), x, name="sum"))
    assert message(assert_proved, b.build()).endswith(
        "channel 0 delivers -31 where the sum is 33, on [3, 3, 3, 3, 3, 3, 3, 3] and 3 more"
    )


# --- drawn ---


def saturating(network):
    """The same network, every sum made in one register that saturates."""
    nodes = []
    for node in network.nodes:
        if hasattr(node.op, "accumulator"):
            alone = node.op.accumulator.replace(overflow=Overflow.SATURATE, tile=None, inner=None)
            node = dataclasses.replace(node, op=node.op.replace(accumulator=alone))
        nodes.append(node)
    return dataclasses.replace(network, nodes=tuple(nodes))


@settings(max_examples=15)
@given(data=st.data())
def test_what_is_proved_does_not_overflow(data):
    """The assertion for every input implies the one for some, where nothing is forgiven on the way."""
    network = saturating(data.draw(networks(max_layers=4)))
    ranges = data.draw(input_ranges(network))
    try:
        assert_proved(network, ranges)
    except AssertionError:
        return
    assert_no_overflow(network, data.draw(inputs_within(network, ranges)))


@given(st.data())
def test_values_are_drawn_inside_their_ranges(data):
    from intsim.formats import TensorSpec

    spec = TensorSpec(
        data.draw(st.lists(st.integers(1, 3), max_size=3).map(tuple)), data.draw(formats(1, 64))
    )
    interval = data.draw(intervals(spec))
    assert interval.within(spec.integer)
    values = data.draw(values_within(interval, spec))
    assert values.dtype == np.int64
    assert values.shape[1:] == spec.shape
    assert_within(interval, values)
