"""Proofs and witnesses where tensors hold bits, trits or centroids: a witness is an input one can give."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator, Interval, Overflow, Requantization
from intsim.bounds import network_bounds
from intsim.errors import SpecError
from intsim.formats import Bipolar, Codebook, IntFormat, Ternary, TernaryCoding
from intsim.network import NetworkBuilder
from intsim.ops import Conv2d, Dense, Requantize, Reshape
from intsim.storage import save
from intsim.verify.certificate import write_certificate
from intsim.verify.check_certificate import examine
from intsim.verify.narrowest import datapath_of, narrowest
from intsim.verify.network_witness import find_network_witness
from intsim.verify.prove import prove

CENTROIDS = Codebook([-30, -2, 5])


def entries(format):
    return sorted(format.listed()[0].tolist())


def dense(format, weight, weight_format, accumulator=None, bias=0):
    builder = NetworkBuilder()
    x = builder.input("x", (len(weight[0]),), format)
    op = Dense(weight, weight_format, bias=bias, accumulator=accumulator or Accumulator())
    builder.output(builder.add(op, x, name="y"))
    return builder.build()


@given(st.data(), st.sampled_from([Bipolar(), Ternary(), CENTROIDS]), st.integers(1, 5))
def test_the_range_and_the_spacing_are_those_of_every_input(data, format, length):
    weight_format = data.draw(st.sampled_from([Bipolar(), Ternary(), Codebook([-6, 0, 4])]))
    drawn = st.lists(st.sampled_from(entries(weight_format)), min_size=length, max_size=length)
    weight = np.array(data.draw(st.lists(drawn, min_size=1, max_size=2)))
    network = dense(format, weight, weight_format, bias=data.draw(st.integers(-3, 3)))
    found = network_bounds(network).nodes["y"]
    bias = int(network.node("y").op.bias)
    spacing = 0
    for channel, row in enumerate(weight.tolist()):
        sums = {
            bias + sum(a * b for a, b in zip(x, row, strict=True))
            for x in itertools.product(entries(format), repeat=length)
        }
        assert (found.final.lo[channel], found.final.hi[channel]) == (min(sums), max(sums))
        spacing = np.gcd.reduce([spacing, *(one - min(sums) for one in sums)])
    assert found.spacing == (spacing or 1)


def test_a_popcount_layer_needs_as_many_bits_as_its_length():
    """K bits: -K to K, all of the parity of K; 63 of them fit 7 bits, 64 need 8."""
    for length, bits in ((63, 7), (64, 8), (127, 8), (128, 9)):
        network = dense(Bipolar(), np.ones((1, length), int), Bipolar())
        (node,) = prove(network).nodes
        assert node.registers[0].needed.tolist() == [bits]
        assert node.spacing == 2


def test_ternary_weights_count_where_they_are_not_zero():
    weight = np.zeros((2, 1000), int)
    weight[0, :31], weight[1, 5:90] = 1, -1
    (node,) = prove(dense(Ternary(), weight, Ternary())).nodes
    assert node.registers[0].needed.tolist() == [6, 8]


def test_borders_mix_parities():
    """Corners see 4 taps, edges 6, the middle 9."""
    builder = NetworkBuilder()
    x = builder.input("x", (5, 5, 1), Bipolar())
    for name, padding in (("inside", 0), ("same", 1)):
        op = Conv2d(np.ones((2, 3, 3, 1), int), Bipolar(), padding=((padding,) * 2,) * 2)
        builder.output(builder.add(op, x, name=name))
    nodes = {node.node: node for node in prove(builder.build()).nodes}
    assert (nodes["inside"].spacing, nodes["same"].spacing) == (2, 1)


@pytest.mark.parametrize("format", [Bipolar(), Bipolar(positive=0), Ternary(), CENTROIDS], ids=repr)
@pytest.mark.parametrize("overflow", Overflow)
def test_witnesses_are_inputs(format, overflow):
    rng = np.random.default_rng(0)
    accumulator = Accumulator(IntFormat(4), overflow)
    builder = NetworkBuilder()
    name = builder.input("x", (6, 6, 3), format)
    same = ((1, 1), (1, 1))
    conv = Conv2d(rng.choice([-1, 1], (5, 3, 3, 3)), Bipolar(), padding=same, accumulator=accumulator)
    name = builder.add(conv, name, name="c")
    name = builder.add(Requantize(Requantization((), IntFormat(8)), Bipolar()), name, name="r")
    name = builder.add(Reshape((180,)), name)
    weight = rng.choice([-3, 0, 5], (5, 180))
    builder.output(builder.add(Dense(weight, Codebook([-3, 0, 5]), accumulator=accumulator), name, name="d"))
    network = builder.build()
    proof = prove(network)
    for node in proof.nodes:
        assert set(node.verdicts) == {"witnessed"}
        for witness in node.witnesses:
            assert witness.trapped or witness.exact != witness.delivered
            for tensor, sample in zip(network.node(node.node).inputs, witness.inputs, strict=True):
                assert not network.specs[tensor].integer.outside(sample).any()
    local = proof.nodes[0].worst_witness()
    found = find_network_witness(network, "c", proof.ranges, local, seconds=0.0).witness
    assert found is not None
    assert not format.outside(found.inputs["x"]).any()


def test_the_search_stays_in_the_format():
    """No witness is carried back through a sum: the search's own inputs are bits."""
    rng = np.random.default_rng(1)
    builder = NetworkBuilder()
    name = builder.input("x", (12,), Bipolar())
    name = builder.add(Dense(rng.choice([-1, 1], (12, 12)), Bipolar()), name, name="a")
    name = builder.add(Requantize(Requantization((), IntFormat(8)), Bipolar()), name, name="r")
    narrow = Accumulator(IntFormat(3), Overflow.WRAP)
    builder.output(
        builder.add(Dense(rng.choice([-1, 1], (3, 12)), Bipolar(), accumulator=narrow), name, name="b")
    )
    network = builder.build()
    proof = prove(network)
    found = find_network_witness(network, "b", proof.ranges, None, seconds=20.0).witness
    assert found is not None
    assert set(np.unique(found.inputs["x"]).tolist()) <= {-1, 1}


def test_ranges_end_at_integers_of_the_format():
    network = dense(Bipolar(), np.ones((1, 3), int), Bipolar())
    assert network_bounds(network, {"x": Interval(1, 1)}).nodes["y"].final == Interval(3, 3)
    with pytest.raises(SpecError, match=r"range must end at integers of bipolar, not \[0, 1\]. \[B1\]"):
        network_bounds(network, {"x": Interval(0, 1)})


WEIGHTS = [
    Bipolar(),
    Bipolar(positive=0, zero=-1),
    *map(Ternary, TernaryCoding),
    Codebook([-30, -2, 5]),
    Codebook([3, -8]),
    Codebook([9, 8, 7, 6, 5]),
    *(IntFormat(bits, signed) for bits in (1, 2, 3, 4, 6) for signed in (True, False)),
]


@pytest.mark.parametrize("format", WEIGHTS, ids=repr)
def test_the_checker_reads_packed_weights(format, tmp_path):
    """Registers that are just wide enough are accepted, and one weight more or less in the file is not."""
    rng = np.random.default_rng(7)
    possible = np.arange(format.min, format.max + 1)
    possible = possible[~format.outside(possible)]
    builder = NetworkBuilder()
    name = builder.input("x", (4, 4, 3), IntFormat(3))
    weight = rng.choice(possible, (5, 2, 2, 3))
    name = builder.add(Conv2d(weight, format, padding=((1, 0), (0, 1))), name, name="c")
    sign = Requantize(Requantization((), IntFormat(8)), Ternary())
    name = builder.add(sign, name, name="r")
    name = builder.add(Reshape((80,)), name)
    builder.output(builder.add(Dense(rng.choice(possible, (4, 80)), format), name, name="d"))
    network = builder.build()
    network = network.with_datapath(datapath_of(narrowest(network)))
    path, claims = tmp_path / "n.h5", tmp_path / "c.json"
    save(network, path)
    proof = prove(network)
    assert proof.proved
    write_certificate(claims, proof, hashlib.sha256(path.read_bytes()).hexdigest())
    outcome = examine(str(claims), str(path))
    assert (outcome.findings, outcome.unproved, outcome.sums) == ([], [], 2)
    heavier, most = weight.copy(), possible.max()
    heavier[:, 0, 0, 0] = np.where(weight[:, 0, 0, 0] == most, possible.min(), most)
    other = network.node("c").op.replace(weight=heavier)
    nodes = tuple(node.replace(op=other) if node.name == "c" else node for node in network.nodes)
    save(network.replace(nodes=nodes), path)
    write_certificate(claims, proof, hashlib.sha256(path.read_bytes()).hexdigest())
    assert examine(str(claims), str(path)).findings
