"""The dialect `integer`: what ONNX Runtime gives for the same codes in types that it has, else numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from tests.converters.onnx.builder import LIMITS, OnnxBuilder
from tests.converters.onnx.drawing import codes
from tests.converters.onnx.runtime import Session

SHAPE = (1, 6, 5, 5)
SCALES = np.array([0.11, 0.03, 0.25, 0.07], np.float32)
BIAS = [30, -200, 5, 90]
ZERO = 100  # of the output


def output_scale(x_type: str, weights: np.ndarray) -> np.float32:
    """Spreads the outputs over their format."""
    reach = (LIMITS[x_type][1] - LIMITS[x_type][0]) * float(np.abs(weights).max()) * 0.0044 * 8
    return np.float32(reach / (LIMITS[x_type][1] - ZERO))


def network(
    w_type: str, weights: np.ndarray, x_type: str = "uint8", relu: bool = False, w_zero: int = 0
) -> bytes:
    """A convolution between doors, one scale per channel, with a bias."""
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", SHAPE, x_type), b.meaning("x", np.float32(0.04), 7, x_type))
    w = b.constant("w", weights, w_type)
    w = b.dequantize(w, b.meaning("w", SCALES, np.full(4, w_zero), w_type), axis=0)
    sums = b.meaning("b", np.float32(0.04) * SCALES, np.zeros(4), "int32")
    bias = b.dequantize(b.constant("b", BIAS, "int32"), sums, axis=0)
    y = b.node("Conv", [x, w, bias])
    if relu:
        y = b.node("Relu", [y])
    meaning = b.meaning("y", output_scale(x_type, weights), ZERO, x_type)
    b.output(b.quantize(y, meaning, "y"), x_type)
    return b.build()


def outputs(data: bytes, x: np.ndarray) -> np.ndarray:
    return run(CONVERTER.convert(data, "integer"), x).outputs["y"]


@pytest.mark.parametrize("w_type", ["int4", "uint4", "int8"])
def test_narrow_weights_are_the_runtimes_as_wider_ones(w_type: str) -> None:
    rng = np.random.default_rng(0)
    weights, zero = codes(rng, w_type, (4, 6, 3, 3)), 3 if w_type == "uint4" else 0
    x = codes(rng, "uint8", SHAPE).astype(np.uint8)
    wide = network("uint8" if w_type == "uint4" else "int8", weights, w_zero=zero)
    wanted = Session(wide).run({"x": x})["y"]
    assert np.array_equal(outputs(network(w_type, weights, w_zero=zero), x), wanted)
    assert len(np.unique(wanted)) > 15


def by_numpy(x: np.ndarray, weights: np.ndarray, relu: bool) -> np.ndarray:
    """The rule in numpy: exact sums, one float32 product, half to even, the zero point, the limits."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.int64) - 7, (3, 3), axis=(2, 3))
    sums = np.einsum("nchwij,kcij->nkhw", windows, weights.astype(np.int64))
    sums = sums + np.array(BIAS)[:, None, None]
    ratio = (np.float32(0.04) * SCALES[:, None, None]) / output_scale(str(x.dtype), weights)
    whole = np.rint(sums.astype(np.float32) * ratio).astype(np.int64) + ZERO
    low, high = LIMITS[str(x.dtype)]
    return np.clip(whole, max(low, ZERO) if relu else low, high).astype(x.dtype)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    ("x_type", "w_type"), [("uint8", "int8"), ("int16", "int8"), ("uint16", "int16"), ("int8", "int4")]
)
def test_every_integer_is_the_rules(x_type: str, w_type: str, relu: bool) -> None:
    rng = np.random.default_rng(1)
    weights, x = codes(rng, w_type, (4, 6, 3, 3)), codes(rng, x_type, SHAPE).astype(x_type)
    found: Any = outputs(network(w_type, weights, x_type, relu), x)
    assert np.array_equal(found, by_numpy(x, weights, relu))
