"""Reals at the ends of a graph that are moved: an input before it is quantized, by whomever, and an output
after it is dequantized. It is their codes that are moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.errors import ConversionError
from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import OnnxBuilder

SHAPE = (1, 4, 6, 6)


def moved(b: OnnxBuilder, x: str, op: str) -> str:
    """x by one of the operators that move."""
    extra: dict[str, Any] = {
        "Transpose": {"perm": [0, 2, 3, 1]},
        "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]},
        "DepthToSpace": {"blocksize": 2},
    }
    inputs = {
        "Reshape": ("shape", [0, -1]),
        "Squeeze": ("axes", [0]),
        "Unsqueeze": ("axes", [2]),
    }
    parts = [x]
    if op in inputs:
        name, values = inputs[op]
        parts.append(b.constant(f"{name}{len(b.model().graph.node)}", np.array(values), "int64"))
    return b.node(op, parts, **extra.get(op, {}))


MOVES = pytest.mark.parametrize(
    "moves",
    [
        ("Reshape",),
        ("Transpose",),
        ("MaxPool", "Flatten"),
        ("Transpose", "Reshape"),
        ("Identity", "DepthToSpace"),
        ("Unsqueeze", "Identity"),
    ],
)


@MOVES
@pytest.mark.parametrize("relu", [False, True])
def test_an_input_is_moved(moves: tuple[str, ...], relu: bool) -> None:
    b = OnnxBuilder()
    x = b.input("x", SHAPE, "float32")
    for op in (*moves, *("Relu",) * relu):
        x = moved(b, x, op)
    for name, scale, zero, dtype in (("y", 2.25, 3, "uint8"), ("z", 1.03, -7, "int8")):
        b.output(b.quantize(x, b.meaning(name, np.float32(scale), zero, dtype), name), dtype)
    assert assert_agrees(b.build(), count=4) > 0


@MOVES
def test_an_output_is_moved(moves: tuple[str, ...]) -> None:
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", SHAPE, "int8"), b.meaning("x", np.float32(0.3), -7, "int8"))
    for op in moves:
        x = moved(b, x, op)
        b.output(x, "float32")
    assert assert_agrees(b.build()) > 0


def refusal(b: OnnxBuilder) -> str:
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(b.build())
    return str(caught.value)


def test_several_scales_would_have_to_move_too() -> None:
    b = OnnxBuilder()
    x = moved(b, b.input("x", SHAPE, "float32"), "Transpose")
    meaning = b.meaning("y", np.full(4, 0.5, np.float32), np.zeros(4), "uint8")
    b.output(b.quantize(x, meaning, "y", axis=3), "uint8")
    assert "scale must be one where the graph input is moved in front" in refusal(b)


def test_a_border_of_reals_is_refused() -> None:
    b = OnnxBuilder()
    parts = [b.input("x", SHAPE, "float32"), b.constant("p", np.array([0, 0, 1, 1, 0, 0, 1, 1]), "int64")]
    x = b.node("Pad", parts)
    b.output(b.quantize(x, b.meaning("y", np.float32(0.5), 3, "uint8"), "y"), "uint8")
    assert "'x' must be quantized by a QuantizeLinear before it is computed with" in refusal(b)


def test_a_function_at_the_end_is_refused() -> None:
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", SHAPE, "int8"), b.meaning("x", np.float32(0.3), -7, "int8"))
    b.output(b.node("Sigmoid", [x], ["y"]), "float32")
    assert "'y' must be quantized, being a function of what a code stands for" in refusal(b)
