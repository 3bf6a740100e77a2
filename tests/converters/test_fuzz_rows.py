"""SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION, drawn at random: intsim's integers against the runtimes'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.converters.elementwise_models import demand, meanings, scales
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

seeds = st.integers(0, 2**32)
SHAPES = st.sampled_from([(1, 1), (4, 3), (1, 10), (2, 3, 5), (1, 2, 2, 7), (16,), (3, 100)])
SOFTMAX = [
    ("int8", "int8"),
    ("int8", "int16"),
    ("uint8", "uint8"),
    ("uint8", "int16"),
    ("int16", "int16"),
]
OUTPUTS = {
    ("int8", "int8"): (1 / 256, -128),
    ("int8", "int16"): (1 / 65536, -32768),
    ("uint8", "uint8"): (1 / 256, 0),
    ("uint8", "int16"): (1 / 65536, -32768),
    ("int16", "int16"): (1 / 32768, 0),
}


def rows(shape: tuple[int, ...], dtype: str, seed: int) -> list[dict[str, np.ndarray]]:
    """Rows near each other, rows far apart, and the ends of the range."""
    rng, kind = np.random.default_rng(seed), DTYPES[dtype]
    runs = []
    for width in (1, 4, 1 << (kind.bits // 2), 1 << kind.bits):
        centre = rng.integers(kind.low, kind.high + 1, (*shape[:-1], 1))
        codes = np.clip(centre + rng.integers(-width, width + 1, shape), kind.low, kind.high)
        runs.append({"x": codes.astype(kind.storage)})
    edges = rng.choice([kind.low, kind.high], shape)
    return [*runs, {"x": edges.astype(kind.storage)}]


@st.composite
def softmaxes(draw: st.DrawFn, source: str, target: str) -> tuple[bytes, list[dict[str, np.ndarray]]]:
    m, shape = ModelBuilder(), draw(SHAPES)
    scale = draw(scales(-10, 2)) if source != "int16" else draw(scales(-18, -6))
    zero_point = 0 if source == "int16" else draw(meanings(source))[1]
    y_meaning = OUTPUTS[source, target]
    if (source, target) in (("uint8", "uint8"), ("uint8", "int16")) and draw(st.booleans()):
        y_meaning = draw(scales(-9, -5)), y_meaning[1]
    x = m.input("x", shape, source, scale, zero_point)
    y = m.tensor("y", shape, target, *y_meaning)
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 0.1, 3.0]))
    m.operator("SOFTMAX", [x], [y], version=2, beta=beta)
    m.output(y)
    return m.build(), rows(shape, source, draw(seeds))


RUNTIMES = [("litert-ref", *pair) for pair in SOFTMAX]
RUNTIMES += [("xnnpack", *pair) for pair in SOFTMAX]
RUNTIMES += [("tflm", *pair) for pair in SOFTMAX if pair[0] != "uint8"]


@pytest.mark.parametrize(("dialect", "source", "target"), RUNTIMES)
@given(data=st.data())
def test_softmax(dialect, source, target, data):
    model, runs = data.draw(softmaxes(source, target))
    demand(model, dialect, runs=runs)


@st.composite
def normalized(draw: st.DrawFn, op: str, dtype: str) -> tuple[bytes, list[dict[str, np.ndarray]]]:
    m, shape = ModelBuilder(), draw(SHAPES)
    kind = DTYPES[dtype]
    x = m.input("x", shape, dtype, draw(scales(-10, 2)), draw(meanings(dtype))[1])
    y_meaning = (1 / 16, kind.high) if op == "LOG_SOFTMAX" else (1 / 128, (kind.low + kind.high + 1) // 2)
    y = m.tensor("y", shape, dtype, *y_meaning)
    m.operator(op, [x], [y], version=2)
    m.output(y)
    return m.build(), rows(shape, dtype, draw(seeds))


NORMALIZED = [
    *(("litert-ref", op, dtype) for op in ("LOG_SOFTMAX", "L2_NORMALIZATION") for dtype in ("int8", "uint8")),
    *(("xnnpack", "L2_NORMALIZATION", dtype) for dtype in ("int8", "uint8")),
    *(("tflm", op, "int8") for op in ("LOG_SOFTMAX", "L2_NORMALIZATION")),
]


@pytest.mark.parametrize(("dialect", "op", "dtype"), NORMALIZED)
@given(data=st.data())
def test_normalized(dialect, op, dtype, data):
    model, runs = data.draw(normalized(op, dtype))
    demand(model, dialect, runs=runs)
