"""Real QONNX and FINN networks against QONNX' own execution: every tensor that both sides have."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import pytest
from intsim_converters.qonnx import Conversion, convert_file, doubts
from onnx import numpy_helper

from intsim.engine import plan
from intsim.formats import Bipolar
from tests.converters.qonnx.agree import assert_agrees, assert_sure, inputs_of
from tests.converters.qonnx.execution import Execution
from tests.zoo.folder import zoo

FINN = zoo("finn") / "tfc_w1a1_multithreshold.onnx"
SUPER_RESOLUTION = zoo("onnx") / "qonnx_espcn_subpixel.onnx"
QUANTIZERS = {"x.3", "x.12", "x.20", "79"}


@cache
def converted(data: bytes, dialect: str) -> tuple[Conversion, Execution]:
    return convert_file(data, dialect), Execution(data)


def test_every_integer_of_finns_network() -> None:
    conversion, execution = converted(FINN.read_bytes(), "qonnx")
    specs = conversion.network.specs
    packed = [name for name in specs if specs[name].format == Bipolar()]
    assert packed == [f"MultiThreshold_{k}_out0" for k in range(4)]
    dense = [node.op for node in conversion.network.nodes if node.op.name == "dense"]
    assert [op.weight_format for op in dense] == [Bipolar()] * 4
    compared = assert_agrees(conversion, execution, inputs_of(conversion, execution, 100, seed=0), at_once=64)
    assert compared == 103 * (784 + 6 * 64 + 10 + 1)


def test_every_integer_of_finns_network_by_counting_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels that multiply 64 bits at a time and count them, whatever would be faster here."""
    monkeypatch.setenv("INTSIM_WEIGHTS", "count")
    conversion, execution = converted(FINN.read_bytes(), "qonnx")
    planned = plan(conversion.network)
    kernels = [step.kernel for step in planned.steps if step.nodes[0].op.name == "dense"]
    assert len(kernels) == 4
    assert all(kernel.startswith("dense int32 (bits 1x1, ") for kernel in kernels), kernels
    given = inputs_of(conversion, execution, 100, seed=1)
    assert assert_agrees(conversion, execution, given, at_once=64) == 103 * (784 + 6 * 64 + 10 + 1)


def test_finns_network_is_equal_for_every_input() -> None:
    assert doubts(FINN) == ()


def test_where_floats_could_decide_in_a_super_resolution_network() -> None:
    found = doubts(SUPER_RESOLUTION, "qonnx-image8")
    assert [entry.node for entry in found] == ["x.3", "x.12", "x.20", "79/nhwc"]
    assert all(0 < entry.sums < 0.02 * entry.of for entry in found)
    assert doubts(exact_model()) == ()


def exact_model() -> bytes:
    """The super-resolution network with powers of two for scales: its float32 is exact."""
    model = onnx.load(SUPER_RESOLUTION)
    for entry in model.graph.initializer:
        if entry.name.startswith("scale"):
            values = numpy_helper.to_array(entry)
            powers = np.exp2(np.clip(np.rint(np.log2(values)), -14, 0)).astype(np.float32)
            entry.CopyFrom(numpy_helper.from_array(powers, entry.name))
    (entry,) = (port for port in model.graph.input if port.name == "x.7")
    pair = onnx.StringStringEntryProto(key="finn_datatype", value="FIXED<9,1>")
    model.graph.quantization_annotation.append(
        onnx.TensorAnnotation(tensor_name="x.7", quant_parameter_tensor_names=[pair])
    )
    data: bytes = model.SerializeToString()
    return data


def exact_agreement(count: int, seed: int) -> int:
    conversion, execution = converted(exact_model(), "qonnx")
    return assert_agrees(conversion, execution, inputs_of(conversion, execution, count, seed))


def layered_agreement(count: int, seed: int) -> None:
    """With the file's own scales, whose float32 sums are rounded."""
    conversion, execution = converted(SUPER_RESOLUTION.read_bytes(), "qonnx-image8")
    assert conversion.staircases.keys() >= {"x.3", "x.12", "x.20"}
    tally = assert_sure(conversion, execution, inputs_of(conversion, execution, count, seed))
    assert tally.sure + tally.doubtful == (count + 3) * (128 * 128 * (64 + 64 + 32) + 256 * 256 * 3)
    assert tally.doubtful < 0.01 * tally.sure
    assert tally.differ < 1e-4 * tally.sure


def test_every_integer_of_a_super_resolution_network_of_exact_floats() -> None:
    assert exact_agreement(1, seed=0)


def test_a_super_resolution_network_where_floats_do_not_decide() -> None:
    layered_agreement(1, seed=0)


@pytest.mark.sweep
def test_every_integer_of_exact_floats_on_100_inputs() -> None:
    assert exact_agreement(97, seed=1)


@pytest.mark.sweep
def test_where_floats_do_not_decide_on_100_inputs() -> None:
    layered_agreement(97, seed=1)
