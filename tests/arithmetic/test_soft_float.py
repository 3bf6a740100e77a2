"""Floats by integers: against exact fractions, and bit by bit against the processor's own."""

import ctypes
import platform
import warnings
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest

from intsim.arithmetic import Rounding
from intsim.arithmetic.blocks import BF16, FP16, FP24, FP32, FloatOverflow, SoftFloat, Tiny
from intsim.arithmetic.blocks.exact_sum import stack, sum_to_round, total
from intsim.arithmetic.encode import Beyond, encode
from intsim.errors import OverflowTrap, SpecError
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.element import table
from intsim.formats.exact import multiply, negate, subtract
from intsim.formats.minifloat import BFLOAT16, BINARY16, BINARY32, Minifloat, ieee
from tests.oracles import blocks as oracle

E5M2, E3M2 = ieee(5, 2), ieee(3, 2)
DETERMINISTIC = [rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC]


def plain(values):
    """A Dyadic in the oracle's words."""
    finite = Dyadic(values.negative, values.significand, values.exponent, np.zeros_like(values.kind))
    texts = {(Kind.NAN, False): "nan", (Kind.INFINITE, False): "inf", (Kind.INFINITE, True): "-inf"}
    flat = zip(finite.fractions(), values.kind.ravel(), values.negative.ravel(), strict=True)
    return [texts.get((Kind(kind), bool(minus)), value) for value, kind, minus in flat]


def pairs(format):
    """Every value of a format, as a column and as a row."""
    values = table(format)
    return values.reshape(-1, 1), values.reshape(1, -1)


# --- every pair ---


@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_every_pair_of_an_8_bit_float(operation):
    a, b = pairs(E5M2)
    found = plain(getattr(SoftFloat(E5M2), operation)(a, b))
    exact = {"add": oracle.add, "multiply": oracle.multiply}[operation]
    x, known = plain(table(E5M2)), {}
    for p, value in zip(((p, q) for p in x for q in x), found, strict=True):
        sum_ = exact(*p)
        if sum_ not in known:
            known[sum_] = oracle.round_to(sum_, "e5m2")
        assert value == known[sum_], p


@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_every_rounding_of_every_pair_of_a_6_bit_float(operation, rounding):
    a, b = pairs(E3M2)
    found = plain(getattr(SoftFloat(E3M2, rounding), operation)(a, b))
    exact = {"add": oracle.add, "multiply": oracle.multiply}[operation]
    x = plain(table(E3M2))
    name = rounding.name.lower()
    assert found == [oracle.round_to(exact(p, q), (3, 2), name) for p in x for q in x]


@pytest.mark.parametrize("rounding", [Rounding.HALF_EVEN, Rounding.TOWARD_ZERO, Rounding.CEIL])
@pytest.mark.parametrize("tiny", [Tiny.BEFORE, Tiny.AFTER])
def test_flushed_results(tiny, rounding):
    a, b = pairs(E3M2)
    found = SoftFloat(E3M2, rounding, tiny).multiply(a, b)
    name, least = rounding.name.lower(), oracle.power(-2)
    x = plain(table(E3M2))
    products = [oracle.multiply(p, q) for p in x for q in x]
    for value, exact in zip(plain(found), products, strict=True):
        seen = exact if tiny is Tiny.BEFORE else oracle.round_to(exact, (11, 2), name)
        small = not isinstance(exact, str) and abs(seen) < least
        assert value == (0 if small else oracle.round_to(exact, (3, 2), name))
    signs = np.where(found.zero, a.negative ^ b.negative, found.negative)
    assert (found.negative == signs).all()


@pytest.mark.parametrize("rounding", [Rounding.HALF_EVEN, Rounding.TOWARD_ZERO])
def test_overflow(rounding):
    a, b = pairs(E3M2)
    x = plain(table(E3M2))
    exact = [oracle.add(p, q) for p in x for q in x]
    wide = [oracle.round_to(value, (11, 2), rounding.name.lower()) for value in exact]
    largest = Fraction(14)
    for overflow in (FloatOverflow.INFINITY, FloatOverflow.LARGEST):
        found = plain(SoftFloat(E3M2, rounding, overflow=overflow).add(a, b))
        for value, rounded in zip(found, wide, strict=True):
            if not isinstance(rounded, str) and abs(rounded) > largest:
                sign = 1 if rounded > 0 else -1
                over = sign * largest if overflow is FloatOverflow.LARGEST else {1: "inf", -1: "-inf"}[sign]
                assert value == over
            else:
                assert value == rounded or (value, rounded) == (0, 0) or abs(rounded) < oracle.power(-2)
    with pytest.raises(OverflowTrap, match=r"^float must hold its results, not .* at \("):
        SoftFloat(E3M2, overflow=FloatOverflow.TRAP).add(a, b)
    traps = SoftFloat(E3M2, overflow=FloatOverflow.TRAP)
    assert plain(traps.round(Dyadic.of_integers([14, 59], exponent=[0, -2]))) == [14, 14]
    with pytest.raises(OverflowTrap, match=r"^float must hold its results, not 15 at \(0,\)$"):
        traps.round(Dyadic.of_integers([15]))


def test_the_sign_of_zero():
    zero = table(E3M2)[[0, 32]]
    a, b = zero.reshape(-1, 1), zero.reshape(1, -1)
    assert SoftFloat(E3M2).add(a, b).negative.tolist() == [[False, False], [False, True]]
    down = SoftFloat(E3M2, Rounding.FLOOR)
    assert down.add(a, b).negative.tolist() == [[False, True], [True, True]]
    values = table(E3M2)[1:24]
    assert down.add(values, negate(values)).negative.all()
    assert not SoftFloat(E3M2).add(values, negate(values)).negative.any()
    assert SoftFloat(E3M2).multiply(a, b).negative.tolist() == [[False, True], [True, False]]


# --- sums with a sticky bit ---


def test_a_sticky_sum_rounds_as_the_exact_one():
    random = np.random.default_rng(5)
    significands = random.integers(0, 2**53, 4000) >> random.integers(0, 53, 4000)
    signs, exponents = random.choice([-1, 1], 4000), random.integers(-90, 90, 4000)
    a, b = (
        Dyadic.of_integers((significands * signs)[half], exponents[half])
        for half in (slice(2000), slice(2000, None))
    )
    near, exact = sum_to_round(a, b), subtract(a, negate(b))
    assert exact.significand.dtype == object
    assert near.significand.dtype == np.int64
    for format in (BINARY32, ieee(11, 52), BFLOAT16):
        for rounding in (Rounding.HALF_EVEN, Rounding.FLOOR, Rounding.CEIL, Rounding.HALF_TOWARD_ZERO):
            sums = (encode(format, value, rounding, Beyond.SPECIAL) for value in (near, exact))
            assert np.array_equal(*sums)


def test_totals_go_where_they_fit():
    ends = Dyadic.of_integers([[2**60, 1]])
    assert total(ends).significand.dtype == np.int64
    far = Dyadic.of_integers([[1, -1, 3]], exponent=[254, -254, 0])
    assert total(far).fractions() == [oracle.power(254) - oracle.power(-254) + 3]
    assert total(stack([far, negate(far)])).zero.all()
    assert not total(stack([far, negate(far)])).negative.any()


# --- the processor ---


def float32_bits(count, seed):
    """Random bits, exponents close to each other, and edges against all edges."""
    random = np.random.default_rng(seed)
    a = random.integers(0, 2**32, count, dtype=np.uint32)
    b = random.integers(0, 2**32, count, dtype=np.uint32)
    near = slice(0, count // 2)
    b[near] = a[near] + random.integers(-(2**26), 2**26, count // 2).astype(np.uint32)
    b[near] ^= random.integers(0, 2, count // 2, dtype=np.uint32) << 31
    edges = [0, 1, 2, 0x7FFFFF, 0x800000, 0x800001, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x4B800000]
    edges += [0x33800000, 0x33800001, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x20000000, 0x1FFFFFFF, 0x60000000]
    edges = np.array(edges + [edge | 0x80000000 for edge in edges], dtype=np.uint32)
    return np.concatenate([a, np.repeat(edges, edges.size)]), np.concatenate([b, np.tile(edges, edges.size)])


def own_bits(values, width, quiet):
    """The bits of the processor's results, every NaN as the quiet one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nan = np.isnan(values.astype(np.float32))
    return np.where(nan, quiet, values.view(f"u{width}").astype(np.int64))


OPERATIONS = [("add", np.add), ("multiply", np.multiply)]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_float32_of_the_processor(name, operation):
    a, b = float32_bits(60000, seed=1)
    with np.errstate(all="ignore"):
        expected = operation(a.view(np.float32), b.view(np.float32))
    found = getattr(FP32, name)(BINARY32.decode(a), BINARY32.decode(b))
    assert np.array_equal(encode(BINARY32, found, beyond=Beyond.SPECIAL), own_bits(expected, 4, 0x7FC00000))


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_float16_of_numpy(name, operation):
    random = np.random.default_rng(2)
    a, b = random.integers(0, 2**16, (2, 60000), dtype=np.uint16)
    with np.errstate(all="ignore"):
        expected = operation(a.view(np.float16), b.view(np.float16))
    found = getattr(FP16, name)(BINARY16.decode(a), BINARY16.decode(b))
    assert np.array_equal(encode(BINARY16, found, beyond=Beyond.SPECIAL), own_bits(expected, 2, 0x7E00))


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_bfloat16_and_e5m2_of_ml_dtypes(name, operation):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    random = np.random.default_rng(3)
    a, b = random.integers(0, 2**16, (2, 60000), dtype=np.uint16)
    with np.errstate(all="ignore"):
        expected = operation(a.view(ml_dtypes.bfloat16), b.view(ml_dtypes.bfloat16))
    found = getattr(BF16, name)(BFLOAT16.decode(a), BFLOAT16.decode(b))
    assert np.array_equal(encode(BFLOAT16, found, beyond=Beyond.SPECIAL), own_bits(expected, 2, 0x7FC0))
    codes = np.arange(256, dtype=np.uint8)
    x, y = np.repeat(codes, 256), np.tile(codes, 256)
    with np.errstate(all="ignore"):
        expected = operation(x.view(ml_dtypes.float8_e5m2), y.view(ml_dtypes.float8_e5m2))
    found = getattr(SoftFloat(E5M2), name)(E5M2.decode(x), E5M2.decode(y))
    assert np.array_equal(encode(E5M2, found, beyond=Beyond.SPECIAL), own_bits(expected, 1, 0x7E))


@contextmanager
def control(bits_set):
    """The processor's SSE control bits: rounding 13 and 14, flush to zero 15, denormals are zeros 6."""
    libm = ctypes.CDLL("libm.so.6")
    saved, changed = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    libm.fegetenv(saved)
    libm.fegetenv(changed)
    changed[7] = (changed[7] & ~0xE040) | bits_set
    libm.fesetenv(changed)
    try:
        yield
    finally:
        libm.fesetenv(saved)


SSE = [
    (SoftFloat(rounding=Rounding.FLOOR), 0x2000),
    (SoftFloat(rounding=Rounding.CEIL), 0x4000),
    (SoftFloat(rounding=Rounding.TOWARD_ZERO), 0x6000),
    (SoftFloat(tiny=Tiny.AFTER), 0x8000),
    (SoftFloat(tiny=Tiny.AFTER, flush_inputs=True), 0x8040),
    (SoftFloat(flush_inputs=True), 0x0040),
    (SoftFloat(rounding=Rounding.TOWARD_ZERO, tiny=Tiny.AFTER, flush_inputs=True), 0xE040),
]


@pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc",
    reason="the control word is set as glibc keeps it on x86-64",
)
@pytest.mark.parametrize(("soft", "word"), SSE)
@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_float32_of_the_processor_in_every_mode(name, operation, soft, word):
    a, b = float32_bits(20000, seed=4)
    small = np.random.default_rng(6).integers(0, 2**32, (2, 20000), dtype=np.uint32) & 0x81FFFFFF
    scale = np.uint32(0x1F000000) if name == "multiply" else np.uint32(0)
    a, b = np.concatenate([a, small[0] + scale]), np.concatenate([b, small[1] + scale])
    x, y, expected = a.view(np.float32), b.view(np.float32), np.empty(a.size, np.float32)
    with np.errstate(all="ignore"), control(word):
        operation(x, y, out=expected)
    found = getattr(soft, name)(BINARY32.decode(a), BINARY32.decode(b))
    assert np.array_equal(encode(BINARY32, found, beyond=Beyond.SPECIAL), own_bits(expected, 4, 0x7FC00000))


# --- by hand ---


def test_float24_keeps_16_bits():
    third = FP24.round(Dyadic.of_integers([1, 2**16 + 1, 2**16 + 3]))
    assert third.fractions() == [1, 2**16, 2**16 + 4]


def test_a_fused_addition_is_rounded_once():
    one, value = Dyadic.of_integers([2**24]), Dyadic.of_integers([2**25 + 1], exponent=-25)
    assert FP32.add(one, FP32.round(value)).fractions() == [2**24]
    assert FP32.add_exact(one, value).fractions() == [2**24 + 2]
    assert multiply(one, value).fractions() == [2**24 + Fraction(1, 2)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rounding": Rounding.STOCHASTIC}, "soft_float.rounding: must not be STOCHASTIC. [D1]"),
        ({"format": Minifloat(2, 1, 1)}, "soft_float.format: must have a sign, an exponent and a NaN. [D2]"),
    ],
)
def test_refused(fields, message):
    with pytest.raises(SpecError) as error:
        SoftFloat(**fields)
    assert str(error.value) == message
