"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR against the runtimes, on drawn models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER

import intsim
from intsim.errors import ConversionError
from tests.converters.agree import assert_agrees
from tests.zoo.tflite_builder import ModelBuilder

NEAREST, BILINEAR = "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"
TYPES = {
    (NEAREST, "litert-ref"): ("int8", "uint8", "int16"),
    (NEAREST, "xnnpack"): ("int8", "uint8", "int16"),
    (NEAREST, "tflm"): ("int8", "int16"),
    (BILINEAR, "litert-ref"): ("int8", "int16"),
    (BILINEAR, "xnnpack"): ("int8", "uint8", "int16"),
    (BILINEAR, "tflm"): ("int8",),
}


def model(
    operator: str,
    dtype: str,
    x: tuple[int, ...],
    size: tuple[int, int],
    align: bool = False,
    half: bool = False,
    scale: float = 0.5,
    axis: int = 0,
) -> bytes:
    m = ModelBuilder()
    given_x = m.input("x", x, dtype, 0.5, axis=axis)
    y = m.tensor("y", (x[0], *size, x[3]), dtype, scale)
    sizes = m.constant("size", np.array(size), "int32")
    options = {"align_corners": align, "half_pixel_centers": half}
    m.operator(operator, [given_x, sizes], [y], version=3, **options)
    m.output(y)
    return m.build()


@st.composite
def models(draw: st.DrawFn, operator: str, types: tuple[str, ...]) -> bytes:
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    size = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    x = (draw(st.sampled_from((1, 1, 2))), height, width, draw(st.integers(1, 3)))
    align, half = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    if operator == NEAREST and draw(st.booleans()):
        align = half = True
    return model(operator, draw(st.sampled_from(types)), x, size, align, half)


@pytest.mark.parametrize(("operator", "dialect"), TYPES, ids=lambda value: str(value))
def test_every_integer_is_the_runtimes(operator: str, dialect: str) -> None:
    @settings(max_examples=50)
    @given(
        models(operator, TYPES[operator, dialect]),
        st.sampled_from(("reference", "fast")),
        st.integers(0, 2**32),
    )
    def check(data: bytes, engine: str, seed: int) -> None:
        assert assert_agrees(data, dialect=dialect, engine=engine, seed=seed) > 0

    check()


@pytest.mark.parametrize(
    ("data", "dialect", "reason"),
    [
        (model(BILINEAR, "uint8", (1, 4, 4, 1), (8, 8)), "litert-ref", "of uint8 computes in float32"),
        (model(BILINEAR, "int8", (1, 4, 4, 1), (8, 8), True, True), "litert-ref", "must not both be set"),
        (model(BILINEAR, "int8", (1, 4, 4, 1), (8, 8), scale=0.25), "xnnpack", "must have one scale"),
        (model(BILINEAR, "int8", (1, 4, 4, 1), (8, 8), axis=3), "xnnpack", "written along axis 0"),
        (model(BILINEAR, "int8", (1, 1, 1, 1), (1800, 1)), "litert-ref", "beyond the input's 1"),
        (model(NEAREST, "uint8", (1, 4, 4, 1), (8, 8)), "tflm", "must be int8 or int16"),
    ],
)
def test_refusals(data: bytes, dialect: str, reason: str) -> None:
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(data, dialect)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("dialect", "wanted"), [("litert-ref", [-1, 0, 1]), ("single-rounding", [0, 0, 1])])
def test_ties_of_bilinear(dialect: str, wanted: list[int]) -> None:
    """Halfway between -1 and 0 is -1/2: away from zero -1, or up 0."""
    data = model(BILINEAR, "int8", (1, 1, 3, 1), (1, 5), align=True)
    x = np.array([-1, 0, 1]).reshape(1, 1, 3, 1)
    found = intsim.run(CONVERTER.convert(data, dialect), x).outputs["y"].ravel().tolist()
    assert [found[1], found[2], found[3]] == wanted
