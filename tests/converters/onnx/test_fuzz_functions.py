"""Functions of one dequantized tensor, and reductions that keep order, against the dialects' runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER

from tests.converters.onnx.builder import LIMITS, OnnxBuilder
from tests.converters.onnx.drawing import (
    EIGHT,
    agree_or_assume,
    builder,
    draw_meaning,
    named,
    scales,
    zero_points,
)

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "Celu": {"alpha": 1.3}, "Elu": {"alpha": 0.7}, "Erf": {}, "Exp": {}, "Gelu": {"approximate": "tanh"},
    "Log": {}, "Mish": {}, "Pow": {}, "Selu": {"gamma": 1.1}, "Softplus": {}, "Softsign": {}, "Tanh": {},
    "HardSigmoid": {"alpha": 0.17, "beta": 0.4}, "HardSwish": {}, "ThresholdedRelu": {"alpha": 0.9},
    "Sqrt": {}, "Reciprocal": {}, "Sign": {}, "Round": {}, "PRelu": {}, "Add": {}, "Sub": {}, "Mul": {},
    "Div": {}, "Sigmoid": {},
}  # fmt: skip
POSITIVE = ("Log", "Pow", "Sqrt")
SECOND = ("Pow", "PRelu", "Add", "Sub", "Mul", "Div")


@st.composite
def functions(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (20, 21)) -> bytes:
    """One function between two doors, now and then behind another; the constants are single."""
    b = builder(draw, opsets)
    kind = draw(st.integers(0, 9)) if b.opset == 21 or b.doors else 9
    types = EIGHT
    if kind == 0 and form in ("HardSwish", "Sign", "Add", "PRelu"):
        types = ("int16", "uint16")
    elif kind < 4 and len(opsets) > 1:
        types = (*EIGHT, "int4", "uint4")
    x_type, y_type = draw(st.sampled_from(types)), draw(st.sampled_from(types))
    shape = draw(st.sampled_from(((1, 3, 4, 5), (300,), (2, 50))))
    low = LIMITS[x_type][0]
    positive = form in POSITIVE and (len(opsets) == 1 or draw(st.booleans()))
    zero = low if positive else draw(zero_points(x_type))
    meaning = b.meaning("x", draw(scales()), zero, x_type)
    if x_type.endswith("int4"):  # numpy has no codes of these
        x = b.quantize(b.input("x", shape, "float32"), meaning)
    else:
        x = b.input("x", shape, x_type)
    real = b.dequantize(x, meaning)
    if form in ("Log", "Reciprocal") and len(opsets) == 1:
        real = b.node("Exp", [real])  # onnx.reference has no codes of infinities
    elif draw(st.booleans()):
        real = b.node(draw(st.sampled_from(("Abs", "Relu", "HardSigmoid", "Exp"))), [real])
    inputs = [real]
    if form in SECOND:
        exponents = st.sampled_from((2.0, 3.0, 0.5, 1.7, -1.0))
        value = draw(exponents if form == "Pow" else st.floats(0.0625, 3, width=32))
        inputs.append(b.constant("second", np.float32(value), "float32"))
        if form in ("Sub", "Mul") and draw(st.booleans()):
            inputs.reverse()
    attributes = ATTRIBUTES[form] if draw(st.booleans()) else {}
    y = b.meaning("y", draw(scales(0.003, 2.0)), draw(zero_points(y_type)), y_type)
    few = y_type.endswith("int4")
    found = b.quantize(b.node(form, inputs, **attributes), y, "t" if few else "y")
    b.output(b.dequantize(found, y, "y") if few else found, "float32" if few else y_type)
    return b.build()


@st.composite
def by_channel(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (13, 21)) -> bytes:
    """A constant for every channel."""
    b = builder(draw, opsets)
    dtype = draw(st.sampled_from(EIGHT))
    shape = draw(st.sampled_from(((1, 5, 3, 2), (1, 5, 4), (2, 5))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    real = b.dequantize(b.input("x", shape, dtype), draw_meaning(draw, b, "x", dtype)[0])
    values = b.constant("second", rng.uniform(0.1, 2, (5,) + (1,) * (len(shape) - 2)), "float32")
    y = b.meaning("y", draw(scales(0.01, 2.0)), draw(zero_points(dtype)), dtype)
    b.output(b.quantize(b.node(form, [real, values]), y, "y"), dtype)
    return b.build()


@st.composite
def reductions(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (13, 21)) -> bytes:
    """Extremes, or their places, along axes, of codes or of what they stand for."""
    b = builder(draw, opsets)
    argument = form.startswith("Arg")
    real = draw(st.booleans())
    types = (*EIGHT, "int16", "uint16") if real and (b.opset == 21 or b.doors) else (*EIGHT, "int32")
    dtype = draw(st.sampled_from(types if not real else types[:-1] if types[-1] == "int32" else types))
    shape = draw(st.sampled_from(((1, 3, 4, 5), (2, 6), (7,), (1, 9), (3, 1, 4))))
    x = b.input("x", shape, dtype)
    meaning = draw_meaning(draw, b, "x", dtype)[0]
    inputs = [b.dequantize(x, meaning) if real else x]
    attributes: dict[str, Any] = {"keepdims": draw(st.integers(0, 1))}
    axes = st.integers(-len(shape), len(shape) - 1)
    if argument:
        attributes.update(axis=draw(axes), select_last_index=draw(st.integers(0, 1)))
    elif draw(st.integers(0, 3)):
        several = sorted(draw(st.sets(axes.map(lambda axis: axis % len(shape)), min_size=1)))
        if b.opset >= 18:
            inputs.append(b.constant("axes", several, "int64"))
        else:
            attributes["axes"] = several
    if argument or not real:
        b.output(b.node(form, inputs, ["y"], **attributes), "int64" if argument else dtype)
        return b.build()
    other = b.meaning("y", draw(scales()), draw(zero_points(dtype)), dtype)
    y = meaning if draw(st.booleans()) else other
    b.output(b.quantize(b.node(form, inputs, **attributes), y, "y"), dtype)
    return b.build()


def constants(b: OnnxBuilder, *values: float) -> list[str]:
    return [b.constant(f"c{i}", np.float32(value), "float32") for i, value in enumerate(values)]


def silu(b: OnnxBuilder, x: str) -> str:
    return b.node("Mul", [x, b.node("Sigmoid", [x])])


def quick_gelu(b: OnnxBuilder, x: str) -> str:
    (alpha,) = constants(b, 1.702)
    return b.node("Mul", [x, b.node("Sigmoid", [b.node("Mul", [x, alpha])])])


def erf_gelu(b: OnnxBuilder, x: str) -> str:
    root, one, half = constants(b, 2**0.5, 1, 0.5)
    inner = b.node("Add", [b.node("Erf", [b.node("Div", [x, root])]), one])
    return b.node("Mul", [b.node("Mul", [x, inner]), half])


def tanh_gelu(b: OnnxBuilder, x: str) -> str:
    cube, near, scale, one, half = constants(b, 3, 0.044715, 0.7978845608, 1, 0.5)
    inner = b.node("Add", [x, b.node("Mul", [b.node("Pow", [x, cube]), near])])
    tanh = b.node("Tanh", [b.node("Mul", [inner, scale])])
    return b.node("Mul", [b.node("Mul", [b.node("Add", [tanh, one]), x]), half])


def hard_swish(b: OnnxBuilder, x: str) -> str:
    three, low, six, divisor = constants(b, 3, 0, 6, 6)
    clipped = b.node("Clip", [b.node("Add", [x, three]), low, six])
    return b.node("Div", [b.node("Mul", [x, clipped]), divisor])


def mish(b: OnnxBuilder, x: str) -> str:
    return b.node("Mul", [x, b.node("Tanh", [b.node("Softplus", [x])])])


SPELLED = {entry.__name__: entry for entry in (silu, quick_gelu, erf_gelu, tanh_gelu, hard_swish, mish)}


@st.composite
def spelled(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (13, 21)) -> bytes:
    """Functions as frameworks write them out of several operators, some of which the runtime fuses."""
    b = builder(draw, opsets)
    dtype = draw(st.sampled_from(EIGHT))
    x = b.dequantize(b.input("x", (1, 300), dtype), draw_meaning(draw, b, "x", dtype)[0])
    y = b.meaning("y", draw(scales()), draw(zero_points(dtype)), dtype)
    b.output(b.quantize(SPELLED[form](b, x), y, "y"), dtype)
    return b.build()


@st.composite
def largest(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (13, 21)) -> bytes:
    """The largest of some results of a function that rises, or falls somewhere."""
    b = builder(draw, opsets)
    dtype = draw(st.sampled_from(EIGHT))
    x = b.dequantize(b.input("x", (1, 3, 4, 4), dtype), draw_meaning(draw, b, "x", dtype)[0])
    names = ("Relu", "Tanh", "HardSigmoid", "Ceil", "Abs", "Neg", "HardSwish")
    inner = b.node(draw(st.sampled_from(names)), [x])
    attributes = {"kernel_shape": [2, 2]} if form == "MaxPool" else {}
    y = b.meaning("y", draw(scales()), draw(zero_points(dtype)), dtype)
    b.output(b.quantize(b.node(form, [inner], **attributes), y, "y"), dtype)
    return b.build()


CASES = [
    *((functions, form) for form in ATTRIBUTES),
    *((by_channel, form) for form in ("PRelu", "Add", "Mul", "Div", "Max")),
    *((spelled, form) for form in SPELLED),
    *((largest, form) for form in ("MaxPool", "GlobalMaxPool", "ReduceMax")),
    *((reductions, form) for form in ("ReduceMax", "ReduceMin", "ArgMax", "ArgMin")),
]
LEFT = ("[V3]", "drops it. [D1]", "rise with its codes", "must fit int32", "is not a number", "must not mix")


@pytest.mark.parametrize(("models", "form"), CASES, ids=named)
def test_every_integer_is_the_runtimes(models: Any, form: str) -> None:
    @settings(max_examples=10)
    @given(models(form))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", LEFT)

    check()


@pytest.mark.parametrize(("models", "form"), CASES, ids=named)
def test_every_integer_is_the_references(models: Any, form: str) -> None:
    @settings(max_examples=5)
    @given(models(form, opsets=(21,)))
    def check(data: bytes) -> None:
        agree_or_assume(data, "onnx-ref", LEFT)

    check()


@pytest.mark.parametrize(
    ("form", "dialect", "asked"),
    [
        ("Tanh", "ort", f"; functions by ONNX Runtime {onnxruntime.__version__}"),
        ("Tanh", "onnx-ref", f"; functions by onnx.reference {onnx.__version__}"),
        ("HardSigmoid", "ort", ""),
    ],
)
def test_a_network_says_whose_functions_it_holds(form: str, dialect: str, asked: str) -> None:
    b = OnnxBuilder()
    meaning = b.meaning("x", np.float32(0.01), 3, "uint8")
    y = b.node(form, [b.dequantize(b.input("x", (1, 4), "uint8"), meaning)])
    b.output(b.quantize(y, meaning, "y"), "uint8")
    assert CONVERTER.convert(b.build(), dialect).source.partition(";")[1:] == (asked[:1], asked[1:])
