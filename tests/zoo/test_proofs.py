"""Real networks: every accumulator proved, the closed forms looser, the narrowest widths tight."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim import Datapath, Network, run
from intsim.cli.main import main
from intsim.formats import IntFormat
from intsim.network.datapath import Rule
from intsim.storage import load, open_tensors, save
from intsim.verify.certificate import write_certificate
from intsim.verify.check_certificate import examine
from intsim.verify.narrowest import datapath_of, narrowest
from intsim.verify.prove import prove
from tests.zoo.folder import zoo

FOLDER = zoo("tflite")
NETWORKS = sorted(path.stem for path in FOLDER.glob("*.tflite"))
SMALL = [name for name in NETWORKS if name not in ("mobilenet_v2_1.0_224_ptq", "mobilenet_v1_0.25_128_quant")]
RESNET = "mlperf_tiny_resnet8"


@cache
def network(name: str) -> Network:
    return CONVERTER.convert(FOLDER / f"{name}.tflite")


@pytest.mark.parametrize("name", NETWORKS)
def test_all_is_proved_and_the_certificate_holds(name, tmp_path):
    save(network(name), tmp_path / "net.h5")
    stored = (tmp_path / "net.h5").read_bytes()
    proof = prove(load(tmp_path / "net.h5"))
    assert proof.proved
    assert proof.nodes
    write_certificate(tmp_path / "c.json", proof, hashlib.sha256(stored).hexdigest())
    outcome = examine(str(tmp_path / "c.json"), str(tmp_path / "net.h5"))
    assert (outcome.findings, outcome.unproved, outcome.sums) == ([], [], len(proof.nodes))


@pytest.mark.parametrize("name", NETWORKS)
def test_exact_widths_are_never_above_the_closed_forms(name):
    tighter = 0
    for node in prove(network(name)).nodes:
        exact = node.registers[0].safe["any order"]
        forms = {form.name: form for form in node.forms}
        for looser in ("a2q", "data-type"):
            pairs = list(zip(exact, forms[looser].bits, strict=True)) if forms else []
            assert all(a <= b for a, b in pairs), (node.node, looser)
            tighter += sum(b - a for a, b in pairs)
        assert not forms or all(
            a <= b for a, b in zip(forms["a2q"].bits, forms["data-type"].bits, strict=True)
        )
    assert tighter > 0


@pytest.mark.parametrize("mode", ["wrap", "saturate"])
@pytest.mark.parametrize("name", SMALL)
def test_the_narrowest_datapath_is_safe_and_one_bit_less_is_not(name, mode):
    start = Datapath.parse(f'[[accumulator]]\nnodes = "*"\nformat = "int32"\noverflow = "{mode}"\n')
    ready = network(name).with_datapath(start)
    found = narrowest(ready)
    assert prove(ready.with_datapath(datapath_of(found))).proved
    for entry in found:
        less = entry.after.replace(format=IntFormat(entry.after.format.bits - 1))
        rules = (*datapath_of(found).rules, Rule((entry.node,), less))
        proof = prove(ready.with_datapath(Datapath(rules)))
        (node,) = [node for node in proof.nodes if node.node == entry.node]
        assert node.verdict == "witnessed", entry.node
        needed = entry.needed[0]
        assert [verdict != "proved" for verdict in node.verdicts] == [bits == max(needed) for bits in needed]


def test_the_command_on_fourteen_bits(tmp_path, monkeypatch, capsys):
    """The node, the channel and the witness's file are named, and the witness is one."""
    monkeypatch.chdir(tmp_path)
    save(network(RESNET), tmp_path / "net.h5")
    text = '[[accumulator]]\nnodes = "*"\nformat = "int14"\noverflow = "saturate"\n'
    (tmp_path / "d.toml").write_text(text)
    assert main(["prove", "net.h5", "--datapath", "d.toml", "--seconds", "1"]) == 1
    told = capsys.readouterr().out
    narrow = network(RESNET).with_datapath(Datapath.parse(text))
    assert "0 of 10 accumulators proved" in told
    shown = 0
    for node in prove(narrow).nodes:
        assert f"\n{node.node}: channel " in told
        shown += len(node.witnesses)
    assert shown == sum(len(node.verdicts) for node in prove(narrow).nodes), "a witness for every channel"
    files = sorted((tmp_path / "net.witnesses").glob("*.network.h5"))
    assert len(files) >= 9
    for path in files:
        assert f"net.witnesses/{path.name}" in told
        with open_tensors(path) as file:
            given = {name: np.asarray(file[name][...]) for name in file}
        assert sum(events.total for events in run(narrow, given, events=True).events.values()) > 0


def test_the_command_at_the_widths_that_search_finds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(network(RESNET), tmp_path / "net.h5")
    assert main(["prove", "net.h5", "--search", "d.toml"]) == 0
    assert main(["prove", "net.h5", "--datapath", "d.toml", "--certificate", "c.json"]) == 0
    assert main(["prove", "net.h5", "--check", "c.json"]) == 0
    assert "10 of 10 accumulators proved" in capsys.readouterr().out
