"""QUANTIZE and DEQUANTIZE, drawn at random: intsim's numbers against the runtimes', by bits where real."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.agree import session_of
from tests.converters.elementwise_models import demand, meanings, scales
from tests.zoo import litert
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

seeds = st.integers(0, 2**32)
SHAPES = st.sampled_from([(1, 37), (2, 3, 5), (1, 2, 2, 7), (16,)])
CODES = [
    *((a, b) for a in ("int8", "uint8") for b in ("int8", "uint8", "int16")),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
]
DIALECTS = ["litert-ref", "xnnpack", "tflm"]
PAIRS = [(dialect, *pair) for dialect in DIALECTS for pair in CODES]
PAIRS = [pair for pair in PAIRS if pair not in (("tflm", "uint8", "uint8"), ("tflm", "uint8", "int16"))]
PAIRS += [("tflm", "int8", "int32")]


@st.composite
def between(draw: st.DrawFn, source: str, target: str) -> bytes:
    m, shape = ModelBuilder(), draw(SHAPES)

    def meaning(dtype: str) -> tuple[float, int]:
        if dtype == "int32":
            return draw(scales(-20, -8)), draw(st.integers(-(2**20), 2**20))
        loose = dtype == "int16" and not source == target == "int16"
        return draw(meanings(dtype, symmetric16=not loose or draw(st.booleans())))

    x_meaning, y_meaning = meaning(source), meaning(target)
    if source != target and draw(st.booleans()):  # one scale, zero points 128 apart
        shift = DTYPES[target].low - DTYPES[source].low
        wanted = x_meaning[1] + shift
        if DTYPES[target].low <= wanted <= DTYPES[target].high:
            y_meaning = x_meaning[0], wanted
    x = m.input("x", shape, source, *x_meaning)
    y = m.tensor("y", shape, target, *y_meaning)
    m.operator("QUANTIZE", [x], [y], version=1)
    m.output(y)
    return m.build()


@pytest.mark.parametrize(("dialect", "source", "target"), PAIRS)
@given(data=st.data())
def test_codes_to_codes(dialect, source, target, data):
    model = data.draw(between(source, target))
    runs = None
    if source == "int32":
        shape = batch_layout(model).shapes["x"]
        rng = np.random.default_rng(data.draw(seeds))
        runs = [{"x": rng.integers(-(2**k), 2**k, shape, dtype=np.int32)} for k in (4, 12, 20, 29)]
    demand(model, dialect, seed=data.draw(seeds), runs=runs, refusable=dialect != "litert-ref")


@st.composite
def channels(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """One scale, or several along an axis of the sample, now and then."""
    if draw(st.integers(0, 2)):
        scale, zero_point = draw(meanings(dtype))
        return {"scale": scale, "zero_point": zero_point}
    axis = draw(st.integers(1, len(shape) - 1)) if len(shape) > 1 else 0
    drawn = [draw(meanings(dtype)) for _ in range(shape[axis])]
    return {"scale": [s for s, _ in drawn], "zero_point": [z for _, z in drawn], "axis": axis}


def reals(shape: tuple[int, ...], scale: Any, seed: int) -> np.ndarray:
    """Reals at ties and beside them, beyond the range, tiny; none whose quotient leaves int32.

    What LiteRT 2.3.0 makes of those depends on the machine.
    """
    rng = np.random.default_rng(seed)
    step = float(np.min(scale))
    drawn = rng.integers(-300, 300, shape) * step / 2
    kinds = rng.integers(0, 8, shape)
    values = np.select(
        [kinds < 4, kinds == 4, kinds == 5, kinds == 6],
        [
            drawn,
            np.nextafter(np.float32(drawn), np.float32(9e9)),
            rng.normal(0, 60 * step, shape),
            drawn * 1e5,
        ],
        rng.choice([0.0, -0.0, 1e-44, 2e9 * step, -2e9 * step], shape),
    )
    return values.astype(np.float32)


def agree_by_bits(model: bytes, dialect: str, x: np.ndarray) -> None:
    try:
        network = CONVERTER.convert(model, dialect)
    except ConversionError:
        assert dialect != "litert-ref"
        assume(False)
    try:
        want = session_of(model, dialect).run({"x": x})["y"]
    except litert.RuntimeRefused:
        assume(False)
    layout = batch_layout(model)
    for engine in ("reference", "fast"):
        result = run(network, to_sample_batch(layout, [{"x": x}]), engine=engine)
        (found,) = from_sample_batch(layout, result.outputs)
        assert found["y"].dtype == want.dtype
        got, wanted = found["y"].ravel(), want.ravel()
        same = [a.tobytes() == b.tobytes() for a, b in zip(got, wanted, strict=True)]
        wrong = np.flatnonzero(~np.array(same))
        assert not wrong.size, (x.ravel()[wrong[:3]], got[wrong[:3]], wanted[wrong[:3]])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("dialect", ["litert-ref", "xnnpack"])
@given(data=st.data())
def test_quantize(dialect, dtype, data):
    m, shape = ModelBuilder(), data.draw(SHAPES)
    meaning = data.draw(channels(shape, dtype))
    x = m.input("x", shape, "float32")
    y = m.tensor("y", shape, dtype, **meaning)
    m.operator("QUANTIZE", [x], [y], version=1)
    m.output(y)
    agree_by_bits(m.build(), dialect, reals(shape, meaning["scale"], data.draw(seeds)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
def test_dequantize(dialect, dtype, data):
    m, shape = ModelBuilder(), data.draw(SHAPES)
    x = m.input("x", shape, dtype, **data.draw(channels(shape, dtype)))
    y = m.tensor("y", shape, "float32")
    m.operator("DEQUANTIZE", [x], [y], version=2)
    m.output(y)
    kind = DTYPES[dtype]
    rng = np.random.default_rng(data.draw(seeds))
    codes = rng.integers(kind.low, kind.high, shape, endpoint=True).astype(kind.storage)
    agree_by_bits(m.build(), dialect, codes)
