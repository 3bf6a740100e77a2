"""Products, convolutions and what stands behind them, against QONNX' own execution.

Where scales are powers of two its float32 is exact and every integer is compared; elsewhere every code that
the carrier's rounding cannot decide, and every sum within its proved error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from intsim_converters.qonnx import convert_file

from tests.converters.qonnx.agree import assert_agrees, assert_sure, inputs_of
from tests.converters.qonnx.builder import QonnxBuilder
from tests.converters.qonnx.drawing import TYPES, floats, quantizer, step
from tests.converters.qonnx.execution import Execution

POWERS = st.sampled_from([2.0**-4, 0.25, 0.5, 1.0, 2.0])
ANY = st.floats(2.0**-7, 1, width=32)


def weights(
    data: Any, b: QonnxBuilder, shape: tuple[int, ...], axis: int, scales: st.SearchStrategy[float]
) -> str:
    """Float weights behind a Quant or BipolarQuant, or annotated integers."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    kind = data.draw(st.sampled_from(["Quant", "Bipolar", "Ternary", "annotated", "QCDQ"]))
    if kind == "annotated":
        name, (low, high) = data.draw(
            st.sampled_from([("INT4", (-8, 7)), ("TERNARY", (-1, 1)), ("UINT2", (0, 3))])
        )
        return b.annotate(b.floats(rng.integers(low, high, shape, endpoint=True)), name)
    values = rng.normal(0, 1, shape).astype(np.float32)
    size = shape[axis] if data.draw(st.booleans()) else 1
    scale = np.array(data.draw(st.lists(scales, min_size=size, max_size=size)), np.float32)
    wide = scale.reshape([size if place == axis else 1 for place in range(len(shape))])
    if kind == "Bipolar":
        return b.custom("BipolarQuant", [b.floats(values), b.floats(wide)])
    if kind == "QCDQ":
        codes = b.constant(f"{b.floats(values)}_codes", rng.integers(-9, 9, shape), "int8")
        meaning = b.meaning(
            codes, scale if size > 1 else scale[0], np.zeros(size if size > 1 else ()), "int8"
        )
        return b.dequantize(codes, meaning, axis=axis)
    bits = 2.0 if kind == "Ternary" else float(data.draw(st.integers(2, 8)))
    return b.quant(b.floats(values * 2), wide, bits, narrow=1)


def activations(data: Any, b: QonnxBuilder, shape: tuple[int, ...], scales: st.SearchStrategy[float]) -> str:
    """Annotated integers, or codes of a quantizer of one scale."""
    x = b.codes(shape, data.draw(st.sampled_from(TYPES)))
    if data.draw(st.booleans()):
        return x
    kind = data.draw(st.sampled_from(["Quant", "Bipolar", "Mul"]))
    scale = np.float32(data.draw(scales))
    if kind == "Bipolar":
        return b.custom("BipolarQuant", [x, b.floats(scale)])
    if kind == "Mul":
        return b.node("Mul", [x, b.floats(scale)])
    bits = data.draw(st.integers(2, 8))
    return b.quant(x, scale, float(bits), float(data.draw(st.integers(0, 3))))


def convolution(data: Any, b: QonnxBuilder, scales: st.SearchStrategy[float]) -> tuple[str, int, int]:
    """A Conv over an image or a signal: its name, channels and rank."""
    rank, groups = data.draw(st.sampled_from([3, 4])), data.draw(st.sampled_from([1, 1, 2, 4]))
    depth = 4 if groups > 1 else data.draw(st.integers(1, 4))
    filters = groups * data.draw(st.integers(1, 3))
    places, kernel = (6, 5)[: rank - 2], data.draw(st.sampled_from([1, 2, 3]))
    x = activations(data, b, (1, depth, *places), scales)
    w = weights(data, b, (filters, depth // groups, *(kernel,) * (rank - 2)), 0, scales)
    inputs = [x, w]
    if data.draw(st.booleans()):
        inputs.append(
            b.floats(np.array(data.draw(st.lists(floats(-8, 8), min_size=filters, max_size=filters))))
        )
    pads = data.draw(st.lists(st.integers(0, kernel - 1), min_size=2 * (rank - 2), max_size=2 * (rank - 2)))
    strides = [data.draw(st.integers(1, 2)) for _ in range(rank - 2)]
    y = b.node("Conv", inputs, group=groups, pads=pads, strides=strides, kernel_shape=[kernel] * (rank - 2))
    return y, filters, rank


def product(data: Any, b: QonnxBuilder, scales: st.SearchStrategy[float]) -> tuple[str, int, int]:
    """A MatMul, or a Gemm with a bias of whole numbers."""
    depth, columns = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    x = activations(data, b, (1, depth), scales)
    if data.draw(st.booleans()):
        y = b.node("MatMul", [x, weights(data, b, (depth, columns), 1, scales)])
        if data.draw(st.booleans()):
            y = b.node(
                "Add",
                [
                    y,
                    b.floats(
                        np.array(data.draw(st.lists(floats(-9, 9), min_size=columns, max_size=columns)))
                    ),
                ],
            )
        return y, columns, 2
    turned = data.draw(st.booleans())
    w = weights(data, b, (columns, depth) if turned else (depth, columns), 0 if turned else 1, scales)
    bias = data.draw(st.lists(st.integers(-64, 64), min_size=columns, max_size=columns))
    return b.node("Gemm", [x, w, b.floats(np.array(bias) * 4.0)], transB=int(turned)), columns, 2


def drawn(data: Any, scales: st.SearchStrategy[float]) -> bytes:
    b = QonnxBuilder()
    maker = data.draw(st.sampled_from([convolution, product]))
    y, channels, rank = maker(data, b, scales)
    for _ in range(data.draw(st.integers(0, 2))):
        y = data.draw(step(b, y, channels, rank))
    return b.finish(data.draw(quantizer(b, y, channels, rank)))


@given(st.data())
def test_every_integer_of_exact_sums(data: Any) -> None:
    model = drawn(data, POWERS)
    conversion, execution = convert_file(model), Execution(model)
    assert_agrees(conversion, execution, inputs_of(conversion, execution, 2, seed=0), engine="reference")


@given(st.data())
def test_every_code_that_floats_cannot_decide(data: Any) -> None:
    model = drawn(data, ANY)
    conversion, execution = convert_file(model), Execution(model)
    tally = assert_sure(
        conversion, execution, inputs_of(conversion, execution, 2, seed=0), engine="reference"
    )
    assert tally.sure


@given(st.data())
def test_matches_are_counted(data: Any) -> None:
    """XnorPopcountMatMul, and thresholds behind it."""
    depth, columns = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    b = QonnxBuilder()
    w = b.annotate(b.floats(rng.integers(0, 2, (depth, columns))), "BINARY")
    y = b.custom("XnorPopcountMatMul", [b.codes((1, depth), "BINARY"), w])
    if data.draw(st.booleans()):
        y = b.thresholds(y, np.sort(rng.integers(0, depth + 1, (columns, 3)), axis=1), out_dtype="UINT2")
    model = b.finish(y)
    conversion, execution = convert_file(model), Execution(model)
    assert_agrees(conversion, execution, inputs_of(conversion, execution, 3, seed=0), engine="reference")
