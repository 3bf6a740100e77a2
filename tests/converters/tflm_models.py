"""Single-operator models for TensorFlow Lite Micro, drawn by Hypothesis: arithmetic on scales.

`MODELS`: operator name -> strategy of .tflite bytes. Only types that the runtime has kernels for are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.converters.tflm_drawing import BOTH, IMAGES, SHAPES, Drawn, Meaning, Shape


@st.composite
def pairs(
    draw: DrawFn, op: str, types: Sequence[str] = BOTH, fused: bool = True, same: bool = False
) -> bytes:
    """Two operands that broadcast; same: all scales alike, as the operator only compares codes."""
    d = Drawn(draw, types)
    shape = draw(SHAPES)
    other = tuple(draw(st.sampled_from((1, size))) for size in shape)
    shapes = (shape, other) if draw(st.booleans()) else (other, shape)
    meaning = d.meaning() if same else None
    a, b = (d.x(shapes[i], meaning, name) for i, name in enumerate("ab"))
    options = {"fused_activation_function": d.activation()} if fused else {}
    if op in ("ADD", "SUB"):
        options["pot_scale_int16"] = False
    return d.finish(op, [a, b], d.y(shape, meaning), **options)


@st.composite
def multiplications(draw: DrawFn) -> bytes:
    """As `pairs`; the product's scale is not above the output's, so nothing leaves 32 bits."""
    d = Drawn(draw)
    shape = draw(SHAPES)
    x, y = d.meaning(), d.meaning()
    a, b = d.x(shape, x, "a"), d.x(tuple(draw(st.sampled_from((1, size))) for size in shape), y, "b")
    scale, zero = d.meaning()
    result = d.y(shape, (max(scale, float(np.float32(x[0] * y[0] * 1.5))), zero))
    return d.finish("MUL", [a, b], result, fused_activation_function=d.activation())


@st.composite
def squares(draw: DrawFn) -> bytes:
    """As `pairs`; the square's scale is not above the output's."""
    d = Drawn(draw)
    shape = draw(SHAPES)
    x, y = d.meaning(), d.meaning()
    a, b = d.x(shape, x, "a"), d.x(shape, y, "b")
    scale, zero = d.meaning()
    square = (2 * max(x[0], y[0])) ** 2
    return d.finish("SQUARED_DIFFERENCE", [a, b], d.y(shape, (max(scale, 1.1 * square), zero)))


@st.composite
def singles(
    draw: DrawFn,
    op: str,
    types: Sequence[str] = BOTH,
    y: dict[str, Meaning] | None = None,
    shapes: SearchStrategy[Shape] = SHAPES,
    version: int = 2,
    options: Callable[[DrawFn], dict[str, Any]] = lambda draw: {},
) -> bytes:
    """One operand, an output of its shape; y: the output's scale where the operator fixes it."""
    d = Drawn(draw, types)
    shape = draw(shapes)
    x, result = d.x(shape), d.y(shape, (y or {}).get(d.type))
    return d.finish(op, [x], result, version, **options(draw))


@st.composite
def hard_swishes(draw: DrawFn) -> bytes:
    """The scales are less than a hundred times apart; beyond, the runtime stops."""
    d = Drawn(draw, ("int8",))
    shape, (scale, zero) = draw(SHAPES), d.meaning()
    y = d.y(shape, (min(max(d.meaning()[0], scale / 64), scale * 100), zero))
    return d.finish("HARD_SWISH", [d.x(shape, (scale, d.meaning()[1]))], y, 1)


@st.composite
def dequantizes(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    shape = draw(SHAPES)
    return d.finish("DEQUANTIZE", [d.x(shape)], d.model.tensor("y", shape, "float32"))


@st.composite
def quantizes(draw: DrawFn) -> bytes:
    source = draw(st.sampled_from(("int8", "int16")))
    target = draw(st.sampled_from({"int8": ("int8", "int16"), "int16": ("int8", "int16")}[source]))
    d = Drawn(draw, (source,))
    shape = draw(SHAPES)
    return d.finish("QUANTIZE", [d.x(shape)], d.y(shape, type=target))


@st.composite
def prelus(draw: DrawFn) -> bytes:
    d = Drawn(draw, ("int8",))
    shape = draw(IMAGES)
    codes = np.random.default_rng(draw(st.integers(0, 2**32))).integers(
        -128, 127, (1, 1, shape[3]), endpoint=True
    )
    alpha = d.model.constant("alpha", codes, "int8", *d.meaning())
    return d.finish("PRELU", [d.x(shape), alpha], d.y(shape), 1)


@st.composite
def pools(draw: DrawFn, op: str) -> bytes:
    d = Drawn(draw)
    shape = draw(IMAGES)
    kernel = draw(st.integers(1, shape[1])), draw(st.integers(1, shape[2]))
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from(("SAME", "VALID")))
    rooms = [n if padding == "SAME" else n - k + 1 for n, k in zip(shape[1:3], kernel, strict=True)]
    size = [-(-room // step) for room, step in zip(rooms, stride, strict=True)]
    meaning = d.meaning()
    return d.finish(
        op,
        [d.x(shape, meaning)],
        d.y((1, *size, shape[3]), meaning),
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=kernel[0],
        filter_width=kernel[1],
        fused_activation_function=d.activation(),
    )


@st.composite
def reductions(draw: DrawFn, op: str, types: Sequence[str] = BOTH, same: bool = False) -> bytes:
    d = Drawn(draw, types)
    shape = draw(IMAGES)
    axes = draw(st.sampled_from([(1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3), (-1,)]))
    keep = draw(st.booleans())
    gone = {axis % 4 for axis in axes}
    left = [1 if axis in gone else n for axis, n in enumerate(shape) if keep or axis not in gone]
    meaning, (scale, zero) = d.meaning(), d.meaning()
    other = max(scale, meaning[0] / 64), zero  # nothing leaves 32 bits
    x, y = d.x(shape, meaning), d.y(tuple(left), meaning if same else other)
    return d.finish(op, [x, d.ints("axes", axes)], y, keep_dims=keep)


@st.composite
def arguments(draw: DrawFn, op: str) -> bytes:
    d = Drawn(draw, ("int8",))
    shape = draw(IMAGES)
    axis = draw(st.integers(1, 3))
    y = d.model.tensor("y", shape[:axis] + shape[axis + 1 :], "int32")
    return d.finish(op, [d.x(shape), d.ints("axis", axis)], y, output_type="INT32")


@st.composite
def softmaxes(draw: DrawFn) -> bytes:
    source, target = draw(st.sampled_from((("int8", "int8"), ("int8", "int16"), ("int16", "int16"))))
    d = Drawn(draw, (source,))
    shape = draw(SHAPES)
    meanings = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}
    y = (1 / 65536, -32768) if (source, target) == ("int8", "int16") else meanings[target]
    scale, zero = d.meaning()
    beta = draw(st.sampled_from((1.0, 0.5, 2.0)))
    return d.finish("SOFTMAX", [d.x(shape, (scale / 2, zero))], d.y(shape, y, target), beta=beta)


@st.composite
def bilinears(draw: DrawFn) -> bytes:
    d = Drawn(draw, ("int8",))
    shape = draw(IMAGES)
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    corners, centers = draw(st.sampled_from(((False, False), (True, False), (False, True))))
    meaning = d.meaning()
    y = d.y((1, *size, shape[3]), meaning)
    inputs = [d.x(shape, meaning), d.ints("size", size)]
    return d.finish("RESIZE_BILINEAR", inputs, y, 3, align_corners=corners, half_pixel_centers=centers)


HALF16 = {"int16": (2.0**-15, 0)}
MODELS: dict[str, SearchStrategy[bytes]] = {
    "ABS": singles("ABS"),
    "ADD": pairs("ADD"),
    "ARG_MAX": arguments("ARG_MAX"),
    "ARG_MIN": arguments("ARG_MIN"),
    "AVERAGE_POOL_2D": pools("AVERAGE_POOL_2D"),
    "DEQUANTIZE": dequantizes(),
    "ELU": singles("ELU", ("int8",), version=1),
    "HARD_SWISH": hard_swishes(),
    "L2_NORMALIZATION": singles("L2_NORMALIZATION", ("int8",), {"int8": (1 / 128, 0)}),
    "LEAKY_RELU": singles(
        "LEAKY_RELU", options=lambda draw: {"alpha": draw(st.sampled_from((0.1, 0.3, 1.5, -0.2)))}
    ),
    "LOGISTIC": singles("LOGISTIC", y={"int8": (1 / 256, -128), **HALF16}),
    "LOG_SOFTMAX": singles("LOG_SOFTMAX", ("int8",), {"int8": (16 / 256, 127)}),
    "MAXIMUM": pairs("MAXIMUM", fused=False, same=True),
    "MAX_POOL_2D": pools("MAX_POOL_2D"),
    "MEAN": reductions("MEAN"),
    "MINIMUM": pairs("MINIMUM", fused=False, same=True),
    "MUL": multiplications(),
    "PRELU": prelus(),
    "QUANTIZE": quantizes(),
    "REDUCE_MAX": reductions("REDUCE_MAX", ("int8",), same=True),
    "REDUCE_MIN": reductions("REDUCE_MIN", ("int8",), same=True),
    "RELU": singles("RELU"),
    "RELU6": singles("RELU6"),
    "RESIZE_BILINEAR": bilinears(),
    "SOFTMAX": softmaxes(),
    "SQUARED_DIFFERENCE": squares(),
    "SUB": pairs("SUB"),
    "SUM": reductions("SUM"),
    "TANH": singles("TANH", y=HALF16),
}
