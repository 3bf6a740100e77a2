"""The digits networks: LiteRT's kept answers, from every engine, and the files made anew."""

from __future__ import annotations

import numpy as np
import pytest

from golden import make_digits
from golden.make_digits import FOLDER, KEPT, NETWORKS
from intsim.cli.main import main
from intsim.engine import run
from intsim.storage import load, save

ENGINES = ("fast", "reference", "exact", "crosscheck")
CORRECT = {"digits_cnn": 63, "digits_mlp": 64}
each_network = pytest.mark.parametrize("name", sorted(NETWORKS))


@pytest.mark.parametrize("engine", ENGINES)
@each_network
def test_every_integer_is_litert_s(name, engine):
    network = load(FOLDER / name / "network.h5")
    result = run(network, np.load(FOLDER / name / "inputs.npy"), engine=engine)
    with np.load(FOLDER / name / "outputs.npz") as outputs:
        assert sorted(outputs.files) == sorted(network.outputs)
        for key in outputs.files:
            assert result.outputs[key].dtype == outputs[key].dtype
            assert np.count_nonzero(result.outputs[key] != outputs[key]) == 0


@each_network
def test_so_many_digits_are_right(name):
    network = load(FOLDER / name / "network.h5")
    found = run(network, np.load(FOLDER / name / "inputs.npy")).output.argmax(axis=1)
    labels = np.load(FOLDER / name / "labels.npy")
    assert len(labels) == KEPT
    assert np.count_nonzero(found == labels) == CORRECT[name]


@each_network
def test_the_command_converts_to_the_same_bytes(name, tmp_path):
    """The bytes that this machine's HDF5 library gives the kept network; another may lay it out otherwise."""
    kept, made = tmp_path / "kept.h5", tmp_path / "made.h5"
    save(load(FOLDER / name / "network.h5"), kept)
    assert main(["convert", str(FOLDER / name / "model.tflite"), "-o", str(made)]) == 0
    assert made.read_bytes() == kept.read_bytes()


def test_the_files_are_what_is_made_now(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["make_digits.py", "--check"])
    assert make_digits.main() == 0
    assert capsys.readouterr().out == "0 files differ\n"


def test_planted_differences_are_found(capsys, monkeypatch):
    right = make_digits.make

    def wrong(name):
        other = (FOLDER / "digits_mlp" / "network.h5").read_bytes()
        files = right(name)
        return {**files, "outputs.npz": files["outputs.npz"][:-1], "network.h5": other}

    monkeypatch.setattr(make_digits, "make", wrong)
    monkeypatch.setattr("sys.argv", ["make_digits.py", "--check"])
    assert make_digits.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "digits_cnn/network.h5: differs from what is kept",
        "digits_cnn/outputs.npz: differs from what is kept",
        "digits_mlp/outputs.npz: differs from what is kept",
        "3 files differ",
    ]


def test_the_scales_do_not_depend_on_the_order_of_a_sum(monkeypatch):
    """Another processor adds in another order: ranges that differ in their last bits give the same file."""
    name = "digits_cnn"
    right, noise = make_digits.Quantizer.activation, np.random.default_rng(0)

    def noisy(self, name, real, *rest):
        return right(self, name, real * (1 + 1e-9 * noise.uniform(-1, 1, real.shape)), *rest)

    monkeypatch.setattr(make_digits.Quantizer, "activation", noisy)
    assert make_digits.make(name)["model.tflite"] == (FOLDER / name / "model.tflite").read_bytes()
