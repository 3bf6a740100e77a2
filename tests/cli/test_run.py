"""intsim run."""

import json
import struct

import h5py
import numpy as np
import pytest

from intsim.arithmetic import Overflow
from intsim.cli import output
from intsim.formats import IntFormat, Quantization, RealFormat
from intsim.network import NetworkBuilder
from intsim.ops import Clamp, Quantize
from intsim.storage import save
from tests.cli.files import X, call, expected, expected_sums, listing, setup, small, two_doors


@pytest.fixture
def files(tmp_path):
    return setup(tmp_path)


def read(path):
    if path.suffix == ".npy":
        return {"": np.load(path)}
    if path.suffix == ".npz":
        return dict(np.load(path))
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file if isinstance(file[name], h5py.Dataset)}


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_outputs(suffix, files, tmp_path, capsys):
    network, inputs = files
    done = call(capsys, "run", network, "-i", inputs, "-o", tmp_path / f"out{suffix}")
    assert (done.status, done.out, done.err) == (0, "", "")
    (found,) = read(tmp_path / f"out{suffix}").values()
    assert found.dtype == np.int8
    assert found.tolist() == expected(X)
    assert listing(tmp_path) == sorted(["net.h5", "x.npy", f"out{suffix}"])


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_inputs_and_outputs_by_name(suffix, tmp_path, capsys):
    save(two_doors(), tmp_path / "net.h5")
    a, b = np.array([[-8, 7]]), np.array([[-1, 5]])
    if suffix == ".npz":
        np.savez(tmp_path / "in.npz", **{"b/1": b, "a": a})
    else:
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file["a"], file["b/1"] = a, b
    out = tmp_path / f"out{suffix}"
    assert call(capsys, "run", tmp_path / "net.h5", "-i", tmp_path / f"in{suffix}", "-o", out).status == 0
    found = read(out)
    assert found["clamped"].tolist() == [[0, 3]]
    assert found["other"].tolist() == [[-1, 1]]


@pytest.mark.parametrize("engine", ["fast", "reference", "exact", "crosscheck", "crosscheck:reference,exact"])
def test_engines(engine, files, tmp_path, capsys):
    network, inputs = files
    out = tmp_path / "out.npy"
    arguments = ("--engine", engine, "--threads", 1)
    assert call(capsys, "run", network, "-i", inputs, "-o", out, *arguments).status == 0
    assert np.load(out).tolist() == expected(X)


def test_the_same_bytes_again(files, tmp_path, capsys):
    network, inputs = files
    for name in ("a.h5", "b.h5", "a.npz", "b.npz"):
        assert call(capsys, "run", network, "-i", inputs, "-o", tmp_path / name).status == 0
    for suffix in ("h5", "npz"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


DATAPATH = """
[[accumulator]]
nodes = "*"
format = "int10"
overflow = "saturate"
tile = 2
[accumulator.inner]
format = "int9"
"""


def events_of(x):
    """Overflows of the datapath above with its tiles of two: per register, persistent and transient."""
    weight, bias = [[1, 2, 3, 4], [-1, 0, 100, 3]], [7, -7]
    outer, inner = [0, 0], [0, 0]
    for row in x:
        for line, last in zip(weight, bias, strict=True):
            terms = [(int(v) - 1) * w for v, w in zip(row, line, strict=True)]
            entering = []
            for begin in (0, 2):
                held, left, total = 0, False, 0
                for term in terms[begin : begin + 2]:
                    total += term
                    left |= not -256 <= total < 256
                    held = (held + term + 256) % 512 - 256
                wrong = not -256 <= total < 256
                inner[0] += wrong
                inner[1] += left and not wrong
                entering.append(held)
            total, left = 0, False
            for term in (*entering, last):
                total += term
                left |= not -512 <= total < 512
            wrong = not -512 <= total < 512
            outer[0] += wrong
            outer[1] += left and not wrong
    return outer, inner


def test_events_and_a_datapath(files, tmp_path, capsys):
    network, inputs = files
    (tmp_path / "d.toml").write_text(DATAPATH)
    arguments = (
        "run",
        network,
        "-i",
        inputs,
        "-o",
        tmp_path / "o.npy",
        "--datapath",
        tmp_path / "d.toml",
        "--events",
    )
    outer, inner = events_of(X)
    assert inner[0] > 0
    done = call(capsys, *arguments, "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {
        "events": [
            {"node": "fc/acc", "register": 0, "persistent": outer[0], "transient": outer[1]},
            {"node": "fc/acc", "register": 1, "persistent": inner[0], "transient": inner[1]},
        ]
    }
    done = call(capsys, *arguments)
    assert done.out.splitlines()[0].split() == ["register", "persistent", "transient", "node"]
    assert done.out.splitlines()[2].split() == ["1", str(inner[0]), str(inner[1]), "fc/acc"]


def test_json_without_events(files, tmp_path, capsys):
    network, inputs = files
    done = call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "o.npy", "--json")
    assert json.loads(done.out) == {"samples": 6, "outputs": ["relu"]}


def test_a_trap_is_an_answer_and_leaves_nothing(tmp_path, capsys):
    network, inputs = setup(tmp_path, small(Overflow.TRAP, 10))
    sums = expected_sums(X)
    first = next(i for i, row in enumerate(sums) if any(not -512 <= value < 512 for value in row))
    done = call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(
        f"intsim: error: fc/acc: sample {first}: register must hold int10 (-512 to 511), not "
    )
    assert listing(tmp_path) == ["net.h5", "x.npy"]


def test_an_old_output_stays_when_the_run_fails(tmp_path, capsys):
    network, inputs = setup(tmp_path, small(Overflow.TRAP, 10))
    (tmp_path / "out.npy").write_text("old")
    assert call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy").status == 1
    assert (tmp_path / "out.npy").read_text() == "old"


def test_no_samples(tmp_path, capsys):
    network, inputs = setup(tmp_path, x=X[:0])
    assert call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy").status == 0
    assert np.load(tmp_path / "out.npy").shape == (0, 2)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (X[0], "x.npy.x: shape must be (batch, 4), not (4,). Put a batch axis in front: x[None]. [I3]"),
        (X.astype(float), "x.npy.x: values must be integers (int8), not float64. Quantize them first. [I2]"),
        (
            np.full((1, 4), 128),
            "x.npy.x: values must fit int8 (-128 to 127), not 128 at (0, 0); 4 values do not fit. [I4]",
        ),
    ],
)
def test_inputs_that_do_not_fit(x, said, tmp_path, capsys):
    network, inputs = setup(tmp_path, x=x)
    done = call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy")
    assert (done.status, done.out, done.err) == (2, "", f"intsim: error: {tmp_path}/{said}\n")
    assert listing(tmp_path) == ["net.h5", "x.npy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "out.csv"), "out.csv: name must end in .npy, .npz, .h5, not '.csv'"),
        (("-o", "no/out.npy"), "no/out.npy: cannot be written: no such file or directory"),
        (("-o", "out.npy", "-i", "no.npy"), "no.npy: cannot be read: no such file or directory"),
        (("-o", "out.npy", "-i", "net.h5"), "inputs must be x, not "),
        (("-o", "out.npy", "--engine", "slow"), "engine must be "),
        (("-o", "out.npy", "--threads", "0"), "threads must be at least 1, not 0"),
        (("-o", "out.npy", "--datapath", "no.toml"), "no.toml: cannot be read: "),
        (("-o", "out.npy", "--datapath", "bad.toml"), "must name nodes that accumulate, not 'conv*'. [D4]"),
        (("-o", "."), ".: name must end in "),
    ],
)
def test_wrong_arguments(arguments, said, files, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text('[[accumulator]]\nnodes = "conv*"\n')
    done = call(capsys, "run", "net.h5", "-i", "x.npy", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("intsim: error: ")
    assert said in done.err
    assert listing(tmp_path) == ["bad.toml", "net.h5", "x.npy"]


def test_several_outputs_in_one_npy(tmp_path, capsys):
    save(two_doors(), tmp_path / "net.h5")
    done = call(
        capsys, "run", tmp_path / "net.h5", "-i", "not even looked at.npz", "-o", tmp_path / "out.npy"
    )
    assert (done.status, done.err) == (
        2,
        f"intsim: error: {tmp_path / 'out.npy'}: a .npy file must hold one tensor, not 2; use .npz or .h5\n",
    )


def single(value):
    """The nearest float32 of a float."""
    return struct.unpack("f", struct.pack("f", value))[0]


def code_of(real, scale, zero_point, low, high):
    """By the rule, in Python's floats: float32 quotient, ties away from zero, saturated."""
    quotient = single(single(real) / single(scale))  # exact: float64 has room to round twice safely
    away = int(abs(quotient) + 0.5) * (1 if quotient > 0 else -1)
    return max(low, min(high, away + zero_point))


def identity(format, quantization, shape=(1,)):
    n = NetworkBuilder()
    n.output(n.add(Clamp(lo=format.min, hi=format.max), n.input("x", shape, format, quantization), name="y"))
    return n.build()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_reals(dtype, tmp_path, capsys):
    rng = np.random.default_rng(0)
    reals = np.concatenate(
        [rng.normal(0, 20, 500), np.arange(-70, 70) * 0.25 * 0.3, [0.0, -0.0, 6e4, -6e4]]
    ).astype(dtype)
    network, inputs = setup(
        tmp_path, identity(IntFormat(7), Quantization.per_tensor(0.3, -5)), reals[:, None]
    )
    done = call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy", "--real")
    assert (done.status, done.err) == (0, "")
    found = np.load(tmp_path / "out.npy")[:, 0].tolist()
    assert found == [code_of(float(real), 0.3, -5, -64, 63) for real in reals]


def test_ties_and_infinities(tmp_path, capsys):
    reals = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, np.inf, -np.inf, 1e300, -1e300])
    network, inputs = setup(tmp_path, identity(IntFormat(8), Quantization.per_tensor(1.0)), reals[:, None])
    assert call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy", "--real").status == 0
    assert np.load(tmp_path / "out.npy")[:, 0].tolist() == [1, 2, 3, -1, -2, -3, 127, -128, 127, -128]


def test_a_scale_per_channel(tmp_path, capsys):
    quantization = Quantization([0.5, 2.0], [1, -1], axis=1)
    reals = np.array([[[1.0, 1.0], [3.0, 3.0]]])
    network, inputs = setup(tmp_path, identity(IntFormat(8), quantization, (2, 2)), reals)
    assert call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy", "--real").status == 0
    assert np.load(tmp_path / "out.npy").tolist() == [[[3, 0], [7, 1]]]


def test_a_real_input_takes_reals_either_way(tmp_path, capsys):
    n = NetworkBuilder()
    x = n.input("x", (1,), RealFormat(32))
    n.output(n.add(Quantize(scale=np.float32(0.5)), x, name="y"))
    network, inputs = setup(tmp_path, n.build(), np.float32([[1.25]]))
    for arguments in ((), ("--real",)):
        assert call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy", *arguments).status == 0
        assert np.load(tmp_path / "out.npy").tolist() == [[3]]


@pytest.mark.parametrize(
    ("network", "x", "said"),
    [
        (small(), X, "x: values must be reals with --real, not int8"),
        (
            small(quantized=False),
            X.astype(float),
            "x: has no scale in the network; quantize it and leave --real out",
        ),
        (small(), np.where(X == 3, np.nan, X), "x: values must be numbers, not NaN at (3, 3)"),
        (small(), X[:, :3].astype(float), "x: shape must be (batch, 4), not (6, 3). [I3]"),
        (small(), np.array(1.0), "x: shape must be (batch, 4), not (). [I3]"),
    ],
)
def test_reals_that_are_refused(network, x, said, tmp_path, capsys):
    path, inputs = setup(tmp_path, network, x)
    done = call(capsys, "run", path, "-i", inputs, "-o", tmp_path / "out.npy", "--real")
    assert (done.status, done.out, done.err) == (2, "", f"intsim: error: {inputs}.{said}\n")


def test_progress_on_a_terminal(files, tmp_path, capsys, monkeypatch):
    network, inputs = files
    monkeypatch.setattr(output.sys.stderr, "isatty", lambda: True, raising=False)
    done = call(capsys, "run", network, "-i", inputs, "-o", tmp_path / "out.npy")
    assert (done.status, done.out) == (0, "")
    assert np.load(tmp_path / "out.npy").tolist() == expected(X)
