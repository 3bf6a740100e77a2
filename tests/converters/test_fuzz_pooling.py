"""AVERAGE_POOL_2D and MAX_POOL_2D against the runtimes, on drawn models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.converters.agree import assert_agrees
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
TYPES = {
    "litert-ref": ("int8", "uint8", "int16"),
    "xnnpack": ("int8", "uint8", "int16"),
    "tflm": ("int8", "int16"),
}
SCALES = st.floats(1e-3, 0.1).map(np.float32).map(float)


@st.composite
def models(draw: st.DrawFn, operator: str, types: tuple[str, ...]) -> bytes:
    dtype = draw(st.sampled_from(types))
    zero = 0 if dtype == "int16" else draw(st.integers(DTYPES[dtype].low, DTYPES[dtype].high))
    kernel, stride = (draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (5, 3))
    padding = draw(st.sampled_from(("SAME", "VALID")))
    least = (1, 1) if padding == "SAME" else kernel
    size = [low + draw(st.integers(0, 6)) for low in least]
    room = [extent - low + 1 for extent, low in zip(size, least, strict=True)]
    rows, columns = (-(-extent // step) for extent, step in zip(room, stride, strict=True))
    batch, channels, scale = draw(st.sampled_from((1, 1, 3))), draw(st.integers(1, 5)), draw(SCALES)
    m = ModelBuilder()
    x = m.input("x", (batch, *size, channels), dtype, scale, zero)
    y = m.tensor("y", (batch, rows, columns, channels), dtype, scale, zero)
    m.operator(
        operator,
        [x],
        [y],
        version=2,
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=kernel[0],
        filter_width=kernel[1],
        fused_activation_function=draw(st.sampled_from(ACTIVATIONS)),
    )
    m.output(y)
    return m.build()


@pytest.mark.parametrize("operator", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("dialect", TYPES)
def test_every_integer_is_the_runtimes(operator: str, dialect: str) -> None:
    @settings(max_examples=40)
    @given(models(operator, TYPES[dialect]), st.sampled_from(("reference", "fast")), st.integers(0, 2**32))
    def check(data: bytes, engine: str, seed: int) -> None:
        assert assert_agrees(data, dialect=dialect, engine=engine, seed=seed) > 0

    check()
