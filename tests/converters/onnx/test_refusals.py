"""What cannot be mapped exactly is refused, in one error that names nodes, tensors and reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER, evaluated

from intsim.converter import Converter
from intsim.errors import ConversionError
from tests.converters.onnx.builder import MICROSOFT, NUMBERS, OnnxBuilder

HALF = np.float32(0.5)


def refusal(b: OnnxBuilder, dialect: str | None = None) -> list[str]:
    """The findings of the one error."""
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(b.build(), dialect)
    return [str(finding).removeprefix("model in memory: ") for finding in caught.value.findings]


def doors(
    b: OnnxBuilder, op: str, *, shape: Any = (1, 2, 4, 4), dtype: str = "uint8", **attributes: Any
) -> OnnxBuilder:
    """x between DequantizeLinear and QuantizeLinear."""
    x = b.input("x", shape, dtype)
    meaning = b.meaning("x", HALF, 3, dtype)
    y = b.quantize(b.node(op, [b.dequantize(x, meaning)], **attributes), meaning, "y")
    b.output(y, dtype)
    return b


def conv(b: OnnxBuilder, *, x: str = "x", w_type: str = "int8", bias: tuple[Any, str] | None = None) -> str:
    """A convolution of dequantized tensors; its result is float."""
    meaning = b.meaning("x", HALF, 3, "uint8")
    w = b.constant("w", np.ones((2, 2, 1, 1)), w_type)
    reals = [b.dequantize(x, meaning), b.dequantize(w, b.meaning("w", HALF, 0, w_type))]
    if bias is not None:
        reals.append(b.dequantize(b.constant("b", [1, 2], bias[1]), b.meaning("b", bias[0], 0, bias[1])))
    return b.node("Conv", reals, ["sum"])


def image(b: OnnxBuilder) -> str:
    return b.input("x", (1, 2, 4, 4), "uint8")


def closed(b: OnnxBuilder, real: str, dtype: str = "uint8", zero: int = 3) -> OnnxBuilder:
    b.output(b.quantize(real, b.meaning("y", HALF, zero, dtype), "y"), dtype)
    return b


def test_the_converter_is_what_the_command_looks_for() -> None:
    assert isinstance(CONVERTER, Converter)
    assert CONVERTER.suffixes == (".onnx",)
    assert CONVERTER.default_dialect in CONVERTER.dialects


def test_an_unknown_dialect() -> None:
    with pytest.raises(ConversionError, match=r"^dialect must be one of ort, integer, onnx-ref, not 'tf2'$"):
        CONVERTER.convert(doors(OnnxBuilder(), "Relu").build(), "tf2")


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("Loop", "runs other graphs; control flow is not converted"),
        ("LSTM", "is a recurrent cell, which keeps a state that a network here has not"),
        ("RandomNormalLike", "draws random numbers; its result is not a function of its inputs"),
        (
            "DynamicQuantizeLinear",
            "computes a scale from the data; quantize statically, so that scales are constants",
        ),
        ("Hardmax", "is not an operator that this converter knows"),
    ],
)
def test_operators_that_are_not_converted(op: str, reason: str) -> None:
    found = refusal(doors(OnnxBuilder(), op))
    assert found == [f"node 1 {op} (-> 't2'): {reason}"]


def test_a_strangers_operator_is_named_with_its_domain() -> None:
    b = OnnxBuilder()
    b.output(b.node("Gadget", [image(b)], ["y"], domain="acme"), "uint8")
    assert refusal(b) == ["node 0 acme.Gadget (-> 'y'): is not an operator that this converter knows"]


@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
def test_the_runtimes_own_doors(dialect: str) -> None:
    """Codes of 16 bits before ONNX had them."""
    b = OnnxBuilder(13, MICROSOFT)
    b.output(b.quantize(b.input("x", (1, 4), "float32"), b.meaning("x", HALF, 3, "int16"), "y"), "int16")
    if dialect == "ort":
        assert CONVERTER.convert(b.build(), dialect).outputs == ("y",)
        return
    assert refusal(b, dialect) == [
        "node 0 com.microsoft.QuantizeLinear (-> 'y'): is ONNX Runtime's own operator, which dialect onnx-ref"
        " has not"
    ]


def test_an_operator_of_qonnx_says_who_converts_it() -> None:
    b = OnnxBuilder()
    b.output(
        b.node("Quant", [b.input("x", (1, 4), "float32")], ["y"], domain="qonnx.custom_op.general"), "float32"
    )
    (found,) = refusal(b)
    assert found.endswith("Quant (-> 'y'): is an operator of QONNX; convert with --from qonnx")


@pytest.mark.parametrize("shape", [(1, 1, 2**40, 4), (1, 2**20, 2**6, 2**6)])
def test_tensors_beyond_all_measure(shape: Any) -> None:
    (found,) = refusal(doors(OnnxBuilder(), "Abs", shape=shape))
    assert found == f"graph input 'x': must have fewer than 2**31 elements, not shape {shape}"


def test_results_beyond_all_measure() -> None:
    b = OnnxBuilder()
    pads = b.constant("pads", [0, 0, 0, 0, 0, 0, 2**40, 0], "int64")
    b.output(b.node("Pad", [image(b), pads], ["y"]), "uint8")
    (found,) = refusal(b)
    assert "output must have fewer than 2**31 elements, not shape (1, 2, 1099511627780, 4)" in found


def test_a_float_result_that_nothing_quantizes() -> None:
    b = OnnxBuilder()
    b.output(conv(b, x=image(b)), "float32")
    (found,) = refusal(b)
    assert (
        "float region: 'sum' must be read by one QuantizeLinear only, not 0 nodes and the graph output"
        in found
    )


def test_a_float_result_that_is_read_twice() -> None:
    b = OnnxBuilder()
    real = conv(b, x=image(b))
    b.output(b.node("Neg", [real]), "float32")
    found = refusal(closed(b, real))
    assert found[0].endswith("float region: 'sum' must be read by one QuantizeLinear only, not 2 nodes")


def test_a_float_result_that_is_computed_with() -> None:
    b = OnnxBuilder()
    found = refusal(closed(b, b.node("Sqrt", [b.node("Neg", [conv(b, x=image(b))])])))
    assert found[0].endswith(
        "float region: 'sum' must be integers, but Conv computes it in float: a QuantizeLinear must follow,"
        " which makes it an integer operator"
    )


def test_float_weights() -> None:
    b = OnnxBuilder()
    w = b.constant("w", np.ones((2, 2, 1, 1)), "float32")
    x = b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))
    found = refusal(closed(b, b.node("Conv", [x, w])))
    assert found == [
        "node 1 Conv (-> 't2'): float region: input 'w' of Conv must come from a DequantizeLinear. [B1]"
    ]


def test_a_float_input_that_is_not_quantized() -> None:
    b = OnnxBuilder()
    b.output(b.node("Transpose", [b.input("x", (1, 2), "float32")], ["y"], perm=[1, 0]), "float32")
    assert refusal(b) == ["graph output 'y': must be integers, or the result of a DequantizeLinear"]


def test_a_float_input_that_is_computed_with() -> None:
    b = OnnxBuilder()
    b.output(b.node("Neg", [b.input("x", (1, 2), "float32")], ["y"]), "float32")
    wanted = "float region: 'x' must be quantized by a QuantizeLinear before it is computed with"
    assert refusal(b) == [f"node 0 Neg (-> 'y'): {wanted}"]


@pytest.mark.parametrize(
    ("bias", "text"),
    [
        ((np.float32(0.1), "int32"), "bias must have the input's scale times the weights', 0.25, not"),
        ((np.float32(0.25), "int8"), "bias must be dequantized from an int32 constant"),
    ],
)
def test_biases_that_stay_float(bias: Any, text: str) -> None:
    b = OnnxBuilder()
    (found,) = refusal(closed(b, conv(b, x=image(b), bias=bias)))
    assert text in found
    assert found.startswith("node 3 Conv (-> 'sum'): ")
    assert found.endswith("[B2]")


@pytest.mark.parametrize("w_type", ["int4", "uint4", "int16"])
def test_weights_that_the_runtime_computes_with_in_float(w_type: str) -> None:
    b = OnnxBuilder()
    (found,) = refusal(closed(b, conv(b, x=image(b), w_type=w_type)))
    assert f"not uint8 with {w_type}, which the runtime computes in float. [S4]" in found


def test_an_output_of_another_type() -> None:
    b = OnnxBuilder()
    (found,) = refusal(closed(b, conv(b, x=image(b)), "int8"))
    assert found.endswith("output must be uint8 as the input is. [S4]")


def test_a_relu_that_limits_something() -> None:
    b = OnnxBuilder()
    (found,) = refusal(closed(b, b.node("Relu", [conv(b, x=image(b))])))
    assert "in front must limit no code of the output, but it allows 3 .. inf" in found
    b = OnnxBuilder()
    assert CONVERTER.convert(closed(b, b.node("Relu", [conv(b, x=image(b))]), zero=0).build()).nodes


def test_groups_are_not_fused_in_the_references_dialect() -> None:
    b = OnnxBuilder()
    (found,) = refusal(closed(b, conv(b, x=image(b))), "onnx-ref")
    assert found == "node 2 Conv (-> 'sum'): float region: Conv computes in float in dialect onnx-ref"


def test_the_runtimes_own_operators_are_not_the_references() -> None:
    b = OnnxBuilder()
    meanings = [b.meaning(name, HALF, 3, "uint8") for name in "xyz"]
    b.output(
        b.node("QLinearAdd", [image(b), *meanings[0], "x", *meanings[1], *meanings[2]], ["y"], MICROSOFT),
        "uint8",
    )
    assert refusal(b, "onnx-ref") == [
        "node 0 com.microsoft.QLinearAdd (-> 'y'): is ONNX Runtime's own operator, which dialect"
        " onnx-ref has not"
    ]


def test_a_scale_that_is_computed() -> None:
    b = OnnxBuilder()
    x, scale = b.input("x", (1, 4), "float32"), b.input("s", (), "float32")
    b.output(b.quantize(x, [scale, b.constant("z", 0, "uint8")], "y"), "uint8")
    assert refusal(b) == [
        "node 0 QuantizeLinear (-> 'y'): input 's' must be a constant, not computed or a graph input"
    ]


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_scales_that_mean_nothing(scale: float) -> None:
    b = OnnxBuilder()
    b.output(b.quantize(b.input("x", (1, 4), "float32"), b.meaning("x", scale, 0, "uint8"), "y"), "uint8")
    assert refusal(b) == ["node 0 QuantizeLinear (-> 'y'): scale 'x_scale' must be positive and finite"]


def test_weights_with_zero_points_that_differ() -> None:
    b = OnnxBuilder()
    w = b.constant("w", np.ones((2, 2, 1, 1)), "int8")
    meanings = b.meaning("x", HALF, 3, "uint8"), b.meaning("w", [HALF, HALF], [0, 1], "int8")
    y = b.meaning("y", HALF, 3, "uint8")
    b.output(b.node("QLinearConv", [image(b), *meanings[0], w, *meanings[1], *y], ["y"]), "uint8")
    assert refusal(b) == [
        "node 0 QLinearConv (-> 'y'): zero points of weights must be equal, as the runtime asks. [C2]"
    ]


@pytest.mark.parametrize("shape", [(1, 2, "h", 4), ("n", 2, "?", 4), (1, 2, 0, 4)])
def test_shapes_that_are_not_known(shape: Any) -> None:
    (found,) = refusal(doors(OnnxBuilder(), "Abs", shape=shape))
    assert found.startswith(
        "graph input 'x': shape must be known, but for the batch on the first axis, not ("
    )


def test_every_reason_is_told() -> None:
    b = OnnxBuilder()
    x = image(b)
    for op in ("Softplus", "Celu"):
        b.output(b.node(op, [x]), "uint8")
    assert [found.split(":")[0] for found in refusal(b)] == [
        "node 0 Softplus (-> 't1')",
        "node 1 Celu (-> 't2')",
    ]


def test_an_operator_set_before_quantization() -> None:
    assert refusal(doors(OnnxBuilder(9), "Abs")) == ["model: operator set must be version 10 or later, not 9"]


def test_a_tensor_that_nothing_computes() -> None:
    b = OnnxBuilder()
    image(b)
    b.output(b.node("Abs", ["ghost"], ["y"]), "uint8")
    assert refusal(b) == ["node 0 Abs (-> 'y'): input 'ghost' must be computed before it is read"]


def test_nodes_in_the_wrong_order() -> None:
    b = OnnxBuilder()
    b.output(b.node("Relu", ["late"], ["y"]), "uint8")
    b.node("MaxPool", [image(b)], ["late"], kernel_shape=[1, 1])
    assert refusal(b) == ["node 0 Relu (-> 'y'): input 'late' must be computed before it is read"]


def test_a_tensor_that_is_written_twice() -> None:
    b = OnnxBuilder()
    x = image(b)
    for _ in range(2):
        b.node("MaxPool", [x], ["y"], kernel_shape=[1, 1])
    b.output("y", "uint8")
    assert refusal(b) == ["node 1 MaxPool (-> 'y'): 'y' must be written once, by one node"]


def test_an_output_that_nothing_computes() -> None:
    b = OnnxBuilder()
    b.node("MaxPool", [image(b)], ["y"], kernel_shape=[1, 1])
    b.output("ghost", "uint8")
    assert refusal(b) == ["graph output 'ghost': must be integers, or the result of a DequantizeLinear"]


@pytest.mark.parametrize("given", ["float32", "uint8"])
def test_a_relu_that_the_runtime_drops(given: str) -> None:
    b = OnnxBuilder()
    x = b.input("x", (1, 4), given)
    if given == "uint8":
        x = b.dequantize(x, b.meaning("x", HALF, 3, "uint8"))
    meaning = [b.constant("s", HALF, "float32"), b.constant("z", 1, "int4")]
    b.output(b.quantize(b.node("Relu", [x]), meaning, "y"), "int4")
    (found,) = refusal(b)
    assert "Relu must not stand in front where int4 has the zero point 1: the runtime drops it. [D1]" in found


def where(b: OnnxBuilder, condition: str, sides: list[str]) -> OnnxBuilder:
    return closed(b, b.node("Where", [condition, *sides], ["picked"]))


def test_a_sum_of_shapes_that_do_not_meet() -> None:
    b = OnnxBuilder()
    m = b.meaning("x", HALF, 3, "uint8")
    b.output(
        b.node("QLinearAdd", [image(b), *m, b.input("z", (1, 3), "uint8"), *m, *m], ["y"], MICROSOFT), "uint8"
    )
    wanted = "shapes must broadcast, not (1, 2, 4, 4) and (1, 3)"
    assert refusal(b) == [f"node 0 com.microsoft.QLinearAdd (-> 'y'): {wanted}"]


def test_a_selection_by_integers() -> None:
    b = OnnxBuilder()
    real = b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))
    (found,) = refusal(where(b, b.input("c", (1, 2, 4, 4), "uint8"), [real, real]))
    assert found == "node 1 Where (-> 'picked'): condition must be bool. [W1]"


def test_a_selection_between_a_real_and_codes() -> None:
    b = OnnxBuilder()
    x = image(b)
    real = b.dequantize(x, b.meaning("x", HALF, 3, "uint8"))
    (found,) = refusal(where(b, b.input("c", (1, 2, 4, 4), "bool"), [real, x]))
    assert found.endswith(
        "sides must both be integers, or both come from DequantizeLinear or be float constants. [W2]"
    )


def test_a_selection_that_nothing_quantizes() -> None:
    b = OnnxBuilder()
    real = b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))
    condition = b.input("c", (1, 2, 4, 4), "bool")
    b.output(b.node("Where", [condition, real, real], ["picked"]), "float32")
    (found,) = refusal(b)
    assert found.endswith(
        "'picked' must be read by one QuantizeLinear only, not 0 nodes and the graph output"
    )


def test_wide_codes_of_two_meanings_are_not_compared() -> None:
    b = OnnxBuilder()
    reals = [
        b.dequantize(b.input(name, (1, 4), "int16"), b.meaning(name, np.float32(scale), 0, "int16"))
        for name, scale in (("x", 0.5), ("w", 0.3))
    ]
    b.output(b.node("Less", reals, ["y"]), "bool")
    (found,) = refusal(b)
    assert found.endswith("codes must have 8 bits at most for a table of pairs, not 16")


def test_a_function_whose_runtime_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(where: str, data: bytes) -> Any:
        raise ImportError

    monkeypatch.setattr(evaluated, "ort_session", missing)
    assert refusal(doors(OnnxBuilder(), "Tanh")) == [
        "node 1 Tanh (-> 't2'): needs ONNX Runtime, whose results the table holds; install onnxruntime. [V1]"
    ]


def test_a_function_whose_code_depends_on_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluated, "_in_vectors", lambda run, values, length: run(values) + (length == 8))
    (found,) = refusal(doors(OnnxBuilder(), "Tanh"))
    assert found.endswith(
        "float region: every code must have one result, but what entry 0 of the table gives depends on"
        " its place in a tensor: 1 or 3. [V3]"
    )


def test_a_function_of_a_function_that_others_read() -> None:
    b = OnnxBuilder()
    meaning = b.meaning("x", HALF, 3, "uint8")
    x = b.dequantize(image(b), meaning)
    odds = b.node("Sigmoid", [x], ["odds"])
    b.output(b.quantize(odds, meaning), "uint8")
    (found,) = refusal(closed(b, b.node("Mul", [x, odds])))
    assert "what two functions of one tensor are must be read by no other node. [E4]" in found


def test_the_largest_of_what_falls() -> None:
    b = OnnxBuilder()
    x = b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))
    (found,) = refusal(closed(b, b.node("MaxPool", [b.node("Neg", [x])], kernel_shape=[1, 1])))
    assert found.endswith("input of MaxPool must rise with its codes, not fall")


def float8(b: OnnxBuilder, name: str = "x", dtype: str = "float8e4m3fn") -> str:
    return b.dequantize(b.input(name, (1, 2, 4, 4), dtype), b.meaning(name, HALF, 0, dtype))


def test_a_product_of_floats_of_8_bits() -> None:
    b = OnnxBuilder(23)
    w = b.dequantize(
        b.constant("w", np.ones((2, 2, 1, 1)), "float8e4m3fn"), b.meaning("w", HALF, 0, "float8e4m3fn")
    )
    (found,) = refusal(closed(b, b.node("Conv", [float8(b), w], ["sum"])), "integer")
    assert found.endswith(
        "float region: Conv of float8e4m3fn adds up floats; no integer operator stands for it. [B1]"
    )


def test_the_largest_of_floats_of_8_bits() -> None:
    b = OnnxBuilder(23)
    (found,) = refusal(closed(b, b.node("MaxPool", [float8(b)], kernel_shape=[2, 2])))
    assert found.endswith("max_pool2d: input must be integers, not the codes of e4m3")


@pytest.mark.parametrize(
    ("dtype", "zero", "attributes", "reason"),
    [
        ("float8e4m3fn", 0, {"saturate": 0}, "saturate must be 1 for float8e4m3fn. [D7]"),
        ("float8e4m3fn", 1, {}, "zero point of float8e4m3fn must be 0"),
        (
            "float4e2m1",
            0,
            {},
            "the runtime must have a kernel of QuantizeLinear, but for float4e2m1 it has none. [D7]",
        ),
    ],
)
def test_doors_of_few_bits(dtype: str, zero: int, attributes: dict[str, Any], reason: str) -> None:
    b = OnnxBuilder(23)
    meaning = b.meaning("y", HALF, zero, dtype)
    b.output(b.quantize(b.input("x", (1, 4), "float32"), meaning, "y", **attributes), dtype)
    assert refusal(b) == [f"node 0 QuantizeLinear (-> 'y'): {reason}"]


def test_the_runtimes_own_doors_have_no_floats() -> None:
    b = OnnxBuilder(23, MICROSOFT)
    meaning = b.meaning("y", HALF, 0, "float8e5m2")
    b.output(b.quantize(b.input("x", (1, 4), "float32"), meaning, "y"), "float8e5m2")
    (found,) = refusal(b)
    assert found.endswith("codes of com.microsoft must be integers, not float8e5m2. [D6]")


def test_an_activation_in_front_of_floats_of_8_bits() -> None:
    b = OnnxBuilder(23)
    meaning = b.meaning("y", HALF, 0, "float8e5m2")
    real = b.node("Relu", [b.input("x", (1, 4), "float32")])
    b.output(b.quantize(real, meaning, "y"), "float8e5m2")
    assert refusal(b)[0].endswith("no activation must stand in front of float8e5m2. [D7]")


def test_infinities_that_the_runtime_would_change() -> None:
    b = OnnxBuilder(23)
    meaning = b.meaning("x", HALF, 0, "float8e5m2")
    real = b.dequantize(b.input("x", (1, 4), "float8e5m2"), meaning, "real")
    b.output(b.quantize(real, meaning, "y"), "float8e5m2")
    b.output(b.quantize(real, b.meaning("z", HALF, 0, "int8"), "z"), "int8")
    (found,) = refusal(b)
    assert "'real' must be what a DequantizeLinear gives, for this node alone" in found


def test_a_cast_to_floats_of_8_bits() -> None:
    b = OnnxBuilder(23)
    b.output(b.node("Cast", [image(b)], ["y"], to=NUMBERS["float8e5m2"]), "float8e5m2")
    assert refusal(b) == [
        "node 0 Cast (-> 'y'): must be from integers to integers, not from uint8 to float8e5m2;"
        " QuantizeLinear and DequantizeLinear say what codes stand for. [N2]"
    ]
