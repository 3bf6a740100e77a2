"""The epilogue of sums against its rules, stated again in numpy and Python ints."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.formats import IntFormat
from intsim.kernels.epilogue import DOUBLE, FIXED, LANES, SIGNED, SINGLE, STORE, padded, plain, started
from intsim.kernels.finish import finish

KINDS = [STORE, SINGLE, SIGNED, DOUBLE, FIXED]
DTYPES = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32]
MARK = 77  # what stands where nothing may be written


def register(value, bits, signed):
    low = int(value) % 2**bits
    return low - 2**bits if signed and low >= 2 ** (bits - 1) else low


def values(sums, epilogue):
    """Rule G1."""
    wide = sums[:, : epilogue.channels].astype(object) + epilogue.start[: epilogue.channels].astype(object)
    held = [[register(register(v, 32, True), epilogue.width, epilogue.signed) for v in row] for row in wide]
    return np.array(held, dtype=object).reshape(wide.shape).astype(np.int64).astype(np.int32)


def single(value, epilogue, with_sign):
    """Rules G3 and G4, in exact fractions: float32 rounds them, as often as the rule says."""
    codes = np.empty(value.shape, np.int64)
    for (row, c), number in np.ndenumerate(value):
        factor, offset, below = (Fraction(float(entry)) for entry in epilogue.singles[:, c])
        exact = Fraction(float(np.float32(number))) * factor
        y = nearest_float32(exact + (below if with_sign and number < 0 else offset))
        y = min(max(y, epilogue.low - epilogue.centre), epilogue.high - epilogue.centre)
        codes[row, c] = round(y) + epilogue.centre
    return codes


def nearest_float32(exact):
    """Ties to even, for any fraction."""
    if exact == 0:
        return Fraction(0)
    exponent = 0
    while abs(exact) >= Fraction(2) ** (exponent + 24):
        exponent += 1
    while abs(exact) < Fraction(2) ** (exponent + 23):
        exponent -= 1
    return round(exact / Fraction(2) ** exponent) * Fraction(2) ** exponent


def double(value, epilogue):
    """Rule G5."""
    factor, offset, below = epilogue.doubles[:, : epilogue.channels]
    y = value.astype(np.float64) * factor
    y = y + np.where(value < 0, below, offset)
    y = np.clip(y, epilogue.low - epilogue.zero, epilogue.high - epilogue.zero)
    return np.rint(y).astype(np.int64) + epilogue.zero


def staged(value, epilogue):
    """Rule G6."""
    factor, bits, below, above = epilogue.integers[:, : epilogue.channels].astype(object)
    product = (value.astype(object) + epilogue.before) * factor
    shifted = (product + np.where(product < 0, epilogue.below, epilogue.above)) >> epilogue.bits
    shifted = (shifted + np.where(shifted < 0, below, above)) >> bits
    return np.clip(shifted + epilogue.zero, epilogue.low, epilogue.high).astype(np.int64)


def expected(sums, epilogue, dtype):
    value = values(sums, epilogue)
    forms = {
        STORE: value.astype(np.int64),
        SINGLE: single(value, epilogue, False),
        SIGNED: single(value, epilogue, True),
        DOUBLE: double(value, epilogue),
        FIXED: staged(value, epilogue),
    }
    kinds = np.repeat(epilogue.kinds, LANES)[: epilogue.channels]
    codes = np.select([kinds == kind for kind in forms], list(forms.values()))
    if epilogue.table.size:
        codes = epilogue.table[(codes - epilogue.first) % 256]
    return codes.astype(dtype)


def an_epilogue(kind, channels, seed, width=32, signed=1):
    rng = np.random.default_rng(seed)
    lanes = padded(channels)
    factor = rng.uniform(0.0001, 0.01, lanes)
    offsets = rng.uniform(-0.6, 0.6, (2, lanes))
    integers = [rng.integers(2**30, 2**31, lanes), rng.integers(1, 12, lanes)]
    integers += [(1 << integers[1] - 1) - 1, 1 << integers[1] - 1]
    return started(plain(channels), rng.integers(-3000, 3000, channels))._replace(
        kinds=np.full(lanes // LANES, kind),
        width=width,
        signed=signed,
        singles=np.stack([factor, *offsets]).astype(np.float32),
        doubles=np.stack([factor, *offsets]),
        integers=np.stack(integers).astype(np.int32),
        before=int(rng.integers(-9, 9)),
        below=2**30,
        above=2**30,
        bits=31,
        centre=int(rng.integers(-20, 20)),
        zero=int(rng.integers(-20, 20)),
        low=-128,
        high=127,
    )


def check(epilogue, dtype, sums, first=0, top=0):
    rows = sums.shape[0]
    out = np.full((rows + 2 * top, first + epilogue.channels + 3), MARK, dtype)
    wanted = out.copy()
    wanted[top : top + rows, first : first + epilogue.channels] = expected(sums, epilogue, dtype)
    finish(sums, rows, epilogue, out, top, first)
    assert out.tolist() == wanted.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 15, 16, 17, 40, 64])
def test_every_kind_writes_its_channels_and_no_more(kind, channels):
    rng = np.random.default_rng(channels)
    sums = rng.integers(-60000, 60000, (5, padded(channels) + LANES)).astype(np.int32)
    check(an_epilogue(kind, channels, seed=kind), np.int8, sums, first=2, top=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_storage_takes_the_low_bits(kind, dtype):
    rng = np.random.default_rng(kind)
    sums = rng.integers(-(2**31), 2**31, (4, 32)).astype(np.int32)
    check(an_epilogue(kind, 20, seed=kind), dtype, sums, first=1)


@given(
    st.sampled_from(KINDS), st.integers(1, 40), st.integers(1, 32), st.integers(0, 1), st.integers(0, 2**31)
)
def test_drawn_registers(kind, channels, width, signed, seed):
    rng = np.random.default_rng(seed)
    limit = 2 ** int(rng.integers(1, 32))
    sums = rng.integers(-limit, limit, (3, padded(channels))).astype(np.int32)
    check(an_epilogue(kind, channels, seed, width, signed if width < 32 else 1), np.int16, sums)


@pytest.mark.parametrize("real", [SINGLE, SIGNED, DOUBLE])
def test_ties_go_to_the_even_integer_whatever_the_zero_point(real):
    for zero in (-3, 0, 2, 7):
        sums = np.arange(-40, 40, dtype=np.int32).reshape(5, 16)
        halves = np.tile([[0.5], [0.0], [0.0]], 16)
        epilogue = plain(16)._replace(
            kinds=np.array([real]),
            singles=halves.astype(np.float32),
            doubles=halves,
            zero=zero,
            centre=zero,
            low=-20,
            high=20,
        )
        out = np.zeros((5, 16), np.int8)
        finish(sums, 5, epilogue, out, 0, 0)
        python = [min(max(round(int(x) / 2) + zero, -20), 20) for x in sums.ravel()]
        assert out.ravel().tolist() == python


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_sums(kind):
    ends = np.array([-(2**31), 2**31 - 1, -(2**31) + 1, 2**24 + 1, -(2**24) - 1, 0, -1, 1] * 2, np.int32)
    epilogue = an_epilogue(kind, 16, seed=3)._replace(start=np.zeros(16, np.int32), before=0)
    check(epilogue, np.int8, ends[None])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_a_table(dtype):
    rng = np.random.default_rng(0)
    sums = rng.integers(-60000, 60000, (9, 48)).astype(np.int32)
    entries = rng.permutation(256) + np.iinfo(dtype).min
    epilogue = an_epilogue(SINGLE, 40, seed=1)._replace(table=entries.astype(np.int64), first=-128)
    check(epilogue, dtype, sums, first=1)


def test_each_block_has_its_own_kind():
    rng = np.random.default_rng(5)
    sums = rng.integers(-60000, 60000, (4, 96)).astype(np.int32)
    check(
        an_epilogue(SINGLE, 90, seed=4)._replace(kinds=np.array([3, 1, 4, 0, 2, 1])), np.int16, sums, first=1
    )


def test_start_values_are_taken_modulo_2_to_the_32():
    assert started(plain(3), np.array([2**31, -(2**31) - 1, 5 * 2**32 + 7], dtype=object)).start.tolist() == [
        -(2**31),
        2**31 - 1,
        7,
        *[0] * 13,
    ]
    out = np.zeros((1, 3), np.int32)
    sums = np.full((1, 16), 2**31 - 1, np.int32)
    finish(sums, 1, started(plain(3, IntFormat(32)), np.array([1, 2, -1])), out, 0, 0)
    assert out.tolist() == [[-(2**31), -(2**31) + 1, 2**31 - 2]]
