"""Hypothesis strategies: integers, float steps and quantizers of QONNX graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.converters.qonnx.builder import QonnxBuilder

MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")
TYPES = ("INT8", "UINT8", "INT5", "UINT3", "BIPOLAR", "TERNARY", "BINARY", "INT10")


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    """float32 numbers, every other one a multiple of 1/16, so that ties are met."""
    near = st.integers(int(np.ceil(low * 16)), int(np.floor(high * 16))).map(lambda n: n / 16)
    return st.one_of(near, st.floats(low, high, width=32))


def positive() -> st.SearchStrategy[float]:
    return st.one_of(st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0]), st.floats(0.0625, 8, width=32))


@st.composite
def by_channel(
    draw: Any, numbers: st.SearchStrategy[float], channels: int, rank: int
) -> np.ndarray[Any, Any]:
    """One number, or one per channel of an (N, C, ...) tensor."""
    if draw(st.booleans()):
        return np.array(draw(numbers), np.float32)
    values = draw(st.lists(numbers, min_size=channels, max_size=channels))
    return np.array(values, np.float32).reshape(1, channels, *(1,) * (rank - 2))


@st.composite
def step(draw: Any, b: QonnxBuilder, x: str, channels: int, rank: int) -> str:
    """One float step."""
    kind = draw(
        st.sampled_from(["Mul", "Add", "Sub", "Div", "From", "Relu", "Clip", "LeakyRelu", "BatchNorm"])
    )
    if kind in ("Add", "Sub", "From", "Mul"):
        numbers = floats(-4, 4) if kind != "Mul" else floats(-2, 2)
        constant = b.floats(draw(by_channel(numbers, channels, rank)))
        return b.node("Sub" if kind == "From" else kind, [constant, x] if kind == "From" else [x, constant])
    if kind == "Div":
        return b.node("Div", [x, b.floats(draw(by_channel(positive(), channels, rank)))])
    if kind == "Clip":
        low = draw(floats(-8, 0))
        return b.node("Clip", [x, b.floats(np.float32(low)), b.floats(np.float32(draw(floats(low, 12))))])
    if kind == "LeakyRelu":
        return b.node("LeakyRelu", [x], alpha=draw(floats(0, 1)))
    if kind == "BatchNorm":
        wide = [draw(st.lists(floats(-2, 2), min_size=channels, max_size=channels)) for _ in range(3)]
        variance = draw(st.lists(positive(), min_size=channels, max_size=channels))
        given = [b.floats(np.array(values, np.float32)) for values in (*wide, variance)]
        return b.node("BatchNormalization", [x, *given], epsilon=draw(st.sampled_from([1e-5, 0.5, 0.0])))
    return b.node("Relu", [x])


@st.composite
def quant(draw: Any, b: QonnxBuilder, x: str, channels: int, rank: int, most: int = 8) -> str:
    bits = draw(st.integers(1, most))
    zeros = st.integers(-3, 3).map(float)
    zero = draw(by_channel(zeros, channels, rank)) if draw(st.booleans()) else np.float32(draw(zeros))
    return b.quant(
        x,
        draw(by_channel(positive(), channels, rank)),
        float(bits),
        zero,
        signed=draw(st.integers(0, 1)),
        narrow=draw(st.integers(0, int(bits > 1))),
        mode=draw(st.sampled_from(MODES)),
    )


@st.composite
def thresholds(draw: Any, b: QonnxBuilder, x: str, channels: int, rank: int, last: bool) -> str:
    """Where it is the last, it gives whole numbers: else another quantizer reads them."""
    count, rows = draw(st.integers(1, 6)), draw(st.sampled_from([1, channels]))
    row = st.lists(floats(-8, 8), min_size=count, max_size=count)
    values = draw(st.lists(row, min_size=rows, max_size=rows))
    whole, others = [(1.0, 0.0), (1.0, -3.0), (2.0, -1.0)], [(0.5, 0.25), (0.3, -0.9), (0.3, -0.15)]
    scale, bias = draw(st.sampled_from(whole if last else whole + others))
    layouts = {2: ["", "NC"], 3: ["NCW"], 4: ["", "NCHW"]}[rank]
    layout = draw(st.sampled_from(layouts))
    return b.thresholds(x, np.array(values), out_scale=scale, out_bias=bias, data_layout=layout)


@st.composite
def trunc(draw: Any, b: QonnxBuilder, x: str) -> str:
    """Of whole numbers of a scale, as behind an average."""
    scale, mode = draw(positive()), draw(st.sampled_from(MODES))
    before = draw(st.integers(2, 10))
    after = draw(st.integers(1, before))
    zero = float(draw(st.integers(-1, 1)) * 2**10)
    if b.version == 1:
        given = [x, b.floats(scale), b.floats(zero), b.floats(before), b.floats(after)]
        return b.custom("Trunc", given, rounding_mode=mode)
    target = scale * 2.0 ** draw(st.integers(0, 6))
    given = [x, b.floats(scale), b.floats(zero), b.floats(before), b.floats(target), b.floats(after)]
    signs = {"signed": draw(st.integers(0, 1)), "narrow": draw(st.integers(0, int(after > 1)))}
    return b.custom("Trunc", given, rounding_mode=mode, **signs)


@st.composite
def qcdq(draw: Any, b: QonnxBuilder, x: str, channels: int) -> str:
    """QuantizeLinear, perhaps Clip, DequantizeLinear."""
    dtype = draw(st.sampled_from(["int8", "uint8"]))
    several = draw(st.booleans())
    size = channels if several else 1
    scale = np.array(draw(st.lists(positive(), min_size=size, max_size=size)), np.float32)
    zero = np.array(draw(st.lists(st.integers(0, 5), min_size=size, max_size=size)))
    if not several:
        scale, zero = scale[0], zero[0]
    b._constant_number += 1
    meaning = b.meaning(f"m{b._constant_number}", scale, zero, dtype)
    codes = b.quantize(x, meaning, axis=1)
    if draw(st.booleans()):
        bits = draw(st.integers(2, 7))
        low = -(1 << (bits - 1)) + draw(st.integers(0, 1)) if dtype == "int8" else 0
        high = (1 << (bits - 1)) - 1 if dtype == "int8" else (1 << bits) - 1
        names = [b.constant(f"{codes}_{end}", value, dtype) for end, value in (("low", low), ("high", high))]
        codes = b.node("Clip", [codes, *names])
    return b.dequantize(codes, meaning, axis=1)


@st.composite
def quantizer(draw: Any, b: QonnxBuilder, x: str, channels: int, rank: int, last: bool = True) -> str:
    """Any quantizer that takes floats."""
    kind = draw(st.sampled_from(["Quant", "Quant", "Bipolar", "MultiThreshold", "QCDQ"]))
    if kind == "Quant":
        return draw(quant(b, x, channels, rank))
    if kind == "Bipolar":
        return b.custom("BipolarQuant", [x, b.floats(draw(by_channel(positive(), channels, rank)))])
    if kind == "MultiThreshold":
        return draw(thresholds(b, x, channels, rank, last))
    return draw(qcdq(b, x, channels))
