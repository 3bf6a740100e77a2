"""Residual networks in QDQ and in QOperator form against ONNX Runtime: shared tensors, activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import LIMITS, MICROSOFT, OnnxBuilder

CHANNELS, SIZE, CLASSES = 4, 6, 3


class Writer:
    """One network in either form: every tensor by its codes and its meaning."""

    def __init__(self, b: OnnxBuilder, rng: np.random.Generator, dtype: str, doors: bool) -> None:
        self.b, self.rng, self.dtype, self.doors = b, rng, dtype, doors
        self.count = 0
        self.reals: dict[str, str] = {}

    def meaning(self, scale: float, lowest: bool = False) -> list[str]:
        self.count += 1
        low, high = LIMITS[self.dtype]
        zero = low if lowest else int(self.rng.integers(low, high, endpoint=True))
        return self.b.meaning(f"m{self.count}", np.float32(scale), zero, self.dtype)

    def real(self, codes: tuple[str, list[str]]) -> str:
        """One DequantizeLinear for all that read a tensor."""
        name, meaning = codes
        if name not in self.reals:
            self.reals[name] = self.b.dequantize(name, meaning)
        return self.reals[name]

    def node(
        self,
        op: str,
        operands: list[tuple[str, list[str]]],
        y: list[str],
        relu: bool = False,
        **attributes: Any,
    ) -> tuple[str, list[str]]:
        if not self.doors:
            flat = [entry for name, meaning in operands for entry in (name, *meaning)]
            own = {"Add": "QLinearAdd", "GlobalAveragePool": "QLinearGlobalAveragePool"}
            return self.b.node(own[op], [*flat, *y], domain=MICROSOFT), y
        result = self.b.node(op, [self.real(entry) for entry in operands], **attributes)
        return self.b.quantize(self.b.node("Relu", [result]) if relu else result, y), y

    def conv(
        self, x: tuple[str, list[str]], x_scale: float, y_scale: float, relu: bool
    ) -> tuple[str, list[str]]:
        self.count += 1
        n, b = self.count, self.b
        w = b.constant(f"w{n}", self.rng.integers(-127, 128, (CHANNELS, CHANNELS, 3, 3)), "int8")
        scales = self.rng.uniform(0.002, 0.01, CHANNELS).astype(np.float32)
        meaning = b.meaning(f"w{n}", scales, np.zeros(CHANNELS), "int8")
        bias = b.constant(f"b{n}", self.rng.integers(-3000, 3000, CHANNELS), "int32")
        y = self.meaning(y_scale, lowest=relu)
        if not self.doors:
            inputs = [x[0], *x[1], w, *meaning, *y, bias]
            return b.node("QLinearConv", inputs, pads=[1] * 4), y
        sums = b.meaning(f"b{n}", np.float32(x_scale) * scales, np.zeros(CHANNELS), "int32")
        reals = [self.real(x), b.dequantize(w, meaning, axis=0), b.dequantize(bias, sums, axis=0)]
        result = b.node("Conv", reals, pads=[1] * 4)
        return b.quantize(b.node("Relu", [result]) if relu else result, y), y


def network(seed: int, dtype: str, doors: bool, opset: int) -> bytes:
    rng = np.random.default_rng(seed)
    b = OnnxBuilder(opset)
    w = Writer(b, rng, dtype, doors)
    door = w.meaning(0.04)
    x = b.quantize(b.input("x", (1, CHANNELS, SIZE, SIZE), "float32"), door, "q")
    first = w.conv((x, door), 0.04, 0.05, relu=True)
    second = w.conv(first, 0.05, 0.09, relu=False)
    both = w.node("Add", [first, second], w.meaning(float(rng.uniform(0.05, 0.1)), lowest=True), relu=True)
    pooled = w.node("GlobalAveragePool", [both], w.meaning(0.02))
    matrix = b.constant("fc", rng.integers(-127, 128, (CHANNELS, CLASSES)), "int8")
    matrix_meaning = b.meaning("fc", np.float32(0.01), 0, "int8")
    y = w.meaning(0.03)
    if doors:
        flat = b.quantize(b.node("Flatten", [w.real(pooled)]), pooled[1])
        product = b.node("MatMul", [b.dequantize(flat, pooled[1]), b.dequantize(matrix, matrix_meaning)])
        codes = b.quantize(product, y)
    else:
        flat = b.node("Flatten", [pooled[0]])
        codes = b.node("QLinearMatMul", [flat, *pooled[1], matrix, *matrix_meaning, *y])
    b.output(b.dequantize(codes, y, "y"), "float32")
    return b.build()


@pytest.mark.parametrize("doors", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_every_output_is_the_runtimes(dtype: str, doors: bool) -> None:
    @settings(max_examples=6)
    @given(st.integers(0, 2**32), st.sampled_from((13, 21)))
    def check(seed: int, opset: int) -> None:
        assert assert_agrees(network(seed, dtype, doors, opset), count=4, seed=seed) > 0

    check()
