"""Fast products of blocks against `block_dot`, bit by bit, and against the oracle."""

from fractions import Fraction

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
    Operand,
    ScaleArithmetic,
    ScaleOrder,
    ScalePlace,
    SoftFloat,
    Tiny,
    operand,
)
from intsim.arithmetic.encode_blocks import encode_blocks
from intsim.errors import InputError, OverflowTrap
from intsim.formats.block import BlockFormat, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.minifloat import BINARY16, BINARY32, ieee
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E2M1, E4M3, E5M2, named
from intsim.kernels import block_exact
from intsim.kernels.block_matmul import multiply, prepare, reference
from intsim.kernels.block_planes import source
from intsim.kernels.isa.table import ISAS, VARIABLE, runs
from tests.arithmetic.test_block_dot import PAIRS, draw, mx
from tests.oracles import blocks as oracle

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


DRAWN = st.tuples(
    accumulators() | st.sampled_from([entry.accumulator for entry in BLOCK_ACCUMULATORS.values()]),
    any_format,
    any_format,
    shapes,
    st.sampled_from([0, 2, 6, 40]),
    st.sampled_from([0.0, 0.0, 0.02]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)


def check(accumulator, a, b, shape, spread, special, ends, seed):
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
@given(DRAWN)
def test_any_product(drawn):
    check(*drawn)


@pytest.mark.sweep
@settings(max_examples=1000, deadline=None)
@given(DRAWN)
def test_any_product_at_length(drawn):
    check(*drawn)


@settings(max_examples=40, deadline=None)
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


# --- which way they are made ---


def gaussian(name, rows, length, seed):
    values = np.random.default_rng(seed).standard_normal((rows, length)).astype(np.float32)
    return encode_blocks(named(name).format, values)


@pytest.mark.parametrize("name", ["nvfp4", "vs-quant", "mxfp4", "mxint8", "mxfp8-e4m3", "mx9"])
def test_one_rounding_is_made_by_limbs(name):
    """Rows of NVFP4 and VS-Quant are exact in int64, those of MX where their scales are near each other."""
    product = same(gaussian(name, 70, 96, 0), gaussian(name, 130, 96, 1), EXACT)
    assert product.path == {"limbs": 70 * 130, "pairs": 0, "reference": 0}
    assert product.codes.dtype == np.uint32


@pytest.mark.parametrize("name", BLOCK_ACCUMULATORS)
@pytest.mark.parametrize("format", ["mxfp4", "mxfp8-e5m2", "mxint8"])
def test_presets(name, format):
    product = same(
        gaussian(format, 3, 200, 2), gaussian(format, 70, 200, 3), BLOCK_ACCUMULATORS[name].accumulator
    )
    assert product.path["reference"] == 0
    assert not product.reason


def test_only_rows_too_wide_for_limbs_are_made_pair_by_pair():
    left, right = gaussian("mxfp4", 6, 64, 4), gaussian("mxfp4", 5, 64, 5)
    left.levels[0].scale[2] = [0x00, 0xFE]
    right.levels[0].scale[1] = [0xFE, 0x00]
    right.levels[0].scale[3, 0] = 0xFF
    product = same(left, right, EXACT)
    assert product.path == {"limbs": 5 * 4, "pairs": 5 + 5, "reference": 0}
    assert (product.codes[:, 3] == 0x7FC00000).all()


def test_only_rows_with_infinities_are_asked_of_the_reference():
    left, right = gaussian("mxfp8-e5m2", 4, 64, 6), gaussian("mxfp8-e5m2", 5, 64, 7)
    left.elements[1, 7], right.elements[2, 9], right.elements[3, 0] = 0x7C, 0xFC, 0x7E
    for name in ("exact-fp32", "block-fp32", "tensor-ampere"):
        product = same(left, right, BLOCK_ACCUMULATORS[name].accumulator)
        assert product.path["reference"] == 5 + 3


@pytest.mark.parametrize("scale", [0x00, 0x01, 0xFE, 0xFF])
def test_the_ends_of_scales(scale):
    """Subnormal results, overflows and NaN of binary32."""
    left, right = gaussian("mxfp8-e4m3", 3, 64, 8), gaussian("mxfp8-e4m3", 4, 64, 9)
    left.levels[0].scale[:] = scale
    right.levels[0].scale[:] = [[0x70], [0x7F], [0x8A], [0xFE]]
    for rounding in (Rounding.HALF_EVEN, Rounding.FLOOR):
        for output in (FP32, FP16, SoftFloat(rounding=rounding), SoftFloat(tiny=Tiny.AFTER)):
            same(left, right, EXACT.replace(output=output))
    same(left, right, BLOCK_ACCUMULATORS["block-fp32"].accumulator)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_oracle(a, b):
    random = np.random.default_rng(len(a) + len(b))
    sides, rows = [], []
    for name in (a, b):
        blocks_, row = mx(name, draw(random, name, (3, 80)), random.integers(124, 131, (3, 3)))
        sides.append(blocks_)
        rows.append(row)
    product = multiply(prepare(sides[1], EXACT), sides[0])
    bit_patterns = product.codes.view(np.float32)
    for i, x in enumerate(rows[0]):
        for j, y in enumerate(rows[1]):
            assert Fraction(float(bit_patterns[i, j])) == oracle.round_to(oracle.exact(x, y), "binary32")


# --- shapes, threads, instructions ---


def test_threads_and_operands():
    left, right = gaussian("mxint8", 150, 80, 10), gaussian("mxfp4", 140, 80, 11)
    for accumulator in (EXACT, BLOCK_ACCUMULATORS["ggml-sum-first"].accumulator):
        alone = same(left, right, accumulator)
        together = multiply(prepare(right, accumulator), left, threads=2)
        decoded = multiply(prepare(operand(right), accumulator), operand(left))
        assert (alone.codes == together.codes).all()
        assert (alone.codes == decoded.codes).all()


def test_bytes_of_codes_are_taken_as_they_are():
    left, right = gaussian("mxfp8-e4m3", 4, 64, 12), gaussian("mxfp8-e4m3", 3, 64, 13)
    narrow = Blocks(
        left.format, left.elements.astype(np.uint8), (Shared(left.levels[0].scale.astype(np.uint8)),)
    )
    assert (
        multiply(prepare(right, EXACT), narrow).codes == multiply(prepare(right, EXACT), left).codes
    ).all()


def test_rows_longer_than_sums_in_int32():
    """Pieces of K, and bytes at their ends."""
    length = (1 << 16) + 33
    format = BlockFormat(E2M1, (Level(32, E8M0),))
    left, right = (
        Blocks(format, np.full((2, length), code), (Shared(np.full((2, -(-length // 32)), 127)),))
        for code in (7, 15)
    )
    product = multiply(prepare(right, EXACT), left)
    assert product.path["limbs"] == 4
    assert (product.codes.view(np.float32) == -36.0 * length).all()


@pytest.mark.sweep
@pytest.mark.parametrize("isa", [isa.name for isa in ISAS if runs(isa)])
def test_every_instruction_set(isa, monkeypatch):
    monkeypatch.setenv(VARIABLE, isa)
    for name in ("mxfp4", "mxint8", "mxfp8-e4m3", "mxfp8-e5m2", "nvfp4"):
        product = same(gaussian(name, 70, 100, 14), gaussian(name, 40, 100, 15), EXACT)
        assert product.path["limbs"]


@pytest.mark.parametrize("digits", [2, 3, 4])
def test_every_count_of_digits(digits):
    """Integers at the ends of what so many digits hold, and sums of two limbs of 64 bits."""
    reach = block_exact.REACH[digits]
    significands = np.array([reach, -reach, reach - 1, 1, -1, 64, -64, 63 * 128 + 64])
    random = np.random.default_rng(digits)
    rows = Dyadic.of_integers(random.choice(significands, (5, 40)))
    one = Dyadic.of_integers(np.ones((5, 2), np.int64))
    given = Operand(rows, one, 32)
    product = same(given, given, EXACT)
    assert product.path["limbs"] == 25
    few = Operand(Dyadic.of_integers(random.integers(-100, 100, (5, 40))), one, 32)
    assert same(few, given, EXACT).path["limbs"] == 25


# --- refusals ---


def test_nothing_to_add():
    format = BlockFormat(E2M1, (Level(32, E8M0),))
    empty = Blocks(format, np.zeros((2, 0), np.uint8), (Shared(np.zeros((2, 0), np.uint8)),))
    assert multiply(prepare(empty, EXACT), empty).reason == "there is nothing to add"


def test_what_kernels_do_not_hold_is_asked_of_the_reference():
    given = gaussian("mxfp4", 2, 64, 16)
    for accumulator in (
        BlockAccumulator(),
        BlockAccumulator(register=FixedRegister(200, 40)),
        BlockAccumulator(output=SoftFloat(ieee(11, 52))),
    ):
        product = same(given, given, accumulator)
        assert product.path["reference"] == 4
        assert product.reason


def test_a_word_is_a_value():
    given = gaussian("mxfp4", 3, 64, 17)
    product = same(given, given, BlockAccumulator(register=FixedRegister(40, 12)))
    assert product.codes is None
    assert product.path["pairs"] == 9


def test_traps_name_what_the_reference_names():
    given = gaussian("mxfp4", 3, 64, 18)
    accumulator = BlockAccumulator(register=FixedRegister(4, 2, Overflow.TRAP))
    with pytest.raises(OverflowTrap, match="register must hold"):
        multiply(prepare(given, accumulator), given)


def test_rows_that_do_not_fit():
    given = gaussian("mxfp4", 3, 64, 19)
    with pytest.raises(InputError, match="rows must be of one length, not 32 and 64"):
        multiply(prepare(given, EXACT), gaussian("mxfp4", 3, 32, 19))
    with pytest.raises(InputError, match=r"need an accumulator with outer\. \[K7\]"):
        multiply(prepare(gaussian("nvfp4", 3, 64, 19), BlockAccumulator(output=FP32)), given)
    with pytest.raises(InputError, match="elements must have two axes, rows and K, not 1"):
        prepare(Blocks(given.format, given.elements[0], (Shared(given.levels[0].scale[0]),)), EXACT)
    wrong = Blocks(given.format, given.elements + 16, given.levels)
    with pytest.raises(InputError, match="codes must be 0 to 15"):
        multiply(prepare(given, EXACT), wrong)
