"""Elementwise operators of two tensors, drawn at random: intsim's integers against LiteRT's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
