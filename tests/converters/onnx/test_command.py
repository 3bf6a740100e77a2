"""intsim convert on ONNX files: what is written, what is refused, and what the README says of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
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


def test_every_operator_is_listed_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = text.partition("Operators of ONNX,")[2].partition("Weights are constants")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(name for _, name in LOWERINGS)


def test_every_dialect_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("\nFor ONNX:\n\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(CONVERTER.dialects)
