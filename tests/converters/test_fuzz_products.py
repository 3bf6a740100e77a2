"""TRANSPOSE_CONV and BATCH_MATMUL against the runtimes, on drawn models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER

from intsim.errors import ConversionError
from tests.converters.agree import assert_agrees
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

ALL, MICRO = ("int8", "int8", "uint8", "int16"), ("int8", "int16")
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
ENGINES = st.sampled_from(("reference", "fast"))
SEEDS = st.integers(0, 2**32)


def zero_points(dtype: str) -> st.SearchStrategy[int]:
    return st.just(0) if dtype == "int16" else st.integers(DTYPES[dtype].low, DTYPES[dtype].high)


def scales(low: float) -> st.SearchStrategy[float]:
    return st.floats(low, 100 * low).map(np.float32).map(float)


@st.composite
def spreads(draw: st.DrawFn, dtype: str, product: float, weights: int, taps: float) -> float:
    """An output scale at which sums of products fill the format, now and then with many ties."""
    if draw(st.booleans()):
        return float(np.float32(product * 2.0 ** draw(st.integers(4, 9))))
    return float(np.float32(product * weights * max(taps, 1) ** 0.5 * draw(st.floats(0.1, 1.5))))


def transposed(m: ModelBuilder, dtype: str, n: dict[str, Any]) -> None:
    """Add a TRANSPOSE_CONV from x to y; `n` has the numbers that `transpose_convs` draws."""
    rng = np.random.default_rng(n["seed"])
    x = m.input("x", (n["batch"], *n["size"], n["depth"]), dtype, *n["x"])
    shape = (n["batch"], *n["output"], n["channels"])
    weight = "uint8" if dtype == "uint8" else "int8"
    kind, w_scale = DTYPES[weight], n["w"][0]
    w_scales = (w_scale * rng.uniform(0.3, 1, n["channels"])).astype(np.float32).tolist()
    codes = rng.integers(kind.low, kind.high, (n["channels"], *n["kernel"], n["depth"]), endpoint=True)
    w = m.constant("w", codes, weight, w_scales if n["per_channel"] else w_scale, n["w"][1], axis=0)
    operands = [m.constant("shape", np.array(shape), "int32"), w, x]
    if n["bias"]:
        used = np.float32(n["x"][0]) * np.array(w_scales if n["per_channel"] else [w_scale], np.float32)
        values = rng.integers(-3000, 3000, n["channels"])
        operands.append(m.constant("b", values, n["bias"], used.tolist(), 0))
    y = m.tensor("y", shape, dtype, *n["y"])
    stride = {"stride_h": n["stride"][0], "stride_w": n["stride"][1]}
    announced = {"quantized_bias_type": "INT32"} if n["bias"] == "int32" and dtype == "int16" else {}
    options = {"padding": n["padding"], "fused_activation_function": n["fused"], **stride, **announced}
    m.operator("TRANSPOSE_CONV", operands, [y], version=5 if announced else 4, **options)
    m.output(y)


@st.composite
def transpose_convs(draw: st.DrawFn, dialect: str) -> bytes:
    """Only what the dialect converts; see the refusals."""
    types, delegated = MICRO if dialect == "tflm" else ALL, dialect == "xnnpack"
    dtype, padding = draw(st.sampled_from(types)), draw(st.sampled_from(("SAME", "VALID")))
    pairs = [draw(st.tuples(st.integers(1, most), st.integers(1, most))) for most in (4, 3, 4)]
    kernel, stride, size = pairs
    if delegated and padding == "SAME":
        assume(kernel[0] >= stride[0] and kernel[1] >= stride[1])
    output = []
    for extent, taps, step in zip(size, kernel, stride, strict=True):
        more = draw(st.integers(0, step - 1))
        output.append(extent * step - more if padding == "SAME" else (extent - 1) * step + taps + more)
    depth = draw(st.integers(1, 5))
    sx, sw = draw(scales(1e-3)), draw(scales(1e-3))
    biases = ("", "int64", "int32") if dialect == "litert-ref" else ("", "int64")
    taps_met = kernel[0] * kernel[1] * depth / (stride[0] * stride[1])
    m = ModelBuilder()
    transposed(
        m,
        dtype,
        {
            "size": size,
            "output": output,
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
            "batch": draw(st.sampled_from((1, 1, 2))),
            "depth": depth,
            "channels": draw(st.integers(1, 4)),
            "per_channel": dtype != "uint8" and draw(st.booleans()),
            "bias": draw(st.sampled_from(biases if dtype == "int16" else ("", "int32"))),
            "fused": draw(st.sampled_from(ACTIVATIONS)),
            "x": (sx, draw(zero_points(dtype))),
            "w": (sw, draw(st.integers(0, 255)) if dtype == "uint8" else 0),
            "y": (draw(spreads(dtype, sx * sw, 60, taps_met)), draw(zero_points(dtype))),
            "seed": draw(SEEDS),
        },
    )
    return m.build()


@pytest.mark.parametrize("dialect", ["litert-ref", "xnnpack", "tflm"])
def test_transpose_conv(dialect: str) -> None:
    @settings(max_examples=60)
    @given(transpose_convs(dialect), ENGINES, SEEDS)
    def check(data: bytes, engine: str, seed: int) -> None:
        assert assert_agrees(data, dialect=dialect, engine=engine, seed=seed) > 0

    check()


@st.composite
def batch_matmuls(draw: st.DrawFn) -> bytes:
    """Both operands computed, or either a constant; leading axes equal, of size 1, or missing."""
    dtype = draw(st.sampled_from(("int8", "int8", "int16")))
    rows, depth, columns = draw(st.integers(1, 6)), draw(st.integers(1, 20)), draw(st.integers(1, 6))
    adj_x, adj_y = draw(st.booleans()), draw(st.booleans())
    leading = draw(st.sampled_from([(), (1,), (1, 2), (2,), (2, 3), (1, 2, 2)]))
    own = [leading, leading]
    if draw(st.booleans()):
        own[draw(st.integers(0, 1))] = (1,) * len(leading)
    constant = draw(st.sampled_from((None, None, 0, 1)))
    if constant is not None and len(leading) > 1 and draw(st.booleans()):
        own[constant] = own[constant][1:]
    shapes = [(*own[0], *((depth, rows) if adj_x else (rows, depth)))]
    shapes.append((*own[1], *((columns, depth) if adj_y else (depth, columns))))
    quantized = [(draw(scales(1e-3)), draw(zero_points(dtype) | st.just(0))) for _ in range(2)]
    rng = np.random.default_rng(draw(SEEDS))
    m = ModelBuilder()
    operands = []
    for i, name in enumerate("ab"):
        kind = DTYPES[dtype]
        if constant == i:
            codes = rng.integers(kind.low, kind.high, shapes[i], endpoint=True)
            operands.append(m.constant(name, codes, dtype, *quantized[i]))
        else:
            operands.append(m.input(name, shapes[i], dtype, *quantized[i]))
    product = quantized[0][0] * quantized[1][0]
    reach = 60 if dtype == "int8" else 12000
    y_quantized = draw(spreads(dtype, product, reach, depth)), draw(zero_points(dtype))
    y = m.tensor("y", (*np.broadcast_shapes(*own), rows, columns), dtype, *y_quantized)
    m.operator("BATCH_MATMUL", operands, [y], version=4, adj_x=adj_x, adj_y=adj_y)
    m.output(y)
    return m.build()


@pytest.mark.parametrize("dialect", ["litert-ref", "xnnpack", "tflm"])
def test_batch_matmul(dialect: str) -> None:
    """Where samples would mix, or could be told apart no more, conversion is refused."""

    @settings(max_examples=60)
    @given(batch_matmuls(), ENGINES, SEEDS)
    def check(data: bytes, engine: str, seed: int) -> None:
        try:
            CONVERTER.convert(data, dialect)
        except ConversionError as error:
            if "samples must not mix" not in str(error):
                raise
            return
        assert assert_agrees(data, dialect=dialect, engine=engine, seed=seed) > 0

    check()


def small(dtype: str = "int8", **changes: Any) -> bytes:
    """A TRANSPOSE_CONV that all dialects convert, but for the changes."""
    m = ModelBuilder()
    usual = {
        "size": (3, 3),
        "output": (6, 6),
        "kernel": (2, 2),
        "stride": (2, 2),
        "padding": "SAME",
        "batch": 1,
        "depth": 2,
        "channels": 2,
        "per_channel": False,
        "bias": "int32",
        "fused": "NONE",
        "x": (0.5, 0),
        "w": (0.5, 0),
        "y": (8.0, 0),
        "seed": 0,
    }
    transposed(m, dtype, usual | changes)
    return m.build()


@pytest.mark.parametrize(
    ("data", "dialect", "reason"),
    [
        (small(output=(8, 6)), "litert-ref", "must belong to an input of (1, 3, 3, 2)"),
        (small(kernel=(1, 2)), "xnnpack", "depends on where an element lies in memory"),
        (small("int16"), "xnnpack", "depends on where an element lies in memory"),
        (small("int16"), "tflm", "TensorFlow Lite Micro reads any as that"),
        (small("uint8"), "tflm", "must be int8 or int16, which TensorFlow Lite Micro computes"),
        (small(w=(0.5, 5)), "litert-ref", "weights must have zero point 0"),
        (small(y=(1e-9, 0)), "litert-ref", "scaled sums must fit 32 bits"),
    ],
)
def test_refusals(data: bytes, dialect: str, reason: str) -> None:
    assert CONVERTER.convert(small(), dialect)
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(data, dialect)
    assert reason in str(caught.value)


@pytest.mark.parametrize("scale", [0.1, 0.3, 0.7])
def test_one_scale_of_uint8_multiplies_in_float32(scale: float) -> None:
    """A ratio that is a power of two in float32 only: many sums are ties there, and nowhere else."""
    sx, sw = np.float32(scale), np.float32(0.3)
    numbers = {"size": (20, 20), "output": (40, 40), "depth": 4, "channels": 4}
    data = small("uint8", x=(float(sx), 9), w=(float(sw), 5), y=(float(sx * sw) * 2**9, 3), **numbers)
    assert assert_agrees(data) > 0


@pytest.mark.parametrize("dialect", ["litert-ref", "tflm"])
@pytest.mark.parametrize(
    "scales",
    [
        (0.08233260363340378, 0.09744155406951904, 161.9853515625),
        (0.0299936942756176, 0.541986346244812, 328.22979736328125),
    ],
)
def test_sixteen_bits_of_a_ratio_tell_how_it_was_formed(dialect: str, scales: tuple[float, ...]) -> None:
    """The product of these scales, in float32 or in float64, becomes one 16-bit multiplier or the next."""
    m = ModelBuilder()
    x = m.input("x", (1, 8, 13), "int16", scales[0])
    w = m.constant("w", np.full((1, 13, 2), 32767), "int16", scales[1])
    y = m.tensor("y", (1, 8, 2), "int16", scales[2])
    m.operator("BATCH_MATMUL", [x, w], [y], version=4)
    m.output(y)
    assert assert_agrees(m.build(), dialect=dialect) > 0
