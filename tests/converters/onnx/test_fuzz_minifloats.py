"""Tensors of float8 and float4: doors, tables between codes, moves and selections, against the runtimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.onnx import CONVERTER

from intsim.engine import run
from intsim.errors import InputError
from tests.converters.onnx.builder import OnnxBuilder
from tests.converters.onnx.drawing import agree_or_assume, draw_meaning, named, scales

EIGHTS = ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz")
FLOATS = (*EIGHTS, "float4e2m1")
WHOLE = ("int8", "uint8", "int16")
SHAPE = (1, 3, 4, 5)


def meaning_of(draw: st.DrawFn, b: OnnxBuilder, name: str, dtype: str) -> list[str]:
    if dtype in FLOATS:
        return b.meaning(name, draw(scales()), 0, dtype)
    return draw_meaning(draw, b, name, dtype)[0]


def drawn(draw: st.DrawFn, opsets: tuple[int, ...]) -> tuple[OnnxBuilder, str]:
    """A builder, and a type of floats that the runtime has."""
    b = OnnxBuilder(23 if len(opsets) == 1 else draw(st.sampled_from(opsets)))
    return b, draw(st.sampled_from(EIGHTS if len(opsets) > 1 else FLOATS))


@st.composite
def doors(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (19, 21, 23)) -> bytes:
    """Reals to codes, codes to reals, both with one scale or several."""
    b, dtype = drawn(draw, opsets)
    if form == "in" and dtype == "float4e2m1":
        dtype = "float8e4m3fn"
    several = draw(st.booleans())
    scale = np.array([draw(scales()) for _ in range(3)], np.float32) if several else draw(scales())
    meaning = b.meaning("y", scale, np.zeros(np.shape(scale)), dtype)
    if form == "in":
        b.output(b.quantize(b.input("x", SHAPE, "float32"), meaning, "y", axis=1), dtype)
    else:
        b.output(b.dequantize(b.input("x", SHAPE, dtype), meaning, "y", axis=1), "float32")
    return b.build()


@st.composite
def tables(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21, 23)) -> bytes:
    """From codes of floats to integers, back, or to codes of other floats; now and then moved between."""
    b, dtype = drawn(draw, opsets)
    whole = draw(st.sampled_from(WHOLE))
    if form == "to integers" and len(opsets) == 1:
        dtype = "float4e2m1"  # onnx.reference has no code of a NaN
    given = {"to integers": (dtype, whole), "from integers": (whole, dtype)}
    source, target = given.get(form, (dtype, dtype))
    if form == "to floats":
        target = draw(st.sampled_from(EIGHTS if len(opsets) > 1 else FLOATS))
    meaning = meaning_of(draw, b, "x", source)
    real = b.dequantize(b.input("x", SHAPE, source), meaning)
    function = draw(st.sampled_from((None, "Tanh", "Neg", "Exp")))
    if form != "to floats" and function is not None:
        real = b.node(function, [real])
    move = draw(st.sampled_from((None, None, "Transpose", "Reshape")))
    if move == "Transpose":
        real = b.node("Transpose", [real], perm=[0, 2, 1, 3])
    elif move == "Reshape":
        real = b.node("Reshape", [real, b.constant("shape", [1, 60], "int64")])
    same = target == source and draw(st.booleans())
    y = meaning if same else meaning_of(draw, b, "y", target)
    b.output(b.quantize(real, y, "y"), target)
    return b.build()


@st.composite
def moves(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21, 23)) -> bytes:
    """Operators that move codes."""
    b, dtype = drawn(draw, opsets)
    x = b.input("x", SHAPE, dtype)
    if form == "Transpose":
        y = b.node(form, [x], ["y"], perm=[0, 3, 1, 2])
    elif form == "Reshape":
        y = b.node(form, [x, b.constant("shape", [1, 12, -1], "int64")], ["y"])
    elif form == "Concat":
        y = b.node(form, [x, b.input("w", SHAPE, dtype)], ["y"], axis=2)
    else:
        ends = [b.constant(name, values, "int64") for name, values in (("s", [1]), ("e", [3]), ("a", [2]))]
        y = b.node("Slice", [x, *ends], ["y"])
    b.output(y, dtype)
    return b.build()


@st.composite
def pairs(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21, 23)) -> bytes:
    """Two tensors of floats that are compared or selected from."""
    b, dtype = drawn(draw, opsets)
    reals = [
        b.dequantize(b.input(name, SHAPE, dtype), meaning_of(draw, b, name, dtype)) for name in ("x", "w")
    ]
    if form != "Where":
        b.output(b.node(form, reals, ["y"]), "bool")
        return b.build()
    target = draw(st.sampled_from((dtype, "int8"))) if len(opsets) > 1 else dtype
    picked = b.node("Where", [b.input("c", SHAPE, "bool"), *reals])
    b.output(b.quantize(picked, meaning_of(draw, b, "y", target), "y"), target)
    return b.build()


CASES = [
    *((doors, form) for form in ("in", "out")),
    *((tables, form) for form in ("to integers", "from integers", "to floats")),
    *((pairs, form) for form in ("Equal", "Less", "Where")),
    *((moves, form) for form in ("Transpose", "Reshape")),
]
REFERENCED = [*CASES, *((moves, form) for form in ("Concat", "Slice"))]
LEFT = ("[D7]", "one is not a number", "results must not be NaN", "must fit int32")


@pytest.mark.parametrize(("models", "form"), CASES, ids=named)
def test_every_code_is_the_runtimes(models: Any, form: str) -> None:
    @settings(max_examples=15)
    @given(models(form))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", LEFT)

    check()


@pytest.mark.parametrize(("models", "form"), REFERENCED, ids=named)
def test_every_code_is_the_references(models: Any, form: str) -> None:
    @settings(max_examples=10)
    @given(models(form, opsets=(23,)))
    def check(data: bytes) -> None:
        agree_or_assume(data, "onnx-ref", LEFT)

    check()


def test_float4_in_the_dialect_integer_is_ml_dtypes() -> None:
    """Between two codes, just beside, and beyond; ONNX Runtime has no kernel, and the reference loses -0."""
    kind = onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.FLOAT4E2M1)
    middles = np.float32([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 7, 1e9, 0, 0.1])
    beside = [np.nextafter(middles, np.float32(way)) for way in (-np.inf, np.inf)]
    x = np.concatenate([middles, *beside])
    x = np.concatenate([x, -x])[None]
    b = OnnxBuilder(23)
    meaning = b.meaning("y", np.float32(1), 0, "float4e2m1")
    b.output(b.quantize(b.input("x", x.shape, "float32"), meaning, "y"), "float4e2m1")
    network = CONVERTER.convert(b.build(), "integer")
    assert np.array_equal(run(network, x).output, np.clip(x, -6, 6).astype(kind).view(np.uint8))


@pytest.mark.parametrize("dialect", ["ort", "integer"])
def test_a_nan_at_the_door_is_refused(dialect: str) -> None:
    b = OnnxBuilder(23)
    meaning = b.meaning("y", np.float32(1), 0, "float8e4m3fn")
    b.output(b.quantize(b.input("x", (1, 2), "float32"), meaning, "y"), "float8e4m3fn")
    network = CONVERTER.convert(b.build(), dialect)
    with pytest.raises(InputError, match=r"values must be numbers, not NaN at \(0, 1\)"):
        run(network, np.float32([[1, np.nan]]))
