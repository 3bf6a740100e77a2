"""intsim equiv."""

import json
from pathlib import Path

import numpy as np
import pytest

from intsim.arithmetic import Requantization, Rounding, ShiftRight
from intsim.cli.equiv_output import code
from intsim.ops import Lookup, Requantize
from intsim.storage import save
from tests.cli.files import call, listing, small

GOLDEN = Path(__file__).parents[2] / "golden" / "digits_cnn" / "network.h5"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """In this folder: a network, and the same with another rounding."""
    monkeypatch.chdir(tmp_path)
    network = small()
    save(network, "a.h5")
    save(changed(network, ShiftRight(bits=2, rounding=Rounding.HALF_UP)), "b.h5")
    return tmp_path


def changed(network, step):
    rule = Requantization((step,))
    nodes = [node.replace(op=Requantize(rule)) if node.name == "fc" else node for node in network.nodes]
    return network.replace(nodes=tuple(nodes))


def test_equal(folder, capsys):
    done = call(capsys, "equiv", "a.h5", "a.h5")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "verdict  differing      of  largest  how          lowest that differs  node\n"
        "equal            0  29,072           same steps                        fc\n"
        "equal            0     256           enumeration                       relu\n"
        "\n2 nodes over the ranges proved in a.h5: 2 equal\n"
    )


def test_different(folder, capsys):
    done = call(capsys, "equiv", "a.h5", "b.h5")
    assert (done.status, done.err) == (1, "")
    header, line, *_ = done.out.splitlines()
    assert header.split(maxsplit=5)[:5] == ["verdict", "differing", "of", "largest", "how"]
    # sums of channel 0 are -1290 + 7 to 1260 + 7; of channel 1 -13294 - 7 to 13107 - 7
    ranges = [sums(row, bias) for row, bias in (((1, 2, 3, 4), 7), ((-1, 0, 100, 3), -7))]
    apart = [[v for v in range(lo, hi + 1) if clip(v >> 2) != clip((v + 2) >> 2)] for lo, hi in ranges]
    first = apart[0][0]
    count = sum(map(len, apart))
    total = sum(hi - lo + 1 for lo, hi in ranges)
    a, b = clip(first >> 2), clip((first + 2) >> 2)
    assert line.split() == [
        *("differs", f"{count:,}", f"{total:,}", "1", "enumeration", "channel", "0", "at", f"{first}:"),
        *(str(a), f"(0x{a & 255:02x})", "against", str(b), f"(0x{b & 255:02x})", "fc"),
    ]
    plain = json.loads(call(capsys, "equiv", "a.h5", "b.h5", "--json", "--only", "fc").out)
    (node,) = plain
    assert (node["name"], node["verdict"], node["differing"], node["total"]) == (
        "fc",
        "differs",
        count,
        total,
    )
    assert [entry["differing"] for entry in node["channels"]] == [len(values) for values in apart]
    assert node["channels"][0]["first"] == first
    assert (node["channels"][0]["a"], node["channels"][0]["b"]) == (a, b)
    assert node["channels"][0]["a_shown"] == code(a, 8)


def sums(row, bias):
    """The range of a sum of `small`: codes less their zero point are -129 to 126."""
    ends = [sum(end) + bias for end in zip(*(sorted((-129 * w, 126 * w)) for w in row), strict=True)]
    return ends[0], ends[1]


def clip(value):
    return max(-128, min(127, value))


def test_channels(folder, capsys):
    out = call(capsys, "equiv", "a.h5", "b.h5", "--only", "fc", "--channels", "--enumerate").out
    lines = out.splitlines()
    at = lines.index("fc")
    assert lines[at + 1].split()[:4] == ["channel", "from", "to", "differing"]
    assert [line.split()[0] for line in lines[at + 2 : at + 4]] == ["0", "1"]
    assert out.endswith("\n1 node over the ranges proved in a.h5: 1 differs\n")


def test_ranges_of_inputs(folder, capsys):
    plain = json.loads(
        call(capsys, "equiv", "a.h5", "b.h5", "--range", "x=0:3", "--only", "fc", "--json").out
    )
    assert [(e["lo"], e["hi"]) for e in plain[0]["channels"]] == [
        (7 - 10, 7 + 20),
        (-2 - 103 - 7, 1 + 206 - 7),
    ]
    np.savez("r.npz", **{"x.lo": np.zeros(4, int), "x.hi": np.full(4, 3)})
    again = json.loads(
        call(capsys, "equiv", "a.h5", "b.h5", "--ranges", "r.npz", "--only", "fc", "--json").out
    )
    assert again == plain
    assert call(capsys, "equiv", "a.h5", "b.h5", "--range", "y=0:3").status == 2


def test_not_decided(folder, capsys):
    save(changed(small(), ShiftRight(bits=2, rounding=Rounding.STOCHASTIC)), "c.h5")
    done = call(capsys, "equiv", "a.h5", "c.h5", "--only", "fc")
    assert done.status == 1
    assert "STOCHASTIC rounding draws per element" in done.out
    assert done.out.endswith("1 node over the ranges proved in a.h5: 1 not decided\n")
    save(small(bits=30), "d.h5")
    done = call(capsys, "equiv", "a.h5", "d.h5", "--only", "fc/acc", "--json")
    assert done.status == 1
    assert json.loads(done.out)[0]["why_not"] == "dense differs in accumulator"
    done = call(capsys, "equiv", "a.h5", "b.h5", "--only", "fc/acc")
    assert (done.status, done.out) == (0, "0 nodes over the ranges proved in a.h5: nothing differs\n")


def test_tables(folder, capsys):
    network = small()
    table = Lookup(entries=[max(-20, min(20, v)) for v in range(-128, 127)] + [21])
    nodes = [node.replace(op=table) if node.name == "relu" else node for node in network.nodes]
    save(network.replace(nodes=tuple(nodes)), "table.h5")
    done = call(capsys, "equiv", "a.h5", "table.h5", "--only", "relu")
    assert done.status == 1
    assert "127: 20 (0x14) against 21 (0x15)" in done.out


def test_a_dialect(capsys, tmp_path):
    done = call(capsys, "equiv", GOLDEN, "--against-dialect", "f32-rne-zp-after", "--only", "stem")
    assert done.status == 1
    assert "849  1,107,473" in done.out
    done = call(capsys, "equiv", GOLDEN, "--against-dialect", "tflite-double", "--only", "stem")
    assert done.status == 0
    done = call(capsys, "equiv", GOLDEN, "--against-dialect", "tflite-double", "--only", "block/add*")
    assert done.status == 1
    assert "not made anew: its input has no scale in the network" in done.out
    done = call(capsys, "equiv", GOLDEN, "--against-dialect", "xnnpack")
    assert (done.status, done.out) == (2, "")
    assert "dialect of requantization must be one of" in done.err


def datapath(name, **keys):
    lines = [f'{key} = "{value}"\n' for key, value in keys.items()]
    Path(name).write_text('[[accumulator]]\nnodes = "*"\n' + "".join(lines))


def test_datapaths(folder, capsys):
    datapath("wide.toml", format="int32")
    datapath("narrow.toml", format="int12", overflow="saturate")
    done = call(capsys, "equiv", "a.h5", "--datapath", "wide.toml")
    assert done.status == 0
    assert "the same accumulator" in done.out
    done = call(capsys, "equiv", "a.h5", "--against", "narrow.toml", "-o", "inputs.npz", "--json")
    assert done.status == 1
    (node,) = json.loads(done.out)
    found = node["difference"]
    with np.load("inputs.npz") as inputs:
        (name,) = inputs.files
        assert name == "fc/acc/x"
        assert inputs[name].tolist() == found["inputs"]
        np.save("x.npy", inputs[name])
    made = {}
    for path, key in (("wide.toml", "a"), ("narrow.toml", "b")):
        arguments = ("-i", "x.npy", "-o", "t.npz", "--only", "fc/acc", "--accumulators", "--datapath", path)
        assert call(capsys, "trace", "a.h5", *arguments, "--engine", "reference").status == 0
        with np.load("t.npz") as trace:
            made[key] = int(trace["fc/acc"][(0, *found["index"])])
    assert made == {"a": found["a"], "b": found["b"]}
    assert found["a_shown"].startswith(f"{found['a']} (0x")
    text = call(capsys, "equiv", "a.h5", "--datapath", "wide.toml", "--against", "narrow.toml").out
    assert f"at ({found['index'][0]},): {found['a_shown']} against {found['b_shown']}" in text
    assert "int32 wrap" in text
    assert "int12 saturate" in text


def test_no_file_where_nothing_differs(folder, capsys):
    datapath("wide.toml", format="int32", order="chw")
    before = listing(folder)
    done = call(capsys, "equiv", "a.h5", "--against", "wide.toml", "-o", "inputs.npz")
    assert (done.status, listing(folder)) == (0, before)


def test_narrowest(folder, capsys):
    done = call(capsys, "equiv", GOLDEN, "--narrowest", "--only", "logits", "--channels")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[1].split() == ["15", "23", "1", "enumeration", "logits"]
    assert "22667 (0x588b)" in done.out
    plain = json.loads(call(capsys, "equiv", GOLDEN, "--narrowest", "--only", "logits", "--json").out)
    channel = plain[0]["channels"][0]
    assert (plain[0]["bits"], channel["bits"], channel["multiplier"], channel["shift"]) == (15, 15, 22667, 23)
    done = call(
        capsys, "equiv", GOLDEN, "--narrowest", "--rounding", "half_up", "--only", "body", "--channels"
    )
    assert done.status == 1
    assert "no multiplier with a shift of at most 62 makes every code" in done.out
    plain = call(capsys, "equiv", "a.h5", "--narrowest").out
    assert plain.splitlines()[1].split() == ["1", "2", "1", "enumeration", "fc"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "one must be given of"),
        (("b.h5", "--narrowest"), "one must be given of"),
        (("b.h5", "--rounding", "floor"), "--rounding goes with --narrowest only"),
        (("b.h5", "-o", "x.npz"), "--output goes with datapaths only"),
        (("--narrowest", "--rounding", "up"), "--rounding must be one of floor, ceil"),
        (("--narrowest", "--rounding", "stochastic"), "rounding must not be STOCHASTIC"),
        (("--narrowest", "--only", "z"), "network must have requantize nodes to compare, not 'z'"),
        (("b.h5", "--only", "z"), "--only must name nodes, not 'z'"),
        (("b.h5", "--threads", "0"), "--threads must be at least 1, not 0"),
        (("c.h5",), "c.h5"),
        (("--against", "none.toml"), "none.toml: cannot be read"),
    ],
)
def test_wrong_usage(folder, capsys, arguments, said):
    done = call(capsys, "equiv", "a.h5", *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_codes_in_decimal_and_hexadecimal():
    assert code(-1, 8) == "-1 (0xff)"
    assert code(127, 8) == "127 (0x7f)"
    assert code(300, 8) == "300 (0x12c)"
    assert code(-129, 8) == "-129 (0x17f)"
    assert code(5, 0) == "5 (0x5)"
    assert code(None, 8) == "a trap"
