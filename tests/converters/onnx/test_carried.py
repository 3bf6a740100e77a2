"""Moves between a DequantizeLinear and what it is fused with: those that ONNX Runtime carries it through, and
those that it does in float, against the runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import OnnxBuilder
from tests.converters.onnx.test_refusals import HALF, closed, image, refusal

CARRIED: dict[str, tuple[list[int], dict[str, Any]]] = {
    "Reshape": ([1, 3, 8, 4], {}),
    "Transpose": ([], {"perm": [0, 2, 3, 1]}),
    "Slice": ([1], {}),
    "MaxPool": ([], {"kernel_shape": [2, 2]}),
    "Identity": ([], {}),
    "Unsqueeze": ([1], {}),
}


@pytest.mark.parametrize("op", ["AveragePool", "GlobalAveragePool", "Softmax"])
@pytest.mark.parametrize("move", CARRIED)
def test_moves_that_the_runtime_carries_codes_through(move: str, op: str) -> None:
    numbers, attributes = CARRIED[move]
    for seed in range(5):
        b = OnnxBuilder(13)
        shape = (1, 4, 8) if move == "Unsqueeze" else (1, 3, 4, 8)
        meanings = [b.meaning("x", 0.05 + 0.03 * seed, 100 + seed, "uint8")]
        meanings.append(b.meaning("y", 1 / 256 if op == "Softmax" else 0.07, 7, "uint8"))
        x = b.dequantize(b.input("x", shape, "uint8"), meanings[0])
        if move == "Slice":
            inputs = [b.constant(name, [v], "int64") for name, v in (("a", 1), ("b", 4), ("c", 2))]
        else:
            inputs = [b.constant("s", numbers, "int64")] if numbers else []
        real = b.node(move, [x, *inputs], **attributes)
        real = b.node(op, [real], **({"kernel_shape": [2, 2]} if op == "AveragePool" else {}))
        b.output(b.quantize(real, meanings[1], "y"), "uint8")
        assert assert_agrees(b.build(), seed=seed) > 0


FLOAT_MOVES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("Pad", {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}, {}),
    ("Gather", {"indices": [1, 0]}, {"axis": 1}),
    ("Split", {"split": [2]}, {"axis": 1}),
    ("SpaceToDepth", {}, {"blocksize": 2}),
    ("Resize", {"roi": [], "scales": [1, 1, 2, 2]}, {"mode": "nearest"}),
    ("GlobalMaxPool", {}, {}),
]


IN_FLOAT = ", where the runtime computes in float. [Q1]"


@pytest.mark.parametrize("op", ["AveragePool", "GlobalAveragePool", "Softmax"])
@pytest.mark.parametrize(("move", "inputs", "given"), FLOAT_MOVES)
def test_moves_that_the_runtime_does_in_float(op: str, move: str, inputs: Any, given: Any) -> None:
    b = OnnxBuilder(13)
    kinds = {"roi": "float32", "scales": "float32"}
    names = [b.constant(name, np.array(v), kinds.get(name, "int64")) for name, v in inputs.items()]
    x = b.node(move, [b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8")), *names], **given)
    b = closed(b, b.node(op, [x], **({"kernel_shape": [1, 1]} if op == "AveragePool" else {})))
    (found,) = refusal(b)
    assert found.endswith(f"{move} between DequantizeLinear and {op}{IN_FLOAT}")


@pytest.mark.parametrize("op", ["Conv", "MatMul"])
def test_sums_behind_a_move_that_the_runtime_does_in_float(op: str) -> None:
    """A float convolution gives other codes at ties; dialect integer takes it."""
    b = OnnxBuilder(13)
    x = b.node("SpaceToDepth", [b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))], blocksize=2)
    w = b.constant("w", np.ones((4, 8, 1, 1) if op == "Conv" else (2, 2)), "int8")
    b = closed(b, b.node(op, [x, b.dequantize(w, b.meaning("w", HALF, 0, "int8"))]))
    (found,) = refusal(b)
    assert found.endswith(f"SpaceToDepth between DequantizeLinear and {op}{IN_FLOAT}")
    assert CONVERTER.convert(b.build(), "integer").nodes


def test_a_move_whose_codes_are_read_too() -> None:
    b = OnnxBuilder(13)
    meaning = b.meaning("x", HALF, 3, "uint8")
    moved = b.node("Transpose", [b.dequantize(image(b), meaning)], perm=[0, 2, 1, 3])
    b.output(b.quantize(moved, meaning, "z"), "uint8")
    (found,) = refusal(closed(b, b.node("Softmax", [moved])))
    assert found.endswith(f"Transpose between DequantizeLinear and Softmax{IN_FLOAT}")


@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("move", ["SpaceToDepth", "Gather", "Transpose"])
def test_two_tensors_are_the_runtimes_in_either_case(move: str, op: str) -> None:
    """Behind a move in float the runtime adds and multiplies floats; scales make ties, where that is seen."""
    shapes = {"SpaceToDepth": (1, 8, 4, 4), "Gather": (1, 2, 8, 8), "Transpose": (1, 2, 8, 8)}
    for seed in range(6):
        b = OnnxBuilder(13)
        scales = [np.float32(v) for v in ((0.1, 0.3), (0.7, 0.1), (0.3, 0.7))[seed % 3]]
        x = b.dequantize(b.input("x", (1, 2, 8, 8), "uint8"), b.meaning("x", scales[0], 3, "uint8"))
        if move == "Gather":
            x = b.node(move, [x, b.constant("i", [1, 0], "int64")], axis=1)
        else:
            x = b.node(move, [x], **({"blocksize": 2} if move == "SpaceToDepth" else {"perm": [0, 1, 3, 2]}))
        z = b.dequantize(b.input("z", shapes[move], "uint8"), b.meaning("z", scales[1], 5, "uint8"))
        y = b.meaning("y", scales[0] * (scales[1] * 50 if op == "Mul" else 4), 7 + seed, "uint8")
        b.output(b.quantize(b.node(op, [x, z]), y, "y"), "uint8")
        assert assert_agrees(b.build(), seed=seed) > 0
