"""intsim prove."""

import json
from pathlib import Path

import numpy as np
import pytest

import intsim
from intsim import Datapath, Interval
from intsim.arithmetic import Accumulator, Overflow
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import Conv2d, Dense, Reshape
from intsim.storage import load, open_tensors, save
from intsim.verify.prove import prove
from tests.cli.files import call, listing, small, two_doors

DIGITS = Path(__file__).resolve().parents[2] / "golden" / "digits_cnn"


def datapath(folder, text):
    path = folder / "d.toml"
    path.write_text(f'[[accumulator]]\nnodes = "*"\n{text}\n', encoding="utf-8")
    return path


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(small(), tmp_path / "net.h5")
    return tmp_path / "net.h5"


def test_everything_proved(network, tmp_path, capsys):
    done = call(capsys, "prove", network)
    assert (done.status, done.err) == (0, "")
    head, row, _, last = done.out.splitlines()
    assert head.split()[:4] == ["verdict", "register", "needs", "headroom"]
    # the second channel: (-128 - 1) * 103 + (-1) * (127 - 1) - 7 = -13420 fits 15 bits
    assert row.split() == ["proved", "int32", "wrap", "15", "17", "15", "15", "15", "19", "16", "fc/acc"]
    assert last == "1 of 1 accumulators proved"
    assert listing(tmp_path) == ["net.h5"], "nothing is written where nothing is asked for"


def test_a_narrow_register_is_witnessed(network, tmp_path, capsys):
    narrow = datapath(tmp_path, 'format = "int14"\noverflow = "saturate"')
    done = call(capsys, "prove", network, "--datapath", narrow)
    assert done.status == 1
    assert "fc/acc: channel 1 (1 of 2 channels) can overflow int14 saturate (persistent)" in done.out
    assert "0 of 1 accumulators proved" in done.out
    files = sorted(path.name for path in (tmp_path / "net.witnesses").iterdir())
    assert files == ["000-fc-acc.h5", "000-fc-acc.network.h5"]
    ready = load(network).with_datapath(Datapath.read(narrow))
    for name in files:
        assert f"net.witnesses/{name}" in done.out
        with open_tensors(tmp_path / "net.witnesses" / name) as file:
            x = {key: np.asarray(file[key][...]) for key in file}
        result = intsim.run(ready, x, trace=["fc/acc"], engine="reference", events=True)
        exact = intsim.run(load(network), x, trace=["fc/acc"], engine="reference")
        assert result.events["fc/acc"].total >= 1
        assert result.trace["fc/acc"].tolist() != exact.trace["fc/acc"].tolist()
        assert f"{exact.trace['fc/acc'][0, 1]:,}" in done.out


def test_no_witness_writes_nothing(network, tmp_path, capsys):
    narrow = datapath(tmp_path, 'format = "int14"\noverflow = "trap"')
    done = call(capsys, "prove", network, "--datapath", narrow, "--no-witness")
    assert done.status == 1
    assert "possible persistent" in done.out
    assert listing(tmp_path) == ["d.toml", "net.h5"]


def test_the_folder_of_witnesses_can_be_named(network, tmp_path, capsys):
    narrow = datapath(tmp_path, 'format = "int14"')
    done = call(capsys, "prove", network, "--datapath", narrow, "-w", tmp_path / "w", "--seconds", "0")
    assert done.status == 1
    assert (tmp_path / "w" / "000-fc-acc.h5").is_file()
    done = call(capsys, "prove", network, "--datapath", narrow, "-w", network)
    assert done.status == 2
    assert "net.h5: cannot be made" in done.err


def test_json(network, tmp_path, capsys):
    narrow = datapath(tmp_path, 'format = "int14"\noverflow = "saturate"')
    done = call(capsys, "prove", network, "--datapath", narrow, "--json")
    said = json.loads(done.out)
    assert (done.status, said["proved"]) == (1, False)
    assert said["assumptions"] == {"x": {"lo": -128, "hi": 127}}
    (node,) = said["nodes"]
    assert node["channels"] == [
        {"verdict": "proved", "overflow": None},
        {"verdict": "witnessed", "overflow": "persistent"},
    ]
    (register,) = node["registers"]
    assert register["final"] == {"lo": [-1283, -13420], "hi": [1267, 13100]}
    assert (register["needed"], register["headroom"]) == ([12, 15], [2, -1])
    assert node["closed_forms"]["a2q+"]["bits"] == [None, None]
    assert "sum to 0" in node["closed_forms"]["a2q+"]["refused"]
    witness = node["witness"]["network"]
    assert witness["channel"] == 1
    assert Path(witness["file"]).is_file()
    assert not IntFormat(14).holds(witness["exact"], witness["exact"])


def test_ranges(network, tmp_path, capsys):
    narrow = datapath(tmp_path, 'format = "int14"\noverflow = "saturate"')
    flags = ["--datapath", narrow, "--no-witness"]
    done = call(capsys, "prove", network, *flags, "--range", "x=0:50")
    assert done.status == 0
    assert "Assumed: x in [0, 50], less than int8." in done.out
    assert call(capsys, "prove", network, *flags, "--range", "0:50").status == 0
    np.savez(tmp_path / "r.npz", **{"x.lo": np.full(4, -1), "x.hi": np.array([1, 2, 3, 4])})
    done = call(capsys, "prove", network, *flags, "--ranges", tmp_path / "r.npz", "--json")
    assert json.loads(done.out)["assumptions"] == {"x": {"lo": [-1] * 4, "hi": [1, 2, 3, 4]}}
    assert done.status == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--range", "y=0:1"], "ranges: must name inputs (x), not 'y'. [B1]"),
        (["--range", "x=0:1000"], "x: range must be inside int8, not [0, 1000]. [B1]"),
        (["--range", "x=3:1"], "x: range must not be empty, not [3, 1]. [B1]"),
        (["--range", "x=a:1"], "--range: must be NAME=LO:HI, not 'x=a:1'"),
        (["--range", "x=0:" + "9" * 5000], "--range: must be NAME=LO:HI"),
        (["--only", "nobody"], "--only: must name nodes that accumulate, not 'nobody'"),
        (["--check", "none.json"], "none.json: must be a file; there is none"),
        (["--datapath", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_wrong_usage(flags, message, network, tmp_path, capsys):
    done = call(capsys, "prove", network, *flags)
    assert done.status == 2
    assert message in done.err
    assert listing(tmp_path) == ["net.h5"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(4, np.int64)}, "arrays must be named NAME.lo and NAME.hi, not 'x'"),
        ({"x.lo": np.zeros(4, np.int64)}, "x must have both NAME.lo and NAME.hi"),
        ({"x.lo": np.zeros(4), "x.hi": np.ones(4)}, "x.lo must hold integers, not float64"),
        ({"x.lo": np.zeros(4, int), "x.hi": np.ones(3, int)}, "x.lo and x.hi must have one shape"),
        ({"x.lo": np.zeros((2, 2), int), "x.hi": np.ones((2, 2), int)}, "must be of the sample's shape (4,)"),
    ],
)
def test_wrong_files_of_ranges(arrays, message, network, tmp_path, capsys):
    np.savez(tmp_path / "r.npz", **arrays)
    done = call(capsys, "prove", network, "--ranges", tmp_path / "r.npz")
    assert done.status == 2
    assert message in done.err


def test_a_range_must_name_one_of_several_inputs(tmp_path, capsys):
    save(two_doors(), tmp_path / "net.h5")
    done = call(capsys, "prove", tmp_path / "net.h5", "--range", "0:1")
    assert (done.status, "must name one of a, b/1" in done.err) == (2, True)


def test_search_finds_widths_that_are_safe_and_no_wider(network, tmp_path, capsys):
    done = call(capsys, "prove", network, "--search", tmp_path / "out.toml")
    assert done.status == 0
    assert done.out.splitlines()[1].split() == ["int32", "wrap", "int15", "wrap", "fc/acc"]
    found = Datapath.read(tmp_path / "out.toml")
    assert call(capsys, "prove", network, "--datapath", tmp_path / "out.toml").status == 0
    rule = found.rules[0]
    less = rule.accumulator.replace(format=IntFormat(rule.accumulator.format.bits - 1))
    proof = prove(load(network).with_datapath(Datapath((rule.replace(accumulator=less),))))
    assert not proof.proved
    assert proof.nodes[0].verdict == "witnessed"


def test_search_says_what_no_register_can_hold(tmp_path, capsys):
    n = NetworkBuilder()
    x = n.input("x", (2,), IntFormat(8))
    unsigned = Accumulator(IntFormat(8, signed=False))
    n.output(n.add(Dense(weight=[[1, -1]], accumulator=unsigned), x, name="fc"))
    save(n.build(), tmp_path / "net.h5")
    done = call(capsys, "prove", tmp_path / "net.h5", "--search", tmp_path / "out.toml")
    assert done.status == 2
    assert "fc: an unsigned register would have to go below 0 [X3]" in done.err
    assert listing(tmp_path) == ["net.h5"]


def test_certificate_and_check(network, tmp_path, capsys):
    assert call(capsys, "prove", network, "--certificate", tmp_path / "c.json").status == 0
    done = call(capsys, "prove", "--check", tmp_path / "c.json", network)
    assert done.status == 0
    assert "holds: no accumulator can deliver a wrong sum (1 accumulators)" in done.out
    text = (tmp_path / "c.json").read_text(encoding="utf-8")
    (tmp_path / "c.json").write_text(text.replace("-13420", "-13419"), encoding="utf-8")
    done = call(capsys, "prove", "--check", tmp_path / "c.json", network)
    assert done.status == 1
    assert done.out.splitlines()[-1].endswith("c.json: rejected")
    assert json.loads(call(capsys, "prove", "--check", tmp_path / "c.json", network, "--json").out)[
        "findings"
    ]


def test_a_certificate_says_what_is_not_proved(network, tmp_path, capsys):
    narrow = datapath(tmp_path, 'format = "int14"\noverflow = "saturate"')
    flags = ["--datapath", narrow, "--no-witness", "--certificate", tmp_path / "c.json"]
    assert call(capsys, "prove", network, *flags).status == 1
    done = call(capsys, "prove", "--check", tmp_path / "c.json", network)
    assert done.status == 1
    assert "says itself that fc/acc is not proved" in done.out


def test_observed_ranges_stand_beside_the_proof(network, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.array([[1, 1, 1, 1], [2, 1, 1, 1]], np.int8))
    done = call(capsys, "prove", network, "--observe", tmp_path / "x.npy", "--json")
    (node,) = json.loads(done.out)["nodes"]
    assert node["observed"] == {"lo": [7, -8], "hi": [8, -7]}
    done = call(capsys, "prove", network, "--observe", tmp_path / "x.npy")
    assert "observed" in done.out.splitlines()[0]
    np.save(tmp_path / "x.npy", np.zeros((1, 3), np.int8))
    done = call(capsys, "prove", network, "--observe", tmp_path / "x.npy")
    assert (done.status, "x.npy" in done.err) == (2, True)


def test_channels_one_line_each(network, capsys):
    done = call(capsys, "prove", network, "--channels")
    rows = [line.split() for line in done.out.splitlines()[1:3]]
    assert [row[3] for row in rows] == ["12", "15"]
    assert [row[-2] for row in rows] == ["0", "1"]


def test_witnesses_of_convolutions_are_whole_inputs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    n = NetworkBuilder()
    x = n.input("x", (18,), IntFormat(8))
    image = n.add(Reshape(shape=(3, 3, 2)), x, name="image")
    weight = np.arange(-18, 18).reshape(2, 3, 3, 2)
    acc = Accumulator(IntFormat(15), Overflow.TRAP)
    conv = Conv2d(weight=weight, padding=((1, 1), (1, 1)), accumulator=acc)
    n.output(n.add(conv, image, name="conv"))
    save(n.build(), tmp_path / "net.h5")
    done = call(capsys, "prove", tmp_path / "net.h5", "--json")
    (node,) = json.loads(done.out)["nodes"]
    carried = node["witness"]["network"]
    assert node["witness"]["network_search"]["inputs"] == 1, "carried back through the reshape"
    assert carried["exact"] == node["witness"]["local"]["exact"]
    done = call(capsys, "run", tmp_path / "net.h5", "-i", carried["file"], "-o", tmp_path / "out.npy")
    assert (done.status, "register must hold int15" in done.err) == (1, True)


def test_the_digits_on_fourteen_bits(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    narrow = datapath(tmp_path, 'format = "int14"\noverflow = "saturate"')
    done = call(capsys, "prove", DIGITS / "network.h5", "--datapath", narrow, "--json")
    nodes = json.loads(done.out)["nodes"]
    assert done.status == 1
    assert [node["verdict"] for node in nodes] == ["witnessed"] * 4 + ["proved", "witnessed"]
    search = call(capsys, "prove", DIGITS / "network.h5", "--datapath", narrow, "--search", "out.toml")
    assert search.status == 0
    assert call(capsys, "prove", DIGITS / "network.h5", "--datapath", "out.toml").status == 0


def test_ranges_can_be_said_of_inputs_only():
    with pytest.raises(intsim.IntsimError, match="must name inputs"):
        prove(small(), {"fc": Interval(0, 1)})
