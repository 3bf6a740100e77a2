"""Operators of one tensor, drawn at random: intsim's integers against the runtimes', for every code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER
from intsim_converters.tflite.integer_tables import logistic16, logistic_entries, tanh16

from intsim.engine import run
from intsim.errors import ConversionError, OverflowTrap
from tests.converters.elementwise_models import demand, meanings, values
from tests.zoo import litert
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

seeds = st.integers(0, 2**32)
ALPHAS = st.sampled_from([0.0, 0.1, 0.3, 1.0, 1.7, -0.2, 0.01]) | st.floats(-2, 2, width=32)


def every_code(dtype: str, seed: int) -> np.ndarray:
    """All codes of an element type, in random order."""
    kind = DTYPES[dtype]
    return np.random.default_rng(seed).permutation(np.arange(kind.low, kind.high + 1)).astype(kind.storage)


@st.composite
def unary(draw: st.DrawFn, op: str, dtype: str) -> bytes:
    count = 1 << DTYPES[dtype].bits
    m, options, version = ModelBuilder(), {}, 1
    x_meaning, y_meaning = draw(meanings(dtype)), draw(meanings(dtype))
    if op in ("LOGISTIC", "TANH"):
        y_meaning = SQUASHED[op, dtype]
        if draw(st.booleans()) and dtype != "int16":
            y_meaning = y_meaning[0], draw(meanings(dtype))[1]
        if op == "TANH" and dtype != "int16" and draw(st.booleans()):
            y_meaning = draw(meanings(dtype))
    if op == "LEAKY_RELU":
        options["alpha"] = draw(ALPHAS)
    if op == "GELU":
        options["approximate"] = draw(st.booleans())
        if dtype == "int16":
            x_meaning, y_meaning = (draw(meanings(dtype, symmetric16=False)) for _ in range(2))
    if op in ("SQRT", "RSQRT"):
        x_meaning = (x_meaning[0], DTYPES[dtype].low) if dtype == "int8" else x_meaning
        if dtype == "int16":
            count //= 2
    x = m.input("x", (1, count), dtype, *x_meaning)
    y = m.tensor("y", (1, count), dtype, *y_meaning)
    inputs = [x]
    if op == "PRELU":
        shape = draw(st.sampled_from([(1, count), (1, 1), (1,), (count,)]))
        inputs.append(m.constant("slope", values(shape, dtype, draw(seeds)), dtype, *draw(meanings(dtype))))
    m.operator(op, inputs, [y], version=version, **options)
    m.output(y)
    return m.build()


SQUASHED = {
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("LOGISTIC", "uint8"): (1 / 256, 0),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("TANH", "int8"): (1 / 128, 0),
    ("TANH", "uint8"): (1 / 128, 128),
    ("TANH", "int16"): (1 / 32768, 0),
}
TYPES = {
    "ABS": ("int8", "int16"),
    "ELU": ("int8",),
    "EXP": ("int8", "int16"),
    "GELU": ("int8", "uint8", "int16"),
    "HARD_SWISH": ("int8", "uint8"),
    "LEAKY_RELU": ("int8", "uint8", "int16"),
    "LOG": ("int8", "int16"),
    "LOGISTIC": ("int8", "uint8", "int16"),
    "NEG": ("int8", "int16"),
    "PRELU": ("int8", "uint8"),
    "RELU": ("int8", "uint8", "int16"),
    "RELU6": ("int8", "uint8", "int16"),
    "RELU_0_TO_1": ("int8", "uint8"),
    "RELU_N1_TO_1": ("int8", "uint8"),
    "RSQRT": ("int8", "int16"),
    "SQRT": ("int8", "int16"),
    "TANH": ("int8", "uint8", "int16"),
}
CASES = [(op, dtype) for op, dtypes in TYPES.items() for dtype in dtypes]


EIGHT = [case for case in CASES if case[1] != "int16"]
SIXTEEN = [case for case in CASES if case[1] == "int16"]
_NOT_MICRO = ("EXP", "GELU", "LOG", "NEG", "RELU_0_TO_1", "RELU_N1_TO_1", "SQRT")
MICRO = [(op, dtype) for op, dtype in CASES if dtype != "uint8" and op not in _NOT_MICRO]
few = settings(max_examples=max(settings.default.max_examples // 5, 5))  # 65536 codes each


def compare(data: st.DataObject, op: str, dtype: str, dialect: str, **more: Any) -> None:
    model, seed = data.draw(unary(op, dtype)), data.draw(seeds)
    codes = every_code(dtype, seed)
    if dtype == "int16" and op in ("SQRT", "RSQRT"):
        codes = codes[codes >= 0]
    demand(model, dialect, runs=[{"x": codes[None]}], **more)


@pytest.mark.parametrize(("op", "dtype"), EIGHT)
@given(data=st.data())
def test_reference(op, dtype, data):
    compare(data, op, dtype, "litert-ref", resolver="no-delegates" if op == "ELU" else "ref")


@pytest.mark.parametrize(("op", "dtype"), SIXTEEN)
@few
@given(data=st.data())
def test_reference_of_sixteen_bits(op, dtype, data):
    compare(data, op, dtype, "litert-ref")


@pytest.mark.parametrize(("op", "dtype"), EIGHT)
@given(data=st.data())
def test_xnnpack(op, dtype, data):
    compare(data, op, dtype, "xnnpack", refusable=True)


@pytest.mark.parametrize(("op", "dtype"), SIXTEEN)
@few
@given(data=st.data())
def test_xnnpack_of_sixteen_bits(op, dtype, data):
    compare(data, op, dtype, "xnnpack", refusable=True)


@pytest.mark.parametrize(("op", "dtype"), MICRO)
@few
@given(data=st.data())
def test_tflm(op, dtype, data):
    compare(data, op, dtype, "tflm", refusable=op == "LOGISTIC")


@pytest.mark.parametrize("op", ["SQRT", "RSQRT"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_a_root_of_a_negative_stops_both(op, dtype):
    m = ModelBuilder()
    zero_point = -100 if dtype == "int8" else 0
    x = m.input("x", (1, 3), dtype, 0.01, zero_point)
    y = m.tensor("y", (1, 3), dtype, 0.02, 0)
    m.operator(op, [x], [y], version=1)
    m.output(y)
    data = m.build()
    network = CONVERTER.convert(data)
    good = np.array([[zero_point, zero_point + 1, 127]], dtype)
    assert litert.run(data, [good])["y"].tolist() == run(network, good).output.tolist()
    wrong = np.array([[zero_point, zero_point - 1, 127]], dtype)
    with pytest.raises(litert.RuntimeRefused, match="is only defined for"):
        litert.run(data, [wrong])
    with pytest.raises(OverflowTrap, match=r"^y/centred: sample 0: register must hold uint.*, not -1 at "):
        run(network, wrong)


def test_an_entry_that_depends_on_the_machine_is_refused():
    m = ModelBuilder()
    x = m.input("x", (1, 3), "int8", 1.0, 0)
    y = m.tensor("y", (1, 3), "int8", 0.5, 0)
    m.operator("EXP", [x], [y], version=1)
    m.output(y)
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(m.build())
    assert str(caught.value).endswith(
        "operator 0 EXP ('x' -> 'y'): entry 21 of its table must be a number within int32, not 2637631488.0:"
        " what the runtime makes of that depends on the machine. [T1]"
    )


def test_logistic_of_sixteen_bits_by_hand():
    """At 0 one half; 2**-12 steps of the power-of-two rule; saturated at the ends."""
    codes = np.array([0, 1, -1, 32767, -32768])
    assert logistic16(codes, 3, 0).tolist() == [16384, 16386, 16382, 32757, 11]
    assert tanh16(codes, 3, 0).tolist() == [0, 8, -8, 32767, -32767]
    entries = logistic_entries()
    assert entries[[0, 1, 28, 254, 255]].tolist() == [32768, 33451, 49975, 65534, 65535]
