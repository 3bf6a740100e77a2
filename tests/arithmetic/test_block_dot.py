"""Dot products of blocks: exact ones of every pair of formats, and every knob, against fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from intsim.arithmetic import Overflow, Rounding, Topology
from intsim.arithmetic.blocks import (
    BF16,
    BLOCK_ACCUMULATORS,
    FP24,
    FP32,
    Alignment,
    Anchor,
    BlockAccumulator,
    FixedRegister,
    FloatRegister,
    Join,
    Operand,
    ScaleArithmetic,
    ScaleOrder,
    ScalePlace,
    SoftFloat,
    block_dot,
    block_sum_bits,
    kulisch_bits,
    operand,
    product_bits,
)
from intsim.errors import InputError, OverflowTrap, SpecError
from intsim.formats.block import BlockFormat, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import BINARY32
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E2M1, E2M3, E3M2, E4M3, E5M2, FIXED8, named
from tests.oracles import blocks as oracle

FORMATS = {"e5m2": E5M2, "e4m3": E4M3, "e3m2": E3M2, "e2m3": E2M3, "e2m1": E2M1, "int8": FIXED8}
PAIRS = list(itertools.combinations_with_replacement(FORMATS, 2))
EXACT = BlockAccumulator()


def plain(values):
    """A Dyadic in the oracle's words."""
    finite = Dyadic(values.negative, values.significand, values.exponent, np.zeros_like(values.kind))
    texts = {(Kind.NAN, False): "nan", (Kind.INFINITE, False): "inf", (Kind.INFINITE, True): "-inf"}
    flat = zip(finite.fractions(), values.kind.ravel(), values.negative.ravel(), strict=True)
    return [texts.get((Kind(kind), bool(minus)), value) for value, kind, minus in flat]


def finite_codes(name):
    return [
        code for code in range(1 << FORMATS[name].bits) if not isinstance(oracle.element(code, name), str)
    ]


def draw(random, name, shape, codes=None):
    return random.choice(finite_codes(name) if codes is None else codes, shape)


def mx(name, elements, scales, size=32):
    """Codes as Blocks, and as a row of the oracle for each row of them."""
    blocks = Blocks(BlockFormat(FORMATS[name], (Level(size, E8M0),)), elements, (Shared(scales),))
    rows = [
        [
            (
                oracle.e8m0(int(scale)),
                [oracle.element(int(code), name) for code in row[i * size : (i + 1) * size]],
            )
            for i, scale in enumerate(given)
        ]
        for row, given in zip(elements, scales, strict=True)
    ]
    return blocks, rows


def draw_pair(seed, a, b, rows=3, length=96, spread=3, size=32):
    random = np.random.default_rng(seed)
    blocks = -(-length // size)
    made = []
    for name in (a, b):
        scales = random.integers(127 - spread, 128 + spread, (rows, blocks))
        made.append(mx(name, draw(random, name, (rows, length)), scales, size))
    return made


# --- exact ---


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize("spread", [2, 127])
def test_mx_exact(a, b, spread):
    (left, x), (right, y) = draw_pair(sum(map(ord, a + b)), a, b, length=80, spread=spread)
    expected = [oracle.exact(*rows) for rows in zip(x, y, strict=True)]
    assert plain(block_dot(left, right, EXACT)) == expected
    rounded = block_dot(left, right, EXACT.replace(output=FP32))
    assert plain(rounded) == [oracle.round_to(value, "binary32") for value in expected]


def test_a_matrix_product():
    (left, x), (right, y) = draw_pair(1, "e4m3", "e2m1", rows=4)
    (a, b) = (operand(side) for side in (left, right))
    tall = Operand(a.elements.reshape(4, 1, 96), a.scales.reshape(4, 1, 3), 32, 3)
    found = block_dot(tall, b, EXACT)
    assert found.shape == (4, 4)
    assert plain(found) == [oracle.exact(p, q) for p in x for q in y]
    single = block_dot(
        Operand(a.elements[0], a.scales[0], 32), Operand(b.elements[1], b.scales[1], 32), EXACT
    )
    assert single.shape == ()
    assert plain(single.reshape(1)) == [oracle.exact(x[0], y[1])]


def test_products_of_e5m2_outgrow_64_bits():
    largest = np.full((1, 32), 0x7B)
    largest[0, 1] = 0x01
    (left, x), (right, y) = (mx("e5m2", largest, np.array([[127]])) for _ in range(2))
    found = block_dot(left, right, EXACT)
    assert found.significand.dtype == object
    assert int(found.significand[0]).bit_length() - int(found.exponent[0]) > 36
    assert plain(found) == [oracle.exact(x[0], y[0])]
    assert plain(found)[0] * 2**32 == 31 * 3758096384**2 + 1


@pytest.mark.parametrize("name", ["e5m2", "e4m3"])
def test_specials(name):
    codes = np.array([0, 1, 0x3C, 0x7B, 0x7C, 0x7D, 0x7E, 0x7F])
    codes = np.concatenate([codes, codes + 128])
    a, b = (side.reshape(-1, 1) for side in np.meshgrid(codes, codes))
    pad = np.where(np.arange(a.size) % 2 == 0, 0x3C, 0xBC).reshape(-1, 1)
    scales = np.full(a.shape, 127)
    left, x = mx(name, np.concatenate([a, pad], axis=1), scales)
    right, y = mx(name, np.concatenate([b, pad], axis=1), scales)
    assert plain(block_dot(left, right, EXACT)) == [oracle.exact(*rows) for rows in zip(x, y, strict=True)]


def test_a_nan_scale_makes_the_row_nan():
    codes = np.zeros((2, 64), int)
    left, _ = mx("e2m1", codes, np.array([[127, 255], [127, 127]]))
    right, _ = mx("e2m1", codes, np.array([[127, 127], [0, 254]]))
    for place in ScalePlace:
        assert plain(block_dot(left, right, EXACT.replace(scales=place))) == ["nan", 0]


def test_shorter_last_blocks_and_blocks_of_two_sizes():
    random = np.random.default_rng(7)
    a, b = draw(random, "e2m1", (2, 70)), draw(random, "int8", (2, 70))
    left, x = mx("e2m1", a, random.integers(100, 150, (2, 5)), 16)
    right, y = mx("int8", b, random.integers(100, 150, (2, 3)), 32)
    finer = [[(row[i // 2][0], row[i // 2][1][i % 2 * 16 : i % 2 * 16 + 16]) for i in range(5)] for row in y]
    assert plain(block_dot(left, right, EXACT)) == [
        oracle.exact(*rows) for rows in zip(x, finer, strict=True)
    ]


# --- widths ---


WIDTHS = [  # product, sum of 32, sum of 16
    ("e5m2", "e5m2", 65, 70, 69),
    ("e5m2", "e4m3", 51, 56, 55),
    ("e5m2", "e3m2", 42, 47, 46),
    ("e5m2", "e2m3", 39, 44, 43),
    ("e5m2", "e2m1", 37, 42, 41),
    ("e4m3", "e4m3", 37, 42, 41),
    ("e4m3", "e3m2", 28, 33, 32),
    ("e4m3", "e2m3", 25, 30, 29),
    ("e4m3", "e2m1", 23, 28, 27),
    ("e3m2", "e3m2", 19, 24, 23),
    ("e3m2", "e2m3", 16, 21, 20),
    ("e3m2", "e2m1", 14, 19, 18),
    ("e2m3", "e2m3", 13, 18, 17),
    ("e2m3", "e2m1", 11, 16, 15),
    ("e2m1", "e2m1", 9, 14, 13),
    ("int8", "int8", 16, 21, 20),
]


@pytest.mark.parametrize(("a", "b", "product", "sum32", "sum16"), WIDTHS)
def test_exact_widths(a, b, product, sum32, sum16):
    x, y = FORMATS[a], FORMATS[b]
    assert product_bits(x, y) == product
    assert (block_sum_bits(x, y), block_sum_bits(x, y, 16)) == (sum32, sum16)
    values = [[abs(oracle.element(code, name)) for code in finite_codes(name)] for name in (a, b)]
    largest = 32 * max(values[0]) * max(values[1]) * oracle.power(-x.lsb - y.lsb)
    assert 2 ** (sum32 - 2) <= largest < 2 ** (sum32 - 1)


def test_widths_without_minus_two_and_of_exact_registers():
    sizes = product_bits(FIXED8, FIXED8, True), block_sum_bits(FIXED8, FIXED8, 32, True)
    assert sizes == (15, 20)
    assert block_sum_bits(E2M1, FIXED8, symmetric=True) == 17
    assert [kulisch_bits(f, f, E8M0, 1) for f in (E2M1, E4M3, E5M2)] == [522, 550, 578]
    assert kulisch_bits(FIXED8, FIXED8, E8M0, 2**10, symmetric=True) == 538
    assert kulisch_bits(E5M2, E5M2, E8M0, 2**62) == 640


def test_rows_of_nvfp4_are_exact_in_int64():
    random = np.random.default_rng(2)
    format = named("nvfp4").format
    rows = []
    for _ in range(2):
        scales = random.choice(finite_codes("e4m3"), (2, 64)) & 0x7F
        outer = BINARY32.decode(np.array([0x3F800000])).significand * 0 + 0x3F800000
        rows.append(Blocks(format, random.integers(0, 16, (2, 1024)), (Shared(scales), Shared(outer))))
    found = block_dot(*rows, EXACT.replace(outer=FP32))
    inner = [operand(side) for side in rows]
    parts = block_dot(*(Operand(i.elements, i.scales, 16) for i in inner), EXACT)
    assert parts.significand.dtype == np.int64
    expected = []
    for row in range(2):
        total = Fraction(0)
        for block in range(64):
            scale = [oracle.element(int(side.levels[0].scale[row, block]), "e4m3") for side in rows]
            codes = [side.elements[row, block * 16 : block * 16 + 16] for side in rows]
            pairs = zip(*([oracle.element(int(code), "e2m1") for code in c] for c in codes), strict=True)
            total += scale[0] * scale[1] * sum(p * q for p, q in pairs)
        expected.append(total)
    assert plain(parts) == expected
    assert plain(found) == [oracle.round_to(value, "binary32") for value in expected]
    with pytest.raises(
        InputError, match=r"^scales of whole tensors need an accumulator with outer\. \[K7\]$"
    ):
        block_dot(*rows, EXACT)


def test_microexponents_are_part_of_the_elements():
    format = named("mx6").format
    elements = np.array([[17, 3, 2, 31, *[0] * 12]])
    shifts = np.array([[1, 0, *[0] * 6]])
    row = Blocks(format, elements, (Shared(shifts), Shared(np.array([[130]]))))
    step = oracle.power(1 - 4)
    values = [-step / 2, 3 * step / 2, 2 * step, -15 * step]
    assert plain(block_dot(row, row, EXACT)) == [64 * sum(value * value for value in values)]


# --- registers ---


FLOATS = [("binary32", FP32), ("bfloat16", BF16), ("binary24", FP24)]


@pytest.mark.parametrize(("name", "float"), FLOATS)
@pytest.mark.parametrize("rounding", [Rounding.HALF_EVEN, Rounding.TOWARD_ZERO, Rounding.FLOOR])
def test_chains_trees_and_parts(name, float, rounding):
    (left, x), (right, y) = draw_pair(11, "e4m3", "e4m3", length=32 * 7, spread=6)
    soft, mode = float.replace(rounding=rounding), rounding.name.lower()
    values = [oracle.scaled_sums(*rows, 0) for rows in zip(x, y, strict=True)]

    def found(**fields):
        return plain(block_dot(left, right, BlockAccumulator(register=FloatRegister(soft, **fields))))

    assert found(entering=soft) == [oracle.chain(row, name, mode) for row in values]
    assert found() == [oracle.chain(row, name, mode, entering=False) for row in values]
    assert found(topology=Topology.TREE) == [oracle.tree(row, name, mode) for row in values]
    for parts, interleaved in ((2, True), (3, False), (4, False), (9, True)):
        fields = {"parts": parts, "interleaved": interleaved, "entering": soft}
        sums = [
            [oracle.chain(p, name, mode) for p in oracle.split(row, parts, interleaved)] for row in values
        ]
        assert found(**fields) == [oracle.chain(row, name, mode) for row in sums]
        assert found(topology=Topology.TREE, **fields) == [oracle.tree(row, name, mode) for row in sums]


@pytest.mark.parametrize("exact", [0, 1, 8, 5])
def test_exact_sums_inside_a_block(exact):
    (left, x), (right, y) = draw_pair(12, "e5m2", "e4m3", length=72)
    accumulator = BlockAccumulator(exact=exact, register=FloatRegister(BF16, entering=BF16))
    expected = [oracle.chain(oracle.scaled_sums(*rows, exact), "bfloat16") for rows in zip(x, y, strict=True)]
    assert plain(block_dot(left, right, accumulator)) == expected


@pytest.mark.parametrize("bits", [20, 40, 67])
@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SATURATE])
@pytest.mark.parametrize("rounding", [Rounding.FLOOR, Rounding.HALF_EVEN])
def test_fixed_registers(bits, overflow, rounding):
    (left, x), (right, y) = draw_pair(13, "e4m3", "e3m2", length=256, spread=5)
    register = FixedRegister(bits, 8, overflow, rounding)
    names = overflow.name.lower(), rounding.name.lower()
    values = [oracle.scaled_sums(*rows, 0) for rows in zip(x, y, strict=True)]
    expected = [oracle.fixed(row, bits, 8, *names) for row in values]
    assert plain(block_dot(left, right, BlockAccumulator(register=register))) == expected
    wide = [oracle.fixed(row, 400, 8, *names) for row in values]
    assert (wide == expected) == (bits > 20)


def test_a_trapping_register_stops():
    left, _ = mx("e2m1", np.full((1, 64), 7), np.array([[127, 127]]))
    holds = BlockAccumulator(register=FixedRegister(13, 0, Overflow.TRAP))
    assert plain(block_dot(left, left, holds)) == [64 * 36]
    with pytest.raises(OverflowTrap, match=r"^register must hold int12 \("):
        block_dot(left, left, holds.replace(register=FixedRegister(12, 0, Overflow.TRAP)))


# --- alignments ---


CUTS = [
    (Rounding.TOWARD_ZERO, False),
    (Rounding.FLOOR, False),
    (Rounding.HALF_EVEN, False),
    (Rounding.TOWARD_ZERO, True),
]


@pytest.mark.parametrize(("rounding", "sticky"), CUTS)
@pytest.mark.parametrize("anchor", Anchor)
@pytest.mark.parametrize("group", [0, 4, 24])
def test_aligned_groups(rounding, sticky, anchor, group):
    (left, x), (right, y) = draw_pair(14, "e4m3", "e5m2", rows=2, spread=4)
    align = Alignment(6, rounding, sticky, group, anchor)
    mode = "sticky" if sticky else rounding.name.lower()
    expected = {place: [] for place in ScalePlace}
    for row in range(2):
        terms, scales = [], []
        for i, ((s, p), (t, q)) in enumerate(zip(x[row], y[row], strict=True)):
            codes = [side.elements[row, i * 32 : i * 32 + 32] for side in (left, right)]
            exponents = [
                oracle.element_exponent(int(c), "e4m3") + oracle.element_exponent(int(d), "e5m2")
                for c, d in zip(*codes, strict=True)
            ]
            block = [(u * v, e) for u, v, e in zip(p, q, exponents, strict=True)]
            if anchor is Anchor.LEADING:
                block = [(value, oracle.floor_log2(value)) for value, _ in block]
            terms.append(block)
            scales.append(s * t)
        sums = [
            oracle.aligned(block[i : i + (group or 32)], 6, mode) * scale
            for block, scale in zip(terms, scales, strict=True)
            for i in range(0, 32, group or 32)
        ]
        expected[ScalePlace.SUM].append(sum(sums))
        flat = [
            (value * scale, e + oracle.floor_log2(scale))
            for block, scale in zip(terms, scales, strict=True)
            for value, e in block
        ]
        step = group or 32
        expected[ScalePlace.TERM].append(
            sum(oracle.aligned(flat[i : i + step], 6, mode) for i in range(0, 96, step))
        )
    for place in ScalePlace:
        accumulator = BlockAccumulator(exact=1, alignment=align, scales=place)
        assert plain(block_dot(left, right, accumulator)) == expected[place]
    exact = plain(
        block_dot(left, right, BlockAccumulator(exact=1, alignment=align.replace(fraction_bits=80)))
    )
    assert exact == [oracle.exact(*rows) for rows in zip(x, y, strict=True)]


@pytest.mark.parametrize("bits", [40, *range(52, 66)])
def test_aligned_sums_that_outgrow_int64(bits):
    left, x = mx("e4m3", np.full((1, 32), 0x7E), np.array([[127]]))
    accumulator = BlockAccumulator(exact=1, alignment=Alignment(bits))
    assert plain(block_dot(left, left, accumulator)) == [oracle.exact(x[0], x[0])]


def join_oracle(sides, rows, name, bits, kept, rounding, drop):
    """Rows of E4M3 in groups of 8, by the oracle."""
    for row, (x, y) in enumerate(zip(*rows, strict=True)):
        held = Fraction(0)
        for i, ((s, p), (t, q)) in enumerate(zip(x, y, strict=True)):
            codes = [side.elements[row, i * 32 : i * 32 + 32] for side in sides]
            e = [[oracle.element_exponent(int(code), "e4m3") for code in side] for side in codes]
            place = oracle.floor_log2(s * t)
            terms = [(s * t * u * v, j + k + place) for u, v, j, k in zip(p, q, *e, strict=True)]
            for first in range(0, 32, 8):
                held = oracle.joined(held, terms[first : first + 8], bits, kept, rounding, drop, name)
        yield held


@pytest.mark.parametrize("rounding", [Rounding.FLOOR, Rounding.TOWARD_ZERO, Rounding.HALF_EVEN])
@pytest.mark.parametrize("kept", [(31, 24), (6, 5), (4, None), (None, 7)])
@pytest.mark.parametrize("drop", [None, 9])
def test_joined_registers(rounding, kept, drop):
    (left, x), (right, y) = draw_pair(16, "e4m3", "e4m3", rows=4, length=32 * 5, spread=7)
    register = FloatRegister(BF16, join=Join(*kept, rounding, drop, drop))
    accumulator = BlockAccumulator(exact=1, alignment=Alignment(10, group=8), register=register)
    fields = ("bfloat16", 10, kept, rounding.name.lower(), drop)
    assert plain(block_dot(left, right, accumulator)) == list(join_oracle((left, right), (x, y), *fields))


@pytest.mark.parametrize("spread", [0, 9])
def test_cdna3(spread):
    (left, x), (right, y) = draw_pair(17, "e4m3", "e4m3", rows=6, length=32 * 8, spread=spread)
    expected = list(join_oracle((left, right), (x, y), "binary32", 24, (31, 24), "floor", None))
    assert plain(block_dot(left, right, BLOCK_ACCUMULATORS["matrix-cdna3"].accumulator)) == expected


# --- what is refused ---


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Alignment(-1), "alignment.fraction_bits: must be 0 to 1024, not -1. [G4]"),
        (lambda: Alignment(8, group=-2), "alignment.group: must be 0 or more, not -2. [G1]"),
        (
            lambda: Alignment(8, Rounding.FLOOR, sticky=True),
            "alignment.rounding: must be TOWARD_ZERO, the default, where sticky is true. [G4]",
        ),
        (lambda: Join(sum_bits=2000), "join.sum_bits: must be 0 to 1024, not 2000. [J3]"),
        (lambda: FixedRegister(0, 3), "fixed_register.bits: must be 1 to 4096, not 0. [R3]"),
        (lambda: FloatRegister(parts=0), "float_register.parts: must be at least 1, not 0. [R5]"),
        (
            lambda: FloatRegister(interleaved=True),
            "float_register.interleaved: must be false where there is one part. [R5]",
        ),
        (
            lambda: FloatRegister(aligned=True, entering=FP32),
            "float_register.entering: must be absent where sums are aligned with the register. [R7]",
        ),
        (
            lambda: BlockAccumulator(register=FloatRegister(aligned=True)),
            "block_accumulator.register.aligned: needs an alignment. [R7]",
        ),
        (
            lambda: BlockAccumulator(
                alignment=Alignment(8), scales=ScalePlace.SUM, register=FloatRegister(join=Join())
            ),
            "block_accumulator.register.join: needs the scales in the terms. [R7]",
        ),
    ],
)
def test_refused(build, message):
    with pytest.raises(SpecError) as error:
        build()
    assert str(error.value) == message


def test_refused_operands():
    (left, _), (right, _) = draw_pair(15, "e4m3", "e4m3", length=64)
    row = operand(right)
    with pytest.raises(InputError, match=r"^rows must be of one length, not 64 and 32$"):
        block_dot(left, Operand(row.elements[..., :32], row.scales[..., :1], 32), EXACT)
    with pytest.raises(InputError, match=r"^scales must be 2 along the last axis, not \(3, 1\)$"):
        Operand(row.elements, row.scales[..., :1], 32)
    with pytest.raises(InputError, match=r"^blocks must divide into blocks of 24, not 32$"):
        block_dot(
            left,
            Operand(row.elements, row.scales[..., [0, 0, 1]], 24),
            EXACT,
        )
    zero = BlockFormat(FixedPoint(4, signed=False), (Level(32, E8M0, zero=FixedPoint(4, signed=False)),))
    codes = np.ones((1, 32), int)
    with pytest.raises(
        InputError, match=r"^levels\[0\] must have no zero and no offset in a dot product\. \[O3\]$"
    ):
        operand(Blocks(zero, codes, (Shared(codes[:, :1], codes[:, :1]),)))


def test_records_are_shown_as_code():
    register = FloatRegister(SoftFloat(rounding=Rounding.TOWARD_ZERO), parts=2, interleaved=True)
    arithmetic = ScaleArithmetic(order=ScaleOrder.SUM_FIRST)
    accumulator = BlockAccumulator(exact=4, scale_arithmetic=arithmetic, register=register)
    assert eval(repr(accumulator)) == accumulator
