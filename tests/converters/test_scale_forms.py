"""How a ratio of scales is formed shows in one of millions of integers; here are millions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.tflite import (
    CONVERTER,
    batch_layout,
    contraction,
    from_sample_batch,
    lower_contraction,
    to_sample_batch,
)

from intsim.arithmetic.dialects import ratio_float32_product, ratio_float64
from intsim.engine import run
from tests.converters.agree import differences, random_runs, session_of
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

ROWS, DEPTH, UNITS, RUNS = 32, 8, 256, 20
REACH = 1 << 22  # of the biases: large sums by a small ratio, so that many lie next to a tie


def rounded_product(seed: int) -> tuple[float, float]:
    """Two scales whose float32 product is far, by nearly half a unit, from the exact one."""
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(0.01, 0.1, (2, 5000)).astype(np.float32)
    exact = drawn[0].astype(np.float64) * drawn[1].astype(np.float64)
    error = np.abs((drawn[0] * drawn[1]).astype(np.float64) - exact) / exact
    best = int(np.argmax(error))
    return float(drawn[0][best]), float(drawn[1][best])


def model(op: str, dtype: str) -> bytes:
    """ROWS x ROWS x UNITS outputs, spread over their format; one scale for all weights."""
    rng = np.random.default_rng(1)
    sx, sw = rounded_product(0)
    kind = DTYPES[dtype]
    zero = 0 if kind.low < 0 else 128
    sy = float(np.float32(sx * sw * REACH / 120))
    m = ModelBuilder()
    options = {"fused_activation_function": "NONE"}
    if op == "FULLY_CONNECTED":
        x = m.input("x", (ROWS * ROWS, DEPTH), dtype, sx, zero)
        shape, y_shape, version = (UNITS, DEPTH), (ROWS * ROWS, UNITS), 4
    else:
        depth = DEPTH if op == "CONV_2D" else UNITS
        size = ROWS if op == "CONV_2D" else ROWS + 2
        x = m.input("x", (1, size, size, depth), dtype, sx, zero)
        shape = (UNITS, 1, 1, DEPTH) if op == "CONV_2D" else (1, 3, 3, UNITS)
        y_shape, version = (1, ROWS, ROWS, UNITS), 3
        options |= {"stride_h": 1, "stride_w": 1, "padding": "VALID"}
        options |= {"depth_multiplier": 1} if op == "DEPTHWISE_CONV_2D" else {}
    w = m.constant("w", rng.integers(kind.low, kind.high, shape, endpoint=True), dtype, sw, zero)
    b = m.constant("b", rng.integers(-REACH, REACH, UNITS), "int32", float(np.float32(sx) * np.float32(sw)))
    y = m.tensor("y", y_shape, dtype, sy, zero)
    m.operator(op, [x, w, b], [y], version=version, **options)
    m.output(y)
    return m.build()


def integers(data: bytes, dialect: str, runs: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """The converted network's outputs."""
    network, layout = CONVERTER.convert(data, dialect), batch_layout(data)
    return from_sample_batch(layout, run(network, to_sample_batch(layout, runs)).outputs)


@pytest.mark.parametrize(
    ("op", "dtype", "dialect"),
    [
        ("CONV_2D", "uint8", "litert-ref"),
        ("DEPTHWISE_CONV_2D", "uint8", "litert-ref"),
        ("FULLY_CONNECTED", "uint8", "litert-ref"),
        ("CONV_2D", "int8", "litert-ref"),
        ("DEPTHWISE_CONV_2D", "int8", "litert-ref"),
        ("FULLY_CONNECTED", "int8", "litert-ref"),
        ("FULLY_CONNECTED", "int8", "tflm"),
    ],
)
def test_the_form_of_the_ratio(op: str, dtype: str, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right form gives every integer; the other one is seen to give some others."""
    data = model(op, dtype)
    network, layout = CONVERTER.convert(data, dialect), batch_layout(data)
    runs = random_runs(network, layout.shapes, RUNS, seed=2)
    session = session_of(data, dialect)
    wanted = [session.run(inputs) for inputs in runs]
    wanted = [{"y": entry["y"]} for entry in wanted]
    assert differences(wanted, integers(data, dialect, runs)) == (RUNS * ROWS * ROWS * UNITS, {})
    monkeypatch.setattr(lower_contraction, "scale_ratio", other_form)
    assert differences(wanted, integers(data, dialect, runs))[1]


def other_form(low: Any, parts: Any, rule: Any, product: bool = False) -> np.ndarray:
    """The ratio with the product of scales in float32 where it is in float64, and the reverse."""
    right = contraction.scale_ratio(low, parts, rule, product)
    scales = [parts.x.scale, parts.w.scales]
    forms = (form(scales, parts.y.scale) for form in (ratio_float64, ratio_float32_product))
    (other,) = (form for form in forms if form[0] != right[0])
    return other


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_the_default_resolver_on_as_many(op: str, dtype: str) -> None:
    data = model(op, dtype)
    layout = batch_layout(data)
    runs = random_runs(CONVERTER.convert(data, "xnnpack"), layout.shapes, RUNS, seed=2)
    session = session_of(data, "xnnpack")
    wanted = [session.run(inputs) for inputs in runs]
    assert differences(wanted, integers(data, "xnnpack", runs)) == (RUNS * ROWS * ROWS * UNITS, {})
