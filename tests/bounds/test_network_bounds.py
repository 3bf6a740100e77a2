"""Ranges through a network: what is given, what follows, and that every executed value is inside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import Interval, NetworkBuilder, network_bounds, run
from intsim.arithmetic import Register, Requantization, ShiftRight, Table
from intsim.errors import SpecError
from intsim.formats import IntFormat, RealFormat
from intsim.ops import Add, Clamp, Dense, Quantize, Requantize
from intsim.testing.networks import networks
from intsim.testing.strategies import tensors


def small():
    b = NetworkBuilder()
    x, y = b.input("x", (2,), IntFormat(8)), b.input("y", (2,), IntFormat(4, signed=False))
    sums = b.add(Dense(weight=[[1, -2], [3, 0]], bias=[10, -10]), x, name="sums")
    relu = b.add(Clamp(lo=0, hi=100), sums, name="relu")
    b.output(b.add(Add(register=Register(IntFormat(16))), relu, y, name="z"))
    return b.build()


def test_formats_are_the_ranges_of_inputs():
    found = network_bounds(small())
    assert list(found.tensors) == ["x", "y", "sums", "relu", "z"]
    assert list(found.nodes) == ["sums", "relu", "z"]
    assert found.tensors["x"] == Interval(-128, 127)
    assert found.tensors["y"] == Interval(0, 15)
    assert found.tensors["sums"] == Interval(np.array([-372, -394]), np.array([393, 371]))
    assert found.tensors["z"] == Interval(0, 115)
    assert found.nodes["sums"].final == found.tensors["sums"]


def test_narrower_ranges_can_be_given():
    found = network_bounds(small(), {"x": Interval(np.array([0, -5]), np.array([10, 5]))})
    assert found.tensors["sums"] == Interval(np.array([0, -10]), np.array([30, 20]))
    found = network_bounds(small(), {"x": Interval(1, 1), "y": Interval(3, 3)})
    assert found.tensors["z"] == Interval(3, 12)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"q": Interval(0, 1)}, "ranges: must name inputs (x, y), not 'q'. [B1]"),
        ({"sums": Interval(0, 1)}, "ranges: must name inputs (x, y), not 'sums'. [B1]"),
        ({"x": Interval(0, 128)}, "x: range must be inside int8, not [0, 128]. [B1]"),
        ({"x": Interval(1, 0)}, "x: range must not be empty, not [1, 0]. [B1]"),
        (
            {"x": Interval(np.array([0] * 3), np.array([1] * 3))},
            "x: range must have one value per channel of (2,), not 3. [B1]",
        ),
    ],
)
def test_ranges_are_checked(ranges, message):
    with pytest.raises(SpecError) as caught:
        network_bounds(small(), ranges)
    assert str(caught.value) == message


def test_all_mistakes_are_listed():
    with pytest.raises(SpecError) as caught:
        network_bounds(small(), {"q": Interval(0, 1), "y": Interval(-1, 1)})
    assert len(caught.value.findings) == 2


def test_real_tensors_have_no_range():
    b = NetworkBuilder()
    x = b.input("x", (2,), RealFormat(32))
    rule = Quantize(scale=np.float32([0.5]), zero_point=1, format=IntFormat(8))
    b.output(b.add(rule, x, name="codes"))
    assert list(network_bounds(b.build()).tensors) == ["codes"]
    with pytest.raises(SpecError, match=r"^x: range must be absent for float32\. \[B3\]$"):
        network_bounds(b.build(), {"x": Interval(0, 1)})


def test_an_op_that_cannot_take_its_input_names_its_node():
    b = NetworkBuilder()
    rule = Requantization((ShiftRight(bits=4), Table(entries=[1, 2, 3], first=-1)), IntFormat(8))
    b.output(b.add(Requantize(requantization=rule), b.input("x", (1,), IntFormat(8)), name="look"))
    with pytest.raises(SpecError, match=r"^look: table holds -1 to 1, not \[-8, 7\]$"):
        network_bounds(b.build())


@settings(max_examples=25)
@given(st.data())
def test_every_executed_value_is_inside(data):
    """Whatever is known of the inputs: nothing, the range of all values, of channels, of elements."""
    network = data.draw(networks())
    (entry,) = network.inputs
    x = data.draw(tensors(entry.spec))
    traced = run(network, x, engine="reference", trace=["*"]).trace
    channels = x.min(axis=(0, 1, 2)), x.max(axis=(0, 1, 2))
    given_ranges = (
        None,
        {entry.name: Interval(int(x.min()), int(x.max()))},
        {entry.name: Interval.of_arrays(*channels)},
        {entry.name: Interval.of_arrays(x.min(axis=0), x.max(axis=0))},
    )
    for ranges in given_ranges:
        found = network_bounds(network, ranges)
        for name, values in traced.items():
            assert found.tensors[name].contains(values), name
            assert found.tensors[name].within(network.specs[name].format)
