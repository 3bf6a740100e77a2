"""Layers over blocks against fractions: every pair of formats, every named accumulator, every refusal."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from intsim.arithmetic.blocks import (
    BLOCK_ACCUMULATORS,
    FP32,
    BlockAccumulator,
    FixedRegister,
    FloatRegister,
    Kulisch,
    product_bits,
)
from intsim.arithmetic.encode_blocks import encode_blocks
from intsim.engine import plan, run
from intsim.errors import InputError, OverflowTrap, SpecError
from intsim.formats import BlockFormat, IntFormat, Level, RealFormat, TensorSpec
from intsim.formats.minifloat import BINARY16, BINARY32
from intsim.formats.power_of_two import E8M0
from intsim.formats.table import E2M1, E2M3, E3M2, E4M3, E5M2, FIXED8, named
from intsim.network import NetworkBuilder
from intsim.ops import BlockDense, BlockDequantize, BlockQuantize
from intsim.ops.block_planes import entries
from intsim.storage import load, save
from intsim.testing import plain
from tests.oracles import block_ops
from tests.oracles import blocks as oracle

MX = {"e5m2": E5M2, "e4m3": E4M3, "e3m2": E3M2, "e2m3": E2M3, "e2m1": E2M1, "int8": FIXED8}
ENGINES = ("fast", "reference", "exact")
NVFP4, VS_QUANT, MXFP4 = (named(name).format for name in ("nvfp4", "vs-quant", "mxfp4"))


def block(name, size=32):
    return BlockFormat(MX[name], (Level(size, E8M0),))


def finite(name):
    codes = range(1 << MX[name].bits)
    return [code for code in codes if not isinstance(oracle.element(code, name), str)]


def drawn(random, name, rows, length, spread, nonzero=False):
    """Codes of elements and scales, and entries of planes."""
    possible = [code for code in finite(name) if not nonzero or oracle.element(code, name)]
    codes = random.choice(possible, (rows, length))
    scales = random.integers(127 - spread, 128 + spread, (rows, -(-length // 32)))
    return codes, scales, MX[name].entries_of(codes)


def rows_of(name, codes, scales):
    """Rows as the oracle has them: blocks of (scale, elements)."""
    return [
        [
            (oracle.e8m0(int(s)), [oracle.element(int(c), name) for c in row[32 * i : 32 * i + 32]])
            for i, s in enumerate(own)
        ]
        for row, own in zip(codes, scales, strict=True)
    ]


def values_of(op, codes):
    """Codes of the output as fractions and texts."""
    format = plain(op.float.format)
    found = [block_ops.decode(int(code), format) for code in codes.ravel()]
    return [
        x if x == "nan" else block_ops.signed(x) if x[1] != "inf" else ("-inf" if x[0] else "inf")
        for x in found
    ]


def network_of(op, shape, format):
    builder = NetworkBuilder()
    if isinstance(format, BlockFormat):
        names = [builder.input("x", shape, format.element)]
        for place, level in enumerate(format.levels):
            last = -(-shape[-1] // level.size) if level.size else 1
            names.append(builder.input(f"s{place}", (*shape[:-1], last), level.scale))
    else:
        names = [builder.input("x", shape, format)]
    builder.output(builder.add(op, *names, name="y"))
    return builder.build()


def everywhere(op, format, *planes):
    """The output of every engine, which is one."""
    network = network_of(op, planes[0].shape[1:], format)
    given = dict(zip([entry.name for entry in network.inputs], planes, strict=True))
    found = [run(network, given, engine=engine).outputs["y"] for engine in ENGINES]
    for other in found[1:]:
        assert np.array_equal(found[0], other)
    return found[0]


@pytest.mark.parametrize(("a", "b"), [(a, b) for a in MX for b in MX])
def test_every_pair_of_mx_formats_is_exact(a, b):
    """A matrix product with one rounding, of the exact sum, to binary32."""
    random = np.random.default_rng(len(a) + 7 * len(b))
    codes, scales, x = drawn(random, a, 2, 80, 4)
    weight_codes, weight_scales, w = drawn(random, b, 3, 80, 4)
    op = BlockDense(w, (weight_scales,), block(b), block(a))
    found = values_of(op, op.reference(x.astype(np.int64), scales)[0])
    rows, columns = rows_of(a, codes, scales), rows_of(b, weight_codes, weight_scales)
    exact = [oracle.exact(row, column) for row in rows for column in columns]
    assert found == [oracle.round_to(value, "binary32") for value in exact]


def test_on_the_way_through_every_engine():
    random = np.random.default_rng(1)
    for a, b in (("e4m3", "e2m1"), ("int8", "int8"), ("e5m2", "e5m2")):
        codes, scales, x = drawn(random, a, 4, 80, 4)
        weight_codes, weight_scales, w = drawn(random, b, 3, 80, 4)
        op = BlockDense(w, (weight_scales,), block(b), block(a), bias=np.array([0x3F800000, 0, 1]))
        found = values_of(op, everywhere(op, block(a), x, scales))
        rows, columns = rows_of(a, codes, scales), rows_of(b, weight_codes, weight_scales)
        expected = []
        for row in rows:
            for column, bias in zip(columns, (Fraction(1), Fraction(0), oracle.power(-149)), strict=True):
                value = oracle.round_to(oracle.exact(row, column), "binary32")
                expected.append(oracle.round_to(value + bias, "binary32"))
        assert found == expected


def scaled(name, codes, scales):
    """Rows with the exponents that the formats' fields have."""
    return [
        [
            (
                (oracle.e8m0(int(s)), int(s) - 127),
                [
                    (oracle.element(int(c), name), oracle.element_exponent(int(c), name))
                    for c in row[32 * i : 32 * i + 32]
                ],
            )
            for i, s in enumerate(own)
        ]
        for row, own in zip(codes, scales, strict=True)
    ]


def joined(a, b):
    """CDNA3: groups of 8 terms, then the join of sum and register."""
    held = Fraction(0)
    terms = []
    for (s, left), (t, right) in zip(a, b, strict=True):
        terms += [
            (s[0] * t[0] * p[0] * q[0], s[1] + t[1] + p[1] + q[1]) for p, q in zip(left, right, strict=True)
        ]
    for i in range(0, len(terms), 8):
        held = oracle.joined(held, terms[i : i + 8], 24, (31, 24), "floor", None, "binary32")
    return held


def hybrid(a, b, name):
    """KU Leuven's MAC: integer products of significands."""
    point, bias = {"e4m3": (0, 118), "e5m2": (4, 100)}[name]
    lsb, field = MX[name].mantissa_bits, MX[name].bias
    groups = []
    for (s, left), (t, right) in zip(a, b, strict=True):
        terms = []
        for p, q in zip(left, right, strict=True):
            product = p[0] * q[0] * oracle.power(2 * lsb - p[1] - q[1])
            terms.append((int(product), p[1] + q[1] + 2 * field))
        groups += [(s[1] + t[1], terms[i : i + 4]) for i in range(0, len(terms), 4)]
    return oracle.hybrid(groups, point, bias, 23)


@pytest.mark.parametrize("preset", sorted(BLOCK_ACCUMULATORS))
def test_every_named_accumulator(preset):
    """Each against the slow model of its description, through the op."""
    name = "e5m2" if preset == "hybrid-e5m2" else "e4m3"
    random = np.random.default_rng(len(preset))
    codes, scales, x = drawn(random, name, 2, 96, 3, nonzero=True)
    weight_codes, weight_scales, w = drawn(random, name, 2, 96, 3, nonzero=True)
    accumulator = BLOCK_ACCUMULATORS[preset].accumulator
    op = BlockDense(w, (weight_scales,), block(name), block(name), accumulator=accumulator)
    found = values_of(op, everywhere(op, block(name), x, scales))
    rows, columns = scaled(name, codes, scales), scaled(name, weight_codes, weight_scales)
    for value, (row, column) in zip(found, itertools.product(rows, columns), strict=True):
        if preset.startswith("hybrid"):
            assert value == hybrid(row, column, name)
        elif preset == "matrix-cdna3":
            assert value == joined(row, column)
        else:
            assert value == oracle.accumulate(row, column, plain(accumulator), 32)


def test_e5m2_products_take_more_than_64_bits():
    """57344**2 + 2**-32 beside 128: the last bit of 65 decides a tie of binary32."""
    assert product_bits(E5M2, E5M2) == 65
    x = np.array([[0x7B, 0x4C, 0x01], [0x7B, 0x4C, 0x00]])
    op = BlockDense([[0x7B, 0x48, 0x01]], ([[127]],), block("e5m2"), block("e5m2"))
    found = everywhere(op, block("e5m2"), x, np.full((2, 1), 127))
    assert found.ravel().tolist() == [0x4F440001, 0x4F440000]
    assert values_of(op, found) == [49 * 2**26 + 256, 49 * 2**26]


def test_nvfp4_rows_are_exact_in_int64():
    """Products in quarters times scales in 2**-18: 64-bit integers, and one rounding to binary32."""
    random = np.random.default_rng(4)
    x, s = random.integers(0, 16, (5, 100)), random.integers(0, 0x7F, (5, 7))
    w, t = random.integers(0, 16, (3, 100)), random.integers(0, 0x7F, (3, 7))
    op = BlockDense(w, (t, [0x3F800000]), NVFP4, NVFP4, outer=[0x3F800000])
    halves = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])
    scale = np.array([int(oracle.element(code, "e4m3") * 512) for code in range(0x7F)])
    total = np.zeros((5, 3), np.int64)
    for i in range(7):
        part = slice(16 * i, 16 * i + 16)
        sums = halves[x[:, part]] @ halves[w[:, part]].T
        total += sums * scale[s[:, i]][:, None] * scale[t[:, i]][None]
    assert np.abs(total).max() < 2**53
    expected = (total.astype(np.float64) * 2.0**-20).astype(np.float32)
    network = network_of(op, (100,), BlockFormat(E2M1, NVFP4.levels[:1]))
    for engine in ENGINES:
        found = run(network, {"x": x, "s0": s}, engine=engine).outputs["y"]
        assert found.view(np.float32).tolist() == expected.tolist()


def test_vs_quant_rows_are_exact_in_int64():
    """Two levels of integers, then the float16 scales of both sides."""
    random = np.random.default_rng(5)
    x, s = random.integers(-7, 8, (5, 100)), random.integers(0, 16, (5, 7))
    w, t = random.integers(-7, 8, (3, 100)), random.integers(0, 16, (3, 7))
    outer = random.integers(0x2000, 0x4000, 3)
    op = BlockDense(w, (t, outer), VS_QUANT, VS_QUANT, outer=[0x3555])
    total = np.zeros((5, 3), np.int64)
    for i in range(7):
        part = slice(16 * i, 16 * i + 16)
        total += (x[:, part] @ w[:, part].T) * s[:, i : i + 1] * t[:, i]
    halves = np.array([*outer, 0x3555], np.uint16).view(np.float16).astype(np.float32)
    expected = total.astype(np.float32) * (halves[3] * halves[:3])
    found = op.reference(x, s)[0].astype(np.uint32).view(np.float32)
    assert found.tolist() == expected.tolist()


def test_a_network_with_reals_at_both_doors(tmp_path):
    """float32 to blocks, through two layers with floats between, and back; saved, loaded, run by threads."""
    random = np.random.default_rng(6)
    builder = NetworkBuilder()
    x = builder.input("x", (3, 70), RealFormat(32))
    sizes = (70, 40, 9)
    for layer, (length, channels) in enumerate(itertools.pairwise(sizes)):
        weights = encode_blocks(MXFP4, random.normal(size=(channels, length)))
        w, *scales = entries(weights)
        given = BINARY32 if layer else None
        planes = builder.add_many(
            BlockQuantize(MXFP4, given), x, name=f"q{layer}", outputs=(f"q{layer}", f"s{layer}")
        )
        x = builder.add(BlockDense(w, tuple(scales), MXFP4, MXFP4), *planes, name=f"y{layer}")
    planes = builder.add_many(BlockQuantize(MXFP4, BINARY32), x, name="q", outputs=("q", "s"))
    builder.output(builder.add(BlockDequantize(MXFP4, real=True), *planes, name="real"), *planes)
    network = builder.build()
    save(network, tmp_path / "a.h5")
    assert load(tmp_path / "a.h5") == network
    given = random.normal(size=(20, 3, 70)).astype(np.float32)
    fast, slow = (run(network, given, engine=engine).outputs for engine in ("fast", "reference"))
    assert fast["real"].dtype == np.float32
    for name in network.outputs:
        assert np.array_equal(fast[name], slow[name])
    assert plan(network).steps[1].kernel == "block product"
    assert plan(network).steps[1].reason.startswith("exact sums of 32 products need 14 bits")


def test_per_tensor_fp8_and_plain_operands():
    """E4M3 with one float32 for all; E4M3 without a scale; integers."""
    whole = BlockFormat(E4M3, (Level(0, BINARY32),))
    w, x = np.array([[0x38, 0x40, 0xB8]]), np.array([[0x38, 0x38, 0x40]])
    half = 0x3F000000
    op = BlockDense(w, ([half],), whole, whole, outer=[half])
    assert values_of(op, op.reference(x)[0]) == [Fraction(1 + 2 - 2, 4)]
    op = BlockDense(w, ([half],), whole, E4M3)
    assert values_of(op, op.reference(x)[0]) == [Fraction(1, 2)]
    op = BlockDense(w, ([half],), whole)
    assert op.infer(TensorSpec((3,), IntFormat(8)))[0].format == BINARY32
    assert values_of(op, op.reference(np.array([[127, -128, 1]]))[0]) == [Fraction(127 - 256 - 1, 2)]


def test_a_word_that_traps_names_the_node():
    register = FixedRegister(8, 0, overflow="trap")
    accumulator = BlockAccumulator(register=register, output=FP32)
    op = BlockDense([[0x7E]], ([[127]],), block("e4m3"), block("e4m3"), accumulator=accumulator)
    network = network_of(op, (1,), block("e4m3"))
    for engine in ENGINES:
        with pytest.raises(OverflowTrap, match=r"^y: "):
            run(network, {"x": [[0x7E]], "s0": [[127]]}, engine=engine)


SCALES = ([[127]],)
REFUSED = [
    (
        {"accumulator": BlockAccumulator(register=Kulisch())},
        "block_dense.accumulator: must have an output, or a float register. [R4]",
    ),
    (
        {"weight_format": NVFP4, "weight_scales": ([[1]], [1]), "accumulator": BlockAccumulator(output=FP32)},
        "block_dense.accumulator.outer: must be given for scales of levels of size 0. [K7]",
    ),
    ({"weight": [[16]]}, "block_dense.weight: values must fit e2m1 (0 to 15), not 16 at (0, 0). [R2]"),
    ({"weight_scales": ()}, "block_dense.weight_scales: must have 1 arrays, not 0. [R2]"),
    (
        {"weight_scales": ([[1, 2]],)},
        "block_dense.weight_scales: 0 must be of shape (1, 1), not (1, 2). [R2]",
    ),
    (
        {"weight_scales": ([[256]],)},
        "block_dense.weight_scales: 0 must fit e8m0, not 256 at (0, 0). [R2]",
    ),
    (
        {"input_format": BlockFormat(E2M1, (Level(24, E8M0),))},
        "block_dense.input_format: blocks must divide one another, not 24 and 32. [R6]",
    ),
    (
        {"input_format": named("qserve").format},
        "block_dense.input_format: must have no zeros and no offsets. [R6]",
    ),
    ({"outer": [1]}, "block_dense.outer: must be absent where no level is of size 0, not shape (1,). [P3]"),
    ({"bias": [1, 2]}, "block_dense.bias: must be one code or 1, not of shape (2,). [R5]"),
    (
        {"bias": [1 << 32]},
        "block_dense.bias: values must fit binary32 (0 to 4294967295), not 4294967296 at (0,). [R5]",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refused(fields, message):
    given = {"weight": [[1]], "weight_scales": SCALES, "weight_format": MXFP4, "input_format": MXFP4}
    with pytest.raises(SpecError) as caught:
        BlockDense(**{**given, **fields})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([(1, E2M1)], "inputs must be 2 planes (elements, levels[0].scale), not 1. [R1]"),
        ([(1, E4M3), (1, E8M0)], "elements must be e2m1, not e4m3. [R1]"),
        ([(1, E2M1), (1, BINARY16)], "levels[0].scale must be e8m0, not float16. [R1]"),
        ([(1, E2M1), (2, E8M0)], "levels[0].scale must suit elements of shape (1,), not have (2,). [P2]"),
        ([(2, E2M1), (1, E8M0)], "elements must be 1 on the last axis, not shape (2,). [R1]"),
    ],
)
def test_refused_inputs(specs, message):
    op = BlockDense([[1]], SCALES, MXFP4, MXFP4)
    with pytest.raises(SpecError) as caught:
        op.infer(*(TensorSpec((size,), format) for size, format in specs))
    assert str(caught.value) == f"block_dense: {message}"


def test_formats_without_scales_of_their_own_are_refused_at_the_door():
    with pytest.raises(SpecError, match="must have scales that follow from the values"):
        BlockQuantize(named("q8_0").format)
    builder = NetworkBuilder()
    x = builder.input("x", (2,), RealFormat(32))
    builder.output(*builder.add_many(BlockQuantize(MXFP4), x, name="q", outputs=("q", "s")))
    for engine in ENGINES:
        with pytest.raises(InputError, match=r"^q: "):
            run(builder.build(), np.array([[np.nan, 1]], np.float32), engine=engine)


def test_reals_stay_at_the_doors():
    builder = NetworkBuilder()
    names = builder.input("x", (2,), E2M1), builder.input("s", (1,), E8M0)
    inside = builder.add(BlockDequantize(MXFP4, real=True), *names)
    builder.output(*builder.add_many(BlockQuantize(MXFP4), inside, name="q", outputs=("q", "t")))
    with pytest.raises(SpecError, match=r"a real result must be a network output"):
        builder.build()


def test_a_float_register_is_the_output():
    op = BlockDense([[1]], SCALES, MXFP4, MXFP4, accumulator=BlockAccumulator(register=FloatRegister()))
    assert op.infer(TensorSpec((4, 1), E2M1), TensorSpec((4, 1), E8M0))[0] == TensorSpec((4, 1), BINARY32)
