"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX and ARG_MIN against the runtimes, on drawn models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intsim_converters.tflite import CONVERTER

import intsim
from intsim.errors import ConversionError
from tests.converters.agree import assert_agrees
from tests.zoo.tflite_builder import DTYPES, ModelBuilder

ALL, MICRO = ("int8", "uint8", "int16"), ("int8", "int16")
TYPES = {
    ("MEAN", "litert-ref"): ALL,
    ("MEAN", "xnnpack"): ALL,
    ("MEAN", "tflm"): MICRO,
    ("SUM", "litert-ref"): ("uint8",),
    ("SUM", "xnnpack"): ALL,
    ("SUM", "tflm"): MICRO,
    ("REDUCE_MAX", "litert-ref"): ALL,
    ("REDUCE_MAX", "xnnpack"): ALL,
    ("REDUCE_MAX", "tflm"): ("int8",),
    ("REDUCE_MIN", "litert-ref"): ALL,
    ("REDUCE_MIN", "xnnpack"): ALL,
    ("REDUCE_MIN", "tflm"): ("int8",),
}
SCALES = st.floats(1e-3, 0.1).map(np.float32).map(float)


def zero_points(dtype: str) -> st.SearchStrategy[int]:
    return st.just(0) if dtype == "int16" else st.integers(DTYPES[dtype].low, DTYPES[dtype].high)


def smallest_ratio(operator: str, dialect: str, dtype: str, count: int) -> float:
    """Of the output's scale to the input's, by the refusal of scaled sums from 2**29 up.

    Just above it; `test_refusals` has one below. XNNPACK's float32 sums have no such bound.
    """
    if dialect == "xnnpack" and (dtype != "int16" or operator == "SUM"):
        return 0.0
    spread = DTYPES[dtype].high - DTYPES[dtype].low
    return 1.0001 * spread * (1 if operator == "MEAN" else count) / 2**29


@st.composite
def ratios(draw: st.DrawFn, operator: str, count: int, least: float) -> float:
    """Of the output's scale to the input's, `least` or more: powers of two for ties, anything, and one."""
    if operator.startswith("REDUCE"):
        return 1.0
    usual = 1.0 if operator == "MEAN" else count**0.5
    lowest = max(1e-4, least / usual)
    return usual * draw(
        st.just(1.0) | st.sampled_from([0.25, 0.5, 2.0, 4.0]) | st.floats(0.1, 10) | st.floats(lowest, 1e4)
    )


@st.composite
def reductions(draw: st.DrawFn, operator: str, dialect: str) -> bytes:
    """Batches above 1 only where no axis is the batch's: samples must not mix."""
    dtype = draw(st.sampled_from(TYPES[operator, dialect]))
    shape = tuple(draw(st.lists(st.integers(1, 8), min_size=1, max_size=4)))
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=4, unique=True))
    if 0 in axes or len(shape) == 1:
        shape = (1, *shape[1:])
    keepdims = draw(st.booleans())
    left = [1 if axis in axes else n for axis, n in enumerate(shape) if keepdims or axis not in axes]
    count = math.prod(shape[axis] for axis in axes)
    scale, zero = draw(SCALES), draw(zero_points(dtype))
    ratio = draw(ratios(operator, count, smallest_ratio(operator, dialect, dtype, count)))
    zero_out = zero if operator.startswith("REDUCE") else draw(st.just(zero) | zero_points(dtype))
    given_axes = [axis - len(shape) if draw(st.booleans()) else axis for axis in axes]
    m = ModelBuilder()
    x = m.input("x", shape, dtype, scale, zero)
    y = m.tensor("y", left, dtype, float(np.float32(scale * ratio)), zero_out)
    m.operator(
        operator, [x, m.constant("axes", np.array(given_axes), "int32")], [y], version=2, keep_dims=keepdims
    )
    m.output(y)
    return m.build()


@pytest.mark.parametrize(("operator", "dialect"), TYPES, ids=lambda value: str(value))
def test_every_integer_is_the_runtimes(operator: str, dialect: str) -> None:
    @settings(max_examples=50)
    @given(
        reductions(operator, dialect),
        st.sampled_from(("reference", "fast")),
        st.integers(0, 2**32),
    )
    def check(data: bytes, engine: str, seed: int) -> None:
        assert assert_agrees(data, dialect=dialect, engine=engine, seed=seed) > 0

    check()


@st.composite
def arguments(draw: st.DrawFn, operator: str, types: tuple[str, ...]) -> bytes:
    """Few codes and long axes, so that equal ones meet."""
    dtype = draw(st.sampled_from(types))
    shape = (draw(st.sampled_from((1, 1, 3))), *draw(st.lists(st.integers(1, 20), min_size=1, max_size=3)))
    axis = draw(st.integers(1, len(shape) - 1))
    out, wide = draw(st.sampled_from((("INT32", "int32"), ("INT64", "int64"))))
    m = ModelBuilder()
    x = m.input("x", shape, dtype, 0.5, 3)
    y = m.tensor("y", shape[:axis] + shape[axis + 1 :], wide)
    given_axis = axis - len(shape) if draw(st.booleans()) else axis
    m.operator(
        operator, [x, m.constant("axis", np.array(given_axis), "int32")], [y], version=2, output_type=out
    )
    m.output(y)
    return m.build()


@pytest.mark.parametrize("operator", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("dialect", ["litert-ref", "xnnpack"])
def test_every_place_is_the_runtimes(operator: str, dialect: str) -> None:
    @settings(max_examples=30)
    @given(
        arguments(operator, ("int8", "uint8")), st.sampled_from(("reference", "fast")), st.integers(0, 2**32)
    )
    def check(data: bytes, engine: str, seed: int) -> None:
        assert assert_agrees(data, dialect=dialect, engine=engine, seed=seed) > 0

    check()


def reduction(operator: str, dtype: str = "int8", **changes: Any) -> bytes:
    """A reduction over the last axis of (1, 4, 5)."""
    given = {"scale": 0.5, "zero": 0, "out": 0.5, "axes": [2], "axis": 0, "shape": (1, 4)} | changes
    m = ModelBuilder()
    x = m.input("x", (1, 4, 5), dtype, given["scale"], given["zero"], axis=given["axis"])
    y = m.tensor("y", given["shape"], dtype, given["out"], given["zero"])
    m.operator(operator, [x, m.constant("axes", np.array(given["axes"], np.int32), "int32")], [y], version=2)
    m.output(y)
    return m.build()


@pytest.mark.parametrize(
    ("data", "dialect", "reason"),
    [
        (reduction("SUM"), "litert-ref", "SUM of int8 is undefined in LiteRT's reference kernels"),
        (reduction("SUM", "int16"), "litert-ref", "SUM of int16 is undefined"),
        (reduction("MEAN", "uint8"), "tflm", "must be int8 or int16, which TensorFlow Lite Micro computes"),
        (
            reduction("MEAN", "int32"),
            "litert-ref",
            "must be int8 or uint8 or int16, which LiteRT computes MEAN",
        ),
        (reduction("MEAN", axis=1), "xnnpack", "and where scales are written along axis 0"),
        (reduction("MEAN", out=1e-9), "litert-ref", "scaled sums must stay below 2**29"),
        (reduction("MEAN", "int16", out=0.5e-4), "tflm", "must stay below 2**29, not reach 6.554e+08"),
        (reduction("SUM", "int16", out=3e-4), "tflm", "must stay below 2**29, not reach 5.461e+08"),
        (reduction("MEAN", axes=[], shape=(1, 4, 5)), "litert-ref", "axes must name one at least"),
        (reduction("MEAN", axes=[3]), "litert-ref", "axis must be -3 to 2, not 3"),
        (reduction("MEAN", shape=(1, 5)), "litert-ref", "output 'y' must have shape (1, 4), not (1, 5)"),
        (reduction("REDUCE_MAX", out=0.25), "litert-ref", "must have one scale and zero point"),
        (reduction("MEAN", "int16", zero=3), "litert-ref", "zero points of int16 must be 0, not (3, 3)"),
    ],
)
def test_refusals(data: bytes, dialect: str, reason: str) -> None:
    with pytest.raises(ConversionError) as caught:
        CONVERTER.convert(data, dialect)
    assert reason in str(caught.value)


@given(
    st.sampled_from(("int8", "int16")),
    st.integers(1, 40),
    SCALES,
    st.sampled_from([0.25, 0.5, 1.0, 1.7]),
    st.integers(0, 2**32),
)
def test_single_rounding_mean_is_the_sum_by_hand(
    dtype: str, count: int, scale: float, ratio: float, seed: int
) -> None:
    """No runtime at hand is built so: one product with multiplier / count, one shift, ties up."""
    m = ModelBuilder()
    zero = 0 if dtype == "int16" else -5
    out = float(np.float32(scale / ratio))
    x = m.input("x", (1, 3, count), dtype, scale, zero)
    y = m.tensor("y", (1, 3), dtype, out, zero)
    m.operator("MEAN", [x, m.constant("axes", np.array([2], np.int32), "int32")], [y], version=2)
    m.output(y)
    kind = DTYPES[dtype]
    codes = np.random.default_rng(seed).integers(kind.low, kind.high, (1, 3, count), endpoint=True)
    found = intsim.run(CONVERTER.convert(m.build(), "single-rounding"), codes).outputs["y"]
    mantissa, exponent = math.frexp(float(np.float32(scale)) / float(np.float32(out)))
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    bits = count.bit_length() - 1
    multiplier, shift = multiplier * 2**bits // count, 31 - exponent + bits
    for row, mean in zip(codes[0].tolist(), found[0].tolist(), strict=True):
        centred = sum(row) - zero * count
        exact = (centred * multiplier + 2 ** (shift - 1)) // 2**shift + zero
        assert mean == min(max(exact, kind.low), kind.high)
