"""The dialect single-rounding against TFLITE_SINGLE_ROUNDING's formula, in Python ints and fractions.

No wheel is built so; the formula is (x * M + 2**(30 - s)) >> (31 - s), from LiteRT's common.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER

from intsim.engine import run
from tests.converters.elementwise_models import meanings, values
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

Meaning = tuple[float, int]
seeds = st.integers(0, 2**32)
few = settings(max_examples=max(settings.default.max_examples // 2, 5))


def scale(x: int, ratio: float) -> int:
    """x times a ratio: a 31-bit multiplier, one shift, ties up."""
    mantissa, shift = math.frexp(abs(ratio))
    multiplier = math.floor(Fraction(mantissa) * 2**31 + Fraction(1, 2))
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    return math.floor(Fraction(x * multiplier) * Fraction(2) ** (shift - 31) + Fraction(1, 2))


def f32(value: Any) -> float:
    return float(np.float32(value))


def summed(sign: int, a: int, b: int, x: Meaning, w: Meaning, y: Meaning) -> int:
    larger = 2 * max(x[0], w[0])
    left = scale((a - x[1]) << 20, x[0] / larger)
    right = scale((b - w[1]) << 20, w[0] / larger)
    return scale(left + sign * right, larger / (2**20 * y[0])) + y[1]


def squared(a: int, b: int, x: Meaning, w: Meaning, y: Meaning) -> int:
    larger = 2 * max(x[0], w[0])
    difference = scale((a - x[1]) << 7, x[0] / larger) - scale((b - w[1]) << 7, w[0] / larger)
    return scale(difference**2, larger**2 / (2**14 * y[0])) + y[1]


def multiplied(a: int, b: int, x: Meaning, w: Meaning, y: Meaning) -> int:
    ratio = f32(np.float32(x[0]) * np.float32(w[0]) / np.float32(y[0]))
    return scale((a - x[1]) * (b - w[1]), ratio) + y[1]


BINARY: dict[str, Callable[..., int]] = {
    "ADD": lambda *given: summed(1, *given),
    "SUB": lambda *given: summed(-1, *given),
    "SQUARED_DIFFERENCE": squared,
    "MUL": multiplied,
}


def relu(a: int, x: Meaning, y: Meaning) -> int:
    return max(scale(a - x[1], f32(np.float32(x[0]) / np.float32(y[0]))) + y[1], y[1])


def leaky(a: int, x: Meaning, y: Meaning) -> int:
    slope = f32(np.float32(x[0]) * np.float32(0.3) / np.float32(y[0]))
    straight = f32(np.float32(x[0]) / np.float32(y[0]))
    return scale(a - x[1], straight if a >= x[1] else slope) + y[1]


def magnitude(a: int, x: Meaning, y: Meaning) -> int:
    return scale(abs(a - x[1]), f32(np.float32(x[0]) / np.float32(y[0]))) + y[1]


def requantized(a: int, x: Meaning, y: Meaning) -> int:
    return scale(a - x[1], x[0] / y[0]) + y[1]


UNARY: dict[str, Callable[..., int]] = {
    "RELU": relu,
    "LEAKY_RELU": leaky,
    "ABS": magnitude,
    "QUANTIZE": requantized,
}


def checked(m: ModelBuilder, inputs: dict[str, np.ndarray], wanted: list[int]) -> None:
    found = run(CONVERTER.convert(m.build(), "single-rounding"), inputs).output
    kind = DTYPES[str(found.dtype)]
    assert found.ravel().tolist() == [min(max(code, kind.low), kind.high) for code in wanted]


@pytest.mark.parametrize("op", BINARY)
@few
@given(data=st.data())
def test_of_two(op, data):
    x, w, y = (data.draw(meanings("int8")) for _ in range(3))
    a, b = (values((1, 60), "int8", data.draw(seeds)).astype(np.int8) for _ in range(2))
    m = ModelBuilder()
    inputs = [m.input("a", a.shape, "int8", *x), m.input("b", a.shape, "int8", *w)]
    output = m.tensor("y", a.shape, "int8", *y)
    m.operator(op, inputs, [output], version=2)
    m.output(output)
    wanted = [BINARY[op](int(p), int(q), x, w, y) for p, q in zip(a.ravel(), b.ravel(), strict=True)]
    checked(m, {"a": a, "b": b}, wanted)


@pytest.mark.parametrize("op", UNARY)
@few
@given(data=st.data())
def test_of_one(op, data):
    x, y = (data.draw(meanings("int8")) for _ in range(2))
    codes = np.arange(-128, 128).astype(np.int8)[None]
    m = ModelBuilder()
    input = m.input("x", codes.shape, "int8", *x)
    output = m.tensor("y", codes.shape, "int8", *y)
    m.operator(op, [input], [output], version=2, **({"alpha": 0.3} if op == "LEAKY_RELU" else {}))
    m.output(output)
    checked(m, {"x": codes}, [UNARY[op](int(code), x, y) for code in codes.ravel()])


def test_it_differs_from_double_rounding():
    """By 1/4: -2 is a tie, which goes up once and away twice; 1 becomes 1/2 and 1 on the way, twice."""
    codes = np.array([[-2, 1]], np.int8)
    m = ModelBuilder()
    x, y = m.input("x", codes.shape, "int8", 0.25, 0), m.tensor("y", codes.shape, "int8", 1.0, 0)
    m.operator("QUANTIZE", [x], [y], version=2)
    m.output(y)
    assert run(CONVERTER.convert(m.build(), "single-rounding"), codes).output.tolist() == [[0, 0]]
    assert run(CONVERTER.convert(m.build()), codes).output.tolist() == [[-1, 1]]


def test_softmax_rescales_once():
    m = ModelBuilder()
    x = m.input("x", (1, 3), "int8", 0.3, 0)
    y = m.tensor("y", (1, 3), "int8", 1 / 256, -128)
    m.operator("SOFTMAX", [x], [y], version=2, beta=1.0)
    m.output(y)
    recipe = CONVERTER.convert(m.build(), "single-rounding").node("y").op.recipe
    differences = np.arange(-80, 1)
    wanted = [scale(int(d), f32(0.3) * 2**26) for d in differences]
    assert recipe.rescale.apply(differences).tolist() == wanted
    assert recipe.diff_min == -math.floor(31 * 2**26 / 2**25)
