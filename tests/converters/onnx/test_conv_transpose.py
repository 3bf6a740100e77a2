"""ConvTranspose in the dialect `integer`: ONNX Runtime's sums of small integers, which float32 holds, and
then the rule of requantization in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.onnx.builder import LIMITS, OnnxBuilder
from tests.converters.onnx.drawing import codes
from tests.converters.onnx.runtime import Session

X_SCALE, Y_SCALE = np.float32(0.04), np.float32(0.9)
X_ZERO, Y_ZERO = 7, 100


def sums(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, attributes: dict[str, Any]) -> np.ndarray:
    """By ONNX Runtime, in float32."""
    b = OnnxBuilder()
    parts = [b.input("x", x.shape, "float32"), b.constant("w", weights, "float32")]
    y = b.node("ConvTranspose", [*parts, b.constant("b", bias, "float32")], ["y"], **attributes)
    b.output(y, "float32")
    found = Session(b.build()).run({"x": (x - float(X_ZERO)).astype(np.float32)})["y"]
    assert np.abs(found).max(initial=0) < 1 << 24
    return np.asarray(found)


def network(
    shape: tuple[int, ...],
    weights: np.ndarray,
    scales: np.ndarray,
    bias: np.ndarray,
    types: tuple[str, str],
    attributes: dict[str, Any],
) -> bytes:
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", shape, types[0]), b.meaning("x", X_SCALE, X_ZERO, types[0]))
    several = scales.size > 1
    meant = scales if several else scales[0]
    zeros = np.zeros(np.shape(meant))
    w = b.constant("weights", weights, types[1])
    w = b.dequantize(w, b.meaning("w", meant, zeros, types[1]), **({"axis": 1} if several else {}))
    added = b.constant("bias", bias, "int32")
    added = b.dequantize(
        added, b.meaning("b", X_SCALE * meant, zeros, "int32"), **({"axis": 0} if several else {})
    )
    y = b.node("ConvTranspose", [x, w, added], **attributes)
    b.output(b.quantize(y, b.meaning("y", Y_SCALE, Y_ZERO, types[0]), "y"), types[0])
    return b.build()


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    axes = draw(st.integers(1, 2))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inside, outside = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = [draw(st.integers(1, 5)) for _ in range(axes)]
    kernel = [draw(st.integers(1, 4)) for _ in range(axes)]
    attributes: dict[str, Any] = {"group": groups}
    stride = [draw(st.integers(1, 3)) for _ in range(axes)]
    dilation = [draw(st.integers(1, 2)) for _ in range(axes)]
    added = [draw(st.integers(0, step - 1)) for step in stride]
    attributes |= {"strides": stride, "dilations": dilation, "output_padding": added}
    whole = [
        s * (n - 1) + (k - 1) * d + 1 + a
        for s, n, k, d, a in zip(stride, size, kernel, dilation, added, strict=True)
    ]
    how = draw(st.sampled_from(["pads", "pads", "VALID", "output_shape"]))
    if how == "pads":
        before = [draw(st.integers(0, (room - 1) // 2)) for room in whole]
        after = [draw(st.integers(0, (room - 1) // 2)) for room in whole]
        attributes["pads"] = [*before, *after]
    elif how == "output_shape":
        attributes["output_shape"] = [draw(st.integers(max(1, room - 3), room)) for room in whole]
        attributes["auto_pad"] = draw(st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER"]))
    else:
        attributes["auto_pad"] = how
    several = groups == 1 and draw(st.booleans())
    return {
        "shape": (2, inside * groups, *size),
        "weights": (inside * groups, outside, *kernel),
        "scales": outside if several else 1,
        "filters": outside * groups,
        "types": draw(st.sampled_from([("uint8", "int8"), ("int8", "int4"), ("uint8", "uint8")])),
        "seed": draw(st.integers(0, 1 << 16)),
        "attributes": attributes,
    }


@given(cases())
@settings(max_examples=60, deadline=None)
def test_every_integer_is_the_rules(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    types, attributes = case["types"], case["attributes"]
    weights = codes(rng, types[1], case["weights"])
    scales = np.array([0.11, 0.03, 0.25][: case["scales"]], np.float32)
    bias = rng.integers(-500, 500, case["filters"])
    x = codes(rng, types[0], case["shape"]).astype(types[0])
    exact = sums(x, weights, bias, attributes)
    ratio = X_SCALE * scales / Y_SCALE
    real = exact * ratio.reshape(-1, *(1,) * (exact.ndim - 2)).astype(np.float32)
    wanted = np.clip(np.rint(real).astype(np.int64) + Y_ZERO, *LIMITS[types[0]])
    found = run(
        CONVERTER.convert(network(case["shape"], weights, scales, bias, types, attributes), "integer"), x
    )
    assert np.array_equal(found.outputs["y"], wanted)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"auto_pad": "SAME_UPPER"}, "auto_pad must not be SAME_UPPER without output_shape"),
        ({"output_padding": [1, 1]}, "output_padding must be below the strides"),
        ({"group": 3}, "must match 1 channels in 3 groups"),
        ({"output_shape": [2]}, "output_shape must have 2 sizes"),
        ({"pads": [1, 1, 1, 1]}, "output must have a size of at least 1"),
        ({"kernel_shape": [2, 1]}, "kernel_shape must be the weights'"),
    ],
)
def test_what_is_refused(attributes: dict[str, Any], said: str) -> None:
    weights, scale = np.ones((1, 1, 1, 1)), np.ones(1, np.float32)
    data = network((1, 1, 2, 2), weights, scale, np.zeros(1), ("uint8", "int8"), attributes)
    with pytest.raises(ConversionError, match=said):
        CONVERTER.convert(data, "integer")


def test_the_runtime_has_no_integer_operator() -> None:
    data = network(
        (1, 1, 2, 2), np.ones((1, 1, 2, 2)), np.ones(1, np.float32), np.zeros(1), ("uint8", "int8"), {}
    )
    with pytest.raises(ConversionError, match=r"ConvTranspose computes.*--dialect integer") as caught:
        CONVERTER.convert(data, "ort")
    assert len(caught.value.findings) == 1
