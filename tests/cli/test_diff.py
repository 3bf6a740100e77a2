"""`intsim diff`: two runtimes against the network, and what it says where it cannot."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from intsim.cli.main import main

DIGITS = Path(__file__).resolve().parents[2] / "golden" / "digits_cnn"
MODEL = DIGITS / "model.tflite"
INPUTS = str(DIGITS / "inputs.npy")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("diff") / "n.h5"
    assert main(["convert", str(MODEL), "-o", str(path)]) == 0
    return str(path)


def test_no_difference(network, capsys):
    assert main(["diff", network, "--against", f"tflite:{MODEL}", "-i", INPUTS]) == 0
    out = capsys.readouterr().out
    assert out.endswith("no integer differs\n")
    assert "64 samples against LiteRT" in out


def test_another_runtime(network, capsys):
    arguments = ["diff", network, "--against", f"tflite:{MODEL}", "--dialect", "xnnpack", "-i", INPUTS]
    arguments += ["--engine", "reference"]  # compiles nothing
    assert main([*arguments, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["equal"], said["samples"]) == (False, 64)
    assert said["first"]["name"] == "stem"
    assert said["reason"]["kind"] == "rounding"
    assert said["explanation"]["value"] == said["first"]["a"]
    counted = {entry["name"]: (entry["differing"], entry["size"]) for entry in said["tensors"]}
    assert counted["stem"] == (23, 32768)
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert (
        "first difference: stem at (6, 3, 1, 3): -107, there -108\nreason: rounding: as tflite-single" in out
    )


def test_another_dialect_than_the_networks_is_said(network, capsys):
    arguments = ["diff", network, "--against", f"tflite:{MODEL}", "-i", INPUTS, "--engine", "reference"]
    assert main(arguments) == 0
    assert "dialect" not in capsys.readouterr().err
    assert main([*arguments, "--dialect", "xnnpack"]) == 1
    said = (
        "the network has the integers of dialect litert-ref, as its source says, and is set against xnnpack"
    )
    assert f"intsim: {said} (--dialect)\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "said"),
    [("ai_edge_litert.interpreter", "`pip install ai_edge_litert`"), ("ai_edge_litert", "intsim[tflite]")],
)
def test_a_runtime_that_is_not_installed(missing, said, network, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [name for name in sys.modules if name.startswith("intsim_converters.tflite")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["diff", network, "--against", f"tflite:{MODEL}", "-i", INPUTS]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("intsim: error: converter tflite: needs ai_edge_litert")
    assert said in line


def test_a_datapath_is_found_out(network, tmp_path, capsys):
    """The accumulator that the user asked for is what differs."""
    path = tmp_path / "narrow.toml"
    path.write_text('[[accumulator]]\nnodes = "stem/accumulator"\nformat = "int14"\noverflow = "saturate"\n')
    arguments = ["diff", network, "--against", f"tflite:{MODEL}", "-i", INPUTS, "--datapath", str(path)]
    arguments += ["--engine", "reference"]  # compiles nothing
    assert main([*arguments, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["reason"] == {
        "kind": "overflow",
        "words": "the register holds every sum",
        "also": said["reason"]["also"],
    }


@pytest.mark.parametrize(
    ("against", "message"),
    [
        ("model.tflite", "--against: must be NAME:FILE, not 'model.tflite'"),
        ("tflite:", "--against: must be NAME:FILE, not 'tflite:'"),
        ("caffe:x", "converter must be one of "),
        ("tflite:missing.tflite", "missing.tflite"),
    ],
)
def test_refused(network, against, message, capsys):
    assert main(["diff", network, "--against", against, "-i", INPUTS]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("dialect", ["tflm", "ort"])
def test_a_dialect_that_nothing_runs(dialect, network, capsys):
    arguments = ["diff", network, "--against", f"tflite:{MODEL}", "--dialect", dialect, "-i", INPUTS]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert f"dialect: must be litert-ref or xnnpack for LiteRT to run it, not '{dialect}'" in told


def test_inputs_are_checked(network, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.full((1, 8, 8, 1), 300))
    assert main(["diff", network, "--against", f"tflite:{MODEL}", "-i", str(tmp_path / "x.npy")]) == 2
    assert "[I4]" in capsys.readouterr().err
