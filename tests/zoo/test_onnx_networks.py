"""Real ONNX networks against ONNX Runtime: outputs, and every integer tensor that both sides name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import onnx
import pytest
from intsim_converters.onnx import Conversion, convert_model, read_model

from intsim.engine import run
from intsim.formats import IntFormat
from tests.converters.onnx.agree import differing, inputs_of
from tests.converters.onnx.builder import with_outputs
from tests.converters.onnx.runtime import Session
from tests.zoo.folder import zoo

FOLDER = zoo("onnx")
NETWORKS = sorted(path.stem for path in FOLDER.glob("*.onnx") if not path.stem.startswith("qonnx"))
COUNT = {name: 2 if name.startswith("espcn") else 20 for name in NETWORKS}
"""Random inputs, beside two edges; with the marker `sweep`, 100 of every network."""


@cache
def converted(name: str) -> tuple[bytes, Conversion]:
    path = FOLDER / f"{name}.onnx"
    return path.read_bytes(), convert_model(read_model(path), "ort")


def common(data: bytes, conversion: Conversion) -> dict[str, str]:
    """The integer tensors that nodes of the file and of the network yield, but for the graph's outputs."""
    graph = onnx.ModelProto.FromString(data).graph
    yielded = {name for node in graph.node for name in node.output} - {port.name for port in graph.output}
    folded = {
        node.output[0] for node in graph.node if "Parameter193" in node.input[0]
    }  # a constant of the network
    specs = conversion.network.specs
    return {
        name: str(specs[name].format)
        for name in specs
        if name in yielded - folded and isinstance(specs[name].format, IntFormat)
    }


def compare(name: str, count: int, seed: int) -> Iterator[tuple[int, str, int]]:
    """Elements, tensor and how many differ, for every input and tensor; outputs of the file as it is too."""
    data, conversion = converted(name)
    traced = common(data, conversion)
    sessions = Session(data), Session(with_outputs(data, traced))
    shapes = {entry.name: (1, *entry.spec.shape) for entry in conversion.network.inputs}
    for given in inputs_of(conversion, shapes, seed, count):
        result = run(conversion.network, given, trace=("*",))
        for session in sessions:
            for tensor, wanted in session.run(given).items():
                found = result.outputs.get(tensor, result.trace.get(tensor))
                assert found is not None
                yield wanted.size, tensor, differing(conversion, tensor, wanted, found)


def check(name: str, count: int, seed: int) -> None:
    wrong: dict[str, int] = {}
    compared = 0
    for size, tensor, count_ in compare(name, count, seed):
        compared += size
        if count_:
            wrong[tensor] = wrong.get(tensor, 0) + count_
    assert wrong == {}, f"of {compared} elements"
    assert compared > 10_000 * count


def test_the_zoo_has_its_networks() -> None:
    assert len(NETWORKS) == 6


@pytest.mark.parametrize("name", NETWORKS)
def test_most_integer_tensors_keep_their_names(name: str) -> None:
    data, conversion = converted(name)
    assert len(common(data, conversion)) >= (10 if name.startswith("mnist") else 6)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_integer_is_the_runtimes(name: str) -> None:
    check(name, COUNT[name], seed=0)


@pytest.mark.sweep
@pytest.mark.parametrize("name", NETWORKS)
def test_every_integer_is_the_runtimes_on_100_inputs(name: str) -> None:
    check(name, 98, seed=1)


def test_a_changed_scale_is_noticed() -> None:
    """The comparison can fail: another output scale of the first convolution changes codes."""
    data, conversion = converted("mnist_cnn_qop_u8s8")
    model = onnx.ModelProto.FromString(data)
    (scale,) = [entry for entry in model.graph.initializer if entry.name == "Convolution28_Output_0_scale"]
    changed = np.float32(onnx.numpy_helper.to_array(scale)) * np.float32(1.01)
    scale.CopyFrom(onnx.numpy_helper.from_array(np.asarray(changed, np.float32), scale.name))
    other = convert_model(read_model(model.SerializeToString()), "ort")
    x = np.random.default_rng(0).normal(0, 1, (1, 1, 28, 28)).astype(np.float32)
    results = [
        run(entry.network, x, trace=("*",)).trace["Convolution28_Output_0_quantized"]
        for entry in (conversion, other)
    ]
    assert (results[0] != results[1]).any()
