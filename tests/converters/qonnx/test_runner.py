"""QONNX' execution as the other side of `intsim diff`: integers turned back, batches, what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intsim_converters.qonnx import CONVERTER
from intsim_converters.qonnx import convert_file as conversion_of

from intsim.arithmetic import Accumulator, Overflow
from intsim.errors import ConversionError, SpecError
from intsim.formats import IntFormat
from intsim.network import Network
from intsim.verify.diff import Diff, diff
from tests.converters.qonnx.builder import QonnxBuilder

RNG = np.random.default_rng(0)


def compared(folder: Path, data: bytes, network: Network | None = None, count: int = 8) -> Diff:
    path = folder / "model.onnx"
    path.write_bytes(data)
    network = network or CONVERTER.convert(path)
    given: dict[str, Any] = {}
    for entry in network.inputs:
        ends = entry.spec.integer.min, entry.spec.integer.max + 1
        given[entry.name] = RNG.integers(*ends, (count, *entry.spec.shape)).astype(entry.spec.integer.storage)
    return diff(network, CONVERTER.runner(path), [given], engine="reference")


def plain(data_scale: float, batch: Any = 1) -> bytes:
    """Conv, Quant, one output."""
    b = QonnxBuilder()
    x = b.codes((batch, 2, 5, 4), "UINT8")
    w = b.quant(b.floats(RNG.integers(-8, 8, (3, 2, 3, 3)) * np.float32(data_scale)), data_scale, 4)
    y = b.quant(b.node("Conv", [x, w], ["s"]), 16.0 * data_scale, 8, 3.0)
    b.output(y, "float32", (batch, 3, 3, 2))
    return b.build()


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_every_integer_of_exact_floats(batch: Any, tmp_path: Path) -> None:
    """Sums, and codes with a zero point, both images; eight samples are not whole batches of three."""
    found = compared(tmp_path, plain(0.25, batch))
    assert found.first is None
    assert found.against == "QONNX 1.0.0"
    assert {entry.difference.size for entry in found.tensors} == {8 * 18}
    assert "s" in {entry.difference.name for entry in found.tensors}
    assert found.left_out == {}


def test_sums_that_float32_may_misplace_are_left_out(tmp_path: Path) -> None:
    found = compared(tmp_path, plain(0.1))
    assert found.left_out == {"s": "QONNX' float32 need not be exactly these integers"}
    assert found.tensors


@pytest.mark.parametrize("scale", [0.25, 0.1])
def test_what_float32_leaves_open(scale: float, tmp_path: Path) -> None:
    """The two ends of a sum in doubt are different codes; the network's is one between them."""
    path = tmp_path / "model.onnx"
    path.write_bytes(plain(scale))
    runner = CONVERTER.runner(path)
    (node,) = (node for node in runner.network.nodes if node.op.name == "requantize")
    sums = np.arange(-9000, 9000).reshape(1, -1, 1, 1).repeat(3, axis=-1)
    found = runner.undecided(node.outputs[0], sums)
    assert runner.undecided(node.inputs[0], sums) is None
    if scale == 0.25:
        assert found is None
        return
    assert found is not None
    low, high = found
    (codes,) = node.op.reference(sums)
    assert (low <= codes).all()
    assert (codes <= high).all()
    doubtful = conversion_of(path).staircases[node.name].doubtful(sums.reshape(-1, 3)).reshape(sums.shape)
    assert ((low != high) == doubtful).all()
    assert 0 < doubtful.sum() < sums.size / 2


def test_a_narrow_accumulator_is_found(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    data = plain(0.25)
    path.write_bytes(data)
    network = CONVERTER.convert(path)
    narrow = Accumulator(IntFormat(11), Overflow.SATURATE)
    nodes = [
        node.replace(op=node.op.replace(accumulator=narrow)) if node.op.name == "conv2d" else node
        for node in network.nodes
    ]
    found = compared(tmp_path, data, network.replace(nodes=tuple(nodes)))
    assert found.first is not None
    assert found.first.name == "s"
    assert found.reason is not None
    assert (found.reason.kind, found.reason.words) == ("overflow", "the register holds every sum")


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(plain(0.25))
    network = CONVERTER.convert(path)
    b = QonnxBuilder()
    b.output(b.quant(b.codes((1, 4), "INT8", "other"), 1.0), "float32", (1, 4))
    with pytest.raises(SpecError, match="input 'x': must be one of other, as of the file"):
        compared(tmp_path, b.build(), network)


def test_a_dialect_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(plain(0.25))
    with pytest.raises(ConversionError, match="dialect must be one of qonnx, qonnx-image8, not 'ort'"):
        CONVERTER.runner(path, "ort")
