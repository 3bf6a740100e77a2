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


IMAGE = (1, 6, 6, 4)


def many_operators() -> bytes:
    """One operator of each kind on the same image, each with an output of the graph."""
    m = ModelBuilder()
    x = m.input("x", IMAGE, "int8", 0.05, -4)

    def ints(values: list) -> Tensor:
        return m.constant(f"ints{len(m._tensors)}", np.array(values, np.int32), "int32")

    def one(op: str, inputs: list[Tensor], shape: tuple[int, ...] = IMAGE, version: int = 1, **more) -> None:
        scale, zero = more.pop("scale", 0.05), more.pop("zero", -4)
        y = m.tensor(f"{op} {len(m._tensors)}", shape, more.pop("dtype", "int8"), scale, zero)
        m.operator(op, inputs, [y], version=version, **more)
        m.output(y)

    none = {"fused_activation_function": "NONE"}
    border = [[0, 0], [1, 1], [1, 2], [0, 0]]
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
    pool = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2, "padding": "VALID", **none}
    one("PAD", [x, ints(border)], (1, 8, 9, 4))
    one("MIRROR_PAD", [x, ints(border)], (1, 8, 9, 4), mode="REFLECT")
    one("TRANSPOSE", [x, ints([0, 2, 1, 3])])
    one("CONCATENATION", [x, x], (1, 6, 6, 8), axis=3, **none)
    one("MEAN", [x, ints([1, 2])], (1, 4), keep_dims=False)
    one("REDUCE_MAX", [x, ints([1, 2])], (1, 4), keep_dims=False)
    one("MAX_POOL_2D", [x], (1, 3, 3, 4), **pool)
    one("AVERAGE_POOL_2D", [x], (1, 3, 3, 4), **pool)
    one("RESIZE_BILINEAR", [x, ints([12, 12])], (1, 12, 12, 4), half_pixel_centers=True)
    one("RESIZE_NEAREST_NEIGHBOR", [x, ints([12, 12])], (1, 12, 12, 4))
    slices = [ints(values) for values in ([0, 0, 0, 0], [1, 3, 4, 4], [1, 1, 2, 1])]
    one("STRIDED_SLICE", [x, *slices], (1, 3, 2, 4), **masks)
    one("SLICE", [x, ints([0, 1, 1, 0]), ints([1, 3, 4, -1])], (1, 3, 4, 4))
    one("SPACE_TO_DEPTH", [x], (1, 3, 3, 16), block_size=2)
    one("DEPTH_TO_SPACE", [x], (1, 12, 12, 1), block_size=2)
    one("TILE", [x, ints([1, 1, 2, 1])], (1, 6, 12, 4))
    one("GATHER", [x, ints([1, 3, 0])], (1, 3, 6, 4), axis=1, batch_dims=0)
    one("MUL", [x, x], version=2, **none)
    one("SUB", [x, x], version=2, **none)
    one("MAXIMUM", [x, x], version=2)
    one("LEAKY_RELU", [x], version=2, alpha=0.2)
    one("LOGISTIC", [x], version=2, scale=1 / 256, zero=-128)
    one("TANH", [x], version=2, scale=1 / 128, zero=0)
    one("HARD_SWISH", [x])
    one("QUANTIZE", [x], scale=0.1, zero=5)
    one("ARG_MAX", [x, ints([3])], (1, 6, 6), scale=None, dtype="int32", zero=0, output_type="INT32")
    one("L2_NORMALIZATION", [x], version=2, scale=1 / 128, zero=0, **none)
    one("LOG_SOFTMAX", [x], version=2, scale=16 / 256, zero=127)
    one("PACK", [x, x], (1, 2, 6, 6, 4), axis=1, values_count=2)
    kernel = [ints([1, 12, 12, 3]), weights(m, "transposed/w", (3, 3, 3, 4)), x, bias(m, "transposed/b", 3)]
    one("TRANSPOSE_CONV", kernel, (1, 12, 12, 3), 3, stride_h=2, stride_w=2, padding="SAME", **none)
    return m.build()
