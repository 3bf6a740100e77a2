"""Strategies draw valid objects, likely edges, and networks on which all engines agree."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator, Overflow, Rounding, Scale, Slice, Table, Thresholds, Topology
from intsim.bounds import network_bounds
from intsim.engine import run
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat, TensorSpec
from intsim.storage import load, save
from intsim.testing import plain
from intsim.testing.networks import inputs, networks
from intsim.testing.ranges import intervals
from intsim.testing.strategies import (
    accumulators,
    batches,
    codes,
    formats,
    overflows,
    registers,
    requantizations,
    tensors,
)

quick = settings(max_examples=2000, derandomize=True, phases=[Phase.generate])


@pytest.mark.parametrize(
    "wanted",
    [
        lambda a: a.topology is Topology.TREE and a.overflow is Overflow.SATURATE,
        lambda a: a.inner is not None and a.inner.inner is not None,
        lambda a: isinstance(a.order, tuple),
        lambda a: a.tile is not None and a.inner is None,
    ],
)
def test_every_kind_of_accumulator_is_drawn(wanted):
    assert isinstance(find(accumulators((2, 2, 2)), wanted, settings=quick), Accumulator)


@pytest.mark.parametrize("kind", [Scale, Slice, Table, Thresholds])
def test_every_kind_of_requantization_is_drawn(kind):
    drawn = find(requantizations(3), lambda r: any(type(s) is kind for s in r.steps), settings=quick)
    assert drawn.channels() in (1, 3)


def test_stochastic_rounding_is_drawn():
    find(
        requantizations(),
        lambda r: any(getattr(s, "rounding", None) is Rounding.STOCHASTIC for s in r.steps),
        settings=quick,
    )


LOW = 2**20 - 1


@pytest.mark.parametrize(
    "wanted",
    [
        lambda code: code > 0 and code.bit_count() == 2 and code.bit_length() > 30,
        lambda code: code & LOW == 0 and (code >> 20).bit_count() > 8,
        lambda code: code & LOW == LOW and 8 < (code >> 20).bit_count() < 30,
        lambda code: code < 0 and (~code).bit_length() < 40 and (~code).bit_count() > 8,
    ],
    ids=["sum of edges", "zeros below", "ones below", "ones above"],
)
def test_patterns_are_likely(wanted):
    """Sums of two edges, and random bits of which some are masked: next to never by chance in 62 bits."""
    assert wanted(find(codes(IntFormat(62)), wanted, settings=quick))


KINDS = ["conv2d", "depthwise_conv2d", "dense", "sum", "pad", "transpose", "reshape", "concat"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_is_drawn(kind):
    network = find(networks(), lambda n: any(node.op.name == kind for node in n.nodes), settings=quick)
    assert network.nodes


def test_more_layers_are_drawn():
    def five(network):
        return sum(hasattr(node.op, "accumulator") for node in network.nodes) >= 5

    assert five(find(networks(max_layers=6), five, settings=quick))


@pytest.mark.parametrize(
    "wanted",
    [
        lambda i: i.rank == 0 and (i.min, i.max) == (-128, 127),
        lambda i: i.rank == 0 and i.min > 0,
        lambda i: i.rank == 1,
        lambda i: i.rank == 3 and bool((i.lo == i.hi).all()),
    ],
)
def test_every_kind_of_range_is_drawn(wanted):
    spec = TensorSpec((2, 1, 2), IntFormat(8))
    assert find(intervals(spec), wanted, settings=quick).within(IntFormat(8))


@pytest.mark.parametrize("edge", [-128, 127, 0, -1, 1, 64, 63, -65, 126])
def test_edges_are_likely(edge):
    assert find(codes(IntFormat(8)), lambda value: value == edge, settings=settings(max_examples=500)) == edge


@given(data=st.data(), format=formats(1, 64))
def test_codes_fit(data, format):
    code = data.draw(codes(format))
    assert format.min <= code <= min(format.max, 2**63 - 1)


@given(st.data())
def test_tensors_fit(data):
    spec = TensorSpec(
        data.draw(st.lists(st.integers(1, 3), max_size=3).map(tuple)), data.draw(formats(1, 64))
    )
    values = data.draw(tensors(spec))
    assert values.dtype == np.int64
    assert values.shape[1:] == spec.shape
    assert not spec.integer.outside(values).any()
    a, b = data.draw(batches(spec, spec))
    assert len(a) == len(b)


@given(registers(trap=False), overflows())
def test_traps_are_drawn_when_asked_for(register, overflow):
    assert Overflow.TRAP not in (register.overflow, overflow)


def test_plain_data():
    assert plain(Scale(factors=np.float32([0.5, 0.25]))) == {
        "type": "Scale",
        "into": None,
        "factors": {"type": "float32", "values": [0.5, 0.25]},
        "rounding": "half_even",
        "before": None,
        "after": None,
    }
    assert plain((1, (Overflow.WRAP, None), np.array([[1], [2]]), np.int64(3) + np.array(1))) == [
        1,
        ["wrap", None],
        [[1], [2]],
        4,
    ]


def outcome(network, given_inputs, engine):
    """Everything that a run gives, or the message of its trap."""
    try:
        return run(network, given_inputs, engine=engine, trace=("*",), events=True), ""
    except OverflowTrap as trap:
        return None, str(trap)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_engines_agree_on_whole_networks(data, tmp_path_factory):
    network = data.draw(networks(trap=True, max_layers=2))
    given_inputs = data.draw(inputs(network))
    expected, trap = outcome(network, given_inputs, "exact")
    bounds = network_bounds(network)
    for engine in ("reference", "fast"):
        found, message = outcome(network, given_inputs, engine)
        assert message == trap
        if trap:
            continue
        assert found.events == expected.events
        for name, values in expected.trace.items():
            assert found.trace[name].dtype == values.dtype
            assert found.trace[name].tolist() == values.tolist()
            assert bounds.tensors[name].contains(values)
    if trap:
        return
    plain_run = run(network, given_inputs)  # nobody looks: the plan may fuse
    for name, values in expected.outputs.items():
        assert plain_run.outputs[name].tolist() == values.tolist()
    folder = tmp_path_factory.mktemp("network")
    save(network, folder / "a.h5")
    again = load(folder / "a.h5")
    assert again == network
    save(again, folder / "b.h5")
    assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()
