"""Fast products of blocks against `block_dot`, bit by bit, and against the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Overflow, Rounding, Topology
from intsim.arithmetic.blocks import (
    BF16,
    BLOCK_ACCUMULATORS,
    FP16,
    FP32,
    Alignment,
    Anchor,
    BlockAccumulator,
    FixedRegister,
    FloatOverflow,
    FloatRegister,
    Join,
    Kulisch,
    ScaleArithmetic,
    ScaleOrder,
    ScalePlace,
    SoftFloat,
    Tiny,
)
from intsim.errors import OverflowTrap
from intsim.formats.block import BlockFormat, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.dyadic import Kind
from intsim.formats.minifloat import BINARY16, BINARY32, ieee
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E4M3, E5M2, named
from intsim.kernels.block_matmul import multiply, prepare, reference
from intsim.kernels.block_planes import source

EXACT = BLOCK_ACCUMULATORS["exact-fp32"].accumulator
NEAREST = [r for r in Rounding if r is not Rounding.STOCHASTIC]
roundings = st.sampled_from(NEAREST)


def bits(values):
    """Every value as (kind, sign, odd significand, exponent): equal where values are one and the same."""
    found = []
    parts = (values.kind, values.negative, values.significand, values.exponent)
    for kind, negative, significand, exponent in zip(*(part.ravel() for part in parts), strict=True):
        size, power = int(significand), int(exponent)
        down = (size & -size).bit_length() - 1 if size else 0
        found.append((int(kind), bool(negative), size >> down, power + down if size else 0))
    return found


def same(left, right, accumulator, **options):
    """The product, which is equal to `block_dot` in every bit, or traps as it does."""
    a, b = source(left), source(right)
    try:
        expected = bits(reference(a, b, accumulator))
    except OverflowTrap:
        with pytest.raises(OverflowTrap):
            multiply(prepare(right, accumulator), left, **options)
        return None
    product = multiply(prepare(right, accumulator), left, **options)
    assert bits(product.values()) == expected
    assert sum(product.path.values()) == a.rows * b.rows
    return product


def blocks(random, format, rows, length, spread=3, special=0.0, ends=False):
    """Random codes in a block format; some of them any code, scales at their ends or near their middle."""
    levels = []
    for level in format.levels:
        shape = (rows, -(-length // level.size)) if level.size else (rows, 1)
        top = (1 << level.scale.bits) - 1
        middle = {E8M0: 127, E4M3: 56, BINARY16: 15 << 10, BINARY32: 127 << 23}.get(level.scale, top // 2)
        reach = min(spread, top // 2) << getattr(level.scale, "mantissa_bits", 0)
        codes = random.integers(max(0, middle - reach), min(top, middle + reach) + 1, shape)
        if ends:
            codes = np.where(random.random(shape) < 0.1, random.choice([0, 1, top - 1, top], shape), codes)
        if getattr(level.scale, "signed", False):
            codes ^= (random.random(shape) < 0.2).astype(np.int64) << (level.scale.bits - 1)
        levels.append(Shared(codes))
    kinds = format.element.decode(np.arange(1 << format.element.bits)).kind
    codes = random.choice(np.flatnonzero(kinds == Kind.FINITE), (rows, length))
    codes[random.random(codes.shape) < 0.1] = 0
    wild = random.random(codes.shape) < special
    codes[wild] = random.integers(0, 1 << format.element.bits, int(wild.sum()))
    return Blocks(format, codes, tuple(levels))


# --- any accumulator, any format ---


def formats(names):
    return st.sampled_from(names).map(lambda name: named(name).format)


MX = ["mxfp8-e5m2", "mxfp8-e4m3", "mxfp6-e3m2", "mxfp6-e2m3", "mxfp4", "mxint8"]
HALVES = BlockFormat(E5M2, (Level(16, BINARY16),))
any_format = formats([*MX, "mx9", "mx6", "mx4", "q8_0", "q4_0", "nvfp4", "vs-quant"]) | st.just(HALVES)

floats = st.builds(
    SoftFloat,
    st.sampled_from([BINARY32, BF16.format, FP16.format, ieee(8, 4), ieee(11, 52), ieee(8, 13), E4M3, E5M2]),
    roundings,
    st.sampled_from([Tiny.KEEP, Tiny.KEEP, *Tiny]),
    st.booleans(),
    st.sampled_from([FloatOverflow.IEEE, FloatOverflow.IEEE, *FloatOverflow]),
)
plain_floats = st.builds(SoftFloat, st.sampled_from([BINARY32, BF16.format, ieee(8, 4)]), roundings)
any_float = floats | plain_floats
limits = st.none() | st.integers(0, 60)


@st.composite
def alignments(draw):
    sticky = draw(st.booleans())
    rounding = Rounding.TOWARD_ZERO if sticky else draw(roundings)
    group = draw(st.sampled_from([0, 1, 3, 4, 8, 20]))
    return Alignment(draw(st.integers(0, 60)), rounding, sticky, group, draw(st.sampled_from(Anchor)))


@st.composite
def registers(draw, may_align):
    kind = draw(st.sampled_from(["exact", "fixed", "float", "float", "float"]))
    if kind == "exact":
        return Kulisch()
    if kind == "fixed":
        overflow = draw(st.sampled_from(Overflow))
        return FixedRegister(draw(st.integers(1, 124)), draw(st.integers(-8, 60)), overflow, draw(roundings))
    fused = draw(st.sampled_from(["aligned", "join", "no"])) if may_align else "no"
    parts = draw(st.sampled_from([1, 1, 2, 3, 5]))
    tree = draw(st.booleans()) and (fused == "no" or parts > 1)
    return FloatRegister(
        draw(any_float),
        draw(st.none() | any_float) if fused == "no" else None,
        Topology.TREE if tree else Topology.CHAIN,
        parts,
        parts > 1 and draw(st.booleans()),
        fused == "aligned",
        Join(draw(limits), draw(limits), draw(roundings), draw(limits), draw(limits))
        if fused == "join"
        else None,
    )


@st.composite
def accumulators(draw):
    alignment, place = draw(st.none() | alignments()), draw(st.sampled_from(ScalePlace))
    return BlockAccumulator(
        exact=draw(st.sampled_from([0, 0, 1, 3, 16])),
        alignment=alignment,
        scales=place,
        scale_arithmetic=draw(st.none() | st.builds(ScaleArithmetic, any_float, st.sampled_from(ScaleOrder))),
        register=draw(registers(alignment is not None and place is ScalePlace.TERM)),
        output=draw(st.none() | any_float),
        outer=draw(any_float),
    )


shapes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 2, 15, 31, 33, 64, 71, 100]))


@settings(max_examples=150, deadline=None)
@given(
    accumulators() | st.sampled_from([entry.accumulator for entry in BLOCK_ACCUMULATORS.values()]),
    any_format,
    any_format,
    shapes,
    st.sampled_from([0, 2, 6, 40]),
    st.sampled_from([0.0, 0.0, 0.02]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_any_product(accumulator, a, b, shape, spread, special, ends, seed):
    random = np.random.default_rng(seed)
    left = blocks(random, a, shape[0], shape[2], spread, special, ends)
    right = blocks(random, b, shape[1], shape[2], spread, special, ends)
    sizes = [max(level.size for level in format.levels) for format in (a, b)]
    if max(sizes) % min(sizes):
        return
    has_outer = any(not level.size for format in (a, b) for level in format.levels)
    if has_outer and accumulator.outer is None:
        accumulator = accumulator.replace(outer=FP32)
    same(left, right, accumulator)


@settings(max_examples=60, deadline=None)
@given(
    any_float,
    any_format,
    any_format,
    shapes,
    st.sampled_from([0, 1, 3, 9]),
    st.sampled_from([0.0, 0.01]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_exact_registers(output, a, b, shape, spread, special, ends, seed):
    """Rows that limbs hold, few rows that they do not, and what each is rounded to."""
    random = np.random.default_rng(seed)
    left = blocks(random, a, shape[0], shape[2], spread, special, ends)
    right = blocks(random, b, shape[1], shape[2], spread, special, ends)
    if max(a.block, b.block) % min(a.block, b.block) == 0:
        same(left, right, BlockAccumulator(output=output, outer=FP32))
