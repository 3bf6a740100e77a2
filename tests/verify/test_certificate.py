"""What a certificate says, key by key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pytest

from golden.make_digits import FOLDER, NETWORKS
from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Interval,
    Overflow,
    Requantization,
    Topology,
    ZeroPointPlace,
)
from intsim.errors import FileError, SpecError
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Concat, Dense, LeakyRelu
from intsim.storage import load
from intsim.verify.certificate import certificate, text_of, write_certificate
from intsim.verify.prove import prove
from tests.verify.certified import certify, examined

OUTER = Accumulator(
    IntFormat(20),
    Overflow.SATURATE,
    order=(1, 0),
    topology=Topology.TREE,
    tile=2,
    inner=Accumulator(IntFormat(16), Overflow.TRAP),
    bias=BiasPlace.FIRST,
    zero_point=ZeroPointPlace.AFTER,
)


def chain(*ops, channels=2):
    """Ops one after another, named after their kinds."""
    builder = NetworkBuilder()
    name = builder.input("x", (channels,), IntFormat(8))
    for place, op in enumerate(ops):
        again = op.name in [other.name for other in ops[:place]]
        name = builder.add(op, name, name=f"{op.name}{place}" if again else op.name)
    builder.output(name)
    return builder.build()


def certified(network, ranges=None, stored=None):
    return certificate(prove(network, ranges, witnesses=False), "ab" * 32, stored)


def test_every_key():
    network = chain(Clamp(lo=-5, hi=7), Dense(weight=[[1, 2], [3, -4]], bias=[0, 9], accumulator=OUTER))
    assert certified(network, {"x": Interval(-6, 6)}) == {
        "format": "intsim-certificate",
        "format_version": 1,
        "network": {"sha256": "ab" * 32},
        "assumptions": {"inputs": {"x": {"lo": -6, "hi": 6}}, "datapath": []},
        "tensors": {"clamp": {"lo": -5, "hi": 6}},
        "nodes": {
            "dense": {
                "accumulator": {
                    "format": "int20",
                    "overflow": "saturate",
                    "order": [1, 0],
                    "topology": "tree",
                    "tile": 2,
                    "inner": {
                        "format": "int16",
                        "overflow": "trap",
                        "topology": "chain",
                        "tile": None,
                        "inner": None,
                    },
                    "bias": "first",
                    "zero_point": "after",
                },
                "registers": [
                    {
                        "final": {"lo": [-15, -30], "hi": [18, 47]},
                        "partial": {"lo": [-15, -39], "hi": [18, 47]},
                    },
                    {
                        "final": {"lo": [-15, -39], "hi": [18, 38]},
                        "partial": {"lo": [-15, -39], "hi": [18, 38]},
                    },
                ],
                "proved": True,
            }
        },
        "proved": True,
    }


def test_what_differs_between_channels_is_a_list():
    accumulator = Accumulator(IntFormat(8), Overflow.SATURATE)
    claims = certified(chain(Dense(weight=[[1, 0], [1, 1]], accumulator=accumulator)))
    dense = claims["nodes"]["dense"]
    assert dense["registers"][0]["final"] == {"lo": [-128, -256], "hi": [127, 254]}
    assert dense["proved"] == [True, False]
    assert claims["proved"] is False


def test_tensors_that_nothing_rests_on_are_left_out():
    network = chain(Dense(weight=[[1, 1]] * 2), Clamp(lo=0, hi=9))
    assert certified(network)["tensors"] == {}
    network = chain(Clamp(lo=0, hi=9), Clamp(lo=0, hi=8), Dense(weight=[[1, 1]]))
    assert sorted(certified(network)["tensors"]) == ["clamp", "clamp1"]
    network = chain(Clamp(lo=-128, hi=127), Clamp(lo=0, hi=8), Dense(weight=[[1, 1]]))
    assert sorted(certified(network)["tensors"]) == ["clamp1"]


def test_what_the_checker_does_not_follow_is_its_whole_format():
    """prove finds 0 to 12; the claim is int8, and the sums are derived from that."""
    same = Requantization((), IntFormat(8))
    network = chain(Clamp(lo=0, hi=12), LeakyRelu(positive=same, negative=same), Dense(weight=[[1, 1]]))
    assert prove(network).bounds.tensors["leaky_relu"] == Interval(0, 12)
    claims = certified(network)
    assert claims["tensors"] == {}
    assert claims["nodes"]["dense"]["registers"][0]["final"] == {"lo": -256, "hi": 254}


def test_ranges_per_element_become_ranges_per_channel(tmp_path):
    builder = NetworkBuilder()
    x = builder.input("x", (2, 2), IntFormat(8))
    builder.output(builder.add(Dense(weight=[[1, 1]]), x, name="dense"))
    ends = np.array([[0, 1], [2, 3]], object)
    claims = certified(builder.build(), {"x": Interval(ends, ends)})
    assert claims["assumptions"]["inputs"]["x"] == {"lo": [0, 1], "hi": [2, 3]}


def test_a_datapath_that_the_proof_assumes():
    stored = chain(Dense(weight=[[1, 1]]))
    assumed = chain(Dense(weight=[[1, 1]], accumulator=OUTER))
    assert certified(assumed, stored=stored)["assumptions"]["datapath"] == ["dense"]
    assert certified(stored, stored=stored)["assumptions"]["datapath"] == []


def test_another_package_s_op_is_refused():
    @dataclass(frozen=True, eq=False, repr=False)
    class Mine(Clamp):
        name = "mine"

    with pytest.raises(SpecError, match="mine: op must be one of intsim's own for a certificate, not mine"):
        certified(chain(Mine(lo=0, hi=1)))


def test_the_same_proof_gives_the_same_bytes(tmp_path):
    path = FOLDER / "digits_cnn" / "network.h5"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_certificate(one, prove(load(path)), digest)
    write_certificate(other, prove(load(path)), digest)
    assert one.read_bytes() == other.read_bytes()
    claims = certificate(prove(load(path)), digest)
    assert json.loads(one.read_text("utf-8")) == json.loads(text_of(claims)) == claims


def test_a_certificate_that_cannot_be_written(tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        write_certificate(tmp_path / "none" / "c.json", prove(chain(Dense(weight=[[1, 1]]))), "0" * 64)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_golden_networks_claim_what_was_proved(name):
    """Nothing in them has to be widened for the checker."""
    proof = prove(load(FOLDER / name / "network.h5"))
    claims = certificate(proof, "0" * 64)
    for node in proof.nodes:
        for register, said in zip(node.registers, claims["nodes"][node.node]["registers"], strict=True):
            for key in ("final", "partial"):
                interval = getattr(register.range, key)
                lo = np.broadcast_to(np.array(said[key]["lo"]), np.shape(interval.lo))
                assert np.array_equal(lo, interval.lo)
    assert claims["proved"] is proof.proved is True


def test_names_of_any_kind(tmp_path):
    builder = NetworkBuilder()
    x = builder.input('a"%2F/ü\n', (2,), IntFormat(8))
    y = builder.add(Clamp(lo=0, hi=3), x, name="b.c%\\")
    z = builder.add(Concat(axis=0), x, y, name="{}")
    builder.output(builder.add(Dense(weight=[[1, 1, 1, 1]]), z, name="\u2028/\u0000".replace("\u0000", "0")))
    claims, path = certify(tmp_path, builder.build())
    assert examined(path, claims).findings == []
