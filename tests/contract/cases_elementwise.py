"""Cases of the elementwise ops of two tensors, and of the doors."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from intsim import ops
from intsim.arithmetic import Rounding
from intsim.formats import IntFormat, RealFormat, TensorSpec
from intsim.formats.table import named
from intsim.testing import Case
from intsim.testing.strategies import batches, codes, formats, registers, tensors

small_shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
minifloats = st.sampled_from(
    [named(name).format for name in ("e4m3", "e4m3fnuz", "e5m2", "e5m2fnuz", "e2m1", "e3m2", "bfloat16")]
)
roundings = st.sampled_from([r for r in Rounding if r is not Rounding.STOCHASTIC])


@st.composite
def broadcast_shapes(draw: st.DrawFn, count: int = 2) -> list[tuple[int, ...]]:
    """Shapes that broadcast to each other, any of them the smaller in any axis."""
    shape = draw(small_shapes)
    found = []
    for _ in range(count):
        other = tuple(draw(st.sampled_from([1, size])) for size in shape)
        found.append(other[draw(st.integers(0, len(other))) :])
    return [shape, *found[1:]] if draw(st.booleans()) else found


@st.composite
def written(draw: st.DrawFn, op: Any, bits: int) -> Case:
    """An op of two tensors whose result is written into a register."""
    specs = tuple(TensorSpec(shape, draw(formats(1, bits))) for shape in draw(broadcast_shapes()))
    return Case(op(register=draw(registers(1, 64, trap=True))), specs, draw(batches(*specs)))


@st.composite
def compared(draw: st.DrawFn, op: Any) -> Case:
    format = draw(formats(1, 64))
    specs = tuple(TensorSpec(shape, format) for shape in draw(broadcast_shapes()))
    return Case(op(), specs, draw(batches(*specs)))


@st.composite
def selections(draw: st.DrawFn) -> Case:
    kinds = (IntFormat(1, signed=False), *[draw(formats(1, 64) | minifloats)] * 2)
    specs = tuple(TensorSpec(*pair) for pair in zip(draw(broadcast_shapes(3)), kinds, strict=True))
    return Case(ops.Select(), specs, draw(batches(*specs)))


@st.composite
def floats(draw: st.DrawFn) -> Case:
    """Scales alike, which make ties, and any others; zero points anywhere."""
    sources, target = [draw(formats(1, 16)) for _ in range(2)], draw(formats(1, 16))
    scales = st.sampled_from([0.5, 1.0, 0.1, 3.0]) | st.floats(2.0**-20, 2.0**10, width=32)
    one = draw(scales)
    left, right, output = (np.float32(draw(st.just(one) | scales)) for _ in range(3))
    op = ops.FloatElementwise(
        draw(st.sampled_from(ops.FloatFunction)),
        left,
        right,
        output,
        *(draw(codes(format)) for format in (*sources, target)),
        target,
    )
    specs = tuple(TensorSpec(*pair) for pair in zip(draw(broadcast_shapes()), sources, strict=True))
    return Case(op, specs, draw(batches(*specs)))


@st.composite
def door(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape, and the fields that quantize and dequantize share."""
    shape = draw(small_shapes)
    axis = draw(st.none() | st.integers(0, len(shape) - 1)) if shape else None
    size = shape[axis] if axis is not None and draw(st.booleans()) else 1
    width = draw(st.sampled_from([32, 64]))
    scales = st.sampled_from([0.5, 1.0, 0.1, 1 / 256, 3.0, 0.013, 0.7]) | st.floats(
        2.0**-40, 2.0**20, width=width
    )
    scale = np.array(draw(st.lists(scales, min_size=size, max_size=size)), dtype=f"float{width}")
    points = st.integers(-130, 256) | st.integers(-(2**33) + 1, 2**33 - 1)
    points = draw(st.lists(points, min_size=size, max_size=size))
    zero_point: Any = points if size > 1 and draw(st.booleans()) else points[0]
    if size == 1 and draw(st.booleans()):
        scale = scale[0]
    return shape, {"scale": scale, "zero_point": zero_point, "axis": axis}


@st.composite
def quantizes(draw: st.DrawFn) -> Case:
    shape, fields = draw(door())
    dtype = np.asarray(fields["scale"]).dtype
    width = 8 * dtype.itemsize
    least = float(np.min(fields["scale"]))
    ties = st.integers(-300, 300).map(lambda k: float(dtype.type((k + 0.5) * least)))
    reals = st.one_of(ties, ties, st.floats(width=width, allow_nan=False))
    format = draw(formats(1, 32) | minifloats)
    if format.coded:
        fields["zero_point"] = 0
    op = ops.Quantize(**fields, format=format, rounding=draw(roundings), reciprocal=draw(st.booleans()))
    batch = draw(st.integers(1, 3))
    count = batch * int(np.prod(shape, dtype=np.int64))
    x = np.array(draw(st.lists(reals, min_size=count, max_size=count)), dtype=dtype)
    return Case(op, (TensorSpec(shape, RealFormat(width)),), (x.reshape(batch, *shape),))


@st.composite
def dequantizes(draw: st.DrawFn) -> Case:
    shape, fields = draw(door())
    spec = TensorSpec(shape, draw(formats(1, 32) | minifloats))
    if spec.integer.coded:
        fields |= {"zero_point": 0, "input_format": spec.format}
    op = ops.Dequantize(**fields, format=RealFormat(draw(st.sampled_from([32, 64]))))
    return Case(op, (spec,), (draw(tensors(spec)),))


CASES = {
    "dequantize": dequantizes(),
    "float_elementwise": floats(),
    "maximum": compared(ops.Maximum),
    "minimum": compared(ops.Minimum),
    "mul": written(ops.Mul, 64),
    "quantize": quantizes(),
    "select": selections(),
    "squared_difference": written(ops.SquaredDifference, 64),
    "sub": written(ops.Sub, 64),
}
