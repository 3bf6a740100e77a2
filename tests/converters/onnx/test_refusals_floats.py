"""What cannot be mapped exactly of averages and softmax is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder
from tests.converters.onnx.test_refusals import HALF, closed, doors, image, refusal

POOL = {"kernel_shape": [2, 2]}


@pytest.mark.parametrize(("op", "given"), [("AveragePool", POOL), ("Softmax", {})])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "int4"])
def test_codes_that_the_runtime_averages_in_float(op: str, given: dict[str, Any], dtype: str) -> None:
    (found,) = refusal(doors(OnnxBuilder(), op, dtype=dtype, **given))
    assert found.endswith(
        f"float region: input and output must both be int8 or uint8, not {dtype} and {dtype}. [I1]"
    )


@pytest.mark.parametrize(("op", "given"), [("AveragePool", POOL), ("GlobalAveragePool", {}), ("Softmax", {})])
def test_an_output_of_another_type(op: str, given: dict[str, Any]) -> None:
    b = OnnxBuilder()
    real = b.node(op, [b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))], **given)
    (found,) = refusal(closed(b, real, "int8"))
    assert found.endswith("must both be int8 or uint8, not uint8 and int8. [I1]")


@pytest.mark.parametrize(("op", "given"), [("AveragePool", POOL), ("Softmax", {})])
def test_several_scales(op: str, given: dict[str, Any]) -> None:
    b = OnnxBuilder()
    meaning = b.meaning("x", [HALF, 1], [3, 4], "uint8")
    (found,) = refusal(closed(b, b.node(op, [b.dequantize(image(b), meaning, axis=1)], **given)))
    assert found.endswith("input and output must have one scale. [I1]")


@pytest.mark.parametrize(("op", "given"), [("AveragePool", POOL), ("Softmax", {})])
def test_a_function_in_front(op: str, given: dict[str, Any]) -> None:
    b = OnnxBuilder()
    x = b.node("Abs", [b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))], ["a"])
    (found,) = refusal(closed(b, b.node(op, [x], **given)))
    assert found.endswith(f"float region: input 'a' of {op} must come from a DequantizeLinear. [B1]")


@pytest.mark.parametrize(("op", "given"), [("AveragePool", POOL), ("Softmax", {})])
def test_a_result_that_nothing_quantizes(op: str, given: dict[str, Any]) -> None:
    b = OnnxBuilder()
    x = b.dequantize(image(b), b.meaning("x", HALF, 3, "uint8"))
    b.output(b.node(op, [x], ["y"], **given), "float32")
    (found,) = refusal(b)
    assert "float region: 'y' must be read by one QuantizeLinear only, not 0 nodes and the graph" in found


@pytest.mark.parametrize(
    ("op", "rule"), [("AveragePool", "P4"), ("GlobalAveragePool", "P4"), ("Softmax", "O4")]
)
def test_groups_are_not_fused_in_the_references_dialect(op: str, rule: str) -> None:
    (found,) = refusal(doors(OnnxBuilder(), op, **(POOL if op == "AveragePool" else {})), "onnx-ref")
    assert found.endswith(f"float region: {op} computes in float in dialect onnx-ref. [{rule}]")


def test_codes_too_wide_for_dialect_integer() -> None:
    b = OnnxBuilder()
    x = b.input("x", (1, 2, 4, 4), "int32")
    x = b.dequantize(x, [b.constant("s", HALF, "float32"), b.constant("z", 0, "int32")])
    (found,) = refusal(closed(b, b.node("GlobalAveragePool", [x])), "integer")
    assert found.endswith("codes must have 16 bits at most, not 32. [I1]")


def test_gaps_between_taps() -> None:
    (found,) = refusal(doors(OnnxBuilder(), "AveragePool", **POOL, dilations=[1, 2]))
    assert found.endswith("dilations must be 1, not (1, 2). [P5]")


@pytest.mark.parametrize("op", ["AveragePool", "MaxPool"])
def test_strides_that_leave_elements_unread(op: str) -> None:
    """ONNX Runtime begins at element 1 of (1, 2, 3)."""
    given = {"kernel_shape": [1], "strides": [3], "auto_pad": "SAME_UPPER"}
    (found,) = refusal(doors(OnnxBuilder(), op, shape=(1, 1, 3), **given))
    assert found.endswith(
        "auto_pad must not leave 2 elements unread: the runtime begins with a later one then"
    )


def test_averages_beyond_32_bits() -> None:
    b = OnnxBuilder()
    x, y = b.meaning("x", HALF, 3, "uint8"), b.meaning("y", 2.0**-26, 3, "uint8")
    b.output(b.node("QLinearAveragePool", [image(b), *x, *y], ["y"], MICROSOFT, **POOL), "uint8")
    (found,) = refusal(b)
    assert found.endswith(
        "scale: must keep averages below 2**31 codes, which 1.4901161193847656e-08 does not. [R5]"
    )


def rows(depth: int, scale: float, **attributes: Any) -> OnnxBuilder:
    """QLinearSoftmax of one row to codes of a scale."""
    b = OnnxBuilder()
    x, y = b.meaning("x", HALF, 3, "int8"), b.meaning("y", np.float32(scale), 3, "int8")
    b.output(
        b.node("QLinearSoftmax", [b.input("x", (1, depth), "int8"), *x, *y], ["y"], MICROSOFT, **attributes),
        "int8",
    )
    return b


def test_a_softmax_that_does_not_say_its_version() -> None:
    (found,) = refusal(rows(4, 1 / 256))
    assert found.endswith("opset must be given. [O1]")


def test_rows_that_are_too_long() -> None:
    (found,) = refusal(rows(32769, 1 / 256, opset=13))
    assert found.endswith("rows must have at most 32768 codes, not 32769. [O5]")


@pytest.mark.parametrize(("depth", "inverse"), [(1, 256), (2, 297), (32768, 2**24 + 2)])
def test_an_output_scale_that_leaves_float32(depth: int, inverse: int) -> None:
    """The runtime gives 0 and -128 for shares of 1 there."""
    (found,) = refusal(rows(depth, 1 / inverse, opset=13))
    assert f"must be larger for rows of {depth}: the runtime multiplies exponentials by its" in found
    assert found.endswith("[O5]")


def test_a_softmax_over_the_batch() -> None:
    (found,) = refusal(doors(OnnxBuilder(), "Softmax", axis=0))
    assert found.endswith(
        "axis must not be the first of (1, 2, 4, 4), which is the batch; samples must not mix"
    )
