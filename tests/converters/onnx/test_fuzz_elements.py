"""Element by element, tables, poolings and doors against ONNX Runtime and onnx.reference, on drawn models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder
from tests.converters.onnx.drawing import (
    EIGHT,
    agree_or_assume,
    builder,
    codes,
    draw_meaning,
    named,
    scales,
    windows,
    zero_points,
)

SHAPES = [
    ((2, 3), (2, 3)),
    ((1, 3, 4, 5), (1, 3, 4, 5)),
    ((1, 3, 4, 5), (3, 1, 1)),
    ((3, 1, 1), (1, 3, 4, 5)),
    ((1, 4, 5), (1, 1, 5)),
    ((1, 1, 5), (1, 4, 5)),
    ((1, 4, 1), (1, 1, 5)),
    ((2, 4), (4,)),
    ((1, 7), ()),
    ((), (1, 7)),
    ((1, 1), (1, 1)),
    ((2, 1), (1, 3)),
]


@st.composite
def pairs(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (13, 21)) -> bytes:
    """Two operands, one now and then a constant; scales of which some sums come to ties."""
    b = builder(draw, opsets)
    dtype = draw(st.sampled_from(EIGHT))
    shapes = draw(st.sampled_from(SHAPES))
    fixed = 1 if form == "Div" else draw(st.sampled_from((None, 0, 1)))
    fixed = next((side for side in range(2) if shapes[side] == ()), fixed)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    names, meanings = [], []
    for side, shape in enumerate(shapes):
        name = f"x{side}"
        zero = draw(zero_points(dtype))
        values = codes(rng, dtype, shape)
        values = np.where(values == zero, zero ^ 1, values)  # nothing is divided by 0
        names.append(b.constant(name, values, dtype) if side == fixed else b.input(name, shape, dtype))
        meanings.append(b.meaning(name, draw(scales()), zero, dtype))
    y_type = dtype if form.startswith("QLinear") or draw(st.booleans()) else draw(st.sampled_from(EIGHT))
    y_meaning = b.meaning("y", draw(scales(0.01, 2.0)), draw(zero_points(y_type)), y_type)
    if form.startswith("QLinear"):
        operands = [names[0], *meanings[0], names[1], *meanings[1], *y_meaning]
        b.output(b.node(form, operands, ["y"], domain=MICROSOFT), y_type)
        return b.build()
    reals = [b.dequantize(name, meaning) for name, meaning in zip(names, meanings, strict=True)]
    b.output(b.quantize(b.node(form, reals), y_meaning, "y"), y_type)
    return b.build()


FUNCTIONS: dict[str, dict[str, Any]] = {
    "Relu": {}, "LeakyRelu": {"alpha": 0.07}, "Abs": {}, "Neg": {}, "Floor": {}, "Ceil": {}, "Sigmoid": {},
    "Clip": {}, "Identity": {},
}  # fmt: skip


def limits(b: OnnxBuilder) -> list[str]:
    ends = (("low", -1.3), ("high", 6))
    return [b.constant(name, np.float32(end), "float32") for name, end in ends]


@st.composite
def functions(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (13, 21)) -> bytes:
    """A function between two doors, or as an operator on codes."""
    b = builder(draw, opsets)
    wide = draw(st.booleans()) and (b.opset == 21 or b.doors == MICROSOFT) and not form.startswith("QLinear")
    types = ("uint16", "int16", "uint8") if wide else EIGHT
    x_type = draw(st.sampled_from(types))
    y_type = draw(st.sampled_from(types)) if not form.startswith("QLinear") else x_type
    shape = draw(st.sampled_from(((1, 3, 4, 5), (300,), (2, 50))))
    x = b.input("x", shape, x_type)
    x_meaning, _ = draw_meaning(draw, b, "x", x_type)
    y_meaning = b.meaning("y", draw(scales(0.003, 2.0)), draw(zero_points(y_type)), y_type)
    if form.startswith("QLinear"):
        attributes = {"alpha": 0.07} if form.endswith("Relu") else {}
        b.output(b.node(form, [x, *x_meaning, *y_meaning], ["y"], domain=MICROSOFT, **attributes), y_type)
        return b.build()
    inputs = [b.dequantize(x, x_meaning)]
    if form == "Clip":
        inputs += [
            b.constant("low", np.float32(-1.3), "float32"),
            b.constant("high", np.float32(6), "float32"),
        ]
    b.output(b.quantize(b.node(form, inputs, **FUNCTIONS[form]), y_meaning, "y"), y_type)
    return b.build()


@st.composite
def poolings(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (12, 21)) -> bytes:
    axes = draw(st.sampled_from((2, 2, 1)))
    window = draw(windows(axes))
    dtype = draw(st.sampled_from(EIGHT))
    b = OnnxBuilder(draw(st.sampled_from(opsets)))
    x = b.input("x", (draw(st.sampled_from((1, 2))), draw(st.integers(1, 20)), *window["size"]), dtype)
    if form == "MaxPool":
        y = b.node(form, [x], ["y"], kernel_shape=window["kernel"], **window["attributes"])
        b.output(y, dtype)
        return b.build()
    x_meaning, scale = draw_meaning(draw, b, "x", dtype)
    other = draw(st.sampled_from((scale, np.float32(scale * 0.7), draw(scales()))))
    y_meaning = b.meaning("y", other, draw(zero_points(dtype)), dtype)
    if form == "QLinearGlobalAveragePool":
        y = b.node(form, [x, *x_meaning, *y_meaning], ["y"], domain=MICROSOFT, channels_last=0)
    else:
        y = b.quantize(b.node(form, [b.dequantize(x, x_meaning)]), y_meaning, "y")
    b.output(y, dtype)
    return b.build()


@st.composite
def doors(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21, 21)) -> bytes:
    """Reals to codes, with or without an activation in front, and codes to reals."""
    b = builder(draw, opsets)
    types = ("uint8", "int8", "uint16", "int16", "uint4", "int4") if form != "DequantizeLinear" else (
        "uint8", "int8", "uint16", "int16", "int32",
    )  # fmt: skip
    dtype = draw(st.sampled_from(types))
    several = draw(st.booleans()) and form in ("QuantizeLinear", "DequantizeLinear")
    count = 3 if several else 1
    scale = np.array([draw(scales(0.01, 2.0)) for _ in range(count)], np.float32)
    zero = [0 if dtype == "int32" else draw(zero_points(dtype)) for _ in range(count)]
    scale, points = (scale, np.array(zero)) if several else (scale[0], np.array(zero[0]))
    meaning = b.meaning("y", scale, points, dtype)
    real = form != "DequantizeLinear"
    x = b.input("x", (1, 3, 4, 5), "float32" if real else dtype)
    if form in ("Relu", "Clip"):
        limits = [
            b.constant("low", np.float32(-0.7), "float32"),
            b.constant("high", np.float32(6), "float32"),
        ]
        x = b.node(form, [x, *limits] if form == "Clip" else [x])
    narrow = dtype.endswith("int4")  # the runtime gives no codes of these to numpy
    codes_of = b.quantize(x, meaning, "t" if narrow else "y", axis=1) if real else x
    if narrow or not real:
        b.dequantize(codes_of, meaning, "y", axis=1)
    b.output("y", "float32" if narrow or not real else dtype)
    return b.build()


CASES = [
    *((pairs, form) for form in ("QLinearAdd", "QLinearMul", "Add", "Mul", "Sub", "Div", "Min", "Max")),
    *((functions, form) for form in (*FUNCTIONS, "QLinearSigmoid", "QLinearLeakyRelu")),
    *((poolings, form) for form in ("MaxPool", "QLinearGlobalAveragePool", "GlobalAveragePool")),
    *((doors, form) for form in ("QuantizeLinear", "DequantizeLinear", "Relu", "Clip")),
]


LEFT = (
    "[D1]",
    "[E1]",
    "[E3]",
    "is not a number",
    "both be int8 or uint8",
    "one number",
    "float region",
    "must not mix",
)
"""How refusals end or what they say where the runtime's result has no fixed rule, or is left in float."""


@pytest.mark.parametrize(("models", "form"), CASES, ids=named)
def test_every_integer_is_the_runtimes(models: Any, form: str) -> None:
    @settings(max_examples=15)
    @given(models(form))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", LEFT)

    check()


REFERENCED = [
    *((pairs, form) for form in ("Add", "Mul", "Sub", "Min", "Max")),
    *((functions, form) for form in ("Relu", "LeakyRelu", "Abs", "Neg", "Clip")),
    (doors, "DequantizeLinear"),
]


@pytest.mark.parametrize(("models", "form"), REFERENCED, ids=named)
def test_every_integer_is_the_references(models: Any, form: str) -> None:
    @settings(max_examples=10)
    @given(models(form, opsets=(21,)))
    def check(data: bytes) -> None:
        agree_or_assume(data, "onnx-ref", LEFT)

    check()
