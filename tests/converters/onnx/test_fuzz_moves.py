"""Operators that move codes against ONNX Runtime, on codes and between doors, in either layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.converters.onnx.builder import MICROSOFT, OnnxBuilder
from tests.converters.onnx.drawing import EIGHT, agree_or_assume, draw_meaning, scales, zero_points

Draw = Callable[[st.DrawFn, OnnxBuilder, tuple[int, ...]], tuple[list[str], dict[str, Any]]]
"""Inputs behind the first one, and attributes."""


def ints(b: OnnxBuilder, name: str, values: Any) -> str:
    return b.constant(name, np.asarray(values, np.int64).reshape(-1), "int64")


def reshape(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    rest = int(np.prod(shape[1:]))
    wanted = draw(
        st.sampled_from(((0, -1), (shape[0], rest), (-1, rest), (0, 1, rest), (0, 0, -1), (0, -1, 2)))
    )
    assume(wanted[-1] != 2 or rest % 2 == 0)
    return [ints(b, "shape", wanted)], {}


def flatten(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    return [], {"axis": draw(st.sampled_from((1, 1 - len(shape), 2)))}


def transpose(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    rest = draw(st.permutations(range(1, len(shape))))
    return [], {"perm": [0, *rest]}


def squeeze(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    ones = [axis for axis, size in enumerate(shape) if size == 1 and axis]
    assume(ones)
    return [ints(b, "axes", ones[:1])], {}


def unsqueeze(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    return [ints(b, "axes", draw(st.sampled_from(((1,), (-1,), (2, 3)))))], {}


def cut(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    axis = draw(st.integers(1, len(shape) - 1))
    size = shape[axis]
    begin = draw(st.integers(0, size - 1))
    back = draw(st.booleans())
    limits = (begin, -size - 1, -1) if back else (begin, draw(st.sampled_from((size, 2**31, begin + 1))), 2)
    names = ("starts", "ends", "axes", "steps")
    values = (limits[0], limits[1], axis - len(shape), limits[2])
    return [ints(b, name, [value]) for name, value in zip(names, values, strict=True)], {}


def gather(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    axis = draw(st.integers(1, len(shape) - 1))
    places = draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4))
    scalar = draw(st.booleans()) and len(places) == 1
    return [b.constant("places", places[0] if scalar else places, "int64")], {"axis": axis}


def depth_to_space(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    return [], {"blocksize": 2, "mode": draw(st.sampled_from(("DCR", "CRD")))}


def space_to_depth(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    return [], {"blocksize": 2}


def resize(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    where = draw(st.sampled_from(("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")))
    nearest = draw(st.sampled_from(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")))
    attributes = {"mode": "nearest", "coordinate_transformation_mode": where, "nearest_mode": nearest}
    if draw(st.booleans()):
        size = [*shape[:2], draw(st.integers(1, 12)), draw(st.integers(1, 12))]
        return ["", "", ints(b, "sizes", size)], attributes
    factors = [1.0, 1.0, *(draw(st.sampled_from((2.0, 0.5, 1.5, 3.0, 1.3))) for _ in range(2))]
    assume(all(size * factor >= 1 for size, factor in zip(shape, factors, strict=True)))
    return ["", b.constant("scales", np.array(factors, np.float32), "float32")], attributes


def pad(draw: st.DrawFn, b: OnnxBuilder, shape: tuple[int, ...]) -> Any:
    mode = draw(st.sampled_from(("constant", "reflect")))
    most = [0, *(min(size - 1, 2) for size in shape[1:])]
    return [ints(b, "pads", [draw(st.integers(0, places)) for places in most * 2])], {"mode": mode}


MOVES: dict[str, Draw] = {
    "Reshap"
    "e": reshape, "Flatten": flatten, "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
    "Slice": cut, "Gather": gather, "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
    "Resize": resize, "Pad": pad,
}  # fmt: skip


@st.composite
def moves(draw: st.DrawFn, form: str, real: bool) -> bytes:
    """A move, in front of it now and then a pooling, which makes an image of its input."""
    b = OnnxBuilder(draw(st.sampled_from((13, 21))))
    dtype = draw(st.sampled_from(EIGHT))
    shape = (draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from((1, 3, 4, 8))))
    blocks, sized = form in ("DepthToSpace", "SpaceToDepth"), form == "Resize"
    if blocks:
        shape = (shape[0], 8)
    sizes = (2, 4) if blocks else (1, 2, 4, 5)
    axes = 2 if blocks or sized else draw(st.sampled_from((2, 2, 1)))
    shape = (*shape, *(draw(st.sampled_from(sizes)) for _ in range(axes)))
    symbol = shape[0] == 2 and not sized and draw(st.booleans())
    name = b.input("x", ("N", *shape[1:]) if symbol else shape, dtype)
    if draw(st.booleans()):
        name = b.node("MaxPool", [name], kernel_shape=[1] * (len(shape) - 2))
    more, attributes = MOVES[form](draw, b, shape)
    if not real:
        b.output(b.node(form, [name, *more], ["y"], **attributes), dtype)
        return b.build()
    meaning, _ = draw_meaning(draw, b, "x", dtype)
    y = b.node(form, [b.dequantize(name, meaning), *more], **attributes)
    if draw(st.booleans()):
        meaning = b.meaning("y", draw(scales()), draw(zero_points(dtype)), dtype)
    b.output(b.quantize(y, meaning, "y"), dtype)
    return b.build()


@st.composite
def joins(draw: st.DrawFn, form: str, real: bool) -> bytes:
    """Two tensors to one, the second another's input or the first again; and one to several."""
    b = OnnxBuilder(draw(st.sampled_from((13, 21))))
    dtype = draw(st.sampled_from(EIGHT))
    shape = (1, draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    names = [b.input("x", shape, dtype), b.input("z", shape, dtype)]
    if draw(st.booleans()):
        names[0] = b.node("MaxPool", [names[0]], kernel_shape=[1, 1])
    axis = draw(st.integers(1, 3))
    meanings = [draw_meaning(draw, b, f"x{i}", dtype)[0] for i in range(2)]
    if form == "Split":
        assume(shape[axis] >= 2)
        parts = [b.constant("split", [1, shape[axis] - 1], "int64")]
        x = b.dequantize(names[0], meanings[0]) if real else names[0]
        b.node("Split", [x, *parts], ["a", "b"] if real else ["y", "z0"], axis=axis)
        if real:
            b.quantize("a", meanings[0], "y")
            b.quantize("b", meanings[1], "z0")
        b.output("y", dtype)
        b.output("z0", dtype)
        return b.build()
    same = draw(st.booleans())
    y_meaning = meanings[0] if same else b.meaning("y", draw(scales()), draw(zero_points(dtype)), dtype)
    if form == "QLinearConcat":
        pairs = [names[0], *meanings[0], names[1], *meanings[1]]
        b.output(b.node(form, [*y_meaning, *pairs], ["y"], domain=MICROSOFT, axis=axis), dtype)
    elif real:
        reals = [b.dequantize(name, meaning) for name, meaning in zip(names, meanings, strict=True)]
        b.output(b.quantize(b.node(form, reals, axis=axis), y_meaning, "y"), dtype)
    else:
        b.output(b.node(form, names, ["y"], axis=axis), dtype)
    return b.build()


CASES = [
    *((moves, form, real) for form in MOVES for real in (False, True)),
    *((joins, form, real) for form in ("Concat", "Split") for real in (False, True)),
    (joins, "QLinearConcat", False),
]


def named(entry: Any) -> str:
    return (
        {True: "doors", False: "codes"}[entry]
        if isinstance(entry, bool)
        else getattr(entry, "__name__", entry)
    )


@pytest.mark.parametrize(("models", "form", "real"), CASES, ids=named)
def test_every_integer_is_the_runtimes(models: Any, form: str, real: bool) -> None:
    @settings(max_examples=12)
    @given(models(form, real))
    def check(data: bytes) -> None:
        agree_or_assume(data, "ort", ("samples must not mix",))

    check()
