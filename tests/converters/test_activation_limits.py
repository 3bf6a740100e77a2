"""The limits of fused activations at ties of limit / scale, where the runtimes' roundings part ways.

With the default resolver XNNPACK rounds limit / scale + zero_point half to even; the reference kernels, and
the optimized ones that run what XNNPACK leaves, round limit / scale half away from zero and then add.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from intsim_converters.tflite import CONVERTER, batch_layout, from_sample_batch, to_sample_batch

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.agree import differences, edge_runs, random_runs, session_of
from tests.zoo.tflite_builder import DTYPES, ModelBuilder, Tensor

POOL = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2, "padding": "VALID"}
WINDOW = {"stride_h": 1, "stride_w": 1, "padding": "VALID"}
LIMITS = {"RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}
Tie = tuple[float, int, str]


def pooled(m: ModelBuilder, op: str, dtype: str, tie: Tie, axis: int, **more: Any) -> Tensor:
    scale, zero, activation = tie
    y = m.tensor("y", (1, 2, 2, 3), dtype, scale, zero)
    x = m.input("x", (1, 4, 4, 3), dtype, scale, zero, axis=axis)
    m.operator(op, [x], [y], version=2, **POOL | more, fused_activation_function=activation)
    return y


def paired(m: ModelBuilder, op: str, dtype: str, tie: Tie, axis: int) -> Tensor:
    scale, zero, activation = tie
    middle = 0 if dtype == "int8" else 128
    four = float(np.float32(scale) * 4)
    inputs = [m.input("a", (1, 24), dtype, four, middle, axis=axis)]
    inputs.append(m.input("b", (1, 24), dtype, 1.0 if op == "MUL" else four, middle))
    y = m.tensor("y", (1, 24), dtype, scale, zero)
    m.operator(op, inputs, [y], version=2, fused_activation_function=activation)
    return y


def summed(m: ModelBuilder, op: str, dtype: str, tie: Tie, axis: int) -> Tensor:
    """Two channels, 100 * x and -100 * x."""
    scale, zero, activation = tie
    middle = 0 if dtype == "int8" else 128
    flat = op == "FULLY_CONNECTED"
    depth = 2 if op == "DEPTHWISE_CONV_2D" else 1
    shape = {"FULLY_CONNECTED": (2, 1), "DEPTHWISE_CONV_2D": (1, 1, 1, 2)}.get(op, (2, 1, 1, 1))
    w = m.constant("w", np.array([100, -100]).reshape(shape) + middle, dtype, 1.0, middle)
    x = m.input("x", (1, 1) if flat else (1, 1, 1, depth), dtype, scale, middle, axis=axis)
    inputs = [x, w, m.constant("b", np.zeros(2, int), "int32", scale)]
    options = {} if flat else dict(WINDOW)
    if op == "TRANSPOSE_CONV":
        inputs = [m.constant("shape", np.array([1, 1, 1, 2]), "int32"), w, x, inputs[2]]
    if op == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = 1
    y = m.tensor("y", (1, 2) if flat else (1, 1, 1, 2), dtype, scale, zero)
    m.operator(op, inputs, [y], version=4, **options, fused_activation_function=activation)
    return y


MAKERS: dict[str, Any] = {
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), pooled),
    **dict.fromkeys(("ADD", "SUB", "MUL"), paired),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"), summed),
}


def model(op: str, dtype: str, tie: Tie, axis: int = 0, **more: Any) -> bytes:
    """axis : along which the first input's one scale is written; XNNPACK takes 0 only"""
    m = ModelBuilder()
    m.output(MAKERS[op](m, op, dtype, tie, axis, **more))
    return m.build()


def ties(dtype: str, count: int, seed: int = 0) -> list[Tie]:
    """Scales of which a limit is an odd number of halves, in float32; zero points anywhere."""
    rng = np.random.default_rng(seed)
    kind, found = DTYPES[dtype], []
    while len(found) < count:
        activation = ("RELU6", "RELU_N1_TO_1")[len(found) % 2]
        limit, tie = np.float32(LIMITS[activation][1]), np.float32(rng.integers(0, 200) + 0.5)
        scale, zero = np.float32(limit / tie), int(rng.integers(kind.low, kind.high, endpoint=True))
        if limit / scale == tie and not (zero - tie < kind.low and zero + tie > kind.high):
            found.append((float(scale), zero, activation))
    return found


def limits(dtype: str, tie: Tie, xnnpack: bool) -> tuple[int, int]:
    """By whole numbers of halves: how the lowest and the highest code come out."""
    scale, zero, activation = tie
    codes = []
    for limit in LIMITS[activation]:
        halves = Fraction(round(float(np.float32(limit) / np.float32(scale)) * 2), 2)
        away = int(abs(halves) + Fraction(1, 2)) * (1 if halves >= 0 else -1) + zero
        code = round(halves + zero) if xnnpack else away
        codes.append(min(max(code, DTYPES[dtype].low), DTYPES[dtype].high))
    return codes[0], codes[1]


def reached(data: bytes, dialect: str = "xnnpack") -> tuple[int, int]:
    """The lowest and the highest code of the output, which are the runtime's as all others are."""
    network, layout = CONVERTER.convert(data, dialect), batch_layout(data)
    runs = edge_runs(network, layout.shapes) + random_runs(network, layout.shapes, 2, 0)
    session = session_of(data, dialect)
    wanted = [{"y": session.run(inputs)["y"]} for inputs in runs]
    found = from_sample_batch(layout, run(network, to_sample_batch(layout, runs)).outputs)
    assert differences(wanted, found)[1] == {}
    return min(int(entry["y"].min()) for entry in found), max(int(entry["y"].max()) for entry in found)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", [op for op in MAKERS if op != "AVERAGE_POOL_2D"])
def test_xnnpack_rounds_the_sum_to_even(op: str, dtype: str) -> None:
    told_apart = 0
    for tie in ties(dtype, 14):
        assert reached(model(op, dtype, tie)) == limits(dtype, tie, xnnpack=True), tie
        told_apart += limits(dtype, tie, xnnpack=True) != limits(dtype, tie, xnnpack=False)
    assert told_apart >= 3


@pytest.mark.parametrize(
    ("op", "changes"),
    [
        ("AVERAGE_POOL_2D", {}),
        ("MAX_POOL_2D", {"axis": 1}),
        ("MAX_POOL_2D", {"filter_width": 1}),
        ("MAX_POOL_2D", {"filter_height": 1}),
        ("ADD", {"axis": 1}),
        ("SUB", {"axis": 1}),
        ("CONV_2D", {"axis": 1}),
        ("FULLY_CONNECTED", {"axis": 1}),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_what_xnnpack_leaves_rounds_the_quotient_away(op: str, changes: dict[str, int], dtype: str) -> None:
    for tie in ties(dtype, 10):
        assert reached(model(op, dtype, tie, **changes)) == limits(dtype, tie, xnnpack=False), tie


@pytest.mark.parametrize("op", ["MAX_POOL_2D", "MUL", "CONV_2D"])
def test_the_reference_kernels_round_the_quotient_away(op: str) -> None:
    for tie in ties("int8", 10):
        assert reached(model(op, "int8", tie), "litert-ref") == limits("int8", tie, xnnpack=False), tie


def test_a_product_that_xnnpack_leaves_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"at most 6 axes, and scales written along axis 0.*\[E7\]"):
        CONVERTER.convert(model("MUL", "int8", ties("int8", 1)[0], axis=1), "xnnpack")


@pytest.mark.parametrize("changes", [{"scale": 0.25}, {"zero_point": 3}], ids=str)
def test_a_maximum_that_changes_the_meaning_is_refused(changes: dict[str, Any]) -> None:
    """XNNPACK stops there, or rescales; the reference kernels do not look."""
    m = ModelBuilder()
    x = m.input("x", (1, 4, 4, 3), "int8", 0.5, 0)
    y = m.tensor("y", (1, 2, 2, 3), "int8", **{"scale": 0.5, "zero_point": 0} | changes)
    m.operator("MAX_POOL_2D", [x], [y], version=2, **POOL)
    m.output(y)
    with pytest.raises(ConversionError, match=r"'x' and 'y' must have one scale and zero point"):
        CONVERTER.convert(m.build(), "xnnpack")
    assert CONVERTER.convert(m.build(), "litert-ref").nodes
