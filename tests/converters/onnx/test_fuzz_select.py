"""Where, comparisons and bools against ONNX Runtime and onnx.reference, on drawn models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.converters.onnx.builder import MICROSOFT, NUMBERS
from tests.converters.onnx.drawing import (
    EIGHT,
    agree_or_assume,
    builder,
    codes,
    draw_meaning,
    named,
    scales,
    zero_points,
)

SHAPES = [
    ((2, 3), (2, 3), (2, 3)),
    ((1, 3, 4, 5), (1, 3, 4, 5), (1, 3, 4, 5)),
    ((4, 5), (1, 3, 4, 5), (3, 1, 1)),
    ((1, 1, 4, 1), (1, 3, 1, 5), (1, 3, 4, 5)),
    ((1, 7), (1, 7), ()),
    ((1, 7), (), (1, 1)),
    ((), (2, 4), (4,)),
    ((5, 1), (1, 4), (1, 1)),
]
COMPARISONS = ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "int64")


@st.composite
def wheres(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (16, 21)) -> bytes:
    """A condition that is given, constant or computed, and two sides of any meanings."""
    b = builder(draw, opsets)
    types = EIGHT if form == "QLinearWhere" else (*EIGHT, "int16", "uint16")
    types = WHOLE if form == "integers" else types if b.opset == 21 or b.doors else EIGHT
    dtype = draw(st.sampled_from(types))
    shapes = draw(st.sampled_from(SHAPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(("given", "given", "constant", "computed")))
    if kind == "constant":
        condition = b.constant("c", rng.random(shapes[0]) < 0.5, "bool")
    else:
        condition = b.input("c", shapes[0], "bool")
    if kind == "computed":
        condition = b.node("Not", [condition])
    sides, meanings = [], []
    fixed = draw(st.sampled_from((None, None, 1, 2)))
    for side in (1, 2):
        held = b.constant if side == fixed and kind != "constant" else None
        meanings.append(draw_meaning(draw, b, f"x{side}", dtype)[0])
        real = form == "Where" and held is not None and draw(st.booleans())
        if real:
            sides.append(b.constant(f"x{side}", rng.normal(0, 3, shapes[side]), "float32"))
            continue
        x = (
            b.constant(f"x{side}", codes(rng, dtype, shapes[side]), dtype)
            if held
            else b.input(f"x{side}", shapes[side], dtype)
        )
        sides.append(b.dequantize(x, meanings[-1]) if form == "Where" else x)
    if form == "integers":
        b.output(b.node("Where", [condition, *sides], ["y"]), dtype)
        return b.build()
    same = draw(st.sampled_from((None, 0, 1)))
    y = (
        meanings[same]
        if same is not None
        else b.meaning("y", draw(scales()), draw(zero_points(dtype)), dtype)
    )
    if form == "QLinearWhere":
        operands = [condition, sides[0], *meanings[0], sides[1], *meanings[1], *y]
        b.output(b.node(form, operands, ["y"], domain=MICROSOFT), dtype)
    else:
        b.output(b.quantize(b.node(form, [condition, *sides]), y, "y"), dtype)
    return b.build()


@st.composite
def comparisons(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21,)) -> bytes:
    """Integers, or dequantized tensors of one meaning or of two, or one of them a constant."""
    b = builder(draw, opsets)
    real = draw(st.booleans())
    dtype = draw(st.sampled_from((*EIGHT, "int16", "uint16") if real else ("int32", "int64", *WHOLE)))
    shapes = draw(st.sampled_from(SHAPES))[1:]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    fixed = draw(st.sampled_from((None, None, 0, 1)))
    meanings = [draw_meaning(draw, b, f"x{side}", dtype)[0] for side in range(2)]
    if draw(st.booleans()) or not dtype.endswith("8"):
        meanings[1] = meanings[0]
    sides = []
    for side, shape in enumerate(shapes):
        if side == fixed and real and draw(st.booleans()):
            sides.append(b.constant(f"x{side}", np.float32(rng.integers(-6, 6) / 4), "float32"))
            continue
        near = codes(rng, dtype, shape) if dtype != "int64" else rng.integers(-3, 3, shape)
        x = b.constant(f"x{side}", near, dtype) if side == fixed else b.input(f"x{side}", shape, dtype)
        sides.append(b.dequantize(x, meanings[side]) if real else x)
    b.output(b.node(form, sides, ["y"]), "bool")
    return b.build()


@st.composite
def logics(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21,)) -> bytes:
    b = builder(draw, opsets)
    shapes = draw(st.sampled_from(SHAPES))[1:]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    fixed = draw(st.sampled_from((None, 0, 1)))
    sides = [
        b.constant(f"x{i}", rng.random(shape) < 0.5, "bool")
        if i == fixed
        else b.input(f"x{i}", shape, "bool")
        for i, shape in enumerate(shapes)
    ]
    b.output(b.node(form, sides, ["y"]), "bool")
    return b.build()


@st.composite
def casts(draw: st.DrawFn, form: str, opsets: tuple[int, ...] = (21,)) -> bytes:
    """Between two types of integers, or a type and bool."""
    b = builder(draw, opsets)
    source, target = (draw(st.sampled_from((*WHOLE, "bool"))) for _ in range(2))
    x = b.input("x", (1, 40), source)
    if form == "Cast":
        b.output(b.node(form, [x], ["y"], to=NUMBERS[target]), target)
    else:
        b.output(b.node(form, [x, b.constant("like", [0], target)], ["y"]), target)
    return b.build()


CASES = [
    *((wheres, form) for form in ("Where", "QLinearWhere", "integers")),
    *((comparisons, form) for form in COMPARISONS),
    *((casts, form) for form in ("Cast", "CastLike")),
    *((logics, form) for form in ("And", "Or", "Xor")),
]
LEFT = ("must not mix", "must not have more axes")


@pytest.mark.parametrize(("models", "form"), CASES, ids=named)
def test_every_integer_is_the_runtimes(models: Any, form: str) -> None:
    @settings(max_examples=15)
    @given(models(form))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", LEFT)

    check()


@pytest.mark.parametrize(("models", "form"), [case for case in CASES if case[1] != "QLinearWhere"], ids=named)
def test_every_integer_is_the_references(models: Any, form: str) -> None:
    @settings(max_examples=10)
    @given(models(form, opsets=(21,)))
    def check(data: bytes) -> None:
        agree_or_assume(data, "onnx-ref", LEFT)

    check()
