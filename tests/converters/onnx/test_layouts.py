"""Names, layouts and the batch: what a converted network's tensors are called, and how samples are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import Conversion, Layout, convert_model, read_model

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.onnx.builder import OnnxBuilder


def converted(b: OnnxBuilder) -> Conversion:
    return convert_model(read_model(b.build()), "ort")


def shapes(conversion: Conversion) -> dict[str, tuple[int, ...]]:
    return {name: spec.shape for name, spec in conversion.network.specs.items()}


def pooled(b: OnnxBuilder, shape: Any) -> str:
    return b.node("MaxPool", [b.input("x", shape, "uint8")], ["pooled"], kernel_shape=[1] * (len(shape) - 2))


def test_doors_have_the_files_axes_and_images_their_own() -> None:
    b = OnnxBuilder()
    b.output(b.node("Relu", [pooled(b, (1, 3, 4, 5))], ["y"]), "uint8")
    found = converted(b)
    assert shapes(found) == {
        "x": (3, 4, 5), "x/nhwc": (4, 5, 3), "pooled": (4, 5, 3), "y/nhwc": (4, 5, 3), "y": (3, 4, 5),
    }  # fmt: skip
    assert found.layouts["pooled"] is Layout.IMAGE
    assert found.layouts["y"] is Layout.PLAIN


def test_a_tensor_is_transposed_once() -> None:
    b = OnnxBuilder()
    x = pooled(b, (1, 3, 4, 5))
    for name in ("a", "b"):
        b.output(b.node("Flatten", [x], [name]), "uint8")
    names = list(converted(b).network.specs)
    assert names.count("pooled/nchw") == 1
    assert len(names) == 6


@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (1, 3, 1, 1), (1, 1, 5)])
def test_one_channel_or_one_place_is_reshaped_only(shape: Any) -> None:
    b = OnnxBuilder()
    b.output(pooled(b, shape), "uint8")
    ops = {node.op.name for node in converted(b).network.nodes}
    assert ops == {"reshape", "max_pool2d"}


def test_signals_are_images_of_one_row() -> None:
    b = OnnxBuilder()
    b.output(b.node("Relu", [pooled(b, (1, 3, 5))], ["y"]), "uint8")
    found = converted(b)
    assert shapes(found)["pooled"] == (1, 5, 3)
    x = np.arange(15, dtype=np.uint8).reshape(1, 3, 5)
    assert np.array_equal(run(found.network, x).outputs["y"], x)


def test_a_symbol_is_a_batch_of_any_size() -> None:
    b = OnnxBuilder()
    b.output(b.node("Flatten", [pooled(b, ("N", 2, 2, 2))], ["y"]), "uint8")
    found = converted(b)
    assert found.batch.symbol
    x = np.arange(24, dtype=np.uint8).reshape(3, 2, 2, 2)
    assert np.array_equal(run(found.network, x).outputs["y"], x.reshape(3, 8))


def test_samples_of_a_symbol_do_not_mix() -> None:
    b = OnnxBuilder()
    b.output(b.node("Transpose", [b.input("x", ("N", 4), "uint8")], ["y"], perm=[1, 0]), "uint8")
    with pytest.raises(ConversionError, match="samples must not mix"):
        converted(b)


def test_a_fixed_batch_that_mixes_is_one_sample() -> None:
    b = OnnxBuilder()
    b.output(b.node("Transpose", [b.input("x", (3, 4), "uint8")], ["y"], perm=[1, 0]), "uint8")
    found = converted(b)
    assert shapes(found) == {"x": (3, 4), "y": (4, 3)}


def test_codes_between_doors_are_named_as_the_quantized_tensor() -> None:
    b = OnnxBuilder()
    meaning = b.meaning("x", np.float32(0.5), 3, "uint8")
    real = b.node(
        "Reshape", [b.dequantize(b.input("x", (1, 4), "uint8"), meaning), b.constant("s", [1, 2, 2], "int64")]
    )
    codes = b.quantize(real, meaning, "codes")
    b.output(b.dequantize(codes, meaning, "y"), "float32")
    found = converted(b)
    assert [node.op.name for node in found.network.nodes] == ["reshape", "dequantize"]
    assert shapes(found) == {"x": (4,), "codes": (2, 2), "y": (2, 2)}


def test_what_an_output_stands_for_is_annotated() -> None:
    b = OnnxBuilder()
    x = b.input("x", (1, 2, 3, 3), "uint8")
    w = b.constant("w", np.ones((2, 2, 1, 1)), "int8")
    meanings = [b.meaning(name, np.float32(0.5), 3, "uint8") for name in "xy"]
    weights = b.meaning("w", np.array([0.25, 0.125]), [0, 0], "int8")
    b.output(b.node("QLinearConv", [x, *meanings[0], w, *weights, *meanings[1]], ["y"]), "uint8")
    specs = converted(b).network.specs
    sums = specs["y/accumulator"].quantization
    assert sums is not None
    assert sums.scale.tolist() == [0.125, 0.0625]
    assert sums.axis == 2
    image = specs["y/nhwc"].quantization
    assert image is not None
    assert (image.scale.tolist(), image.zero_point.tolist()) == ([0.5], [3])
