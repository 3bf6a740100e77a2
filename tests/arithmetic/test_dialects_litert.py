"""The dialects of TensorFlow Lite and XNNPACK against LiteRT, run live on models of one operator.

The input of a layer is its zero point, so that its sums are its biases: any integer of 32 bits.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Rounding, round_shift
from intsim.arithmetic.dialects import (
    DIALECTS,
    double_rounding_by,
    ratio_float32,
    ratio_float32_product,
    ratio_float64,
    xnnpack_add_multipliers,
    xnnpack_convert_multiplier,
)
from intsim.errors import SpecError
from intsim.formats import IntFormat
from tests.zoo.litert import run
from tests.zoo.tflite_builder import ModelBuilder

CHANNELS = 64
few = settings(max_examples=15)
real_scales = st.floats(2.0**-10, 1.0, width=32)
sums32 = st.lists(
    st.integers(-(2**31), 2**31 - 1) | st.integers(-300, 300) | st.integers(-(2**20), 2**20),
    min_size=CHANNELS,
    max_size=CHANNELS,
)


@st.composite
def layers(draw, dtype="int8", per_channel=True):
    """Scales and sums at and between the places where the code changes; also sums far outside."""
    x_scale, y_scale = draw(real_scales), draw(real_scales)
    spread = {"int8": 140, "uint8": 140, "int16": 40000}[dtype]
    if draw(st.booleans()):
        w_scales = np.full(CHANNELS, 2.0 ** -draw(st.integers(1, 20)), np.float32)
        x_scale = y_scale = 1.0
    else:
        reach = draw(st.sampled_from([2.0**-22, 2.0**-21, 2.0**-12, 2.0**-4]))
        parts = draw(st.lists(st.floats(0.25, 1, width=32), min_size=CHANNELS, max_size=CHANNELS))
        w_scales = np.float32(reach) * np.array(parts, np.float32)
    if not per_channel:
        w_scales = np.full(CHANNELS, w_scales[0])
    ratios = np.float32(x_scale) * w_scales.astype(np.float64) / np.float32(y_scale)
    codes = draw(st.lists(st.integers(-2 * spread, 2 * spread), min_size=CHANNELS, max_size=CHANNELS))
    near = np.clip(np.rint(np.array(codes) / 2 / ratios), -(2**31), 2**31 - 1).astype(np.int64)
    sums = np.where(draw(st.integers(0, 3)) > 0, near, np.array(draw(sums32)))
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    zero_point = 0 if dtype == "int16" else draw(st.integers(low, high))
    return x_scale, w_scales, y_scale, sums, zero_point


def conv(drawn, dtype, bias_type="int32", resolver="ref", per_channel=True):
    x_scale, w_scales, y_scale, sums, zero_point = drawn
    m = ModelBuilder()
    x_zero = 0 if dtype == "int16" else 5
    axis = 0
    if not per_channel:
        w_scales = w_scales[:1]
    x = m.input("x", (1, 1, 1, 1), dtype, scale=x_scale, zero_point=x_zero)
    ones = np.ones((CHANNELS, 1, 1, 1), np.int64)
    w_type, w_zero = ("uint8", 3) if dtype == "uint8" else ("int8", 0)
    w = m.constant("w", ones, w_type, scale=w_scales.tolist(), zero_point=w_zero, axis=axis)
    b_scales = (np.float32(x_scale) * w_scales).tolist()
    b = m.constant("b", sums, bias_type, scale=b_scales, zero_point=0, axis=0)
    y = m.tensor("y", (1, 1, 1, CHANNELS), dtype, scale=y_scale, zero_point=zero_point)
    options = {} if dtype != "int16" or bias_type == "int64" else {"quantized_bias_type": "INT32"}
    version = {"int8": 3, "uint8": 1, "int16": 4}[dtype]
    m.operator(
        "CONV_2D",
        [x, w, b],
        [y],
        version=8 if options else version,
        padding="VALID",
        stride_w=1,
        stride_h=1,
        dilation_w_factor=1,
        dilation_h_factor=1,
        **options,
    )
    m.output(y)
    return run(m.build(), {"x": np.full((1, 1, 1, 1), x_zero)}, resolver)["y"].ravel()


def codes(name, drawn, dtype, ratio=None, per_channel=True):
    x_scale, w_scales, y_scale, sums, zero_point = drawn
    dialect = DIALECTS[name]
    ratio = dialect.ratio if ratio is None else ratio
    weights = w_scales if per_channel else w_scales[:1]
    rule = dialect.requantization(
        ratio((x_scale, weights), y_scale), zero_point=zero_point, format=IntFormat.parse(dtype)
    )
    return rule.apply(np.asarray(sums))


@few
@given(layers())
def test_double_rounding(drawn):
    assert codes("tflite-double", drawn, "int8").tolist() == conv(drawn, "int8").tolist()


@few
@given(layers("uint8", per_channel=False))
def test_double_rounding_of_unsigned_codes_takes_a_float32_product(drawn):
    found = codes("tflite-double", drawn, "uint8", ratio_float32_product, per_channel=False)
    assert found.tolist() == conv(drawn, "uint8", per_channel=False).tolist()


def test_a_case_where_the_product_of_scales_matters():
    x_scale, w_scale, y_scale = map(float.fromhex, ("0x1.11ca96p-3", "0x1.e12824p-22", "0x1.f17f06p-1"))
    w_scales = np.full(CHANNELS, w_scale, np.float32)
    ratio = ratio_float64((x_scale, w_scales[:1]), y_scale)
    between = np.rint((np.arange(CHANNELS // 2) + 90.5) / ratio).astype(np.int64)  # where the code changes
    sums = np.concatenate([between - 20, between + 20])
    drawn = (x_scale, w_scales, y_scale, sums, 0)
    wanted = conv(drawn, "uint8", per_channel=False).tolist()
    in_float32 = codes("tflite-double", drawn, "uint8", ratio_float32_product, per_channel=False)
    in_float64 = codes("tflite-double", drawn, "uint8", ratio_float64, per_channel=False)
    assert in_float32.tolist() == wanted
    assert in_float64.tolist() != wanted


@few
@given(layers("int16"))
def test_double_rounding_of_16_bits_with_a_narrow_bias(drawn):
    assert codes("tflite-double", drawn, "int16").tolist() == conv(drawn, "int16").tolist()


@few
@given(layers("int16"))
def test_reduced_multiplier(drawn):
    assert codes("tflite-m64", drawn, "int16").tolist() == conv(drawn, "int16", "int64").tolist()


@few
@given(layers())
def test_optimized_kernels_round_half_up_twice(drawn):
    assert (
        codes("tflite-neon", drawn, "int8").tolist() == conv(drawn, "int8", resolver="no-delegates").tolist()
    )


@few
@given(layers())
def test_xnnpack_rounds_a_float32_product(drawn):
    assert (
        codes("f32-rne-zp-after", drawn, "int8").tolist() == conv(drawn, "int8", resolver="default").tolist()
    )


def fully_connected(drawn, dtype):
    x_scale, w_scales, y_scale, sums, zero_point = drawn
    m = ModelBuilder()
    x_zero = 0 if dtype == "int16" else 5
    x = m.input("x", (1, 1), dtype, scale=x_scale, zero_point=x_zero)
    w = m.constant("w", np.ones((CHANNELS, 1), np.int64), "int8", scale=w_scales[0])
    b = m.constant("b", sums, "int64" if dtype == "int16" else "int32", scale=x_scale * w_scales[0])
    y = m.tensor("y", (1, CHANNELS), dtype, scale=y_scale, zero_point=zero_point)
    m.operator("FULLY_CONNECTED", [x, w, b], [y], version=7 if dtype == "int16" else 4)
    m.output(y)
    return run(m.build(), {"x": np.full((1, 1), x_zero)})["y"].ravel()


@few
@given(
    st.sampled_from(["int8", "int16"]).flatmap(lambda dtype: st.tuples(st.just(dtype), layers(dtype, False)))
)
def test_fully_connected_reference(typed):
    dtype, drawn = typed
    found = codes("litert-ref-fc", drawn, dtype, per_channel=False)
    assert found.tolist() == fully_connected(drawn, dtype).tolist()


# --- one input, one output ---

EVERY = np.arange(-128, 128)


def unary(op, x_scale, x_zero, y_scale, y_zero, resolver, version, **options):
    m = ModelBuilder()
    x = m.input("x", (1, EVERY.size), "int8", scale=x_scale, zero_point=x_zero)
    y = m.tensor("y", (1, EVERY.size), "int8", scale=y_scale, zero_point=y_zero)
    m.operator(op, [x], [y], version=version, **options)
    m.output(y)
    return run(m.build(), {"x": EVERY[None]}, resolver)["y"].ravel().tolist()


zeros = st.integers(-128, 127)
middling = st.floats(2.0**-4, 8.0, width=32) | st.sampled_from([0.25, 0.5, 1.0, 2.0])


@few
@given(x_scale=middling, x_zero=zeros, y_scale=middling, y_zero=zeros)
def test_quantize_every_code(x_scale, x_zero, y_scale, y_zero):
    dialect = DIALECTS["tflite-double"]
    rule = dialect.requantization(dialect.ratio((x_scale,), y_scale), zero_point=y_zero)
    found = rule.apply(EVERY - x_zero).tolist()
    assert found == unary("QUANTIZE", x_scale, x_zero, y_scale, y_zero, "ref", 2)


def converted(values, multiplier, y_zero):
    return np.clip(round_shift(values * multiplier, 8, Rounding.HALF_UP) + y_zero, -128, 127)


@few
@given(x_scale=middling, x_zero=zeros, y_scale=middling, y_zero=zeros)
def test_xnnpack_quantize(x_scale, x_zero, y_scale, y_zero):
    multiplier = xnnpack_convert_multiplier(ratio_float32((x_scale,), y_scale)[0])
    found = converted(EVERY - x_zero, multiplier, y_zero).tolist()
    assert found == unary("QUANTIZE", x_scale, x_zero, y_scale, y_zero, "default", 2)


@few
@given(
    x_scale=middling, x_zero=zeros, y_scale=middling, y_zero=zeros, alpha=st.floats(2.0**-4, 1.0, width=32)
)
def test_xnnpack_leaky_relu(x_scale, x_zero, y_scale, y_zero, alpha):
    ratio = ratio_float32((x_scale,), y_scale)[0]
    assume(ratio * alpha >= 2.0**-8)  # XNNPACK leaves smaller slopes to the optimized kernels
    slopes = (
        xnnpack_convert_multiplier(ratio),
        xnnpack_convert_multiplier(np.float32(ratio) * np.float32(alpha)),
    )
    above = EVERY - x_zero
    found = np.where(above >= 0, converted(above, slopes[0], y_zero), converted(above, slopes[1], y_zero))
    wanted = unary("LEAKY_RELU", x_scale, x_zero, y_scale, y_zero, "default", 2, alpha=alpha)
    assert found.tolist() == wanted


@few
@given(
    scales=st.tuples(middling, middling, middling),
    zero_points=st.tuples(zeros, zeros, zeros),
    seed=st.integers(0, 99),
)
def test_xnnpack_add(scales, zero_points, seed):
    rng = np.random.default_rng(seed)
    a, b = EVERY, rng.permutation(EVERY)
    m = ModelBuilder()
    tensors = [
        m.input(name, (1, 256), "int8", scale=scale, zero_point=zero)
        for name, scale, zero in zip("ab", scales, zero_points, strict=False)
    ]
    y = m.tensor("y", (1, 256), "int8", scale=scales[2], zero_point=zero_points[2])
    m.operator("ADD", tensors, [y], version=2)
    m.output(y)
    ratios = [ratio_float32((scale,), scales[2])[0] for scale in scales[:2]]
    by_a, by_b, shift = xnnpack_add_multipliers(*ratios)
    sums = (a - zero_points[0]) * by_a + (b - zero_points[1]) * by_b
    found = np.clip(round_shift(sums, shift, Rounding.HALF_UP) + zero_points[2], -128, 127)
    wanted = run(m.build(), {"a": a[None], "b": b[None]}, "default")["y"].ravel()
    assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("ratio", [2.0**-9, 2.0**7 + 1])
def test_xnnpack_has_no_such_quantize(ratio):
    with pytest.raises(SpecError) as error:
        xnnpack_convert_multiplier(ratio)
    assert str(error.value) == f"ratio of scales must be 2**-8 to 2**7 for XNNPACK's QUANTIZE, not {ratio}"


def test_a_multiplier_that_is_given():
    steps = double_rounding_by(np.array([2**30]), np.array([-1]))
    value = np.array([10, -10, 6, -6])
    for step in steps:
        value = step.apply(value)
    assert value.tolist() == [3, -3, 2, -2]  # 10 / 4 = 2.5 and 6 / 4 = 1.5 away from zero


@pytest.mark.parametrize("name", ["tflite-double", "tflite-neon"])
def test_the_two_doubles_differ_at_negative_ties(name):
    rule = DIALECTS[name].requantization(0.25)
    ties = rule.apply(np.array([-10, -6, -2])).tolist()
    assert ties == ([-3, -2, -1] if name == "tflite-double" else [-2, -1, 0])
