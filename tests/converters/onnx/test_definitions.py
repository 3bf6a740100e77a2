"""Nodes that are not written as their operators are defined: what nobody would have looked at is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from intsim_converters.onnx import CONVERTER
from intsim_converters.onnx.definitions import MICROSOFTS, QONNXS
from intsim_converters.onnx.lowering import LOWERINGS, MICROSOFT
from onnx import helper

from intsim.errors import ConversionError, FileError
from tests.converters.onnx.builder import OnnxBuilder


def pool() -> Any:
    """QLinearAdd and MaxPool."""
    b = OnnxBuilder()
    x = b.input("x", (1, 2, 4, 4), "uint8")
    meanings = [b.meaning(name, np.float32(0.5), 3, "uint8") for name in "xyz"]
    y = b.node("QLinearAdd", [x, *meanings[0], x, *meanings[1], *meanings[2]], ["y"], MICROSOFT)
    b.output(b.node("MaxPool", [y], ["z"], kernel_shape=[2, 2]), "uint8")
    return b.model()


def refused(change: Callable[[Any], Any]) -> list[str]:
    made = pool()
    change(made)
    with pytest.raises((ConversionError, FileError)) as caught:
        CONVERTER.convert(made.SerializeToString())
    return [str(finding).removeprefix("model in memory: ") for finding in caught.value.findings]


def add_attribute(place: int, name: str, value: Any) -> Callable[[Any], Any]:
    return lambda model: model.graph.node[place].attribute.append(helper.make_attribute(name, value))


NEWEST = onnx.defs.onnx_opset_version()


def test_the_model_itself_is_converted() -> None:
    assert CONVERTER.convert(pool().SerializeToString()).outputs == ("z",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            add_attribute(1, "strange", 1),
            "node 1 MaxPool (-> 'z'): attribute 'strange' is none that the operator has",
        ),
        (
            add_attribute(0, "axis", 1),
            "node 0 com.microsoft.QLinearAdd (-> 'y'): attribute 'axis' is none that the operator has",
        ),
        (
            add_attribute(1, "strides", 2),
            "node 1 MaxPool (-> 'z'): attribute 'strides' must be of type INTS",
        ),
        (
            add_attribute(1, "pads", [1.0] * 4),
            "node 1 MaxPool (-> 'z'): attribute 'pads' must be of type INTS",
        ),
        (
            add_attribute(1, "kernel_shape", [1, 1]),
            "node 1 MaxPool '', attribute 'kernel_shape': must be given once, with a value of its own",
        ),
        (
            lambda m: m.graph.node[1].attribute.add(name="pads", type=7, ref_attr_name="outer"),
            "node 1 MaxPool '', attribute 'pads': must be given once, with a value of its own",
        ),
        (
            lambda m: m.graph.node[1].input.append("x"),
            "node 1 MaxPool (-> 'z'): must have at most 1 inputs, not 2",
        ),
        (
            lambda m: m.graph.node[0].input.append("x"),
            "node 0 com.microsoft.QLinearAdd (-> 'y'): must have at most 8 inputs, not 9",
        ),
        (
            lambda m: m.graph.node[1].output.extend(["a", "b"]),
            "node 1 MaxPool (-> 'z', 'a', 'b'): must have at most 2 outputs, not 3",
        ),
        (
            lambda m: setattr(m.graph.node[1], "overload", "mine"),
            "node 1 MaxPool '': must not be an overloaded function, 'mine'",
        ),
        (
            lambda m: m.functions.add(name="MaxPool", domain="ai.onnx"),
            "node 1 MaxPool (-> 'z'): is a function of the file; inline it, as with onnx.inliner",
        ),
        (
            lambda m: setattr(m.opset_import[0], "version", NEWEST + 1),
            f"model: operator set must be version {NEWEST} at most, which the onnx package here knows, not"
            f" {NEWEST + 1}",
        ),
        (
            lambda m: setattr(m.opset_import[0], "version", -(2**63)),
            f"model: operator set must be version 10 or later, not {-(2**63)}",
        ),
        (
            lambda m: m.opset_import.add(domain="ai.onnx", version=7),
            "operator set '' must have one version, not 21 and 7",
        ),
        (
            lambda m: setattr(m, "ir_version", 99),
            f"model: format must be version {onnx.IR_VERSION} at most, which the onnx package here knows,"
            " not 99",
        ),
        (
            lambda m: m.graph.initializer[0].segment.MergeFrom(onnx.TensorProto.Segment(begin=0, end=1)),
            "initializer 'x_scale': must be whole, not a segment",
        ),
        (
            lambda m: m.graph.input[0].type.tensor_type.shape.dim.extend(
                [onnx.TensorShapeProto.Dimension(dim_value=1)] * 30
            ),
            "graph input 'x': must have at most 32 axes, not 34",
        ),
    ],
)
def test_what_is_not_as_it_is_defined(change: Callable[[Any], Any], said: str) -> None:
    assert said in refused(change)


def test_a_function_that_nobody_calls_is_no_matter() -> None:
    made = pool()
    made.functions.add(name="Gadget", domain="acme")
    assert CONVERTER.convert(made.SerializeToString()).outputs == ("z",)


def test_the_runtimes_own_operators_are_as_the_runtime_has_them() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    assert MICROSOFTS.keys() == {name for domain, name in LOWERINGS if domain == MICROSOFT}
    theirs = {entry.name: entry for entry in state.get_all_operator_schema() if entry.domain == MICROSOFT}
    for name, (inputs, attributes) in MICROSOFTS.items():
        schema = theirs[name]
        assert inputs == (None if schema.max_input == 2**31 - 1 else schema.max_input)
        assert schema.max_output == 1
        assert attributes == {key: entry.type.name for key, entry in schema.attributes.items()}


def test_qonnx_operators_are_as_qonnx_has_them() -> None:
    bipolar_quant = pytest.importorskip("qonnx.custom_op.general.bipolar_quant")
    from qonnx.custom_op.general import intquant, multithreshold, trunc

    kinds = {"i": "INT", "f": "FLOAT", "s": "STRING"}
    classes = {
        "Quant": [intquant.IntQuant],
        "IntQuant": [intquant.IntQuant],
        "BipolarQuant": [bipolar_quant.BipolarQuant],
        "MultiThreshold": [multithreshold.MultiThreshold],
        "Trunc": [trunc.Trunc_v1, trunc.Trunc_v2],
    }
    assert QONNXS.keys() == classes.keys()
    for name, versions in classes.items():
        said = {
            key: kinds[given[0]]
            for entry in versions
            for key, given in entry.get_nodeattr_types(None).items()
        }
        assert said == QONNXS[name]
