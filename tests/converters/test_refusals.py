"""What cannot be mapped exactly is refused, in one error that names operators, tensors and reasons."""

from __future__ import annotations

import re

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from intsim_converters.tflite import CONVERTER

from intsim.converter import Converter
from intsim.errors import ConversionError
from tests.converters.models import CONV, bias, conv, one_conv, weights
from tests.zoo.tflite_builder import ModelBuilder, Tensor


def refusal(m: ModelBuilder | bytes, dialect: str | None = None) -> list[str]:
    """The findings of the one error."""
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(m if isinstance(m, bytes) else m.build(), dialect)
    return [str(finding) for finding in caught.value.findings]


def unary(op: str, shape: tuple[int, ...] = (1, 4), dtypes: tuple[str, str] = ("int8", "int8"), **options):
    """A graph of one operator from x to y."""
    m = ModelBuilder()
    scales = [None if dtype.startswith("float") else 0.1 for dtype in dtypes]
    x = m.input("x", shape, dtypes[0], scales[0])
    y = m.tensor("y", shape, dtypes[1], scales[1])
    m.operator(op, [x], [y], **options)
    m.output(y)
    return m


def where(op: str, tensors: str = "'x' -> 'y'", index: int = 0) -> str:
    return f"model in memory: operator {index} {op} ({tensors}): "


def test_the_converter_is_what_the_command_looks_for() -> None:
    assert isinstance(CONVERTER, Converter)
    assert CONVERTER.suffixes == (".tflite",)
    assert CONVERTER.default_dialect in CONVERTER.dialects


def test_an_unknown_dialect() -> None:
    with pytest.raises(ConversionError, match=r"^dialect must be one of litert-ref, .*, not 'tf2'$"):
        CONVERTER.convert(one_conv(), "tf2")


@pytest.mark.parametrize("op", ["SVDF", "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "RNN"])
def test_operators_with_state(op: str) -> None:
    (message,) = refusal(unary(op))
    assert message == where(op) + "keeps state from one run to the next; a network here has none"


def test_an_operator_that_no_lowering_knows() -> None:
    (message,) = refusal(unary("HASHTABLE_LOOKUP"))
    assert message == where("HASHTABLE_LOOKUP") + "is not an operator that this converter knows"


def test_an_operator_that_the_schema_does_not_know() -> None:
    m = unary("NEG")
    data = bytearray(m.build())
    code = schema.Model.GetRootAs(data).OperatorCodes(0)
    place = code._tab.Pos + code._tab.Offset(10)
    data[place : place + 4] = (5000).to_bytes(4, "little")
    (message,) = refusal(bytes(data))
    assert message == where("operator number 5000") + "is not an operator that this converter knows"


def test_a_custom_operator_is_named() -> None:
    (message,) = refusal(unary("CUSTOM", custom_code="MyOp"))
    expected = where("CUSTOM 'MyOp'") + "is a custom operator, whose rule the file does not state"
    assert message == expected


def test_control_flow_and_several_graphs() -> None:
    (message,) = refusal(unary("WHILE"))
    assert message == where("WHILE") + "runs other graphs; control flow is not converted"
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(one_conv()))
    model.subgraphs = model.subgraphs * 2
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    (message,) = refusal(bytes(builder.Output()))
    assert message == (
        "model in memory: model: must have one graph, not 2; runs other graphs; control flow is not converted"
    )


def test_variables() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 4), "int8", 0.1)
    v = m.tensor("v", (1, 4), "int8", 0.1, variable=True)
    y = m.tensor("y", (1, 4), "int8", 0.1)
    m.operator("ADD", [x, v], [y], fused_activation_function="NONE")
    m.output(y)
    (message,) = refusal(m)
    assert message == where("ADD", "'x', 'v' -> 'y'") + (
        "tensor 'v' must not be a variable; it keeps state from one run to the next; a network here has none"
    )


def test_a_float_region_between_dequantize_and_quantize() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 4), "int8", 0.1)
    f, g = m.tensor("f", (1, 4), "float32"), m.tensor("g", (1, 4), "float32")
    y = m.tensor("y", (1, 4), "int8", 0.1)
    m.operator("DEQUANTIZE", [x], [f])
    m.operator("COS", [f], [g])
    m.operator("QUANTIZE", [g], [y])
    m.output(y)
    assert refusal(m) == [
        where("DEQUANTIZE", "'x' -> 'f'")
        + "float region: 'f' (float32) must be a graph output only, not computed with in the network",
        where("COS", "'f' -> 'g'", 1)
        + "float region: 'f' (float32), 'g' (float32) must be integers inside the network."
        " Quantize the whole network",
        where("QUANTIZE", "'g' -> 'y'", 2)
        + "float region: 'g' (float32) must be a graph input to be quantized, not computed in the network",
    ]


def test_hybrid_operators() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 4), "float32")
    y = m.tensor("y", (1, 3), "float32")
    w = weights(m, "w", (3, 4))
    m.operator("FULLY_CONNECTED", [x, w, None], [y], version=3, fused_activation_function="NONE")
    m.output(y)
    (message,) = refusal(m)
    assert message == where("FULLY_CONNECTED", "'x', 'w', - -> 'y'") + (
        "hybrid: activations 'x' (float32), 'y' (float32) are real while weights 'w' are int8;"
        " no integer rule exists. Quantize the activations too"
    )


@pytest.mark.parametrize("signature", [(-1, -1, 4), (1, -1, 4)])
def test_sizes_that_vary_beyond_the_batch(signature: tuple[int, ...]) -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 1, 4), "int8", 0.1, shape_signature=signature)
    y = m.tensor("y", (1, 1, 4), "int8", 0.1)
    m.operator("ABS", [x], [y])
    m.output(y)
    (message,) = refusal(m)
    assert message == (
        "model in memory: graph input 'x': shape must be known, but for the batch on the first axis,"
        f" not {signature}. Fix the sizes when you export the model"
    )


def test_a_batch_that_is_mixed() -> None:
    m = ModelBuilder()
    x = m.input("x", (2, 6), "int8", 0.1)
    y = m.tensor("y", (1, 3), "int8", 0.1)
    w = weights(m, "w", (3, 12))
    m.operator("FULLY_CONNECTED", [x, w, None], [y], version=4, fused_activation_function="NONE")
    m.output(y)
    (message,) = refusal(m)
    assert message.endswith(
        "output must keep the batch 2 on its first axis, not have shape (1, 3);"
        " samples must not mix. Export the model with batch 1"
    )


def convolution(**changes) -> ModelBuilder:
    """One convolution with something wrong."""
    m = ModelBuilder()
    x = m.input("x", (1, 5, 5, 2), changes.pop("x", "int8"), 0.05, changes.pop("zero", 0))
    shape = changes.pop("weights", (3, 3, 3, 2))
    w: Tensor = changes.pop("w", None) or weights(m, "w", shape, axis=changes.pop("axis", 0))
    b = m.constant("b", np.arange(3), changes.pop("bias", "int32"), 0.001)
    y = m.tensor("y", changes.pop("y", (1, 5, 5, 3)), x.dtype, changes.pop("scale", 0.05))
    m.operator("CONV_2D", [x, w, b], [y], version=3, **{**CONV, **changes})
    m.output(y)
    return m


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stride_h": 0}, "stride and dilation must be at least 1, not (0, 1), (1, 1)"),
        (
            {"fused_activation_function": "TANH"},
            "fused activation must be one of NONE, RELU, RELU6, RELU_N1_TO_1, not TANH",
        ),
        ({"y": (1, 4, 5, 3)}, "output 'y' must be int8[5, 5, 3], as its operands say, not int8[4, 5, 3]"),
        ({"weights": (3, 3, 3, 4)}, "input channels must be a multiple of 4, not 2"),
        (
            {"axis": 3},
            "scales of weights must run along axis 0 of (3, 3, 3, 2), not 2 along axis 3. [C3]",
        ),
        (
            {"bias": "int64"},
            "bias must be int32 with int8 input, int8 weights and quantized_bias_type float32, not int64."
            " [C2]",
        ),
        ({"x": "int16", "zero": 3, "bias": "int64"}, "zero points of int16 must be 0, not (3, 0). [C4]"),
        (
            {"x": "int16"},
            "bias must be int64 with int16 input, int8 weights and quantized_bias_type float32, not int32."
            " [C2]",
        ),
        ({"x": "uint8"}, "input and weights must be int8 with int8 or int4 or int2; uint8 with uint8; int16"),
        ({"scale": None}, "output 0 'y' must be quantized; the file gives no scale"),
        ({"scale": 0.0}, "output's scale must be positive"),
        ({"scale": 1e-12}, "scaled sums must fit 32 bits, not reach"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_convolutions_that_break_a_rule(changes: dict[str, object], reason: str) -> None:
    (message,) = refusal(convolution(**changes))
    assert message.startswith(where("CONV_2D", "'x', 'w', 'b' -> 'y'") + reason)


def test_computed_weights() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 5, 5, 2), "int8", 0.05)
    w = m.input("w", (1, 5, 5, 2), "int8", 0.05)
    y = m.tensor("y", (1, 5, 5, 1), "int8", 0.05)
    m.operator("CONV_2D", [x, w, bias(m, "b", 1)], [y], version=3, **CONV)
    m.output(y)
    (message,) = refusal(m)
    assert message.endswith("weights 'w' must be a constant, not computed. [C1]")


def test_options_of_another_operator() -> None:
    data = one_conv()
    operator = schema.Model.GetRootAs(data).Subgraphs(0).Operators(0)
    place = operator._tab.Pos + operator._tab.Offset(10)
    changed = bytearray(data)
    changed[place] = schema.BuiltinOptions.ReshapeOptions
    (message,) = refusal(bytes(changed))
    assert message.endswith("options must be Conv2DOptions, not ReshapeOptions")


def test_tensors_that_nobody_computes_or_two_do() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 5, 5, 2), "int8", 0.05)
    lost = m.tensor("lost", (1, 5, 5, 2), "int8", 0.05)
    y = conv(m, lost, "y", 3)
    z = conv(m, x, "z", 3)
    m.operator("CONV_2D", [x, weights(m, "w", (3, 3, 3, 2)), bias(m, "b", 3)], [z], version=3, **CONV)
    m.output(y, z, lost)
    messages = refusal(m)
    assert [re.sub(r"^.*\): ", "", message) for message in messages] == [
        "'lost' must be computed before it is read",
        "'z' must be written once, by one operator",
        "model in memory: graph output 'lost': must be computed",
    ]


def test_every_operators_problem_is_listed_at_once() -> None:
    m = ModelBuilder()
    x = m.input("x", (1, 5, 5, 2), "int8", 0.05)
    y, z = m.tensor("y", (1, 5, 5, 2), "int8", 0.05), m.tensor("z", (1, 5, 5, 2), "int8", 0.05)
    m.operator("SVDF", [x], [y])
    m.operator("CUSTOM", [y], [z], custom_code="MyOp")
    good = conv(m, z, "good", 3)
    m.operator("HASHTABLE_LOOKUP", [good], [m.tensor("last", (1,), "int8", 0.05)])
    m.output(good)
    assert len(refusal(m)) == 3


def test_the_source_says_file_dialect_and_profile(tmp_path) -> None:
    path = tmp_path / "one.tflite"
    path.write_bytes(one_conv())
    assert CONVERTER.convert(path).source == (
        "one.tflite, dialect litert-ref: LiteRT 2.3.0 reference kernels (OpResolverType.BUILTIN_REF)"
    )


def test_helpers_never_take_a_tensors_name() -> None:
    m = ModelBuilder()
    x = m.input("y/accumulator", (1, 5, 5, 2), "int8", 0.05)
    y = conv(m, x, "y", 3)
    m.output(y)
    assert [node.name for node in CONVERTER.convert(m.build()).nodes] == ["y/accumulator_1", "y"]
