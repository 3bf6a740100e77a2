"""Softmax, float32 inside ONNX Runtime's integer operator, against the runtime."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.onnx.lower_softmax import exponentials

from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import LIMITS, MICROSOFT, OnnxBuilder
from tests.converters.onnx.drawing import EIGHT, between, scales, zero_points
from tests.converters.onnx.runtime import Session

ONE = np.float32(1)


@st.composite
def softmaxes(draw: st.DrawFn, form: str) -> bytes:
    version = draw(st.sampled_from((10, 12, 13, 21)))
    b = OnnxBuilder(version)
    dtype = draw(st.sampled_from(EIGHT))
    shape = (1, *draw(st.lists(st.integers(2, 5), min_size=1, max_size=3)))
    axis = draw(st.sampled_from((*range(1, len(shape)), -1)))
    if draw(st.booleans()):
        long = axis % len(shape)
        shape = (*shape[:long], draw(st.integers(2, 1000)), *shape[long + 1 :])
    x = b.input("x", shape, dtype)
    if len(shape) == 4 and draw(st.booleans()):
        x = b.node("MaxPool", [x], kernel_shape=[1, 1]) if version >= 12 else x
    scale = draw(scales() | st.floats(-12, 5).map(lambda power: np.float32(10.0**power)))
    usual = st.sampled_from((1 / 256, 1 / 255, 1 / 128))
    y_scale = draw(usual | st.floats(1 / 290, 2) | st.integers(1, 290).map(lambda m: 1 / m))
    meanings = [
        b.meaning("x", scale, draw(zero_points(dtype)), dtype),
        b.meaning("y", np.float32(y_scale), draw(zero_points(dtype)), dtype),
    ]
    attributes = {"axis": axis, **({"opset": version} if form == "QLinear" else {})}
    b.output(between(b, form, "Softmax", x, meanings, **attributes), dtype)
    return b.build()


@pytest.mark.parametrize("form", ["QLinear", "QDQ"])
def test_softmaxes_are_the_runtimes(form: str) -> None:
    @settings(max_examples=60)
    @given(softmaxes(form))
    def check(data: bytes) -> None:
        assert assert_agrees(data, count=3) > 0

    check()


def rows_of(depth: int, dtype: str) -> Session:
    """QLinearSoftmax of one row, its scales and zero points given as inputs."""
    b = OnnxBuilder(13)
    names = ["x", "x_scale", "x_zero", "y_scale", "y_zero"]
    for name, kind in zip(names, (dtype, "float32", dtype, "float32", dtype), strict=True):
        b.input(name, (1, depth) if name == "x" else (), kind)
    b.output(b.node("QLinearSoftmax", names, ["y"], MICROSOFT, opset=13), dtype)
    return Session(b.build())


@given(
    st.floats(-3.5, 0.5).map(lambda power: np.float32(10.0**power)),
    st.integers(1, 254),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_every_bit_of_an_exponential(scale: np.float32, code: int, seed: int) -> None:
    """Output scales for which one code's share is as near to half a code as float32 comes: were its entry, or
    any that is summed, another float, the code would be its neighbour."""
    rng = np.random.default_rng(seed)
    depth = 1000
    x = rng.integers(0, code, depth).astype(np.uint8)
    x[:2] = 255, code
    table = exponentials(scale, depth)
    entries = table[x]
    inverse = ONE / np.arange(2, 148 * depth).astype(np.float32)
    shares = entries[1] * np.floor(ONE / inverse) / np.add.accumulate(entries, dtype=np.float32)[-1]
    inverse, shares = inverse[(shares > 1) & (shares < 255)], shares[(shares > 1) & (shares < 255)]
    nearest = np.argsort(abs(shares - np.floor(shares) - np.float32(0.5)))[:8]
    zero = np.array(0, np.uint8)
    for y_scale, share in zip(inverse[nearest], shares[nearest], strict=True):
        given = {"x": x[None], "x_scale": np.array(scale), "x_zero": zero, "y_scale": np.array(y_scale)}
        wanted = RUNTIME_ROWS.run({**given, "y_zero": zero})["y"]
        assert wanted[0, 1] == np.rint(share)


RUNTIME_ROWS = rows_of(1000, "uint8")


def test_the_librarys_logarithm() -> None:
    """Of every row's length that is converted: float32 as the C library's logf rounds it."""
    import ctypes
    import ctypes.util

    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.logf.restype, library.logf.argtypes = ctypes.c_float, [ctypes.c_float]
    most = np.finfo(np.float32).max / np.arange(1, (1 << 15) + 1).astype(np.float32)
    wrong = [x for x in most.tolist() if library.logf(x) != np.float32(math.log(x))]
    assert wrong == []


@pytest.mark.parametrize("dtype", EIGHT)
@pytest.mark.parametrize("engine", ["reference", "exact", "fast"])
def test_engines(dtype: str, engine: str) -> None:
    """A pooling with a border and a softmax over channels, one behind the other, in every engine."""
    b = OnnxBuilder()
    x = b.input("x", (1, 5, 6, 6), dtype)
    low = LIMITS[dtype][0]
    meanings = [b.meaning("x", 0.05, low + 100, dtype), b.meaning("a", 0.06, low + 101, dtype)]
    y = b.meaning("y", 1 / 256, low, dtype)
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    real = b.node("AveragePool", [b.dequantize(x, meanings[0])], **window)
    real = b.dequantize(b.quantize(real, meanings[1]), meanings[1])
    b.output(b.quantize(b.node("Softmax", [real], axis=1), y, "y"), dtype)
    assert assert_agrees(b.build(), engine=engine) > 0
