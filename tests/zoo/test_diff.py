"""`intsim diff` on real ONNX, QONNX and FINN files: no integer differs, and a planted change is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER
from intsim_converters.qonnx import CONVERTER as QONNX

from intsim.arithmetic import Accumulator, Overflow, Thresholds
from intsim.cli.main import main
from intsim.formats import IntFormat, RealFormat
from intsim.network import Datapath, Rule
from intsim.storage import load
from intsim.verify.diff import diff
from tests.zoo.folder import zoo

FOLDER = zoo("onnx")
FINN = zoo("finn") / "tfc_w1a1_multithreshold.onnx"
SMALL = sorted(path.stem for path in FOLDER.glob("mnist*.onnx"))
LARGE = sorted(path.stem for path in FOLDER.glob("espcn*.onnx"))
REFERENCE = ("--engine", "reference")  # compiles nothing


def differs(
    folder: Path, capsys: Any, against: str, *more: str, count: int = 6, dialect: str = ""
) -> dict[str, Any]:
    """What the command says, as JSON; its exit status agrees."""
    name, _, file = against.partition(":")
    network = folder / "n.h5"
    said = ["--dialect", dialect] if dialect else []
    assert main(["convert", file, "--from", name, "-o", str(network), *said]) == 0
    rng, given = np.random.default_rng(0), {}
    for entry in load(network).inputs:
        shape, format = (count, *entry.spec.shape), entry.spec.format
        real = isinstance(format, RealFormat)
        values = (
            rng.normal(0, 1, shape) if real else rng.integers(format.min, format.max, shape, endpoint=True)
        )
        given[entry.name] = values.astype(format.storage)
    np.savez(folder / "x.npz", **given)
    capsys.readouterr()
    status = main(
        ["diff", str(network), "--against", against, "-i", str(folder / "x.npz"), "--json", *said, *more]
    )
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert status == (0 if found["equal"] else 1)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_nothing_differs_from_onnx_runtime(name: str, tmp_path: Path, capsys: Any) -> None:
    found = differs(tmp_path, capsys, f"onnx:{FOLDER / name}.onnx", *REFERENCE)
    assert found["equal"]
    assert found["against"].startswith("ONNX Runtime 1.")
    assert len(found["tensors"]) >= 10


@pytest.mark.sweep
@pytest.mark.parametrize("name", LARGE)
def test_nothing_differs_in_super_resolution(name: str, tmp_path: Path, capsys: Any) -> None:
    assert differs(tmp_path, capsys, f"onnx:{FOLDER / name}.onnx", count=2)["equal"]


def test_nothing_differs_from_qonnx_in_finns_network(tmp_path: Path, capsys: Any) -> None:
    found = differs(tmp_path, capsys, f"qonnx:{FINN}", *REFERENCE, count=40)
    assert found["equal"]
    assert (found["against"], found["left_out"]) == ("QONNX 1.0.0", {})
    assert [entry["size"] for entry in found["tensors"]] == [40 * n for n in (784, *(64,) * 6, 10, 1)]


def super_resolution(count: int, seed: int) -> tuple[Any, list[dict[str, Any]]]:
    """The runner of a published QONNX network whose sums float32 rounds, and pictures."""
    runner = QONNX.runner(FOLDER / "qonnx_espcn_subpixel.onnx", "qonnx-image8")
    (port,) = runner.network.inputs
    pictures = np.random.default_rng(seed).integers(0, 256, (count, *port.spec.shape))
    return runner, [{port.name: one[None].astype(np.uint8)} for one in pictures]


def check_what_float32_leaves_open(count: int, seed: int) -> int:
    runner, pictures = super_resolution(count, seed)
    found = diff(runner.network, runner, pictures)
    assert found.reason is not None
    assert (found.reason.kind, found.reason.words) == (
        "float",
        "float32 of QONNX 1.0.0: the exact sum lies within its rounding error of a threshold",
    )
    assert all(entry.differing == entry.undecided for entry in found.undecided)
    own = {entry.name: entry.differing for entry in found.undecided}
    first = found.first
    assert first is not None
    assert own[first.name] == first.differing
    return sum(own.values())


def test_what_float32_leaves_open_is_told(tmp_path: Path, capsys: Any) -> None:
    """Every code that QONNX has otherwise, each tensor made of QONNX' own before it."""
    file = FOLDER / "qonnx_espcn_subpixel.onnx"
    found = differs(tmp_path, capsys, f"qonnx:{file}", count=1, dialect="qonnx-image8")
    assert found["reason"]["kind"] == "float"
    assert found["undecided"]
    assert all(entry["differing"] == entry["undecided"] for entry in found["undecided"])
    network, given = str(tmp_path / "n.h5"), str(tmp_path / "x.npz")
    assert (
        main(["diff", network, "--against", f"qonnx:{file}", "--dialect", "qonnx-image8", "-i", given]) == 1
    )
    told = capsys.readouterr().out
    assert "reason: float: float32 of QONNX 1.0.0: the exact sum lies within its rounding error" in told
    assert "\nleft open  of differing  tensor\n" in told


@pytest.mark.sweep
def test_what_float32_leaves_open_on_20_pictures() -> None:
    assert check_what_float32_leaves_open(20, seed=2) > 20


def test_a_rounding_is_told_apart_from_float32() -> None:
    """One threshold of the last quantizer is another one in the network."""
    runner, pictures = super_resolution(1, seed=1)
    last = next(node for node in runner.network.nodes if node.name == "79/nhwc")
    rule = last.op.requantization
    places = [place for place, step in enumerate(rule.steps) if isinstance(step, Thresholds)]
    (place,) = places
    values = rule.steps[place].values + 1
    steps = (*rule.steps[:place], rule.steps[place].replace(values=values), *rule.steps[place + 1 :])
    op = last.op.replace(requantization=rule.replace(steps=steps))
    nodes = [node.replace(op=op) if node is last else node for node in runner.network.nodes]
    found = diff(runner.network.replace(nodes=tuple(nodes)), runner, pictures)
    assert found.at == "79"
    assert found.reason is not None
    assert found.reason.words == f"79/nhwc has another requantization.steps[{place}].values in the file"
    apart = {entry.name: entry.differing - entry.undecided for entry in found.undecided}
    assert apart.pop("79") > 100
    assert not any(apart.values())


def test_a_narrow_accumulator_is_told() -> None:
    """14 bits in the first convolution."""
    file = FOLDER / "mnist_cnn_qop_u8s8.onnx"
    name = "Convolution28_Output_0_quantized"
    narrow = Rule((f"{name}/accumulator",), Accumulator(IntFormat(14), Overflow.SATURATE))
    network = CONVERTER.convert(file).with_datapath(Datapath((narrow,)))
    pictures = np.random.default_rng(0).normal(0, 1, (6, 1, 28, 28)).astype(np.float32)
    found = diff(network, CONVERTER.runner(file), [{"Input3": pictures}], engine="reference")
    assert found.first is not None
    assert found.first.name == name
    assert found.reason is not None
    assert (found.reason.kind, found.reason.words) == ("overflow", "the register holds every sum")


def test_a_reference_that_lacks_an_operator(tmp_path: Path, capsys: Any) -> None:
    """One clear error: onnx.reference has none of ONNX Runtime's own operators."""
    file = FOLDER / "mnist_cnn_qop_u8s8.onnx"
    network = tmp_path / "n.h5"
    assert main(["convert", str(file), "-o", str(network)]) == 0
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 28, 28), np.float32))
    capsys.readouterr()
    arguments = ["diff", str(network), "--against", f"onnx:{file}", "--dialect", "onnx-ref"]
    assert main([*arguments, "-i", str(tmp_path / "x.npy")]) == 2
    told = capsys.readouterr().err
    assert "mnist_cnn_qop_u8s8.onnx: is not taken by onnx.reference: " in told


def test_another_file(tmp_path: Path, capsys: Any) -> None:
    network = tmp_path / "n.h5"
    assert main(["convert", str(FOLDER / "mnist_cnn_qop_u8s8.onnx"), "-o", str(network)]) == 0
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 28, 28), np.float32))
    other = FOLDER / "espcn_nn_resize_qop_u8s8.onnx"
    arguments = ["diff", str(network), "--against", f"onnx:{other}", "-i", str(tmp_path / "x.npy")]
    assert main(arguments) == 2
    assert "as of the file; was the network converted from this file?" in capsys.readouterr().err
