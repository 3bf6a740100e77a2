"""ONNX Runtime beside a network, whatever batches its file takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.bench import peers
from intsim.bench.agreement import agrees
from intsim.bench.case import Case
from tests.converters.onnx.builder import OnnxBuilder


def case(folder: Path, batch: Any) -> Case:
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", (batch, 3), "uint8"), b.meaning("x", np.float32(0.5), 3, "uint8"))
    b.output(b.quantize(b.node("Neg", [x]), b.meaning("y", np.float32(0.5), 200, "uint8"), "y"), "uint8")
    path = folder / "model.onnx"
    path.write_bytes(b.build())
    return Case("model", CONVERTER.convert(path), onnx=path)


X = np.arange(12, dtype=np.uint8).reshape(4, 3)


@pytest.mark.parametrize(("batch", "note"), [("N", ""), (4, ""), (1, "one sample at a time")])
def test_the_whole_batch_is_run(tmp_path: Path, batch: Any, note: str) -> None:
    call = peers.onnxruntime(case(tmp_path, batch), [X], 1)
    assert call.note.startswith(note)
    (found,) = call()
    assert found.tolist() == (200 - (X.astype(int) - 3)).tolist()


def test_another_batch_is_absent(tmp_path: Path) -> None:
    with pytest.raises(peers.Absent, match="its file has batches of 2"):
        peers.onnxruntime(case(tmp_path, 2), [X], 1)


@pytest.mark.parametrize("wrong", [False, True])
def test_the_dialects_runtime_is_asked_first(tmp_path: Path, wrong: bool) -> None:
    """A network converted with dialect ort has ONNX Runtime's integers, or no ratio is told."""
    given = case(tmp_path, "N")
    call = peers.onnxruntime(given, [X], 1)
    own = peers.intsim(given, [X], 1)
    changed = peers.Call(lambda: [values ^ 1 for values in own()])
    assert agrees(given, {"onnxruntime": call}, changed if wrong else own, [X]) is not wrong
