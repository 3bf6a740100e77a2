"""Sums of branches, poolings, joins and movements, against QONNX' own execution; all carriers are exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from intsim_converters.qonnx import Conversion, convert_file

from intsim.formats import Bipolar, IntFormat
from tests.converters.qonnx.agree import assert_agrees, inputs_of
from tests.converters.qonnx.builder import QonnxBuilder
from tests.converters.qonnx.execution import Execution

RNG = np.random.default_rng(3)
IMAGE = (1, 4, 6, 6)


def image(b: QonnxBuilder, scale: float = 0.25, name: str = "x", bits: float = 4.0) -> str:
    """Codes of an image at a scale."""
    return b.quant(b.codes(IMAGE, "INT8", name), scale, bits)


def conv(b: QonnxBuilder, x: str, filters: int, depth: int = 4, kernel: int = 1) -> str:
    w = b.quant(b.floats(RNG.normal(0, 1, (filters, depth, kernel, kernel))), 0.125, 4.0, narrow=1)
    return b.node("Conv", [x, w], kernel_shape=[kernel, kernel])


def residual(b: QonnxBuilder) -> str:
    x = image(b)
    return b.quant(b.node("Add", [x, b.quant(conv(b, x, 4), 0.25, 5.0)]), 0.5, 4.0)


def residual_of_two_scales(b: QonnxBuilder) -> str:
    x = image(b)
    y = b.node("Sub", [b.quant(conv(b, x, 4), 0.0625, 6.0, 3.0), x])
    return b.quant(b.node("Relu", [y]), 0.5, 4.0, signed=0)


def maxima(b: QonnxBuilder) -> str:
    y = b.node("Mul", [conv(b, image(b), 3), b.floats(np.array([0.3, 0.7, 0.2]).reshape(1, 3, 1, 1))])
    y = b.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])
    return b.quant(y, 0.5, 4.0)


def maxima_with_borders(b: QonnxBuilder) -> str:
    return b.node("MaxPool", [image(b)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


def signs_of_maxima(b: QonnxBuilder) -> str:
    x = b.custom("BipolarQuant", [b.codes(IMAGE, "INT8"), b.floats(1.0)])
    return conv(b, b.node("MaxPool", [x], kernel_shape=[2, 2]), 2)


def average(b: QonnxBuilder) -> str:
    y = b.node("AveragePool", [image(b)], kernel_shape=[3, 3], strides=[1, 2])
    return b.quant(y, 0.25, 4.0)


def average_with_borders(b: QonnxBuilder) -> str:
    pads = {"pads": [1, 0, 1, 0], "count_include_pad": 1}
    y = b.node("AveragePool", [b.quant(b.codes(IMAGE, "INT8"), 0.5, 6.0, 2.0)], kernel_shape=[2, 3], **pads)
    return b.quant(y, 0.25, 6.0)


def truncated_average(b: QonnxBuilder) -> str:
    """As Brevitas exports a truncating average: the sum again, truncated to the input's bits."""
    x = b.quant(b.codes(IMAGE, "UINT8"), 0.25, 4.0, signed=0)
    y = b.node("Mul", [b.node("AveragePool", [x], kernel_shape=[4, 4]), b.floats(16.0)])
    return b.custom(
        "Trunc", [y, *(b.floats(value) for value in (0.25, 0.0, 8.0, 4.0))], rounding_mode="FLOOR"
    )


def global_average(b: QonnxBuilder) -> str:
    y = b.node("GlobalAveragePool", [b.quant(b.codes(IMAGE, "INT8"), 0.25, 4.0, 1.0)])
    y = b.quant(y, 0.125, 5.0)
    w = b.annotate(b.floats(RNG.integers(-1, 2, (4, 3))), "TERNARY")
    return b.node("MatMul", [b.node("Flatten", [y]), w])


def mean(b: QonnxBuilder) -> str:
    return b.quant(b.node("ReduceMean", [image(b)], axes=[2, 3], keepdims=0), 0.125, 5.0)


def joined(b: QonnxBuilder) -> str:
    x = image(b)
    parts = [b.node("Relu", [conv(b, x, filters)]) for filters in (2, 3)]
    return b.quant(b.node("Concat", parts, axis=1), 0.5, 4.0)


def joined_of_two_formats(b: QonnxBuilder) -> str:
    x = b.codes(IMAGE, "INT8")
    parts = [b.quant(x, scale, bits) for scale, bits in ((0.25, 4.0), (0.5, 3.0))]
    return b.quant(b.node("Concat", parts, axis=1), 1.0, 3.0)


def blocks_first(b: QonnxBuilder) -> str:
    y = b.node("Mul", [image(b), b.floats(np.array([0.3, 0.7, 0.2, 1]).reshape(1, 4, 1, 1))])
    return b.quant(b.node("DepthToSpace", [b.quant(y, 0.5, 3.0)], blocksize=2, mode="DCR"), 0.5, 2.0)


def blocks_last(b: QonnxBuilder) -> str:
    return b.node("DepthToSpace", [conv(b, image(b), 8)], blocksize=2, mode="CRD")


def flattened_by_channel(b: QonnxBuilder) -> str:
    """Parameters per channel become parameters per feature."""
    y = b.node("Mul", [conv(b, image(b), 3), b.floats(np.array([0.3, -0.7, 0.2]).reshape(1, 3, 1, 1))])
    y = b.quant(b.node("Reshape", [y, b.whole(1, -1)]), 0.5, 4.0)
    return b.node("MatMul", [y, b.annotate(b.floats(RNG.integers(-2, 2, (108, 5))), "INT2")])


def squeezed(b: QonnxBuilder) -> str:
    """As FINN has a batch norm behind a product."""
    x = b.codes((1, 12), "BIPOLAR")
    y = b.node("MatMul", [x, b.annotate(b.floats(RNG.choice([-1, 1], (12, 6))), "BIPOLAR")])
    y = b.node("Unsqueeze", [y, b.whole(2)])
    numbers = [RNG.normal(0, 1, 6), RNG.normal(0, 1, 6), RNG.normal(0, 4, 6), RNG.uniform(1, 9, 6)]
    y = b.node("BatchNormalization", [y, *(b.floats(values) for values in numbers)], epsilon=0.5)
    return b.thresholds(b.node("Squeeze", [y, b.whole(2)]), [[0.0]], out_scale=2.0, out_bias=-1.0)


def channels_last(b: QonnxBuilder) -> str:
    """As FINN has images behind its first layers."""
    y = b.node("Transpose", [conv(b, image(b), 3)], perm=[0, 2, 3, 1])
    y = b.thresholds(y, np.sort(RNG.normal(0, 4, (3, 3)), axis=1), data_layout="NHWC", out_dtype="UINT2")
    y = b.node("Transpose", [y], perm=[0, 3, 1, 2])
    return conv(b, y, 2, 3)


def turned(b: QonnxBuilder) -> str:
    y = b.node("Transpose", [image(b)], perm=[0, 3, 1, 2])
    return b.quant(conv(b, y, 2, 6), 0.25, 4.0)


def bordered(b: QonnxBuilder) -> str:
    y = b.node("Pad", [conv(b, image(b), 3), b.whole(0, 0, 1, 2, 0, 0, 0, 1), b.floats(0.5)])
    return b.quant(y, 0.25, 4.0)


def bordered_signs(b: QonnxBuilder) -> str:
    """What hardware without a zero pads with."""
    x = b.custom("BipolarQuant", [b.codes(IMAGE, "INT8"), b.floats(1.0)])
    y = b.node("Pad", [x, b.whole(0, 0, 1, 1, 0, 0, 1, 1), b.floats(-1.0)])
    w = b.annotate(b.floats(RNG.choice([-1, 1], (5, 4, 3, 3))), "BIPOLAR")
    return b.node("Conv", [y, w], kernel_shape=[3, 3])


def offset(b: QonnxBuilder) -> str:
    """Float steps that are a scale and a zero point, as FINN has them behind thresholds."""
    x = b.thresholds(b.codes(IMAGE, "INT8"), [[-8.0, -2.0, 3.0]], out_dtype="UINT2")
    y = b.node("Mul", [b.node("Sub", [x, b.floats(2.0)]), b.floats(0.5)])
    return conv(b, b.node("Div", [y, b.floats(4.0)]), 3)


def places(b: QonnxBuilder) -> str:
    y = conv(b, image(b), 6)
    y = b.node("Mul", [b.node("GlobalAveragePool", [y]), b.floats(-0.3)])
    return b.node("ArgMax", [b.node("Flatten", [y])], axis=1)


def signals(b: QonnxBuilder) -> str:
    x = b.quant(b.codes((1, 3, 9), "INT8"), np.array([0.5, 0.25, 1]).reshape(1, 3, 1), 4.0)
    w = b.quant(b.floats(RNG.normal(0, 1, (6, 1, 3))), 0.25, 3.0, narrow=1)
    y = b.node("Conv", [x, w], kernel_shape=[3], group=3, pads=[2, 0], strides=[2])
    return b.quant(y, 0.5, 4.0)


def ties_of_floats(b: QonnxBuilder) -> str:
    """float32(3 * 0.3) / 0.2 is 4.5, which is no tie in exact arithmetic."""
    return b.quant(b.quant(b.codes(IMAGE, "INT8"), 0.3, 4.0), 0.2, 6.0)


def tied_places(b: QonnxBuilder) -> str:
    """Sums that become one float32 are tied, and the first is taken."""
    y = b.node("Flatten", [b.node("GlobalAveragePool", [conv(b, image(b), 6)])])
    y = b.node("Mul", [b.node("Add", [y, b.floats(2.0**24)]), b.floats(3.0)])
    return b.node("ArgMax", [y], axis=1)


def turned_weights(b: QonnxBuilder) -> str:
    """As Brevitas exports a linear layer: weights quantized, then transposed; a bias of the sums' scale."""
    x = b.quant(b.codes((1, 12), "INT8"), 0.25, 4.0)
    scale = np.array([0.5, 0.25, 1.0], np.float32)
    w = b.quant(b.floats(RNG.normal(0, 1, (3, 12))), scale.reshape(3, 1), 4.0, narrow=1)
    y = b.node("MatMul", [x, b.node("Transpose", [w], perm=[1, 0])])
    return b.quant(b.node("Add", [y, b.quant(b.floats(RNG.normal(0, 9, 3)), scale / 4, 16.0)]), 1.0, 5.0)


def clipped_weights(b: QonnxBuilder) -> str:
    """QCDQ throughout."""
    scale = b.meaning("x", 0.5, 3, "uint8")
    x = b.dequantize(b.quantize(b.codes(IMAGE, "INT8", "image"), scale), scale)
    meaning = b.meaning("w", [0.25, 0.5, 0.125], np.zeros(3), "int8")
    w = b.quantize(b.floats(RNG.normal(0, 1, (3, 4, 1, 1))), meaning, axis=0)
    w = b.node("Clip", [w, b.constant("low", -1, "int8"), b.constant("high", 1, "int8")])
    y = b.node("Conv", [x, b.dequantize(w, meaning, axis=0)], kernel_shape=[1, 1])
    last = b.meaning("y", 1.0, 0, "int8")
    return b.dequantize(b.quantize(y, last), last)


def two_samples(b: QonnxBuilder) -> str:
    x = b.quant(b.codes((2, 3, 4, 4), "INT8"), 0.25, 4.0)
    y = b.node("Mul", [conv(b, x, 4, 3), b.floats(np.array([1, -0.3, 0.7, 2]).reshape(1, 4, 1, 1))])
    y = b.node("Flatten", [b.quant(y, 0.5, 4.0)])
    return b.node("MatMul", [y, b.annotate(b.floats(RNG.integers(-2, 2, (64, 5))), "INT2")])


STRUCTURES: list[Callable[[QonnxBuilder], str]] = [
    residual, residual_of_two_scales, maxima, maxima_with_borders, signs_of_maxima, average,
    average_with_borders, truncated_average, global_average, mean, joined, joined_of_two_formats,
    blocks_first, blocks_last, flattened_by_channel, squeezed, channels_last, turned, bordered,
    bordered_signs, offset, places, signals, ties_of_floats, tied_places,
    turned_weights, clipped_weights, two_samples,
]  # fmt: skip
PLACES = (places, tied_places)


def converted(structure: Callable[[QonnxBuilder], str]) -> tuple[Conversion, Execution]:
    b = QonnxBuilder()
    data = b.finish(structure(b), dtype="int64" if structure in PLACES else "float32")
    return convert_file(data), Execution(data)


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.__name__)
def test_every_integer(structure: Callable[[QonnxBuilder], str]) -> None:
    conversion, execution = converted(structure)
    assert_agrees(conversion, execution, inputs_of(conversion, execution, 5, seed=1), 8, engine="reference")


def test_images_are_transposed_at_the_doors_only() -> None:
    conversion, _ = converted(channels_last)
    ops = [node.op.name for node in conversion.network.nodes]
    assert ops == ["requantize", "transpose", "conv2d", "requantize", "conv2d", "transpose"]


def test_what_cancels_is_no_node() -> None:
    conversion, _ = converted(squeezed)
    assert [node.op.name for node in conversion.network.nodes] == ["dense", "requantize"]
    assert conversion.network.specs[conversion.network.outputs[0]].format == Bipolar()


def test_a_concat_holds_both_formats() -> None:
    conversion, _ = converted(joined_of_two_formats)
    formats = [entry.format for entry in conversion.network.specs.values()]
    assert IntFormat(3) in formats
    assert formats.count(IntFormat(4)) >= 2


def test_a_bias_of_the_sums_scale_is_in_the_sum() -> None:
    """Whatever the scales: integers stay integers."""
    b = QonnxBuilder()
    scales = np.float32(0.3), np.float32(0.07)
    x = b.quant(b.codes((1, 8), "INT8"), scales[0], 4.0)
    w = b.quant(b.floats(RNG.normal(0, 0.1, (8, 2))), scales[1], 4.0, narrow=1)
    y = b.node("Gemm", [x, w, b.quant(b.floats([0.5, -0.9]), scales[0] * scales[1], 16.0)])
    network = convert_file(b.finish(y)).network
    (dense,) = (node.op for node in network.nodes if node.op.name == "dense")
    assert dense.bias.tolist() == [round(0.5 / 0.021), round(-0.9 / 0.021)]


def test_a_batch_with_a_symbol_is_the_same_network() -> None:
    def made(batch: int | str) -> Conversion:
        b = QonnxBuilder()
        x = b.annotate(b.input("x", (batch, 2, 4, 4), "float32"), "INT8")
        y = b.node("Relu", [b.node("Mul", [x, b.floats(0.3)])])
        return convert_file(b.finish(b.node("Flatten", [b.quant(y, 0.5, 4.0)])))

    assert made("N").network == made(1).network
    assert made("N").batch.strict


def small_variance(b: QonnxBuilder) -> str:
    """An epsilon that doubles what a batch norm takes for the variance, and more."""
    numbers = (b.floats(np.full(4, value)) for value in (1.0, 0.5, 0.0, 0.25))
    y = b.node("BatchNormalization", [conv(b, image(b), 4), *numbers], epsilon=0.75)
    return b.quant(y, 0.25, 6.0)


def test_an_epsilon_of_weight() -> None:
    test_every_integer(small_variance)


def test_floats_lost_in_one_sum_are_missing_in_the_next() -> None:
    """The second product has one term for each sum of the first, which float32 makes of 64."""
    b = QonnxBuilder()
    w = b.quant(b.floats(RNG.normal(0, 1, (64, 2))), 0.1, 4.0, narrow=1)
    first = b.node("MatMul", [b.codes((1, 64), "INT8"), w])
    second = b.node("MatMul", [first, b.annotate(b.floats(np.eye(2)), "INT2")])
    tensors = convert_file(b.finish(b.quant(second, 0.7, 8.0))).tensors
    assert tensors[first].error.min() > 0
    assert tensors[first].error.max() <= tensors[second].error.min() < 3 * tensors[first].error.max()
