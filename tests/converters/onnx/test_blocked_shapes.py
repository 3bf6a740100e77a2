"""Weights with scales in blocks beside inputs of every rank, with and without a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from tests.converters.onnx.builder import OnnxBuilder
from tests.converters.onnx.test_blocked import inputs, product


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 3, 4), ("n", 4), ("n", 3, 4), (5, 3, 4)])
def test_inputs_of_every_rank(shape: tuple[Any, ...]) -> None:
    made = product(3, "MatMul", depth=4, length=3, columns=6)
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", shape, "uint8"), b.meaning("x", made.x_scale, made.x_zero, "uint8"))
    w = [b.constant("w", made.weights, "uint4"), *b.meaning("w", made.scale, made.zero, "uint4")]
    real = b.node("MatMul", [x, b.node("DequantizeLinear", w, axis=-2, block_size=3)])
    b.output(b.quantize(real, b.meaning("y", made.y_scale, made.y_zero, "uint8"), "y"), "uint8")
    made.rows = 15
    rows = inputs(made, 0)
    sizes = [2 if size == "n" else size for size in shape]
    given = rows.ravel()[: int(np.prod(sizes))].reshape(sizes)
    wanted = made.codes(given.reshape(-1, 4))
    network = CONVERTER.convert(b.build(), "integer")
    found = run(network, given if len(sizes) > 1 else given[None]).outputs["y"]
    assert np.array_equal(found.reshape(-1, 6), wanted)


@pytest.mark.parametrize("shape", [(3, 4, 2, 5), ("n", 4, 2, 5), ("n", 4, 3), (1, 4, 1, 1)])
def test_images_of_every_batch(shape: tuple[Any, ...]) -> None:
    """Pixels are rows: a convolution of one by one is the product of its channels."""
    made = product(4, "MatMul", depth=4, length=3, columns=6)
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", shape, "uint8"), b.meaning("x", made.x_scale, made.x_zero, "uint8"))
    tail = (1,) * (len(shape) - 2)
    parts = [part.T.reshape(*part.T.shape, *tail) for part in (made.weights, made.scale, made.zero)]
    w = [b.constant("w", parts[0], "uint4"), *b.meaning("w", parts[1], parts[2], "uint4")]
    real = b.node("Conv", [x, b.node("DequantizeLinear", w, axis=1, block_size=3)])
    b.output(b.quantize(real, b.meaning("y", made.y_scale, made.y_zero, "uint8"), "y"), "uint8")
    given = np.random.default_rng(0).integers(0, 256, [2 if size == "n" else size for size in shape])
    found = run(CONVERTER.convert(b.build(), "integer"), given.astype(np.uint8)).outputs["y"]
    wanted = made.codes(np.moveaxis(given, 1, -1).reshape(-1, 4))
    assert np.array_equal(np.moveaxis(found, 1, -1).reshape(-1, 6), wanted)
