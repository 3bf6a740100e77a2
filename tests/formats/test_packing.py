"""Packings: every short row goes in and comes back, and every layout is where its source has it."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.errors import InputError, SpecError
from intsim.formats.packing import Fields, Part, Parts, SignedTriples, Trits, bits_per_code, pack, unpack
from intsim.formats.packings import PACKINGS


def top_code(packing):
    """The largest code that a packing takes."""
    return 2**packing.bits - 1 if isinstance(packing, Fields) else 2


@pytest.mark.parametrize("name", PACKINGS)
def test_every_short_row_comes_back(name):
    packing = PACKINGS[name].packing
    count = top_code(packing) + 1
    lengths = range(1, {2: 11, 3: 7, 4: 6}.get(count, 3 if count <= 16 else 2))
    for length in lengths:
        rows = np.array(list(itertools.product(range(count), repeat=length)))
        for pad in (0, top_code(packing)):
            bytes = pack(rows, packing, pad)
            assert bytes.dtype == np.uint8
            assert bytes.shape == (len(rows), packing.size(length))
            assert (unpack(bytes, packing, length) == rows).all()


@pytest.mark.parametrize("name", PACKINGS)
@given(data=st.data())
def test_rows_of_any_length_come_back(name, data):
    packing = PACKINGS[name].packing
    length = data.draw(st.integers(0, 600))
    codes = np.random.default_rng(length).integers(0, top_code(packing) + 1, (2, length))
    bytes = pack(codes, packing)
    assert bytes.shape == (2, packing.size(length))
    assert (unpack(bytes, packing, length) == codes).all()


def test_where_bits_lie():
    bits = [1, 1, 0, 0, 0, 0, 0, 0, 1]
    assert pack(bits, PACKINGS["bits"].packing).tolist() == [3, 1]
    assert pack(bits, PACKINGS["bits-msb"].packing).tolist() == [0xC0, 0x80]
    assert pack(bits, PACKINGS["bits"].packing, pad=1).tolist() == [3, 0xFF]
    assert pack(bits, PACKINGS["bits-32"].packing).tolist() == [3, 1, 0, 0]
    every = np.random.default_rng(0).integers(0, 2, 1000)
    assert (pack(every, PACKINGS["bits"].packing) == np.packbits(every, bitorder="little")).all()
    assert (pack(every, PACKINGS["bits-msb"].packing) == np.packbits(every)).all()
    words = pack(every, PACKINGS["bits-32"].packing).view("<u4")
    assert [(int(words[i // 32]) >> i % 32) & 1 for i in range(1000)] == every.tolist()


def test_where_trits_of_two_bits_lie():
    codes = np.random.default_rng(1).integers(0, 3, 256)
    byte = {
        "two-bit": lambda p: sum(codes[4 * p + j] << 2 * j for j in range(4)),
        "tq2_0": lambda p: sum(codes[p // 32 * 128 + p % 32 + 32 * j] << 2 * j for j in range(4)),
        "i2_s-x86": lambda p: sum(codes[p // 32 * 128 + p % 32 + 32 * j] << (6 - 2 * j) for j in range(4)),
        "i2_s-arm": lambda p: sum(codes[p // 16 * 64 + p % 16 + 16 * j] << (6 - 2 * j) for j in range(4)),
        "bitnet-gpu": lambda p: sum(codes[p // 4 * 16 + p % 4 + 4 * j] << 2 * j for j in range(4)),
    }
    for name, expected in byte.items():
        assert pack(codes, PACKINGS[name].packing).tolist() == [expected(p) for p in range(64)], name


def test_bitnets_gpu_order_as_its_shifts_have_it():
    """Element i of 16 at bit (i % 4) * 8 + (i // 4) * 2 of its word."""
    for element in range(16):
        codes = np.zeros(16, int)
        codes[element] = 3
        word = int(pack(codes, PACKINGS["bitnet-gpu"].packing).view("<u4")[0])
        assert word == 3 << ((element % 4) * 8 + (element // 4) * 2)


def test_where_nibbles_lie():
    assert pack([1, 2], PACKINGS["nibbles"].packing).tolist() == [0x21]
    assert pack([1, 2], PACKINGS["nibbles-high"].packing).tolist() == [0x12]
    codes = np.arange(64) % 16
    ggml = [codes[p // 16 * 32 + p % 16] | codes[p // 16 * 32 + p % 16 + 16] << 4 for p in range(32)]
    assert pack(codes, PACKINGS["nibbles-16"].packing).tolist() == ggml
    assert pack(codes, PACKINGS["nibbles-32"].packing).tolist() == [
        codes[p] | codes[p + 32] << 4 for p in range(32)
    ]
    assert pack(range(8), PACKINGS["gptq"].packing).view("<u4").tolist() == [0x76543210]
    assert pack(range(8), PACKINGS["awq"].packing).view("<u4").tolist() == [0x75316420]


def test_where_six_bits_lie():
    codes = [1, 2, 3, 4]
    stream = sum(code << 6 * i for i, code in enumerate(codes))
    assert pack(codes, PACKINGS["six-bit"].packing).tolist() == list(stream.to_bytes(3, "little"))
    big = Fields(6, order=(3, 2, 1, 0), bytes=3, big_endian=True)
    stream = sum(code << 6 * (3 - i) for i, code in enumerate(codes))
    assert pack(codes, big).tolist() == list(stream.to_bytes(3, "big"))
    assert unpack(pack(codes, big), big, 4).tolist() == codes


def test_all_243_bytes_of_five_trits():
    """The multiplication by 3 gives back every digit; the byte is ceil(v * 256 / 243)."""
    rows = np.array(list(itertools.product(range(3), repeat=5)))
    scaled, plain = Trits(5, scaled=True), Trits(5)
    bytes = pack(rows, scaled).ravel()
    assert bytes.tolist() == [-(-v * 256 // 243) for v in range(243)]
    assert len(set(bytes.tolist())) == 243
    for row, byte in zip(rows.tolist(), bytes.tolist(), strict=True):
        assert [(byte * 3**digit % 256 * 3) >> 8 for digit in range(5)] == row
    assert pack(rows, plain).ravel().tolist() == list(range(243))
    assert pack(rows, Trits(5, least_first=True)).ravel().tolist() == [
        sum(digit * 3**place for place, digit in enumerate(row)) for row in rows.tolist()
    ]


def test_the_13_bytes_that_no_five_trits_have():
    """Scaled, ggml reads them all the same; plain, they are refused."""
    packing = Trits(5, scaled=True)
    every = np.arange(256, dtype=np.uint8)[:, None]
    codes = unpack(every, packing, 5)
    assert codes.max() == 2
    again = pack(codes, packing)
    assert int((again != every).sum()) == 256 - 243
    with pytest.raises(InputError, match=r"^bytes of 5 trits must be below 243, not 243$"):
        unpack([243], Trits(5), 5)


def test_tl1_is_two_digits_in_a_nibble():
    """bitnet.cpp's index 3 * w0 + w1 + 4 is the number of two trits."""
    for a, b in itertools.product((-1, 0, 1), repeat=2):
        assert pack([a + 1, b + 1], Trits(2)).tolist() == [3 * a + b + 4]


def test_tl2_is_a_size_and_a_sign():
    for weights in itertools.product((-1, 0, 1), repeat=3):
        number = 9 * weights[0] + 3 * weights[1] + weights[2]
        bytes = pack(np.array(weights) + 1, SignedTriples())
        assert bytes.tolist() == [abs(number), int(number < 0)]
        assert unpack(bytes, SignedTriples(), 3).tolist() == [weight + 1 for weight in weights]
    with pytest.raises(InputError, match=r"^sizes of three ternary codes must be 0 to 13, not 14$"):
        unpack([14, 0], SignedTriples(), 3)


@pytest.mark.parametrize(
    ("name", "bits"),
    [("tq1_0", "13/8"), ("tq2_0", "2"), ("trits", "8/5"), ("tl2", "5/3"), ("six-bit", "6"), ("bits-64", "1")],
)
def test_bits_per_code(name, bits):
    assert bits_per_code(PACKINGS[name].packing) == Fraction(bits)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: pack([2], PACKINGS["bits"].packing), "codes must be 0 to 1, not 2 at (0,)"),
        (lambda: pack([3], PACKINGS["trits"].packing), "codes of trits must be 0, 1 or 2, not 3"),
        (lambda: pack([1], PACKINGS["trits"].packing, pad=5), "codes of trits must be 0, 1 or 2, not 5"),
        (lambda: pack(1, PACKINGS["bits"].packing), "codes must have an axis to pack along"),
        (lambda: unpack([0, 0], PACKINGS["bits"].packing, 3), "bytes of 3 codes must be 1, not (2,)"),
        (lambda: unpack([256], PACKINGS["bits"].packing, 3), "codes must be 0 to 255, not 256 at (0,)"),
        (lambda: Fields(4, order=(0, 2)), "fields.order: must hold 0 to 1 once each, not (0, 2)"),
        (lambda: Fields(4, order=(0, 1, 2)), "fields.order: must fit 8 bits, not 3 fields of 4"),
        (lambda: Fields(33, order=(0,)), "fields.bits: must be 1 to 32, not 33"),
        (lambda: Trits(6), "trits.digits: must be 1 to 5, not 6"),
        (
            lambda: Trits(5, scaled=True, least_first=True),
            "trits.least_first: must be false where the byte is scaled",
        ),
        (lambda: Part(7, Trits(5)), "part.count: must be a positive multiple of 5, not 7"),
        (lambda: Fields(4, order=(0, 1), words=0), "fields.words: must be at least 1, not 0"),
        (lambda: Parts(()), "parts.parts: must be at least one"),
    ],
)
def test_refused(use, message):
    with pytest.raises((InputError, SpecError)) as error:
        use()
    assert str(error.value) == message
