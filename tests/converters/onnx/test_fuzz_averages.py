"""Averages, float32 inside ONNX Runtime's integer operators, and the largest codes of windows, against the
runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER, convert_model, read_model

from intsim.engine import run
from tests.converters.onnx.agree import as_samples, assert_agrees
from tests.converters.onnx.builder import LIMITS, MICROSOFT, OnnxBuilder
from tests.converters.onnx.drawing import EIGHT, agree_or_assume, between, codes, scales, windows, zero_points
from tests.converters.onnx.runtime import RuntimeRefused, Session


@st.composite
def averages(draw: st.DrawFn, form: str, axes: int) -> bytes:
    b = OnnxBuilder(draw(st.sampled_from((11, 18, 21))))
    dtype = draw(st.sampled_from(EIGHT))
    window = draw(windows(axes, dilated=False))
    scale = draw(scales() | st.floats(1e-30, 1e30).map(np.float32))
    ratio = draw(st.sampled_from((1.0, 1.0, 0.5, 0.25, 3.0)) | st.floats(0.01, 100))
    channels = draw(st.integers(1, 3))
    last = form == "QLinear" and axes == 2 and draw(st.booleans())
    x = b.input("x", (1, *window["size"], channels) if last else (1, channels, *window["size"]), dtype)
    zeros = draw(zero_points(dtype)), draw(zero_points(dtype))
    if draw(st.booleans()):
        zeros = zeros[0], zeros[0]
    meanings = [
        b.meaning("x", scale, zeros[0], dtype),
        b.meaning("y", np.float32(scale * ratio), zeros[1], dtype),
    ]
    attributes = {"kernel_shape": window["kernel"], **window["attributes"]}
    attributes["count_include_pad"] = draw(st.integers(0, 1))
    attributes["ceil_mode"] = draw(st.integers(0, 1))
    if last:
        attributes["channels_last"] = 1
    b.output(between(b, form, "AveragePool", x, meanings, **attributes), dtype)
    return b.build()


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("form", ["QLinear", "QDQ"])
def test_averages_are_the_runtimes(form: str, axes: int) -> None:
    @settings(max_examples=40)
    @given(averages(form, axes))
    def check(data: bytes) -> None:
        try:
            assert assert_agrees(data, count=3) > 0
        except RuntimeRefused:
            assume(False)

    check()


@st.composite
def largest(draw: st.DrawFn, form: str) -> bytes:
    axes = 2 if form == "NhwcMaxPool" else draw(st.sampled_from((2, 1)))
    window = draw(windows(axes))
    dtype = draw(st.sampled_from(EIGHT))
    b = OnnxBuilder(draw(st.sampled_from((12, 21))))
    channels = draw(st.integers(1, 3))
    attributes = {
        "kernel_shape": window["kernel"],
        **window["attributes"],
        "ceil_mode": draw(st.integers(0, 1)),
    }
    if form == "NhwcMaxPool":
        x = b.input("x", (1, *window["size"], channels), dtype)
        b.output(b.node(form, [x], ["y"], MICROSOFT, **attributes), dtype)
    else:
        x = b.input("x", (1, channels, *window["size"]), dtype)
        b.output(b.node(form, [x], ["y"], **attributes), dtype)
    return b.build()


@pytest.mark.parametrize("form", ["MaxPool", "NhwcMaxPool"])
def test_largest_codes_are_the_runtimes(form: str) -> None:
    @settings(max_examples=40)
    @given(largest(form))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", ())

    check()


def test_ties_need_the_zero_point_first() -> None:
    """Means of two codes, scales alike: half a code is added to an odd zero point, then rounded."""
    for zero in (4, 7):
        b = OnnxBuilder()
        x = b.input("x", (1, 1, 1, 512), "uint8")
        meanings = [b.meaning("x", 0.5, zero, "uint8"), b.meaning("y", 0.5, zero, "uint8")]
        y = between(b, "QLinear", "AveragePool", x, meanings, kernel_shape=[1, 2], strides=[1, 2])
        b.output(y, "uint8")
        given = {"x": codes(np.random.default_rng(0), "uint8", (1, 1, 1, 512)).astype(np.uint8)}
        wanted = Session(b.build()).run(given)["y"].ravel()
        conversion = convert_model(read_model(b.build()), "ort")
        found = run(conversion.network, as_samples(conversion, given)).outputs["y"].ravel()
        assert np.array_equal(found, wanted)
        pairs = given["x"].reshape(-1, 2).astype(int).sum(1)
        assert np.array_equal(wanted, np.rint(pairs / 2))


@pytest.mark.parametrize("op", ["QLinearAveragePool", "QLinearGlobalAveragePool"])
def test_channels_last(op: str) -> None:
    b = OnnxBuilder()
    meanings = [b.meaning("x", 0.05, 100, "uint8"), b.meaning("y", 0.04, 97, "uint8")]
    window = {"kernel_shape": [2, 3], "strides": [1, 2]} if op == "QLinearAveragePool" else {}
    x = b.input("x", (1, 5, 7, 3), "uint8")
    b.output(
        b.node(op, [x, *meanings[0], *meanings[1]], ["y"], MICROSOFT, channels_last=1, **window), "uint8"
    )
    assert assert_agrees(b.build()) > 0


def narrow(dtype: str, op: str, y_type: str, y_zero: int) -> bytes:
    """An average between doors; the meanings have room for codes of 4 bits and of 16."""
    b = OnnxBuilder()
    meanings = b.meaning("x", 0.05, 3, dtype), b.meaning("y", 0.013, y_zero, y_type)
    window = {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]} if op == "AveragePool" else {}
    x = b.dequantize(b.input("x", (1, 3, 6, 5), dtype), meanings[0])
    b.output(b.quantize(b.node(op, [x], **window), meanings[1], "y"), y_type)
    return b.build()


@pytest.mark.parametrize("op", ["AveragePool", "GlobalAveragePool"])
def test_codes_of_4_bits_are_the_runtimes_as_wider_ones(op: str) -> None:
    """Dialect integer: the codes of int8 that int4 has, their averages limited to int4."""
    x = codes(np.random.default_rng(0), "int4", (1, 3, 6, 5)).astype(np.int8)
    wanted = Session(narrow("int8", op, "int8", -2)).run({"x": x})["y"]
    network = CONVERTER.convert(narrow("int4", op, "int4", -2), "integer")
    assert np.array_equal(run(network, x).outputs["y"], np.clip(wanted, *LIMITS["int4"]))


@pytest.mark.parametrize("y_type", ["int16", "uint16", "int8"])
@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_codes_of_16_bits_are_averaged_as_8_are(dtype: str, y_type: str) -> None:
    """Dialect integer, by numpy: sums in order, count, scale, zero point, each step float32."""
    x = codes(np.random.default_rng(1), dtype, (1, 3, 6, 5)).astype(dtype)
    network = CONVERTER.convert(narrow(dtype, "AveragePool", y_type, 11), "integer")
    found = run(network, x).outputs["y"]
    real = np.float32(0.05) * (x.astype(np.int64) - 3).astype(np.float32)
    padded = np.pad(real, ((0, 0), (0, 0), (1, 1), (0, 1)))
    inside = np.pad(np.ones_like(real), ((0, 0), (0, 0), (1, 1), (0, 1)))
    for n, place in enumerate(np.ndindex(*found.shape[1:])):
        c, h, w = place
        total = np.add.accumulate(padded[0, c, h : h + 3, w : w + 2].ravel(), dtype=np.float32)[-1]
        mean = total / inside[0, c, h : h + 3, w : w + 2].sum(dtype=np.float32)
        code = np.rint(mean / np.float32(0.013) + np.float32(11))
        assert found.ravel()[n] == np.clip(code, *LIMITS[y_type]), place
