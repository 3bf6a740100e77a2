"""Every named block accumulator against a slow model written from its description."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from intsim.arithmetic.blocks import (
    BLOCK_ACCUMULATORS,
    FP32,
    Operand,
    ScaleOrder,
    block_dot,
    operand,
    q4_k_dot,
)
from intsim.arithmetic.blocks.presets import ggml, mxdotp, tensor_core, truncating_hybrid
from intsim.errors import InputError, SpecError
from intsim.formats.block import BlockFormat, Level
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.dyadic import Dyadic
from intsim.formats.minifloat import BINARY16, BINARY32
from intsim.formats.power_of_two import PowerOfTwo
from intsim.formats.table import E2M1, FIXED8, named
from tests.arithmetic.test_block_dot import FORMATS, draw, draw_pair, mx, plain
from tests.oracles import blocks as oracle

FP8 = [("e4m3", "e4m3"), ("e5m2", "e5m2"), ("e4m3", "e5m2")]


def preset(name):
    return BLOCK_ACCUMULATORS[name].accumulator


def codes_of(side, row, block, size=32):
    return [int(code) for code in side.elements[row, block * size : (block + 1) * size]]


def exponents(side, row, block, name):
    return [oracle.element_exponent(code, name) for code in codes_of(side, row, block)]


def scale_power(sides, row, block):
    """The sum of the exponents of two E8M0 scales."""
    return sum(int(side.levels[0].scale[row, block]) - 127 for side in sides)


# --- exact inside the block, binary32 between ---


@pytest.mark.parametrize(("a", "b"), [*FP8, ("e2m1", "e2m1"), ("int8", "int8"), ("e2m3", "e3m2")])
def test_exact_and_binary32(a, b):
    (left, x), (right, y) = draw_pair(21, a, b, length=32 * 12, spread=6)
    rows = list(zip(x, y, strict=True))
    assert plain(block_dot(left, right, preset("exact-fp32"))) == [
        oracle.round_to(oracle.exact(*row), "binary32") for row in rows
    ]
    for name, count in (("block-fp32", 0), ("product-fp32", 1)):
        expected = [oracle.chain(oracle.scaled_sums(*row, count), "binary32") for row in rows]
        assert plain(block_dot(left, right, preset(name))) == expected


@pytest.mark.parametrize("seed", range(3))
def test_products_in_binary32_are_those_of_numpy(seed):
    """Decoded to float32, multiplied and added in order by the processor itself."""
    (left, _), (right, _) = draw_pair(seed, "e4m3", "e4m3", rows=8, length=256, spread=4)
    a, b = (side.values().floats().astype(np.float32) for side in (left, right))
    expected = np.cumsum(a * b, axis=-1, dtype=np.float32)[:, -1]
    assert block_dot(left, right, preset("product-fp32")).floats().tolist() == expected.tolist()


# --- the 95-bit word ---


@pytest.mark.parametrize(("a", "b"), FP8)
@pytest.mark.parametrize("spread", [3, 20, 60])
@pytest.mark.parametrize("group", [8, 32])
def test_the_word_of_mxdotp(a, b, spread, group):
    (left, x), (right, y) = draw_pair(spread + group, a, b, rows=6, length=32 * 8, spread=spread)
    expected = []
    for row, sides in enumerate(zip(x, y, strict=True)):
        blocks = [
            (scale_power((left, right), row, place), list(zip(p, q, strict=True)))
            for place, ((_, p), (_, q)) in enumerate(zip(*sides, strict=True))
        ]
        expected.append(oracle.mxdotp(blocks, group))
    accumulator = preset("mxdotp") if group == 8 else mxdotp(group)
    assert plain(block_dot(left, right, accumulator)) == expected


def test_the_word_of_mxdotp_at_its_ends():
    """A register at every distance around the word's top and bottom, on both sides of ties."""
    one, top = 0x38, 0x7E  # 1 and 448 in E4M3
    apart = [*range(-64, -20), *range(20, 64)]
    cases = list(itertools.product((one, one | 0x80), (one, one | 0x80, top, top | 0x80, 0x01), apart))
    elements, scales = np.zeros((len(cases), 64), int), np.zeros((len(cases), 2), int)
    for row, (first, second, distance) in enumerate(cases):
        elements[row, [0, 1, 32]] = first, first & 0x80 | 0x01, second
        scales[row] = 127 - distance // 2, 127 + distance - distance // 2
    left, x = mx("e4m3", elements, scales)
    right, y = mx("e4m3", np.full(elements.shape, one), np.full(scales.shape, 127))
    expected = []
    for row, sides in enumerate(zip(x, y, strict=True)):
        blocks = [
            (scale_power((left, right), row, place), list(zip(p, q, strict=True)))
            for place, ((_, p), (_, q)) in enumerate(zip(*sides, strict=True))
        ]
        expected.append(oracle.mxdotp(blocks))
    assert plain(block_dot(left, right, preset("mxdotp"))) == expected


# --- tensor cores ---


def tensor_terms(sides, rows, names):
    """Scaled products with the sum of their factors' exponents, for each row."""
    for row in range(len(rows[0])):
        terms = []
        for block, ((s, p), (t, q)) in enumerate(zip(rows[0][row], rows[1][row], strict=True)):
            e = [exponents(side, row, block, name) for side, name in zip(sides, names, strict=True)]
            scale = scale_power(sides, row, block)
            terms += [(s * t * u * v, scale + c + d) for u, v, c, d in zip(p, q, *e, strict=True)]
        yield terms


@pytest.mark.parametrize(
    ("name", "bits", "group", "mantissa"),
    [
        ("tensor-ada-fp8", 13, 16, 13),
        ("tensor-hopper-fp8", 13, 32, 13),
        ("tensor-ampere", 24, 8, 23),
        ("tensor-blackwell-mxfp8", 25, 32, 23),
    ],
)
@pytest.mark.parametrize(("a", "b"), [*FP8, ("e2m1", "e2m3")])
@pytest.mark.parametrize("spread", [0, 5])
def test_tensor_cores(name, bits, group, mantissa, a, b, spread):
    (left, x), (right, y) = draw_pair(bits, a, b, rows=4, length=32 * 6, spread=spread)
    expected = [
        oracle.tensor_core(terms, bits, group, mantissa)
        for terms in tensor_terms((left, right), (x, y), (a, b))
    ]
    assert plain(block_dot(left, right, preset(name))) == expected
    assert preset(name) == tensor_core(bits, group, mantissa)


@pytest.mark.parametrize("size", [32, 16])
def test_tensor_cores_of_four_bits(size):
    """Exact sums of 16, times the significands of their scales, aligned by the scales' exponents."""
    random = np.random.default_rng(size)
    name = "mxfp4" if size == 32 else "nvfp4"
    scale = "e4m3" if size == 16 else "e8m0"
    sides = []
    for _ in range(2):
        elements = random.integers(0, 16, (5, 256))
        codes = random.integers(1, 0x7F, (5, 16)) if size == 16 else random.integers(118, 136, (5, 8))
        sides.append(
            operand(Blocks(BlockFormat(E2M1, (named(name).format.levels[0],)), elements, (Shared(codes),)))
        )
        sides[-1] = (sides[-1], elements, codes)
    found = plain(block_dot(sides[0][0], sides[1][0], preset("tensor-blackwell-mxfp4")))
    for row in range(5):
        terms = []
        for first in range(0, 256, 16):
            value, exponent = Fraction(0), 0
            pairs = zip(*(e[row, first : first + 16] for _, e, _ in sides), strict=True)
            value += sum(oracle.element(int(p), "e2m1") * oracle.element(int(q), "e2m1") for p, q in pairs)
            for _, _, codes in sides:
                code = int(codes[row, first // size])
                value *= oracle.element(code, scale) if size == 16 else oracle.e8m0(code)
                exponent += oracle.element_exponent(code, scale) if size == 16 else code - 127
            terms.append((value, exponent))
        assert found[row] == oracle.tensor_core(terms, 35, 4, 23)


def test_a_subnormal_register_has_the_exponent_of_the_subnormals():
    ones = np.full((1, 64), 0x38)
    ones[0, 1:32] = 0
    left, x = mx("e4m3", ones, np.array([[64, 63]]))
    right, y = mx("e4m3", np.full((1, 64), 0x38), np.array([[41, 39]]))
    terms = next(iter(tensor_terms((left, right), (x, y), ("e4m3", "e4m3"))))
    assert plain(block_dot(left, right, preset("tensor-blackwell-mxfp8"))) == [oracle.power(-149)]
    assert oracle.tensor_core(terms, 25, 32, 23) == oracle.power(-149)
    assert oracle.exact(x[0], y[0]) == oracle.power(-149) + oracle.power(-147)


def test_a_tensor_core_overflows_to_infinity():
    left, _ = mx("e5m2", np.full((1, 32), 0x7B), np.array([[250]]))
    right, _ = mx("e5m2", np.full((1, 32), 0xFB), np.array([[127]]))
    assert plain(block_dot(left, right, preset("tensor-blackwell-mxfp8"))) == ["-inf"]
    largest = -(2 - oracle.power(-23)) * oracle.power(127)
    held = tensor_core(25, 32)
    toward_zero = held.register.float.replace(overflow="ieee")
    ieee_end = held.replace(register=held.register.replace(float=toward_zero))
    assert plain(block_dot(left, right, ieee_end)) == [largest]


# --- the truncating hybrid ---


@pytest.mark.parametrize(("name", "point", "bias"), [("e4m3", 0, 118), ("e5m2", 4, 100), ("e3m2", 0, 128)])
@pytest.mark.parametrize("width", [16, 20, 23])
@pytest.mark.parametrize("spread", [1, 14])
def test_the_truncating_hybrid(name, point, bias, width, spread):
    nonzero = [
        code
        for code in range(1 << FORMATS[name].bits)
        if oracle.element(code, name) not in (0, "nan", "inf", "-inf")
    ]
    random = np.random.default_rng(width + spread)
    scales = [random.integers(127 - spread, 128 + spread, (8, 6)) for _ in range(2)]
    left, right = (mx(name, draw(random, name, (8, 192), nonzero), given)[0] for given in scales)
    lsb, field = FORMATS[name].mantissa_bits, FORMATS[name].bias
    expected = []
    for row in range(8):
        groups = []
        for block in range(6):
            terms = []
            for p, q in zip(codes_of(left, row, block), codes_of(right, row, block), strict=True):
                e = oracle.element_exponent(p, name) + oracle.element_exponent(q, name)
                product = oracle.element(p, name) * oracle.element(q, name) * oracle.power(2 * lsb - e)
                assert product.denominator == 1
                terms.append((int(product), e + 2 * field))
            power = scale_power((left, right), row, block)
            groups += [(power, terms[i : i + 4]) for i in range(0, 32, 4)]
        expected.append(oracle.hybrid(groups, point, bias, width))
    assert plain(block_dot(left, right, truncating_hybrid(name, width))) == expected


@pytest.mark.parametrize("width", [16, 23])
def test_the_truncating_hybrid_at_its_ends(width):
    """A register of one bit at every distance from the sum, above and below, of either sign."""
    one, top = 0x38, 0x7E
    cases = list(
        itertools.product(
            (one, one | 0x80), (one, one | 0x80, top, top | 0x80), range(-2 * width - 12, width + 14)
        )
    )
    elements, scales = np.zeros((len(cases), 8), int), np.zeros((len(cases), 2), int)
    groups = []
    for row, (first, second, distance) in enumerate(cases):
        elements[row, [0, 4]] = first, second
        scales[row] = 127 + distance, 127
        values = [oracle.element(code, "e4m3") * 64 for code in (first, second)]
        places = [oracle.element_exponent(code, "e4m3") for code in (first, second)]
        integers = [int(v / oracle.power(e)) for v, e in zip(values, places, strict=True)]
        terms = [[(i, e + 14), *[(0, 2)] * 3] for i, e in zip(integers, places, strict=True)]
        groups.append([(distance, terms[0]), (0, terms[1])])
    left, _ = mx("e4m3", elements, scales, 4)
    right, _ = mx("e4m3", np.full(elements.shape, one), np.full(scales.shape, 127), 4)
    expected = [oracle.hybrid(row, 0, 118, width) for row in groups]
    assert plain(block_dot(left, right, truncating_hybrid("e4m3", width))) == expected


def test_the_hybrid_cuts_toward_minus_infinity():
    """1 - 2**-30: the small product becomes -1 in the last place, and not 0."""
    codes = np.zeros((1, 32), int)
    codes[0, :2] = 0x38, 0x81
    right = np.zeros((1, 32), int)
    right[0, :2] = 0x7E, 0x01
    sides = [mx("e4m3", given, np.array([[127]]))[0] for given in (codes, right)]
    assert plain(block_dot(*sides, truncating_hybrid("e4m3", 16))) == [448 - oracle.power(8 - 14 + 1 - 1)]


def test_refused_parameters():
    with pytest.raises(SpecError, match=r"^element must be one of e5m2, e4m3, e3m2, not 'e2m1'$"):
        truncating_hybrid("e2m1")
    with pytest.raises(SpecError, match=r"^mantissa_bits must be 16 to 23, not 24$"):
        truncating_hybrid("e4m3", 24)


# --- ggml ---


def half(code):
    value = BINARY16.decode(np.array([code]))
    return value.fractions()[0]


@pytest.mark.parametrize(
    ("name", "order"), [("q4_0", ScaleOrder.SUM_FIRST), ("q8_0", ScaleOrder.SCALES_FIRST)]
)
def test_ggml_sums_of_integers(name, order):
    random = np.random.default_rng(31)
    bits, offset = (4, 8) if name == "q4_0" else (8, 0)
    x = random.integers(0, 2**bits, (6, 320))
    y = random.integers(0, 256, (6, 320))
    d, e = random.integers(0, 0x7C00, (2, 6, 10))
    left = Blocks(named(name).format, x, (Shared(d),))
    right = Blocks(named("q8_0").format, y, (Shared(e),))
    expected = []
    for row in range(6):
        blocks = []
        for block in range(10):
            p, q = (codes_of(side, row, block) for side in (left, right))
            p = [code - offset if offset else (code + 128) % 256 - 128 for code in p]
            q = [(code + 128) % 256 - 128 for code in q]
            sum_ = sum(u * v for u, v in zip(p, q, strict=True))
            blocks.append((sum_, half(d[row, block]), half(e[row, block])))
        expected.append(oracle.ggml(blocks, order is ScaleOrder.SUM_FIRST))
    wanted = "ggml-sum-first" if name == "q4_0" else "ggml-scales-first"
    assert plain(block_dot(left, right, preset(wanted))) == expected


def test_the_order_of_ggml_matters():
    """A sum of 15 bits times a significand of 11 is rounded; a product of two of 11 is not."""
    d, e = np.random.default_rng(33).integers(0x3C00, 0x4000, (2, 20, 1))
    left = Blocks(named("q4_0").format, np.array([[0] * 31 + [1]] * 20), (Shared(d),))
    right = Blocks(named("q8_0").format, np.full((20, 32), 127), (Shared(e),))
    found = [plain(block_dot(left, right, ggml(order))) for order in ScaleOrder]
    blocks = [[(-127 * (31 * 8 + 7), half(x), half(y))] for x, y in zip(d[:, 0], e[:, 0], strict=True)]
    assert found == [[oracle.ggml(row, first) for row in blocks] for first in (True, False)]
    assert found[0] != found[1]


def test_ggml_reads_every_scale_of_mxfp4():
    """Its scale 255 is a power of two like the others."""
    no_nan = BlockFormat(E2M1, (Level(32, PowerOfTwo(8, bias=127)),))
    left = Blocks(no_nan, np.full((1, 32), 2), (Shared(np.array([[255]])),))
    right = Blocks(named("q8_0").format, np.ones((1, 32), int), (Shared(np.array([[0x0001]])),))
    assert plain(block_dot(left, right, preset("ggml-scales-first"))) == [32 * oracle.power(128 - 24)]


def test_ggml_sums_of_integers_are_those_of_numpy():
    random = np.random.default_rng(32)
    x, y = random.integers(-128, 128, (2, 5, 20, 32))
    d, e = random.normal(size=(2, 5, 20)).astype(np.float16)
    total = np.zeros(5, np.float32)
    for block in range(20):
        sums = (x[:, block] * y[:, block]).sum(axis=-1).astype(np.float32)
        total += sums * (d[:, block].astype(np.float32) * e[:, block].astype(np.float32))
    sides = [
        Blocks(named("q8_0").format, codes.reshape(5, 640) & 255, (Shared(scale.view(np.uint16)),))
        for codes, scale in ((x, d), (y, e))
    ]
    assert block_dot(*sides, preset("ggml-scales-first")).floats().tolist() == total.tolist()


def test_ggml_q4_k():
    random = np.random.default_rng(34)
    q4, q8 = random.integers(0, 16, (4, 768)), random.integers(-128, 128, (4, 768))
    q4[0], q8[0] = 15, 127
    scales, mins = random.integers(0, 64, (2, 4, 24))
    scales[0] = 63
    d, dmin = random.integers(0x0400, 0x4000, (2, 4, 3))
    y = random.integers(0x38000000, 0x40000000, (4, 3))
    shared = (Shared(scales, offset=mins), Shared(d, offset_scale=dmin))
    found = plain(q4_k_dot(Blocks(named("q4_k").format, q4, shared), q8, y))
    for row in range(4):
        entries = []
        for i in range(3):
            part, sub = slice(i * 256, i * 256 + 256), slice(i * 8, i * 8 + 8)
            integers = {
                "q4": q4[row, part],
                "q8": q8[row, part],
                "scales": scales[row, sub],
                "mins": mins[row, sub],
            }
            entries.append({name: value.tolist() for name, value in integers.items()})
            entries[-1] |= {"d": half(d[row, i]), "dmin": half(dmin[row, i])}
            entries[-1]["y"] = BINARY32.decode(y[row, i : i + 1]).fractions()[0]
        assert found[row] == oracle.q4_k(entries)
    with pytest.raises(InputError, match=r"^rows must be of one length, a multiple of 256, not 760$"):
        q4_k_dot(Blocks(named("q4_k").format, q4, shared), q8[:, :760], y)
    with pytest.raises(InputError, match=r"^codes must be -128 to 127$"):
        q4_k_dot(Blocks(named("q4_k").format, q4, shared), q8 + 300, y)


# --- how often they differ ---


def test_accumulators_differ_on_long_rows():
    """4096 products of E4M3 under power-of-two scales: most results depend on who adds them."""
    random = np.random.default_rng(41)
    count = 300
    sides = []
    for _ in range(2):
        real = random.normal(size=(count, 128, 32))
        power = np.floor(np.log2(np.abs(real).max(axis=-1))).astype(int) - 8
        magnitude = np.abs(real) / 2.0 ** power[..., None]
        place = np.maximum(np.floor(np.log2(magnitude)), -6).astype(int) - 3
        units = np.minimum(np.rint(magnitude / 2.0**place), 15).astype(int)
        elements = Dyadic.of_integers(
            (units * np.sign(real).astype(int)).reshape(count, -1), place.reshape(count, -1)
        )
        scales = Dyadic.of_integers(np.ones((count, 128), int), power)
        sides.append(Operand(elements, scales, 32, 3))
    exact = block_dot(*sides, preset("exact-fp32")).floats()
    differ = {
        name: float((block_dot(*sides, preset(name)).floats() != exact).mean())
        for name in ("block-fp32", "tensor-blackwell-mxfp8")
    }
    assert 0.5 < differ["block-fp32"] < 0.75
    assert 0.8 < differ["tensor-blackwell-mxfp8"] < 0.97


def test_every_preset_is_documented_and_shown_as_code():
    for name, entry in BLOCK_ACCUMULATORS.items():
        assert entry.name == name
        assert entry.summary
        assert entry.source
        assert "[" not in repr(entry.accumulator)
    assert preset("exact-fp32").output == FP32
    assert FORMATS["int8"] == FIXED8
