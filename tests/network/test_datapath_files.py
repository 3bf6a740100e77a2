"""The datapath examples: each is read, is written again as it was, and suits a network."""

from pathlib import Path

import numpy as np
import pytest

import intsim
from intsim import Datapath
from intsim.arithmetic.presets import ACCUMULATORS
from intsim.network.datapath import accumulator_of
from intsim.network.datapath_text import datapath_text
from intsim.verify.prove import prove

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
FILES = sorted((GOLDEN / "datapaths").glob("*.toml"))
PRESETS = {
    "wrap32": "wrap32",
    "lanes16_tree20": "tree16-sat20",
    "nvdla_34": "nvdla-34",
    "vpmaddubsw": "vpmaddubsw-sat16-pairs",
}
PROVED = {
    "axe_two_stage": False,  # weights that were not trained for 16-bit tiles
    "dsp48_cascade": True,
    "lanes16_tree20": False,  # 64 outputs of `body` can leave 20 bits
    "nvdla_34": True,
    "systolic_k32": True,
    "vpmaddubsw": True,  # no pair of the digits' weights reaches 16 bits
    "wrap32": True,
}


def test_all_are_here():
    assert [path.stem for path in FILES] == sorted(PROVED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_what_it_is_and_suits_a_network(path):
    assert path.read_text(encoding="utf-8").startswith("# ")
    datapath = Datapath.read(path)
    assert Datapath.parse(datapath_text(datapath)) == datapath
    network = intsim.load(GOLDEN / "digits_cnn" / "network.h5").with_datapath(datapath)
    for node in network.nodes:
        assert accumulator_of(node.op) in (None, datapath.rules[0].accumulator)
    proof = prove(network)
    assert proof.proved is PROVED[path.stem]
    if proof.proved:  # then it is the network as it was
        images = np.load(GOLDEN / "digits_cnn" / "inputs.npy")
        expected = np.load(GOLDEN / "digits_cnn" / "outputs.npz")
        result = intsim.run(network, images)
        assert all(np.array_equal(result.outputs[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("file", "preset"), PRESETS.items())
def test_presets_are_the_same_accumulators(file, preset):
    path = next(path for path in FILES if path.stem == file)
    assert Datapath.read(path).rules[0].accumulator == ACCUMULATORS[preset].accumulator


@pytest.mark.parametrize("name", ["plain", 'say "no"\\', "tab\tand\nline", "del\x7f", "é 😀", "[*]?"])
def test_any_name_is_written_so_that_it_is_read(name):
    rule = Datapath.read(FILES[0]).rules[0]
    datapath = Datapath((rule.replace(nodes=(name, "second")), rule.replace(nodes=(name,))))
    assert Datapath.parse(datapath_text(datapath, ("a comment",))) == datapath


def test_an_explicit_order_is_written():
    rule = Datapath.read(FILES[0]).rules[0]
    datapath = Datapath((rule.replace(accumulator=rule.accumulator.replace(order=(2, 0, 1))),))
    assert Datapath.parse(datapath_text(datapath)) == datapath
