"""intsim trace."""

import hashlib

import numpy as np
import pytest

from intsim.storage import load, open_tensors
from tests.cli.files import X, call, expected, expected_sums, listing, setup, small


@pytest.fixture
def files(tmp_path):
    return setup(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((), ["x", "fc", "relu"]),
        (("--accumulators",), ["x", "fc/acc", "fc", "relu"]),
        (("--only", "fc*"), ["fc"]),
        (("--only", "fc*", "--accumulators"), ["fc/acc", "fc"]),
        (("--only", "relu", "--only", "x"), ["x", "relu"]),
    ],
)
@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_which_tensors(arguments, names, suffix, files, tmp_path, capsys):
    network, inputs = files
    done = call(capsys, "trace", network, "-i", inputs, "-o", tmp_path / f"t{suffix}", *arguments)
    assert (done.status, done.out, done.err) == (0, "", "")
    with open_tensors(tmp_path / f"t{suffix}") as trace:
        assert list(trace) == names
        held = {"x": X.tolist(), "fc/acc": expected_sums(X), "relu": expected(X)}
        for name in names:
            if name in held:
                assert np.asarray(trace[name][:]).tolist() == held[name]


def test_what_a_trace_says(files, tmp_path, capsys):
    network, inputs = files
    text = '[[accumulator]]\nnodes = "*"\nformat = "int20"\n'
    (tmp_path / "d.toml").write_text(text)
    arguments = ("trace", network, "-i", inputs, "-o", tmp_path / "t.h5", "--datapath", tmp_path / "d.toml")
    assert call(capsys, *arguments, "--accumulators").status == 0
    with open_tensors(tmp_path / "t.h5") as trace:
        assert trace.notes == {
            "network": str(network),
            "network_sha256": hashlib.sha256(network.read_bytes()).hexdigest(),
            "datapath": text,
        }
        assert str(trace.specs["fc/acc"].format) == "int20"
        assert trace.specs["x"] == load(network).specs["x"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "no*"), "trace: pattern must name a tensor of the network, not 'no*'"),
        (
            ("--only", "fc/acc"),
            "--only must name a tensor that is no accumulator, or --accumulators be said too",
        ),
        (("-o", "t.npy"), "t.npy: a .npy file must hold one tensor, not 3; use .npz or .h5"),
    ],
)
def test_refused(arguments, said, files, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(capsys, "trace", "net.h5", "-i", "x.npy", "-o", "t.h5", *arguments)
    assert (done.status, done.out, done.err) == (2, "", f"intsim: error: {said}\n")
    assert listing(tmp_path) == ["net.h5", "x.npy"]


def test_accumulators_that_are_outputs(tmp_path, capsys):
    """What the network gives is never left out."""
    network = small()
    path, inputs = setup(tmp_path, network.replace(outputs=("relu", "fc/acc")))
    assert call(capsys, "trace", path, "-i", inputs, "-o", tmp_path / "t.h5").status == 0
    with open_tensors(tmp_path / "t.h5") as trace:
        assert list(trace) == ["x", "fc/acc", "fc", "relu"]
