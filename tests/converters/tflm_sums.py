"""Single-operator models for TensorFlow Lite Micro, drawn by Hypothesis: sums of products.

`MODELS`: operator name -> strategy of .tflite bytes. Only types that the runtime has kernels for are drawn.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.converters.tflm_drawing import ANY_SCALE, IMAGES, SCALES, Drawn


@st.composite
def products(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    sx, sy = draw(ANY_SCALE), draw(ANY_SCALE)
    lead, rows, depth, columns = (draw(st.integers(1, 4)) for _ in range(4))
    adj_x, adj_y = draw(st.booleans()), draw(st.booleans())
    a = (1, lead, depth, rows) if adj_x else (1, lead, rows, depth)
    b = (1, lead, columns, depth) if adj_y else (1, lead, depth, columns)
    (_, zx), (_, zy), (_, zero) = d.meaning(), d.meaning(), d.meaning()
    spread = draw(st.floats(0.5, 100)) if d.type == "int8" else 4 * depth
    y = d.y((1, lead, rows, columns), (float(np.float32(sx * sy * spread)), zero))
    inputs = [d.x(a, (sx, zx), "a"), d.x(b, (sy, zy), "b")]
    return d.finish("BATCH_MATMUL", inputs, y, adj_x=adj_x, adj_y=adj_y)


@st.composite
def transposed(draw: DrawFn) -> bytes:
    d = Drawn(draw)
    depth, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size, kernel, stride = (tuple(draw(st.integers(1, 4)) for _ in range(2)) for _ in range(3))
    padding = draw(st.sampled_from(("SAME", "VALID")))
    out = [
        n * s if padding == "SAME" else (n - 1) * s + k for n, k, s in zip(size, kernel, stride, strict=True)
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sx, zx = d.meaning()
    scales = rng.uniform(0.002, 0.02, filters).astype(np.float32)
    shape = (filters, *kernel, depth)
    w = d.model.constant("w", rng.integers(-127, 127, shape, endpoint=True), "int8", scales.tolist(), 0)
    inputs = [d.ints("shape", [1, *out, filters]), w, d.x((1, *size, depth), (sx, zx))]
    if draw(st.booleans()):
        wide = "int64" if d.type == "int16" else "int32"
        biases = rng.integers(-1000, 1000, filters)
        inputs.append(d.model.constant("b", biases, wide, (scales * np.float32(sx)).tolist(), 0))
    y = d.y((1, *out, filters))
    return d.finish("TRANSPOSE_CONV", inputs, y, 3, padding=padding, stride_h=stride[0], stride_w=stride[1])


@st.composite
def convolutions(draw: DrawFn, op: str) -> bytes:
    """Per tensor or per channel, SAME; groups and windows are drawn in `test_fuzz_contraction`."""
    d = Drawn(draw)
    shape, channels = draw(IMAGES), draw(st.integers(1, 3))
    depth = shape[3] if op == "CONV_2D" else 1
    outputs = channels if op == "CONV_2D" else channels * shape[3]
    kernel = (outputs, 2, 3, depth) if op == "CONV_2D" else (1, 2, 3, outputs)
    (sx, zx), sw = d.meaning(), draw(SCALES)
    scales = [float(np.float32(sw / n)) for n in range(1, 1 + (outputs if draw(st.booleans()) else 1))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    axis = 0 if op == "CONV_2D" else 3
    w = d.model.constant("w", rng.integers(-127, 127, kernel, endpoint=True), "int8", scales, 0, axis=axis)
    wide = "int64" if d.type == "int16" else "int32"
    of_sums = [float(np.float32(scale) * np.float32(sx)) for scale in scales]
    b = d.model.constant("b", rng.integers(-3000, 3000, outputs), wide, of_sums, 0)
    spread = draw(st.floats(1.5, 100)) * (200 if d.type == "int16" else 1)
    y = d.y((*shape[:3], outputs), (float(np.float32(sx * sw * spread)), d.meaning()[1]))
    window = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "fused_activation_function": d.activation()}
    more = {} if op == "CONV_2D" else {"depth_multiplier": channels}
    return d.finish(op, [d.x(shape, (sx, zx)), w, b], y, 3, **window, **more)


@st.composite
def dense(draw: DrawFn) -> bytes:
    """Per tensor, where the multiplier is one product of scales."""
    d = Drawn(draw, ("int8",))
    (sx, zx), sw, depth = d.meaning(), draw(SCALES), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    w = d.model.constant("w", rng.integers(-128, 127, (4, depth), endpoint=True), "int8", sw, 0)
    b = d.model.constant(
        "b", rng.integers(-3000, 3000, 4), "int32", float(np.float32(sx) * np.float32(sw)), 0
    )
    y = d.y((2, 4), (float(np.float32(sx * sw * draw(st.floats(1.5, 100)))), d.meaning()[1]))
    return d.finish("FULLY_CONNECTED", [d.x((2, depth), (sx, zx)), w, b], y, 4)


MODELS: dict[str, SearchStrategy[bytes]] = {
    "BATCH_MATMUL": products(),
    "CONV_2D": convolutions("CONV_2D"),
    "DEPTHWISE_CONV_2D": convolutions("DEPTHWISE_CONV_2D"),
    "FULLY_CONNECTED": dense(),
    "TRANSPOSE_CONV": transposed(),
}
