"""Elementwise operators of two tensors, drawn at random: intsim's integers against LiteRT's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.elementwise_models import broadcast, demand, meanings, operand
from tests.zoo.tflite_builder import ModelBuilder

ACTIVATIONS = st.sampled_from(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
seeds = st.integers(0, 2**32)


@st.composite
def binary(draw: st.DrawFn, op: str, dtype: str) -> bytes:
    m = ModelBuilder()
    *shapes, shape = draw(broadcast())
    plain = dtype in ("int32", "int64")
    constant = draw(st.sampled_from([None, None, 0, 1]))
    meaning = [None if plain else draw(meanings(dtype)) for _ in range(3)]
    if not plain and draw(st.booleans()):
        meaning[1] = meaning[0]
    inputs = [
        operand(m, name, shapes[i], dtype, meaning[i], constant == i, draw(seeds))
        for i, name in enumerate("ab")
    ]
    y = m.tensor("y", shape, dtype, *(meaning[2] or ()))
    options: dict = {}
    if op in ("ADD", "SUB", "MUL"):
        options["fused_activation_function"] = draw(ACTIVATIONS)
    if op in ("ADD", "SUB"):
        options["pot_scale_int16"] = draw(st.booleans())
    m.operator(op, inputs, [y], version=1 if op == "SQUARED_DIFFERENCE" else 2, **options)
    m.output(y)
    return m.build()


CASES = [
    *(
        (op, dtype)
        for op in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
        for dtype in ("int8", "uint8", "int16")
    ),
    ("SQUARED_DIFFERENCE", "int8"),
]
PLAIN = [(op, dtype) for op in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM") for dtype in ("int32", "int64")]


@pytest.mark.parametrize(("op", "dtype"), CASES)
@given(data=st.data())
def test_quantized(op, dtype, data):
    demand(data.draw(binary(op, dtype)), seed=data.draw(seeds))


@pytest.mark.parametrize(("op", "dtype"), PLAIN)
@given(data=st.data())
def test_plain(op, dtype, data):
    demand(data.draw(binary(op, dtype)), seed=data.draw(seeds))


@pytest.mark.parametrize(("op", "dtype"), CASES)
@given(data=st.data())
def test_xnnpack(op, dtype, data):
    demand(data.draw(binary(op, dtype)), "xnnpack", seed=data.draw(seeds), refusable=True)


@pytest.mark.parametrize(("op", "dtype"), [case for case in CASES if case[1] != "uint8"])
@given(data=st.data())
def test_tflm(op, dtype, data):
    demand(data.draw(binary(op, dtype)), "tflm", seed=data.draw(seeds))


@pytest.mark.parametrize("op", ["ADD", "SUB"])
@pytest.mark.parametrize("shape", [(1, 8), (8,), (1, 1), (1, 2, 1)], ids=str)
def test_sums_by_shifts_of_unequal_sizes(op, shape):
    """Every scale a power of two, and the option set: ADD ends the process where it has to broadcast."""
    m = ModelBuilder()
    a, b = m.input("a", (1, 1, 8), "int16", 2.0**-8), m.input("b", shape, "int16", 2.0**-9)
    y = m.tensor("y", (1, 2, 8) if len(shape) == 3 else (1, 1, 8), "int16", 2.0**-8)
    m.operator(op, [a, b], [y], version=2, pot_scale_int16=True)
    m.output(y)
    if op == "ADD" and int(np.prod(shape)) < 8:
        with pytest.raises(ConversionError, match=r"one number of elements, or the runtime stops, not .*E4"):
            CONVERTER.convert(m.build())
    else:
        assert demand(m.build()) > 0


def rounded_ratio() -> tuple[float, float, float]:
    """Three scales whose ratio in float32 is far, by nearly half a unit, from the exact one."""
    rng = np.random.default_rng(0)
    a, b, y = rng.uniform(1e-4, 2e-4, (3, 5000)).astype(np.float32)
    y = (y * np.float32(2)).astype(np.float32)
    exact = a.astype(np.float64) * b / y
    best = int(np.argmax(np.abs((a * b / y).astype(np.float64) - exact) / exact))
    return float(a[best]), float(b[best]), float(y[best])


def test_how_the_ratio_of_a_product_is_formed():
    """LiteRT forms it in float32, TensorFlow Lite Micro in float64; it shows in one integer of hundreds."""
    a, b, y = rounded_ratio()
    rng = np.random.default_rng(1)
    codes = {key: rng.integers(-32768, 32768, (1, 40000)).astype(np.int16) for key in "ab"}
    m = ModelBuilder()
    inputs = [m.input(key, (1, 40000), "int16", scale) for key, scale in (("a", a), ("b", b))]
    output = m.tensor("y", (1, 40000), "int16", y * 4)
    m.operator("MUL", inputs, [output], version=2)
    m.output(output)
    data = m.build()
    for dialect in ("litert-ref", "tflm"):
        demand(data, dialect, runs=[codes])
    found = [run(CONVERTER.convert(data, dialect), codes).output for dialect in ("litert-ref", "tflm")]
    assert np.count_nonzero(found[0] != found[1]) > 10
