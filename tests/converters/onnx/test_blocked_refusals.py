"""Where scales run in blocks and no exact integer operator stands for it, it is said why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from intsim.errors import ConversionError
from tests.converters.onnx.blocked_models import FORMS
from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder
from tests.converters.onnx.runtime import Session
from tests.converters.onnx.test_blocked import product
from tests.converters.onnx.test_refusals import HALF, refusal

BLOCKS = (
    "scales must not be in blocks where tensors are computed, unless those in front are the same blocks. [K3]"
)
POINTWISE = "weights with scales in blocks must be of one group and 1 x 1, not of shape {} in {}. [K7]"
PLAIN = "a convolution with scales in blocks must have stride 1 and no padding. [K7]"


def reasons(data: bytes, dialect: str = "integer") -> list[str]:
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(data, dialect)
    return [str(finding).partition("): ")[2] for finding in caught.value.findings]


@pytest.mark.parametrize("form", FORMS)
def test_the_runtimes_dialects_say_what_to_do(form: str) -> None:
    (reason,) = reasons(product(0, form).build(), "ort")
    assert reason == (
        "float region: weights with scales in blocks are computed in float by the runtime; --dialect integer"
        " computes the group exactly. [G5]"
    )
    (reason,) = reasons(product(0, form).build(), "onnx-ref")
    assert "dialect onnx-ref" in reason


def weighted(
    shape: tuple[int, ...] = (4, 6), axis: int = 0, length: int = 2, dtype: str = "int8", **fields: Any
) -> tuple[OnnxBuilder, list[str]]:
    """A dequantized input (2, 4) and dequantized weights of ones, in blocks."""
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", fields.pop("x", (2, 4)), "uint8"), b.meaning("x", HALF, 3, "uint8"))
    blocks = [-(-size // length) if i == axis else size for i, size in enumerate(shape)]
    scale = fields.pop("scale", np.full(blocks, 0.5, np.float32))
    w = b.constant("w", np.ones(shape), dtype)
    meaning = b.meaning("w", scale, fields.pop("zero", np.zeros(blocks)), fields.pop("zero_type", dtype))
    return b, [x, b.dequantize(w, meaning, "w_real", axis=axis, block_size=length)]


def closed(b: OnnxBuilder, real: str, dtype: str = "uint8", scale: Any = HALF) -> bytes:
    b.output(b.quantize(real, b.meaning("y", scale, 3, dtype), "y"), dtype)
    return b.build()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"axis": 1}, "blocks must run along rows of the right matrix, not along axis 1. [K4]"),
        ({"axis": 2}, "axis must be of (4, 6), not 2. [K1]"),
        (
            {"scale": np.ones((3, 6))},
            "scale must be of shape (2, 6), one per block of 2 along axis 0, not (3, 6). [K1]",
        ),
        (
            {"scale": -np.ones((2, 6))},
            "scale 'w_scale' must be positive and finite, and float32 or float16. [K1]",
        ),
        (
            {"zero": np.zeros((2, 1))},
            "zero point must be int8 of shape (2, 6), not int8 of shape (2, 1). [K1]",
        ),
        ({"zero_type": "uint8"}, "zero point must be int8 of shape (2, 6), not uint8 of shape (2, 6). [K1]"),
        ({"dtype": "int32"}, "operands and output must have 16 bits at most, not 32. [G1]"),
        (
            {"shape": (1, 4, 6), "axis": 1},
            "weights with scales in blocks must have 2 axes and no size 0, not shape (1, 4, 6). [K4]",
        ),
        ({"x": (2, 5)}, "input must have 4 elements on its last axis, not shape (2, 5). [K4]"),
        (
            {"scale": np.array([[1e-30] * 6, [1e30] * 6])},
            "sums must fit 64 bits, but those of output 0 may need 227: over a common unit its scales are"
            " integers of 17 to 217 bits. [G2]",
        ),
    ],
)
def test_weights(fields: dict[str, Any], reason: str) -> None:
    b, operands = weighted(**fields)
    assert reasons(closed(b, b.node("MatMul", operands))) == [reason]


def test_other_operators() -> None:
    for op, shape in (("Add", (2, 4)), ("Relu", (2, 4)), ("Reshape", (2, 4)), ("Gather", (2, 4))):
        b, (x, w) = weighted(shape, 1)
        others = {
            "Add": [w, x],
            "Reshape": [w, b.constant("shape", [4, 2], "int64")],
            "Gather": [w, b.constant("rows", [0], "int64")],
        }
        found = reasons(closed(b, b.node(op, others.get(op, [w]))))
        assert len(found) == 1
        assert "scales in blocks" in found[0], found


def test_a_matrix_in_blocks_on_the_left() -> None:
    b, (x, w) = weighted((3, 2), 1)
    (reason,) = reasons(closed(b, b.node("MatMul", [w, x])))
    assert reason == "float region: input 'w_real' of MatMul must come from a DequantizeLinear. [B1]"


def test_an_input_with_several_scales() -> None:
    b, (_, w) = weighted()
    x = b.dequantize(b.input("z", (2, 4), "uint8"), b.meaning("z", [0.5] * 4, [0] * 4, "uint8"), axis=1)
    assert reasons(closed(b, b.node("MatMul", [x, w]))) == ["input and output must have one scale. [G1]"]


def test_an_output_with_several_scales() -> None:
    b, operands = weighted()
    y = b.node("MatMul", operands)
    b.output(b.quantize(y, b.meaning("y", [0.5] * 6, [0] * 6, "uint8"), "y", axis=1), "uint8")
    assert reasons(b.build()) == ["input and output must have one scale. [G1]"]


@pytest.mark.parametrize(
    ("shape", "attributes", "reason"),
    [
        ((6, 4, 3, 3), {}, POINTWISE.format((6, 4, 3, 3), 1)),
        ((6, 4, 1, 1), {"strides": [2, 2]}, PLAIN),
        ((6, 4, 1, 1), {"pads": [1, 0, 0, 0]}, PLAIN),
        ((6, 2, 1, 1), {"group": 2}, POINTWISE.format((6, 2, 1, 1), 2)),
        ((6, 2, 1, 1), {}, "input must have 2 channels, not shape (1, 4, 5, 5). [K7]"),
    ],
)  # fmt: skip
def test_convolutions(shape: tuple[int, ...], attributes: dict[str, Any], reason: str) -> None:
    b, operands = weighted(shape, 1, x=(1, 4, 5, 5))
    assert reasons(closed(b, b.node("Conv", operands, **attributes))) == [reason]


def test_biases() -> None:
    for bias, dtype, reason in (
        (np.ones((2, 1)), "float32", "bias must be one row, not of shape (2, 1). [B4]"),
        (np.ones(3), "float32", "bias must have 6 values, not 3. [G3]"),
        (np.full(6, np.inf), "float32", "bias must be finite. [K6]"),
        (np.ones(6), "int32", "bias must be a float constant, or dequantized from one of integers. [K6]"),
    ):
        b, operands = weighted()
        y = b.node("Gemm", [*operands, b.constant("bias", bias, dtype)])
        assert reasons(closed(b, y)) == [reason]
    b, operands = weighted()
    assert reasons(closed(b, b.node("Gemm", operands, alpha=-1.0))) == [
        "alpha must be positive, not -1.0. [K6]"
    ]


def test_too_many_thresholds() -> None:
    b, operands = weighted((4, 65))
    y = b.node("Gemm", [*operands, b.constant("bias", np.arange(65), "float32")])
    assert reasons(closed(b, y, "uint16")) == [
        "thresholds must be at most 4194304, not 65535 for each of 65 outputs: take outputs of fewer bits, or"
        " leave out the bias. [G4]"
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"g_idx": "groups"}, "g_idx must be left out: elements of a group must stand together. [K5]"),
        ({"bits": 3}, "bits must be 2, 4 or 8, not 3. [K5]"),
        (
            {"block_size": 24},
            "K and N must be at least 1 and block_size a power of two of at least 16, not 20, 3 and 24. [K5]",
        ),
        ({"weight_prepacked": 1}, "weights must not be prepacked for a device. [K5]"),
        ({"N": 4}, "weights must be 64 bytes of uint8, not 48 of uint8. [K5]"),
        ({"zero": "float32"}, "zero points must be 3 bytes of uint8, not 6 of float32. [K5]"),
        ({"scale": -1.0}, "scale 'scale' must be positive and finite. [K5]"),
    ],
)  # fmt: skip
def test_packed_weights(changes: dict[str, Any], reason: str) -> None:
    b = OnnxBuilder()
    x = b.dequantize(b.input("x", (2, 20), "uint8"), b.meaning("x", HALF, 3, "uint8"))
    weights = b.constant("w", np.zeros((3, 2, 8)), "uint8")
    inputs = [x, weights, b.constant("scale", np.full(6, changes.pop("scale", 0.5)), "float32")]
    zero = changes.pop("zero", None)
    inputs.append("" if zero is None else b.constant("zero", np.full((3, 2), 8), zero))
    inputs.append(b.constant("groups", np.zeros(20), "int32") if changes.pop("g_idx", "") else "")
    attributes = {"K": 20, "N": 3, "bits": 4, "block_size": 16, **changes}
    y = b.node("MatMulNBits", inputs, domain=MICROSOFT, **attributes)
    assert reasons(closed(b, y)) == [reason]


def test_floats_into_packed_weights() -> None:
    b = OnnxBuilder()
    weights = b.constant("w", np.zeros((3, 1, 8)), "uint8"), b.constant("scale", np.ones(3), "float32")
    operands = [b.input("x", (2, 16), "float32"), *weights]
    y = b.node("MatMulNBits", operands, domain=MICROSOFT, K=16, N=3, block_size=16)
    assert reasons(closed(b, y)) == [
        "float region: input 'x' of MatMulNBits must come from a DequantizeLinear. [B1]"
    ]


def test_embeddings() -> None:
    b = OnnxBuilder()
    table = [b.constant("w", np.zeros((8, 16)), "uint4"), b.input("x", (1, 4), "int64")]
    table.append(b.constant("scale", np.ones((8, 1)), "float32"))
    b.output(b.node("GatherBlockQuantized", table, ["y"], domain=MICROSOFT), "float32")
    assert reasons(b.build()) == [
        "looks up rows whose scales run in blocks, but codes have one scale, or one per index of an axis"
    ]


def test_doors_of_tensors_that_are_computed() -> None:
    b = OnnxBuilder()
    meaning = b.meaning("x", np.ones((1, 2)), np.zeros((1, 2)), "uint8")
    b.output(b.quantize(b.input("x", (1, 4), "float32"), meaning, "y", axis=1, block_size=2), "uint8")
    assert reasons(b.build()) == [BLOCKS]
    b = OnnxBuilder()
    meaning = b.meaning("x", np.ones((1, 2)), np.zeros((1, 2)), "uint8")
    b.output(b.dequantize(b.input("x", (1, 4), "uint8"), meaning, "y", axis=1, block_size=2), "float32")
    assert refusal(b) == [
        "node 0 DequantizeLinear (-> 'y'): float region: what has scales in blocks must be weights, not the"
        " graph's output. [K1]"
    ]


@pytest.mark.parametrize("dialect", ["ort", "integer", "onnx-ref"])
@pytest.mark.parametrize("same", [True, False])
def test_blocks_behind_the_same_blocks_give_the_code(dialect: str, same: bool) -> None:
    b = OnnxBuilder()
    first = b.meaning("x", np.float32([[0.5, 0.1, 3]]), [[0, 7, 255]], "uint8")
    last = first if same else b.meaning("y", np.float32([[0.5, 0.1, 2]]), [[0, 7, 255]], "uint8")
    real = b.dequantize(b.input("x", (1, 5), "uint8"), first, axis=1, block_size=2)
    b.output(b.quantize(real, last, "y", axis=-1, block_size=2), "uint8")
    if not same:
        assert reasons(b.build(), dialect) == [BLOCKS]
        return
    network = CONVERTER.convert(b.build(), dialect)
    session = Session(b.build())
    for begin in range(0, 256, 5):
        x = np.arange(begin, begin + 5).clip(0, 255).astype(np.uint8)[None]
        assert np.array_equal(run(network, x).outputs["y"], session.run({"x": x})["y"])


@pytest.mark.parametrize("blocked", [True, False])
@pytest.mark.parametrize("shape", [(1,), (6,), (1, 6), (1, 1), ()])
def test_biases_that_are_rows(shape: tuple[int, ...], blocked: bool) -> None:
    """Every row that ONNX adds to each row of a product is taken as one."""
    b, operands = weighted()
    if not blocked:
        w = b.dequantize(b.constant("plain", np.ones((4, 6)), "uint8"), b.meaning("plain", HALF, 0, "uint8"))
        operands = [operands[0], w]
    bias = (np.arange(int(np.prod(shape))) * 7.25 + 3).reshape(shape)
    data = closed(b, b.node("Gemm", [*operands, b.constant("bias", bias, "float32")]))
    x = np.array([[9, 2, 3, 0], [255, 255, 0, 3]], np.uint8)
    wanted = Session(data).run({"x": x})["y"]
    assert np.array_equal(run(CONVERTER.convert(data, "integer"), x).outputs["y"], wanted)


def test_a_bias_per_row_of_a_square_product() -> None:
    """(2, 1) broadcasts along the columns; as a row it would be two other numbers."""
    for form in ("Gemm", "QGemm"):
        b = OnnxBuilder()
        x = b.input("x", (2, 4), "uint8")
        meaning, weights = b.meaning("x", HALF, 3, "uint8"), b.constant("w", np.ones((4, 2)), "uint8")
        meant = b.meaning("w", HALF, 0, "uint8")
        bias = b.constant("bias", [[1], [400]], "int32")
        if form == "QGemm":
            operands = [x, *meaning, weights, *meant, bias, *b.meaning("y", HALF, 3, "uint8")]
            b.output(b.node("QGemm", operands, ["y"], domain=MICROSOFT), "uint8")
        else:
            sums = b.meaning("bias", HALF * HALF, 0, "int32")
            reals = b.dequantize(x, meaning), b.dequantize(weights, meant), b.dequantize(bias, sums)
            closed(b, b.node("Gemm", reals))
        assert reasons(b.build(), "ort") == ["bias must be one row, not of shape (2, 1). [B4]"]
