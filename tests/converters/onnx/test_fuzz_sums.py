"""Convolutions and matrix products against ONNX Runtime, and some against onnx.reference, on drawn models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER

from intsim.errors import ConversionError
from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder
from tests.converters.onnx.drawing import (
    EIGHT,
    agree_or_assume,
    codes,
    draw_meaning,
    named,
    output_meaning,
    windows,
    zero_points,
)

EXAMPLES = 25


@st.composite
def weights(
    draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...], axis: int, x_type: str, several: bool = True
) -> tuple[str, list[str], np.ndarray]:
    """A constant, its meaning, and its scales."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = "int8" if x_type == "int8" else draw(st.sampled_from(EIGHT))
    channels = shape[axis]
    name = b.constant("w", codes(rng, dtype, shape), dtype)
    zero = draw(zero_points(dtype))
    if several and draw(st.booleans()):
        scale = (rng.uniform(0.2, 1.0, channels) * 0.05).astype(np.float32)
        meaning = b.meaning("w", scale, np.full(channels, zero), dtype)
    else:
        scale = np.float32(draw(st.sampled_from((0.03, 0.0625, 0.011))))
        meaning = b.meaning("w", scale, zero, dtype)
    return name, meaning, np.asarray(scale)


@st.composite
def convolutions(draw: st.DrawFn, form: str) -> bytes:
    axes = draw(st.sampled_from((2, 2, 1)))
    window = draw(windows(axes))
    groups = draw(st.integers(1, 3))
    depth, filters = draw(st.sampled_from(((1, 1), (2, 1), (3, 2), (1, 2))))
    x_type = draw(st.sampled_from(EIGHT))
    b = OnnxBuilder(draw(st.sampled_from((13, 21))))
    x = b.input("x", (draw(st.sampled_from((1, 2))), groups * depth, *window["size"]), x_type)
    shape = (groups * filters, depth, *window["kernel"])
    w, w_meaning, w_scale = draw(weights(b, shape, 0, x_type, form != "ConvInteger"))
    reach = float(w_scale.max()) * 100
    taps = depth * int(np.prod(window["kernel"]))
    attributes = {**window["attributes"], "group": groups}
    if form == "ConvInteger":
        zeros = [b.constant("x_zero", draw(zero_points(x_type)), x_type), w_meaning[1]]
        b.output(b.node(form, [x, w, *zeros], ["y"], **attributes), "int32")
        return b.build()
    x_meaning, x_scale = draw_meaning(draw, b, "x", x_type)
    y_meaning = output_meaning(draw, b, x_type, reach * 30 * taps**0.5)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.integers(-5000, 5000, groups * filters)
    bias = b.constant("b", values, "int32") if draw(st.booleans()) else ""
    if form == "QLinearConv":
        y = b.node(form, [x, *x_meaning, w, *w_meaning, *y_meaning, bias], ["y"], **attributes)
        b.output(y, x_type)
        return b.build()
    reals = [b.dequantize(x, x_meaning), b.dequantize(w, w_meaning, axis=0)]
    if bias and draw(st.booleans()):
        reals.append(b.constant("b_real", rng.normal(0, 100, values.size) * x_scale * w_scale, "float32"))
    elif bias:
        scale = x_scale * w_scale
        product = b.meaning("b", scale, np.zeros(scale.shape), "int32")
        reals.append(b.dequantize(bias, product, axis=0))
    y = b.quantize(b.node("Conv", reals, **attributes), y_meaning, "y")
    b.output(y, x_type)
    return b.build()


@st.composite
def products(draw: st.DrawFn, form: str) -> bytes:
    rows, depth, columns = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(1, 20))
    lead = draw(st.sampled_from(((), (1,), (2,), (2, 3))))
    x_type = draw(st.sampled_from(EIGHT))
    b = OnnxBuilder(draw(st.sampled_from((13, 21))))
    x = b.input("x", (*lead, rows, depth), x_type)
    computed = draw(st.booleans())
    if computed:
        w_type = "int8" if x_type == "int8" else draw(st.sampled_from(EIGHT))
        w = b.input("w", (*(lead if draw(st.booleans()) else ()), depth, columns), w_type)
        w_meaning = b.meaning("w", np.float32(0.03), draw(zero_points(w_type)), w_type)
        w_scale = np.asarray(np.float32(0.03))
    else:
        w, w_meaning, w_scale = draw(weights(b, (depth, columns), 1, x_type, form != "MatMulInteger"))
    reach = float(w_scale.max()) * 100
    if form == "MatMulInteger":
        zeros = [b.constant("x_zero", draw(zero_points(x_type)), x_type), w_meaning[1]]
        b.output(b.node(form, [x, w, *zeros], ["y"]), "int32")
        return b.build()
    x_meaning, _ = draw_meaning(draw, b, "x", x_type)
    y_meaning = output_meaning(draw, b, x_type, reach * 30 * depth**0.5)
    if form == "QLinearMatMul":
        y = b.node(form, [x, *x_meaning, w, *w_meaning, *y_meaning], ["y"])
    else:
        axis = {} if computed else {"axis": 1}
        product = b.node("MatMul", [b.dequantize(x, x_meaning), b.dequantize(w, w_meaning, **axis)])
        y = b.quantize(product, y_meaning, "y")
    b.output(y, x_type)
    return b.build()


@st.composite
def gemms(draw: st.DrawFn, form: str) -> bytes:
    rows, depth, columns = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(1, 20))
    x_type = draw(st.sampled_from(EIGHT))
    b = OnnxBuilder()
    x = b.input("x", (rows, depth), x_type)
    turned = draw(st.booleans())
    shape = (columns, depth) if turned else (depth, columns)
    w, w_meaning, w_scale = draw(weights(b, shape, 0 if turned else 1, x_type))
    reach = float(w_scale.max()) * 100
    x_meaning, _ = draw_meaning(draw, b, "x", x_type)
    y_meaning = output_meaning(draw, b, x_type, reach * 30 * depth**0.5)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bias = b.constant("b", rng.integers(-5000, 5000, columns), "int32") if draw(st.booleans()) else ""
    alpha = 1.0 if bias and form == "Gemm" else draw(st.sampled_from((1.0, 0.3)))
    attributes = {"transB": int(turned), "alpha": alpha}
    if form == "QGemm":
        inputs = [x, *x_meaning, w, *w_meaning, bias, *y_meaning]
        b.output(b.node(form, inputs, ["y"], domain=MICROSOFT, **attributes), x_type)
        return b.build()
    reals = [b.dequantize(x, x_meaning), b.dequantize(w, w_meaning, axis=0 if turned else 1)]
    if bias:
        real = b.constant("b_real", rng.normal(0, 3, columns), "float32")
        reals.append(
            real if draw(st.booleans()) else b.dequantize(bias, b.meaning("b", np.float32(0.01), 0, "int32"))
        )
        attributes["beta"] = 1.0
    b.output(b.quantize(b.node("Gemm", reals, **attributes), y_meaning, "y"), x_type)
    return b.build()


CASES = [
    (convolutions, "QLinearConv"),
    (convolutions, "ConvInteger"),
    (convolutions, "Conv"),
    (products, "QLinearMatMul"),
    (products, "MatMulInteger"),
    (products, "MatMul"),
    (gemms, "QGemm"),
    (gemms, "Gemm"),
]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("doors", [False, True])
def test_weights_that_are_transposed_in_the_file(several: bool, doors: bool) -> None:
    """As PyTorch writes linear layers; a DequantizeLinear of one scale may stand behind the move again."""
    rng = np.random.default_rng(0)
    b = OnnxBuilder(13)
    x, w = b.input("x", (3, 8), "uint8"), b.constant("w", codes(rng, "int8", (5, 8)), "int8")
    scale = np.array([0.1, 0.02, 0.3, 0.07, 0.25], np.float32) if several else np.float32(0.1)
    meaning = b.meaning("w", scale, np.zeros_like(scale), "int8")
    turned = b.node("Transpose", [b.dequantize(w, meaning, axis=0)], perm=[1, 0])
    if doors:
        turned = b.dequantize(b.quantize(turned, meaning, axis=1), meaning, axis=1)
    product = b.node("MatMul", [b.dequantize(x, b.meaning("x", np.float32(0.05), 7, "uint8")), turned])
    b.output(b.quantize(product, b.meaning("y", np.float32(1.1), 9, "uint8"), "y"), "uint8")
    assert assert_agrees(b.build()) > 0
    assert [node.op.name for node in CONVERTER.convert(b.build()).nodes] == ["dense", "requantize"]


REFERENCED = ("QLinearConv", "ConvInteger", "QLinearMatMul", "MatMulInteger")


@pytest.mark.parametrize(("models", "form"), CASES, ids=named)
def test_every_integer_is_the_runtimes(models: Any, form: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(models(form))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", ())

    check()


@pytest.mark.parametrize(("models", "form"), [case for case in CASES if case[1] in REFERENCED], ids=named)
def test_every_integer_is_the_references(models: Any, form: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(models(form))
    def check(data: bytes) -> None:
        try:
            assert assert_agrees(data, "onnx-ref", count=2) > 0
        except ConversionError as error:
            assume("[C4]" not in str(error))
            raise

    check()
