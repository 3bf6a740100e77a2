"""intsim convert on ONNX files: what is written, what is refused, and what the README says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from intsim_converters.onnx import CONVERTER
from intsim_converters.onnx.lowering import LOWERINGS

from intsim.cli import main as cli
from intsim.storage import load
from tests.converters.onnx.builder import OnnxBuilder

ROOT = Path(__file__).parents[3]


def model(op: str = "Relu") -> bytes:
    b = OnnxBuilder()
    x = b.node(op, [b.input("x", (1, 4), "float32")])
    b.output(b.quantize(x, b.meaning("y", np.float32(0.5), 3, "uint8"), "y"), "uint8")
    return b.build()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_becomes_a_network(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(model())
    assert cli.main(["convert", "model.onnx", "-o", "net.h5", "--from", "onnx"]) == 0
    assert load(folder / "net.h5").replace(source="") == CONVERTER.convert(folder / "model.onnx").replace(
        source=""
    )
    assert load(folder / "net.h5").source.startswith("model.onnx, dialect ort: ONNX Runtime 1.31.1")


def test_nothing_is_written_where_something_is_refused(folder: Path, capsys: Any) -> None:
    (folder / "model.onnx").write_bytes(model("CumSum"))
    assert cli.main(["convert", "model.onnx", "-o", "net.h5", "--from", "onnx"]) == 2
    told = capsys.readouterr().err
    assert "model.onnx: node 0 CumSum (-> 't1'): is not an operator that this converter knows" in told
    assert not (folder / "net.h5").exists()


def with_bias(scale: float) -> Any:
    """A convolution whose bias has a scale of its own."""
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", (1, 2, 4, 4), "uint8"), b.meaning("x", np.float32(0.5), 3, "uint8"))
    w = b.dequantize(
        b.constant("w", np.ones((2, 2, 1, 1)), "int8"), b.meaning("w", np.float32(0.5), 0, "int8")
    )
    bias = b.dequantize(b.constant("b", [1, 2], "int32"), b.meaning("b", np.float32(scale), 0, "int32"))
    y = b.quantize(b.node("Conv", [x, w, bias], ["sum"]), b.meaning("y", np.float32(0.5), 3, "uint8"), "y")
    b.output(y, "uint8")
    return b.model()


def dynamic() -> Any:
    made = with_bias(0.25)
    made.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "h"
    return made


def without_its_data() -> Any:
    made = with_bias(0.25)
    (weights,) = (entry for entry in made.graph.initializer if entry.name == "w")
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    return made


def called() -> Any:
    """The convolution is one of the file's own functions."""
    made = with_bias(0.25)
    made.functions.add(name="Conv")
    return made


def with_another_scale() -> Any:
    return with_bias(0.3)


def cut() -> bytes:
    whole: bytes = with_bias(0.25).SerializeToString()
    return whole[:-9]


WRONG = [
    (
        with_another_scale,
        "node 3 Conv (-> 'sum'): float region: bias must have the input's scale times the weights', 0.25,"
        " not 0.3",
    ),
    (dynamic, "graph input 'x': shape must be known, but for the batch on the first axis, not (1, 2, h, 4)"),
    (without_its_data, "initializer 'w': external data 'weights.bin' must be a file in the model's folder"),
    (called, "node 3 Conv (-> 'sum'): is a function of the file; inline it, as with onnx.inliner"),
    (cut, "must be an ONNX model; it cannot be read as one: "),
]


@pytest.mark.parametrize(("make", "said"), WRONG, ids=[make.__name__ for make, _ in WRONG])
def test_one_clear_error_and_no_file(make: Callable[[], Any], said: str, folder: Path, capsys: Any) -> None:
    made = make()
    data = made if isinstance(made, bytes) else made.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    assert cli.main(["convert", "model.onnx", "-o", "net.h5"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith(f"intsim: error: model.onnx: {said}")
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


def test_the_model_without_a_mistake_is_converted(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(with_bias(0.25).SerializeToString())
    assert cli.main(["convert", "model.onnx", "-o", "net.h5"]) == 0


def test_every_operator_is_listed_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = text.partition("Operators of ONNX,")[2].partition("Weights are constants")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(name for _, name in LOWERINGS)


def test_every_dialect_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("\nFor ONNX:\n\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(CONVERTER.dialects)
