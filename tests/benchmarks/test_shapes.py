"""The networks of the benchmark, made small: LiteRT's integers, and codes that spread over their range."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER

from intsim.bench.case import Case
from intsim.engine import run
from tests.benchmarks import make
from tests.benchmarks.shapes import SHAPES
from tests.zoo import litert


def small(name: str, folder: Path) -> Case:
    path = folder / f"{name}.tflite"
    path.write_bytes(SHAPES[name](size=32, width=16, classes=10))
    return Case(name, CONVERTER.convert(path), path)


@pytest.mark.parametrize("name", SHAPES)
def test_the_integers_are_litert_s(name: str, tmp_path: Path) -> None:
    case = small(name, tmp_path)
    (x,) = case.inputs(1)
    wanted = litert.run(case.tflite.read_bytes(), [x], keep="all")
    result = run(case.network, x, trace=("*",))
    yielded = {node.name for node in case.network.nodes} & wanted.keys()
    assert len(yielded) > 40
    for key in yielded:
        np.testing.assert_array_equal(result.trace[key], wanted[key])
        assert np.ptp(wanted[key].astype(int)) > 12, f"{key} is flat"
        assert np.isin(wanted[key], (-128, 127)).mean() < 0.75, f"{key} is cut off"


def test_they_are_as_large_as_published() -> None:
    """Multiply-accumulates and weights of the full size, from the shapes alone."""
    weights = {name: len(SHAPES[name]()) for name in SHAPES}
    assert 25.5e6 < weights["resnet50"] < 27e6
    assert 3.4e6 < weights["mobilenet_v2"] < 4.2e6


def test_without_onnx_there_is_no_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "tests.benchmarks.onnx_twin", raising=False)
    assert make.write_twin(tmp_path / "net.tflite").startswith("no .onnx: ")
    assert list(tmp_path.iterdir()) == []
