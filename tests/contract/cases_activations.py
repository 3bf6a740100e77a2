"""Cases of the activations: branches by sign, tables, and the fixed-point functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from intsim import ops
from intsim.arithmetic import (
    Clamp,
    FixedPointSoftmax,
    FloatSoftmax,
    Multiply,
    QuotientSoftmax,
    Register,
    Requantization,
    Rounding,
    ShiftLeft,
    ShiftRight,
    TableSoftmax,
    table_size,
)
from intsim.formats import IntFormat, TensorSpec
from intsim.formats.table import named
from intsim.testing import Case
from intsim.testing.strategies import arrays, batches, codes, formats, requantizations

small_shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
row_shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
INT8, UINT8, INT16, INT32 = IntFormat(8), IntFormat(8, signed=False), IntFormat(16), IntFormat(32)


@st.composite
def leaky_relus(draw: st.DrawFn) -> Case:
    format, output = draw(formats(1, 40)), draw(formats(2, 32))
    spec = TensorSpec(draw(small_shapes), format)
    positive, negative = (
        draw(requantizations(1, output, trap=True, input_bits=format.bits)) for _ in range(2)
    )
    op = ops.LeakyRelu(positive, negative, draw(st.integers(-300, 300) | codes(format)))
    return Case(op, (spec,), draw(batches(spec)))


@st.composite
def prelus(draw: st.DrawFn) -> Case:
    format, output, slopes = draw(formats(1, 24)), draw(formats(2, 32)), draw(formats(1, 16))
    shape = draw(small_shapes)
    slope_shape = tuple(draw(st.sampled_from([1, size])) for size in shape)
    slope_shape = slope_shape[draw(st.integers(0, len(slope_shape))) :]
    positive, negative = (
        draw(requantizations(1, output, trap=True, input_bits=format.bits)) for _ in range(2)
    )
    op = ops.Prelu(
        slope=draw(arrays(slope_shape, codes(slopes))),
        positive=positive,
        negative=negative,
        slope_format=slopes,
        slope_zero_point=draw(st.integers(-130, 130)),
        input_zero_point=draw(st.integers(-300, 300)),
    )
    spec = TensorSpec(shape, format)
    return Case(op, (spec,), draw(batches(spec)))


@st.composite
def hard_swishes(draw: st.DrawFn) -> Case:
    usual = st.integers(2**14, 2**15 - 1)
    op = ops.HardSwish(
        output_multiplier=draw(usual | st.integers(0, 2**15 - 1)),
        output_shift=draw(st.integers(0, 15)),
        relu_multiplier=draw(usual | st.integers(0, 2**15 - 1)),
        relu_shift=draw(st.integers(-4, 4) | st.integers(-15, 31)),
        input_zero_point=draw(st.integers(-128, 255) | codes(INT16)),
        output_zero_point=draw(st.integers(-128, 255) | codes(INT16)),
        format=draw(formats(1, 15) | st.just(INT16)),
    )
    spec = TensorSpec(draw(small_shapes), draw(formats(1, 8)))
    return Case(op, (spec,), draw(batches(spec)))


@st.composite
def lookups(draw: st.DrawFn) -> Case:
    coded = st.sampled_from([named("e4m3").format, named("e5m2fnuz").format, named("e2m1").format])
    source = draw(formats(1, 10) | coded)
    low = draw(st.just(0) | st.integers(0, source.bits - 1))
    target = draw(formats(1, 32, signed=True) if low else formats(1, 32) | coded)
    size = table_size(source.bits, low)
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    entries = seed.integers(target.min, target.max, size, endpoint=True, dtype=np.int64)
    few = draw(st.lists(codes(target), max_size=8))
    entries[: min(len(few), size)] = few[:size]
    op = ops.Lookup(entries=entries, input_format=source, format=target, interpolation_bits=low)
    spec = TensorSpec(draw(small_shapes), source)
    return Case(op, (spec,), draw(batches(spec)))


@st.composite
def exponents(draw: st.DrawFn) -> tuple[Requantization, int]:
    """A rescaling of differences to Q5.26 as TensorFlow Lite makes it, and the least difference."""
    left = draw(st.integers(0, 27) | st.integers(18, 24))
    multiplier = draw(st.integers(2**30, 2**31 - 1))
    reach = (31 << 26) >> left
    least = -draw(st.just(reach) | st.integers(0, min(reach, 40)))
    if draw(st.booleans()):
        steps: Any = (ShiftLeft(bits=left), Multiply(multipliers=multiplier))
        steps += (ShiftRight(bits=31, rounding=Rounding.HALF_UP),)
    else:
        steps = (
            Multiply(multipliers=multiplier),
            ShiftRight(bits=31 - left, rounding=draw(st.sampled_from([Rounding.HALF_UP, Rounding.FLOOR]))),
        )
    return Requantization(steps, INT32), least


@st.composite
def softmaxes(draw: st.DrawFn) -> Case:
    draw_recipe = draw(st.sampled_from([fixed_recipes, table_recipes, float_recipes, quotient_recipes]))
    recipe, source, target = draw(draw_recipe())
    longer = st.tuples(st.integers(1, 2), st.integers(8, 24))
    spec = TensorSpec(draw(row_shapes | longer), source)
    return Case(ops.Softmax(recipe, target), (spec,), draw(batches(spec)))


@st.composite
def fixed_recipes(draw: st.DrawFn) -> tuple[Any, IntFormat, IntFormat]:
    recipe = FixedPointSoftmax(*draw(exponents()))
    return recipe, draw(formats(1, 16)), draw(formats(1, 24) | st.sampled_from([INT8, UINT8, INT16]))


@st.composite
def table_recipes(draw: st.DrawFn) -> tuple[Any, IntFormat, IntFormat]:
    shift = draw(st.integers(0, 20))
    steps = (
        Multiply(multipliers=draw(st.integers(2**15, 2**16))),
        ShiftRight(bits=shift, rounding=Rounding.HALF_UP, into=draw(st.none() | st.just(Register(INT32)))),
        Clamp(lo=-(2**30), hi=0),
    )
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        exponential = np.rint(np.exp(np.linspace(-10, 0, 513)) * 32767).astype(np.int64)
        reciprocal = np.rint(32767 / (1 + np.linspace(0, 1, 513))).astype(np.int64)
    else:
        exponential = seed.integers(0, 32767, 513, endpoint=True)
        exponential[-2:] = np.maximum(exponential[-2:], 2)
        reciprocal = seed.integers(-32768, 32767, 513, endpoint=True)
    return TableSoftmax(Requantization(steps, INT32), exponential, reciprocal), INT16, INT16


@st.composite
def float_recipes(draw: st.DrawFn) -> tuple[Any, IntFormat, IntFormat]:
    source = draw(formats(1, 8))
    step = draw(st.sampled_from([0.0, 0.01, 0.1, 1.0]) | st.floats(0, 0.2) | st.floats(0, 4))
    table = np.exp(-step * np.arange((1 << source.bits) - 1, -1, -1)).astype(np.float32)
    scale = draw(st.sampled_from([1 / 256, 1 / 32768, 0.1]) | st.floats(2.0**-20, 4.0))
    recipe = FloatSoftmax(
        table,
        np.float32(scale),
        draw(st.integers(-128, 255)),
        draw(st.sampled_from([r for r in Rounding if r is not Rounding.STOCHASTIC])),
    )
    return recipe, source, draw(formats(1, 16) | st.just(INT16))


@st.composite
def quotient_recipes(draw: st.DrawFn) -> tuple[Any, IntFormat, IntFormat]:
    source = draw(formats(1, 8))
    step = draw(st.sampled_from([0.0, 0.01, 0.1, 1.0]) | st.floats(0, 4))
    rise = draw(st.sampled_from([0.0, 60.0, 77.0]))  # up to 2.7e33: sums and products stay finite
    table = np.exp(rise - step * np.arange((1 << source.bits) - 1, -1, -1)).astype(np.float32)
    multiplier = draw(st.sampled_from([0, 1, 255, 256, 4096]) | st.integers(0, 50_000))
    recipe = QuotientSoftmax(table, np.float32(multiplier), draw(st.integers(-128, 255)))
    return recipe, source, draw(formats(1, 16) | st.just(INT16))


@st.composite
def log_softmaxes(draw: st.DrawFn) -> Case:
    rescale, least = draw(exponents())
    reverse = (
        Multiply(multipliers=draw(st.integers(2**30, 2**31 - 1))),
        ShiftRight(bits=31, rounding=Rounding.HALF_UP),
        ShiftRight(bits=draw(st.integers(0, 31)), rounding=Rounding.HALF_AWAY),
    )
    op = ops.LogSoftmax(rescale, Requantization(reverse, INT32), least, draw(formats(1, 9)))
    spec = TensorSpec(draw(row_shapes), draw(formats(1, 16)))
    return Case(op, (spec,), draw(batches(spec)))


@st.composite
def l2_normalizations(draw: st.DrawFn) -> Case:
    format = draw(formats(1, 9) | formats(1, 13))
    op = ops.L2Normalization(
        input_zero_point=draw(st.integers(format.min, format.max)),
        output_zero_point=draw(st.integers(-128, 255)),
        format=draw(formats(1, 16)),
        output_bits=draw(st.just(7) | st.integers(0, 15)),
        scaled_first=draw(st.booleans()),
        single_rounding=draw(st.booleans()),
    )
    spec = TensorSpec(draw(row_shapes), format)
    return Case(op, (spec,), draw(batches(spec)))


CASES = {
    "hard_swish": hard_swishes(),
    "l2_normalization": l2_normalizations(),
    "leaky_relu": leaky_relus(),
    "log_softmax": log_softmaxes(),
    "lookup": lookups(),
    "prelu": prelus(),
    "softmax": softmaxes(),
}
