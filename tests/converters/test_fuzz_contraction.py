"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED against LiteRT's reference kernels, on drawn models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER

from intsim.errors import ConversionError
from tests.converters.agree import assert_agrees
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


@dataclass(frozen=True)
class Drawn:
    """A model, shown by what it was drawn as."""

    data: bytes = field(repr=False)
    note: Numbers


@dataclass(frozen=True)
class Numbers:
    """Types, scales and zero points of a drawn contraction."""

    activation: str
    weight: str
    bias: str
    channels: bool  # one scale per output channel
    fused: str
    x: tuple[float, int]
    w: tuple[float, int]
    y: tuple[float, int]
    seed: int
    quirk: str  # what keeps XNNPACK from taking the operator, if anything


QUIRKS = ("", "", "", "bias without scale", "input's scale along axis 1", "weights' scale along axis 1")


@st.composite
def numbers(draw: st.DrawFn, taps: int, weights: tuple[str, ...]) -> Numbers:
    """Scales such that outputs are spread over their format, now and then far too small or large."""
    activation = draw(st.sampled_from(("int8", "int8", "uint8", "int16")))
    weight = "uint8" if activation == "uint8" else draw(st.sampled_from(weights))
    if activation == "int16" and "int2" in weights:
        weight = draw(st.sampled_from((*weights, "int16")))
    bias = draw(st.sampled_from(("int64", "int64", "int32"))) if activation == "int16" else "int32"
    channels = activation != "uint8" and draw(st.booleans())
    low, high = DTYPES[activation].low, DTYPES[activation].high
    zero = st.just(0) if activation == "int16" else st.integers(low, high)
    weight_zero = draw(st.integers(0, 255)) if activation == "uint8" else 0
    scale = st.floats(1e-3, 1e-1).map(np.float32).map(float)
    sx, sw = draw(scale), draw(scale)
    spread = draw(st.floats(0.02, 60))
    reach = (DTYPES[weight].high - DTYPES[weight].low) / 3 * max(taps, 1) ** 0.5
    return Numbers(
        activation,
        weight,
        bias,
        channels,
        draw(st.sampled_from(ACTIVATIONS)),
        (sx, draw(zero)),
        (sw, weight_zero),
        (float(np.float32(sx * sw * reach / spread)), draw(zero)),
        draw(st.integers(0, 2**32)),
        draw(st.sampled_from(QUIRKS)),
    )


def weights_and_bias(m: ModelBuilder, n: Numbers, shape: tuple[int, ...], axis: int) -> tuple[Any, Any]:
    """Constants over their whole formats; the bias at the scale of the sums."""
    rng = np.random.default_rng(n.seed)
    kind, units = DTYPES[n.weight], shape[axis]
    codes = rng.integers(kind.low, kind.high, shape, endpoint=True)
    if n.channels:
        scales = (n.w[0] * rng.uniform(0.2, 1.0, units)).astype(np.float32)
        w = m.constant("w", codes, n.weight, scales.tolist(), 0, axis=axis)
    else:
        scales = np.full(1, n.w[0], np.float32)
        w = m.constant("w", codes, n.weight, n.w[0], n.w[1], axis=int(n.quirk == QUIRKS[5]))
    reach = 3000 if n.bias == "int32" else 10**6
    values = rng.integers(-reach, reach, units, endpoint=True)
    bias_scales = np.float32(n.x[0]) * scales
    meaning = bias_scales.tolist() if n.channels else float(bias_scales[0])
    if n.quirk == QUIRKS[3] and n.channels and units > 1:  # kernels of one scale check the bias's
        meaning = None
    b = m.constant("b", values, n.bias, meaning, 0)
    return w, b


def options(n: Numbers) -> dict[str, Any]:
    announced = n.activation == "int16" and n.bias == "int32"
    if n.weight == "int16" and not announced:
        return {"quantized_bias_type": "INT64"}
    return {"quantized_bias_type": "INT32"} if announced else {}


def drawn(m: ModelBuilder, n: Numbers) -> Drawn:
    return Drawn(m.build(), n)


def input_tensor(m: ModelBuilder, n: Numbers, shape: tuple[int, ...]) -> Any:
    return m.input("x", shape, n.activation, *n.x, axis=int(n.quirk == QUIRKS[4]))


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 3)))
    least = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [low + draw(st.integers(0, 5)) for low in least]
    return {
        "kernel": kernel,
        "size": tuple(size),
        "stride": (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        "dilation": dilation,
        "padding": draw(st.sampled_from(("SAME", "VALID"))),
        "batch": draw(st.sampled_from((1, 1, 2))),
    }


def output_size(w: dict[str, Any]) -> list[int]:
    sizes = []
    for axis in range(2):
        reach = (w["kernel"][axis] - 1) * w["dilation"][axis] + 1
        room = w["size"][axis] - (0 if w["padding"] == "SAME" else reach - 1)
        sizes.append(-(-room // w["stride"][axis]))
    return sizes


def window_options(w: dict[str, Any]) -> dict[str, Any]:
    return {
        "stride_h": w["stride"][0],
        "stride_w": w["stride"][1],
        "dilation_h_factor": w["dilation"][0],
        "dilation_w_factor": w["dilation"][1],
        "padding": w["padding"],
    }


@st.composite
def conv_models(draw: st.DrawFn) -> Drawn:
    w = draw(windows())
    groups, depth, filters = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    n = draw(numbers(w["kernel"][0] * w["kernel"][1] * depth, ("int8", "int8", "int4")))
    m = ModelBuilder()
    x = input_tensor(m, n, (w["batch"], *w["size"], groups * depth))
    kernel, bias = weights_and_bias(m, n, (groups * filters, *w["kernel"], depth), 0)
    y = m.tensor("y", (w["batch"], *output_size(w), groups * filters), n.activation, *n.y)
    m.operator(
        "CONV_2D",
        [x, kernel, bias],
        [y],
        version=8 if options(n) else 3,
        fused_activation_function=n.fused,
        **window_options(w),
        **options(n),
    )
    m.output(y)
    return drawn(m, n)


@st.composite
def depthwise_models(draw: st.DrawFn) -> Drawn:
    w = draw(windows())
    depth, multiple = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    n = draw(
        numbers(w["kernel"][0] * w["kernel"][1], ("int8", "int8", "int4")).filter(
            lambda n: n.activation != "int16" or (n.bias, n.weight) == ("int64", "int8")
        )
    )
    m = ModelBuilder()
    x = input_tensor(m, n, (w["batch"], *w["size"], depth))
    kernel, bias = weights_and_bias(m, n, (1, *w["kernel"], depth * multiple), 3)
    y = m.tensor("y", (w["batch"], *output_size(w), depth * multiple), n.activation, *n.y)
    m.operator(
        "DEPTHWISE_CONV_2D",
        [x, kernel, bias],
        [y],
        version=6,
        depth_multiplier=multiple,
        fused_activation_function=n.fused,
        **window_options(w),
    )
    m.output(y)
    return drawn(m, n)


@st.composite
def dense_models(draw: st.DrawFn) -> Drawn:
    depth, units = draw(st.integers(1, 70)), draw(st.integers(1, 40))
    lead = draw(st.sampled_from(((1,), (6,), (1, 2), (2, 3), (1, 4, 3))))
    n = draw(numbers(depth, ("int8", "int8", "int4", "int2")))
    keep = draw(st.booleans())
    m = ModelBuilder()
    x = input_tensor(m, n, (*lead, depth))
    w, b = weights_and_bias(m, n, (units, depth), 0)
    flat = int(np.prod(lead))
    if not keep and len(lead) > 1 and lead[0] not in (1, flat):
        keep = True  # rows of several samples would be mixed, which is refused
    y = m.tensor("y", (*lead, units) if keep else (flat, units), n.activation, *n.y)
    m.operator(
        "FULLY_CONNECTED",
        [x, w, b if draw(st.booleans()) else None],
        [y],
        version=14 if n.weight == "int16" else 11 if options(n) else 9 if n.channels else 4,
        fused_activation_function=n.fused,
        keep_num_dims=keep,
        **options(n),
    )
    m.output(y)
    return drawn(m, n)


MODELS = pytest.mark.parametrize(
    "models", [conv_models, depthwise_models, dense_models], ids=lambda entry: entry.__name__
)


@pytest.mark.parametrize("dialect", ["litert-ref", "xnnpack", "tflm"])
@MODELS
def test_every_integer_is_the_runtimes(models: Any, dialect: str) -> None:
    @settings(max_examples=60)
    @given(models())
    def check(model: Drawn) -> None:
        if refused(model.data, dialect):
            assume(False)
        assert assert_agrees(model.data, dialect=dialect) > 0

    check()


def refused(data: bytes, dialect: str) -> bool:
    """Whether the converter refuses what no kernel, or none with a fixed rule, is there for."""
    try:
        CONVERTER.convert(data, dialect)
    except ConversionError as error:
        label = {"xnnpack": "[X3]", "tflm": "[C1]"}.get(dialect, "none is refused")
        if not str(error).endswith(label):
            raise
        return True
    return False
