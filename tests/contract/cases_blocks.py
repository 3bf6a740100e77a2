"""Cases of the ops over blocks, for the contract suite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from intsim.arithmetic import Rounding
from intsim.arithmetic.blocks import BlockAccumulator, FloatRegister, Kulisch, SoftFloat
from intsim.formats import BlockFormat, IntFormat, Level, RealFormat, TensorSpec, Ternary
from intsim.formats.minifloat import BFLOAT16, BINARY16, BINARY32
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E2M1, E2M3, E4M3, E5M2, named
from intsim.ops import BlockDense, BlockDequantize, BlockQuantize
from intsim.ops.block_planes import planes
from intsim.testing import Case
from intsim.testing.strategies import arrays, batches, codes, formats, tensors

MX = [BlockFormat(element, (Level(size, E8M0),)) for element in (E2M1, E2M3, E4M3) for size in (2, 4)]
WRITTEN = [*MX, *(named(name).format for name in ("mxint8", "mx6", "nvfp4", "vs-quant"))]
READ = [*WRITTEN, *(named(name).format for name in ("gptq", "qserve", "q4_k", "tq2_0", "mxfp8-e5m2"))]
MULTIPLIED = [
    *WRITTEN,
    BlockFormat(Ternary(), (Level(4, BINARY16),)),
    BlockFormat(E5M2, (Level(0, BINARY32),)),
]
ROUNDINGS = st.sampled_from([Rounding.HALF_EVEN, Rounding.TOWARD_ZERO, Rounding.HALF_AWAY])
FLOATS = st.builds(SoftFloat, st.sampled_from([BINARY32, BINARY32, BFLOAT16, E5M2]), ROUNDINGS)


def shapes(draw: DrawFn, longest: int = 9) -> tuple[int, ...]:
    return (*draw(st.lists(st.integers(1, 3), max_size=2)), draw(st.integers(1, longest)))


def plane_specs(draw: DrawFn, format: BlockFormat, shape: tuple[int, ...], outer: bool) -> list[TensorSpec]:
    found = [TensorSpec(shape, format.element)]
    for plane in planes(format, outer):
        lead: Any = shape[:-1]
        if not plane.size:
            lead = tuple(draw(st.sampled_from([1, size])) for size in lead)
        last = -(-shape[-1] // plane.size) if plane.size else 1
        found.append(TensorSpec((*lead, last), plane.format))
    return found


def outer_of(draw: DrawFn, format: Any) -> Any:
    """Entries for the levels that are of size 0, now and then."""
    levels = [level for level in getattr(format, "levels", ()) if level.size == 0]
    if not levels or draw(st.booleans()):
        return None
    return [draw(codes(level.scale)) for level in levels]


@st.composite
def block_dequantizes(draw: DrawFn) -> Case:
    format, real = draw(st.sampled_from(READ)), draw(st.booleans())
    outer = None if format is named("q4_k").format else outer_of(draw, format)
    specs = tuple(plane_specs(draw, format, shapes(draw), outer is not None))
    output = SoftFloat(BINARY32, draw(ROUNDINGS)) if real else draw(FLOATS)
    return Case(BlockDequantize(format, outer, output, real), specs, draw(batches(*specs)))


@st.composite
def block_quantizes(draw: DrawFn) -> Case:
    format, shape = draw(st.sampled_from(WRITTEN)), shapes(draw)
    counts = format.levels[-1].size > 0
    outer = None if counts else outer_of(draw, format)
    if outer is not None:
        outer = [abs(code) % 0x3C00 + 1 for code in outer]  # a positive one
    per_row = not counts and outer is None and draw(st.booleans())
    kind = draw(st.sampled_from(["float", "integers", "real"]))
    given = draw(st.sampled_from([BINARY16, E4M3])) if kind == "float" else None
    op = BlockQuantize(format, given, rounding=draw(ROUNDINGS), per_row=per_row, outer=outer)
    batch = draw(st.integers(1, 2))
    if kind == "real":
        values = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 1.0, 6.0, 2.0**-140])
        count = batch * math.prod(shape)
        drawn = np.array(draw(st.lists(values, min_size=count, max_size=count)), np.float32)
        return Case(op, (TensorSpec(shape, RealFormat(32)),), (drawn.reshape(batch, *shape),))
    if given is not None:
        finite = codes(given).filter(lambda code: bool(given.decode(code).finite))
        x = draw(arrays((batch, *shape), finite))
        return Case(op, (TensorSpec(shape, given),), (x,))
    spec = TensorSpec(shape, draw(formats(2, 32)))
    return Case(op, (spec,), (draw(tensors(spec, batch)),))


@st.composite
def block_accumulators(draw: DrawFn) -> BlockAccumulator:
    register = Kulisch() if draw(st.booleans()) else FloatRegister(draw(FLOATS), draw(st.none() | FLOATS))
    output = draw(FLOATS) if isinstance(register, Kulisch) else draw(st.none() | FLOATS)
    return BlockAccumulator(
        exact=draw(st.integers(0, 3)), register=register, output=output, outer=draw(FLOATS)
    )


@st.composite
def block_denses(draw: DrawFn) -> Case:
    weight_format = draw(st.sampled_from(MULTIPLIED))
    input_format = draw(st.sampled_from([*MULTIPLIED, E4M3, None]))
    channels, shape = draw(st.integers(1, 3)), shapes(draw)
    depth = shape[-1]
    outer = outer_of(draw, input_format) if isinstance(input_format, BlockFormat) else None
    scales = []
    for level in weight_format.levels:
        blocks = -(-depth // level.size) if level.size else 1
        rows = channels if level.size else draw(st.sampled_from([1, channels]))
        scales.append(draw(arrays((rows, blocks), codes(level.scale))))
    op = BlockDense(
        draw(arrays((channels, depth), codes(weight_format.element))),
        tuple(scales),
        weight_format,
        input_format,
        outer,
        accumulator=draw(block_accumulators()),
    )
    assert op.float is not None
    if draw(st.booleans()):
        op = op.replace(bias=draw(arrays((draw(st.sampled_from([1, channels])),), codes(op.float.format))))
    if isinstance(input_format, BlockFormat):
        specs = tuple(plane_specs(draw, input_format, shape, outer is not None))
    else:
        specs = (TensorSpec(shape, input_format or draw(formats(1, 16))),)
    if not isinstance(input_format, BlockFormat) and input_format is None and draw(st.booleans()):
        specs = (TensorSpec(shape, IntFormat(40)),)
    return Case(op, specs, draw(batches(*specs)))


CASES: dict[str, SearchStrategy[Case]] = {
    "block_dense": block_denses(),
    "block_dequantize": block_dequantizes(),
    "block_quantize": block_quantizes(),
}
