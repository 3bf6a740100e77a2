"""Operators on two tensors of up to 16 bits: drawn models against ONNX Runtime and onnx.reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.errors import ConversionError
from tests.converters.onnx.agree import assert_agrees
from tests.converters.onnx.builder import OnnxBuilder
from tests.converters.onnx.drawing import agree_or_assume, scales, zero_points
from tests.converters.onnx.test_refusals import refusal

WIDE = ("int16", "uint16", "int8", "uint8")


def model(
    form: str,
    types: tuple[str, str, str],
    shapes: tuple[tuple[int, ...], ...],
    meanings: list[tuple[float, int]],
) -> OnnxBuilder:
    b = OnnxBuilder(21)
    sides = []
    for name, dtype, shape, (scale, zero) in zip("ab", types, shapes, meanings, strict=False):
        x = b.input(name, shape, dtype)
        sides.append(b.dequantize(x, b.meaning(name, np.float32(scale), zero, dtype)))
    scale, zero = meanings[2]
    b.output(
        b.quantize(b.node(form, sides), b.meaning("y", np.float32(scale), zero, types[2]), "y"), types[2]
    )
    return b


@st.composite
def pairs(draw: st.DrawFn, form: str) -> bytes:
    first = draw(st.sampled_from(WIDE[:2]))
    types = (first, draw(st.sampled_from(WIDE)), draw(st.sampled_from(WIDE)))
    shape = draw(st.sampled_from(((1, 3, 4, 5), (2, 50), (300,))))
    other = tuple(draw(st.sampled_from((1, size))) if axis else size for axis, size in enumerate(shape))
    one = draw(scales(0.003, 2.0))
    meanings = [(draw(st.just(one) | scales(0.003, 2.0)), draw(zero_points(dtype))) for dtype in types]
    swapped = draw(st.booleans())
    if swapped:
        types = (types[1], types[0], types[2])
        meanings = [meanings[1], meanings[0], meanings[2]]
    shapes = (other, shape) if swapped else (shape, other)
    return model(form, types, shapes, meanings).build()


@pytest.mark.parametrize("form", ["Add", "Sub", "Mul", "Max", "Min"])
@pytest.mark.parametrize("dialect", ["ort", "onnx-ref"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_integer_is_the_runtimes(form: str, dialect: str, data: st.DataObject) -> None:
    agree_or_assume(data.draw(pairs(form)), dialect, ["[W2]"])


def test_a_relu_limits_the_codes_where_it_may() -> None:
    b = OnnxBuilder(21)
    sides = [
        b.dequantize(b.input(name, (1, 9), "int16"), b.meaning(name, np.float32(0.3), 5, "int16"))
        for name in "ab"
    ]
    y = b.node("Relu", [b.node("Add", sides)])
    b.output(b.quantize(y, b.meaning("y", np.float32(0.4), -9, "int16"), "y"), "int16")
    assert "float region: an activation" in " ".join(refusal(b))
    assert assert_agrees(b.build(), "integer") > 0


def test_functions_on_wide_tensors_have_no_table_of_pairs() -> None:
    b = OnnxBuilder(21)
    sides = [
        b.dequantize(b.input(name, (1, 9), "int16"), b.meaning(name, np.float32(0.3), 5, "int16"))
        for name in "ab"
    ]
    y = b.node("Add", [b.node("Relu", sides[:1]), sides[1]])
    b.output(b.quantize(y, b.meaning("y", np.float32(0.4), -9, "int16"), "y"), "int16")
    with pytest.raises(ConversionError, match="codes must have 8 bits at most for a table of pairs, not 16"):
        assert_agrees(b.build())


def test_onnx_reference_holds_quotients_in_int32() -> None:
    meanings = [(2.0, 0), (2.0, 0), (1e-6, 0)]
    b = model("Mul", ("int16", "int16", "int16"), ((1, 9), (1, 9)), meanings)
    assert "quotients must fit int32 before they are saturated" in " ".join(refusal(b, "onnx-ref"))
    assert assert_agrees(b.build()) > 0
