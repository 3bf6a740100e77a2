"""intsim compare."""

import json
import shutil

import h5py
import numpy as np
import pytest

from intsim.formats.table import E4M3
from intsim.network import NetworkBuilder
from intsim.ops import Reshape
from intsim.storage import open_tensors, save
from tests.cli.files import X, call, expected, expected_sums, setup


@pytest.fixture
def trace(tmp_path, capsys, monkeypatch):
    """In this folder: a network, a trace of it, and the trace's tensors by name."""
    monkeypatch.chdir(tmp_path)
    setup(tmp_path)
    assert call(capsys, "trace", "net.h5", "-i", "x.npy", "-o", "t.h5").status == 0
    with open_tensors("t.h5") as file:
        return {name: np.array(file[name][:]) for name in file}


def spoil(tensors, name, index, by=1):
    values = tensors[name].astype(np.int64)
    values[index] += by
    return {**tensors, name: values}


def test_equal(trace, capsys):
    np.savez("rtl.npz", **trace)
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "differing  of  first at  tensor\n"
        "        0  24            x\n"
        "        0  12            fc\n"
        "        0  12            relu\n"
    )


def test_the_first_difference(trace, capsys):
    np.savez("rtl.npz", **spoil(spoil(trace, "relu", (0, 0)), "fc", (4, 1), -300))
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert (done.status, done.err) == (1, "")
    right = expected_sums(X)[4][1] >> 2
    lines = done.out.splitlines()
    assert lines[2].split(maxsplit=2) == ["1", "12", "(4, 1)    fc"]
    assert "first difference: fc at (4, 1)" in lines
    assert f"  t.h5     {right} (0x{right & 0x1FF:03x})" in lines
    assert f"  rtl.npz  {right - 300} (0x{right - 300 & 0x1FF:03x})" in lines


def test_the_steps_behind_it(trace, capsys):
    np.savez("rtl.npz", **spoil(trace, "fc", (4, 1)))
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    sums = expected_sums(X)[4][1]
    told = done.out.split("\n\n")
    assert told[2].splitlines() == [
        "fc at (1,): requantize of fc/acc",
        "step                                        value",
        f"sum                                         {sums:>5}",
        f"ShiftRight(bits=2, rounding=floor, seed=0)  {sums >> 2:>5}",
        f"into int8 saturate                          {sums >> 2:>5}",
    ]
    steps = told[3].splitlines()
    assert steps[0] == "fc/acc at (1,): dense of x, by int32 wrap; zero points x 1, w 0 (subtracted)"
    assert steps[1].split() == ["step", "level", "input", "at", "x", "w", "enters", "register"]
    held = 0
    for line, x, w, place in zip(steps[3:7], X[4].tolist(), [-1, 0, 100, 3], range(4), strict=True):
        held += (x - 1) * w
        assert line.split() == ["term", "0", f"({place},)", str(x), str(w), str((x - 1) * w), str(held)]
    assert steps[7].split() == ["bias", "0", "-7", str(sums)]


def test_json(trace, capsys):
    np.savez("rtl.npz", **spoil(trace, "fc", (4, 1)), extra=X)
    done = call(capsys, "compare", "t.h5", "rtl.npz", "--json")
    assert (done.status, done.err) == (1, "")
    told = json.loads(done.out)
    right = expected_sums(X)[4][1] >> 2
    assert told["equal"] is False
    assert told["only_b"] == ["extra"]
    assert [entry["differing"] for entry in told["tensors"]] == [0, 1, 0]
    assert told["first"] == {
        "name": "fc",
        "other": "fc",
        "size": 12,
        "differing": 1,
        "index": [4, 1],
        "a": right,
        "b": right + 1,
        "why": "",
        "a_hex": f"0x{right & 0xFF:02x}",
        "b_hex": f"0x{right + 1 & 0xFF:02x}",
    }
    assert told["explanation"]["value"] == right
    assert len(told["explanation"]["sections"]) == 2


def test_json_of_equal_files(trace, capsys):
    done = call(capsys, "compare", "t.h5", "t.h5", "--json")
    assert done.status == 0
    assert json.loads(done.out)["first"] is None


def test_other_names_and_layouts(trace, capsys):
    with open("map.toml", "w") as file:
        file.write('"fc" = "dut.fc"\nrelu = {name = "dut.relu", axes = [0]}\nx = "dut.x"\n')
    names = {"dut.fc": trace["fc"], "dut.relu": trace["relu"], "dut.x": trace["x"]}
    np.savez("rtl.npz", **names)
    assert call(capsys, "compare", "t.h5", "rtl.npz", "--map", "map.toml").status == 0
    np.savez("rtl.npz", **spoil(names, "dut.fc", (0, 0)))
    done = call(capsys, "compare", "t.h5", "rtl.npz", "--map", "map.toml")
    assert done.status == 1
    assert "first difference: fc (there dut.fc) at (0, 0)" in done.out


def test_names_that_one_file_alone_has(trace, capsys):
    np.savez("rtl.npz", relu=trace["relu"])
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert done.status == 0
    assert done.out.splitlines()[2:] == ["only in t.h5: x", "only in t.h5: fc"]
    done = call(capsys, "compare", "rtl.npz", "t.h5")
    assert done.status == 1
    assert done.out.splitlines()[2:] == ["only in t.h5: x", "only in t.h5: fc"]


def test_shapes_that_differ(trace, capsys):
    np.savez("rtl.npz", **{**trace, "fc": trace["fc"].T})
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert done.status == 1
    why = "shape (6, 2) against (2, 6); the same sizes in another order: is the layout another?"
    assert done.out.splitlines()[-1] == f"first difference: fc: {why}"


def test_single_arrays(trace, capsys):
    np.save("a.npy", trace["relu"])
    np.save("b.npy", trace["relu"] + np.int8(1))
    assert call(capsys, "compare", "a.npy", "a.npy").status == 0
    done = call(capsys, "compare", "a.npy", "b.npy")
    assert done.status == 1
    assert f"  a.npy  {expected(X)[0][0]} (0x{expected(X)[0][0] & 0xFF:02x})" in done.out
    assert done.out.endswith(
        "not followed further: a.npy: does not say which network made it, as a trace of intsim does\n"
    )
    np.savez("one.npz", relu=trace["relu"])
    assert call(capsys, "compare", "one.npz", "a.npy").status == 0
    assert call(capsys, "compare", "a.npy", "one.npz").status == 0


def test_floats(trace, capsys):
    np.save("a.npy", np.float32([[0.1]]))
    np.save("b.npy", np.float32([[0.2]]))
    done = call(capsys, "compare", "a.npy", "b.npy")
    assert done.status == 1
    assert f"  a.npy  {float(np.float32(0.1))!r} ({float(np.float32(0.1)).hex()})" in done.out


def not_followed(done):
    return done.out.splitlines()[-1].removeprefix("not followed further: ")


def test_the_network_is_gone_or_another(trace, capsys, tmp_path):
    np.savez("rtl.npz", **spoil(trace, "fc", (4, 1)))
    (tmp_path / "sub").mkdir()
    shutil.move("net.h5", "sub/net.h5")
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert done.status == 1
    assert not_followed(done) == "net.h5: the network of the trace is not there"
    shutil.move("t.h5", "sub/t.h5")  # beside the trace it is found
    assert "requantize of fc/acc" in call(capsys, "compare", "sub/t.h5", "rtl.npz").out
    with open("sub/net.h5", "ab") as file:
        file.write(b"\0")
    done = call(capsys, "compare", "sub/t.h5", "rtl.npz")
    assert not_followed(done) == "sub/net.h5: is another file than the network of the trace"


def test_too_little_in_the_trace(trace, capsys):
    assert call(capsys, "trace", "net.h5", "-i", "x.npy", "-o", "t.h5", "--only", "fc").status == 0
    np.savez("rtl.npz", fc=trace["fc"] + np.int8(1))
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert not_followed(done) == "fc is made of fc/acc, which the file does not hold"


def test_a_difference_in_the_input(trace, capsys):
    np.savez("rtl.npz", **spoil(trace, "x", (0, 0)))
    assert not_followed(call(capsys, "compare", "t.h5", "rtl.npz")) == "x is an input of the network"


def test_with_a_datapath(trace, capsys):
    """The steps are those of the datapath that the trace was made with."""
    with open("d.toml", "w") as file:
        file.write('[[accumulator]]\nnodes = "*"\nformat = "int9"\noverflow = "saturate"\n')
    assert call(capsys, "trace", "net.h5", "-i", "x.npy", "-o", "t.h5", "--datapath", "d.toml").status == 0
    np.savez("rtl.npz", **trace)
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert done.status == 1
    assert "by int9 saturate; zero points x 1, w 0 (subtracted)" in done.out
    assert any(line.endswith("-256  overflow") for line in done.out.splitlines())


def test_a_trace_that_its_network_does_not_make(trace, capsys):
    """A trace that was written by intsim, and changed since."""
    np.savez("rtl.npz", **trace)
    with h5py.File("t.h5", "r+") as file:
        file["fc"][4, 1] -= 5
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    right = expected_sums(X)[4][1] >> 2
    assert done.out.splitlines()[-1] == f"the network gives {right} here, which is not what t.h5 holds"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("t.h5", "no.npz"), "no.npz: cannot be read: no such file or directory"),
        (("t.h5", "net.h5"), "files must have a tensor in common, not "),
        (("t.h5", "t.h5", "--map", "no.toml"), "no.toml: cannot be read: no such file or directory"),
        (("t.h5", "x.csv"), "x.csv: name must end in .npy, .npz, .h5, not '.csv'"),
    ],
)
def test_wrong_files(arguments, said, trace, capsys):
    done = call(capsys, "compare", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"intsim: error: {said}")


def test_codes_are_told_with_what_they_stand_for(tmp_path, capsys, monkeypatch):
    """0x38 is 1 in E4M3, 0x7F is its NaN."""
    monkeypatch.chdir(tmp_path)
    builder = NetworkBuilder()
    builder.output(builder.add(Reshape((4,)), builder.input("x", (2, 2), E4M3), name="y"))
    save(builder.build(), "net.h5")
    np.save("x.npy", np.array([[[0x38, 0], [1, 0x80]]], np.uint8))
    assert call(capsys, "trace", "net.h5", "-i", "x.npy", "-o", "t.h5").status == 0
    np.savez("rtl.npz", x=np.load("x.npy"), y=np.array([[0x7F, 0, 1, 0x80]], np.uint8))
    done = call(capsys, "compare", "t.h5", "rtl.npz")
    assert done.status == 1
    lines = done.out.splitlines()
    assert "  t.h5     56 (0x38) = 1.0" in lines
    assert "  rtl.npz  127 (0x7f) = nan" in lines
