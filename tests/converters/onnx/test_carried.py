"""Moves between a DequantizeLinear and what it is fused with: those that ONNX Runtime carries it through, and
those that it does in float, against the runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER

from intsim.errors import ConversionError
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


class Chain:
    """x between DequantizeLinear and some moves, some of which are read by others too."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.b = OnnxBuilder(draw(st.sampled_from((11, 12, 13, 18))))
        self.shape, self.names, self.others = [1, 4, 8, 8], 0, 0
        self.scale = draw(st.sampled_from(SCALES))
        self.meaning = self.b.meaning("x", self.scale, 3, "uint8")
        self.real = self.b.dequantize(self.b.input("x", tuple(self.shape), "uint8"), self.meaning)
        for move in draw(st.lists(st.sampled_from(sorted(CHAINED)), max_size=3)):
            self.move(move)
            if draw(st.integers(0, 4)) == 0:
                self.read(draw(st.sampled_from((None, "Abs"))))

    def ints(self, values: list[int]) -> str:
        self.names += 1
        return self.b.constant(f"c{self.names}", values, "int64")

    def move(self, move: str) -> None:
        found = CHAINED[move](*self.shape[1:])
        if found is not None:
            self.shape, inputs, attributes = [1, *found[0]], found[1], found[2]
            self.real = self.b.node(move, [self.real, *map(self.ints, inputs)], **attributes)

    def read(self, function: str | None) -> None:
        """A QuantizeLinear reads what is moved, or a function of it."""
        real = self.b.node(function, [self.real]) if function else self.real
        self.others += 1
        self.b.output(self.b.quantize(real, self.meaning, f"other{self.others}"), "uint8")


SCALES = [np.float32(v) for v in (0.1, 0.3, 0.7)]
CHAINED: dict[str, Any] = {
    "Reshape": lambda c, h, w: ((c, w, h), [[1, c, w, h]], {}),
    "Transpose": lambda c, h, w: ((c, w, h), [], {"perm": [0, 1, 3, 2]}),
    "MaxPool": lambda c, h, w: ((c, h - 1, w - 1), [], {"kernel_shape": [2, 2]}) if min(h, w) > 2 else None,
    "Slice": lambda c, h, w: ((c, h - 1, w), [[1], [h], [2]], {}) if h > 2 else None,
    "Identity": lambda c, h, w: ((c, h, w), [], {}),
    "Dropout": lambda c, h, w: ((c, h, w), [], {}),
    "Gather": lambda c, h, w: ((2, h, w), [[1, 0]], {"axis": 1}),
    "SpaceToDepth": lambda c, h, w: (
        None if h % 2 or w % 2 else ((c * 4, h // 2, w // 2), [], {"blocksize": 2})
    ),
    "Pad": lambda c, h, w: ((c, h + 1, w + 1), [[0, 0, 1, 0, 0, 0, 0, 1]], {}),
}
"""Move -> (channels, height, width) to what they become, inputs, attributes; None where it does not fit."""


@st.composite
def chains(draw: st.DrawFn, op: str) -> bytes:
    chain = Chain(draw)
    b, other, scale = chain.b, draw(st.sampled_from(SCALES)), chain.scale
    inputs, attributes = [chain.real], {}
    if op in ("Add", "Mul"):
        z = b.input("z", tuple(chain.shape), "uint8")
        inputs.append(b.dequantize(z, b.meaning("z", other, 5, "uint8")))
        scale = scale * (other * 50 if op == "Mul" else 4)
    elif op == "Conv":
        weights = np.arange(3 * chain.shape[1]).reshape(3, -1, 1, 1) % 7 - 3
        w = b.constant("w", weights, "int8")
        inputs.append(b.dequantize(w, b.meaning("w", other, 0, "int8")))
        scale = scale * other * 2
    elif op == "AveragePool":
        attributes["kernel_shape"] = [2, 2]
    b.output(b.quantize(b.node(op, inputs, **attributes), b.meaning("y", scale, 7, "uint8"), "y"), "uint8")
    return b.build()


@pytest.mark.parametrize("op", ["Add", "Mul", "Conv", "AveragePool"])
def test_every_integer_behind_moves_is_the_runtimes(op: str) -> None:
    """Or the move is refused; output scales make ties, where integers and floats part."""

    @settings(max_examples=40)
    @given(chains(op))
    def check(data: bytes) -> None:
        try:
            assert assert_agrees(data, count=2) > 0
        except ConversionError as error:
            assume("[Q1]" not in str(error))
            raise

    check()
