"""Small .tflite models for tests of the reader and of refusals."""

from __future__ import annotations

import numpy as np

from tests.zoo.tflite_builder import ModelBuilder, Tensor

CONV = {"stride_h": 1, "stride_w": 1, "padding": "SAME", "fused_activation_function": "NONE"}


def weights(m: ModelBuilder, name: str, shape: tuple[int, ...], axis: int = 0, dtype: str = "int8") -> Tensor:
    """Weights with one scale per channel."""
    high = {"int8": 127, "int4": 7, "int2": 1}[dtype]
    codes = np.random.default_rng(len(name)).integers(-high, high, shape, endpoint=True)
    scales = np.linspace(0.01, 0.02, shape[axis])
    return m.constant(name, codes, dtype, scales.tolist(), 0, axis=axis)


def bias(m: ModelBuilder, name: str, channels: int) -> Tensor:
    scales = np.linspace(0.01, 0.02, channels) * 0.05
    return m.constant(name, np.arange(channels) * 10, "int32", scales.tolist(), 0)


def conv(m: ModelBuilder, x: Tensor, name: str, channels: int, dtype: str = "int8") -> Tensor:
    """CONV_2D, 3 x 3, SAME."""
    depth = x.shape[-1]
    y = m.tensor(name, (*x.shape[:-1], channels), "int8", 0.05, 3)
    w = weights(m, f"{name}/w", (channels, 3, 3, depth), dtype=dtype)
    m.operator("CONV_2D", [x, w, bias(m, f"{name}/b", channels)], [y], version=3, **CONV)
    return y


def classifier() -> bytes:
    """A network with the operators of a small classifier, in one graph."""
    m = ModelBuilder("a small classifier")
    x = m.input("x", (1, 8, 8, 3), "int8", 0.05, -4, shape_signature=(-1, 8, 8, 3))
    a = conv(m, x, "conv", 4)
    d = m.tensor("depthwise", (1, 4, 4, 4), "int8", 0.05, 3)
    options = {**CONV, "stride_h": 2, "stride_w": 2, "depth_multiplier": 1}
    w = weights(m, "depthwise/w", (1, 3, 3, 4), axis=3)
    m.operator("DEPTHWISE_CONV_2D", [a, w, bias(m, "depthwise/b", 4)], [d], version=3, **options)
    e = conv(m, d, "packed", 4, "int4")
    s = m.tensor("sum", (1, 4, 4, 4), "int8", 0.06, 1)
    m.operator("ADD", [d, e], [s], version=2, fused_activation_function="RELU")
    p = m.tensor("pooled", (1, 2, 2, 4), "int8", 0.06, 1)
    pool = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2, "padding": "VALID"}
    m.operator("AVERAGE_POOL_2D", [s], [p], version=2, fused_activation_function="NONE", **pool)
    flat = m.tensor("flat", (1, 16), "int8", 0.06, 1)
    m.operator("RESHAPE", [p, m.constant("shape", np.array([1, 16], np.int32), "int32")], [flat])
    logits = m.tensor("logits", (1, 5), "int8", 0.3, 0)
    w = weights(m, "dense/w", (5, 16))
    m.operator(
        "FULLY_CONNECTED",
        [flat, w, bias(m, "dense/b", 5)],
        [logits],
        version=9,
        fused_activation_function="NONE",
    )
    y = m.tensor("y", (1, 5), "int8", 1 / 256, -128)
    m.operator("SOFTMAX", [logits], [y], version=2, beta=1.0)
    m.output(y)
    return m.build()


def one_conv() -> bytes:
    """The smallest network: one convolution."""
    m = ModelBuilder()
    m.output(conv(m, m.input("x", (1, 5, 5, 2), "int8", 0.05, -4), "y", 3))
    return m.build()
