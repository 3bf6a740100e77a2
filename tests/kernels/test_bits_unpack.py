"""Weights of few bits that are unpacked on their way: against Python ints, and the instructions by name."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.kernels.isa import micro, table
from intsim.kernels.isa.table import ISAS, NARROW, WEIGHTS_VARIABLE, weights_told
from intsim.kernels.packing import narrowed, operands, pack
from tests.kernels.assembled import assembly
from tests.kernels.test_isa import multiplied
from tests.oracles import bits as oracle

AMX = ISAS[0]
HERE = table.runs(AMX) and table.host_features().get("gfni", False)
ENDS = {"AmxSigns": (-1, 1), "AmxBits1": (0, 1), "AmxBits2": (-2, 1), "AmxBits4": (-8, 7)}
needs_tiles = pytest.mark.skipif(not HERE, reason="the processor must have tiles and Galois fields")


def drawn(kernel, shape, rng):
    low, high = ENDS[type(kernel).__name__]
    if low == -high:
        return rng.choice([-1, 1], shape).astype(np.int8)
    values = rng.integers(low, high + 1, shape)
    values.flat[:2] = low, high
    return values.astype(np.int8)


def expected(x, w):
    return [[oracle.dot(row, taps) for taps in w.tolist()] for row in x.tolist()]


def by_kernel(kernel, x, w, monkeypatch):
    """The products by this very kernel, through the test's own copy of the loop over blocks."""
    from tests.kernels import test_isa

    def chosen(isa, storage, low, high):
        found = narrowed(operands(isa, storage, low, high), w, w.shape[1])
        assert found.kernel is kernel
        return found

    monkeypatch.setattr(test_isa, "operands", chosen)
    return multiplied(AMX, x, w)


@needs_tiles
@pytest.mark.parametrize("kernel", NARROW, ids=lambda kernel: type(kernel).__name__)
@pytest.mark.parametrize("format", [IntFormat(8), IntFormat(8, False)], ids=str)
def test_every_remainder(kernel, format, monkeypatch):
    rng = np.random.default_rng(0)
    lengths = (64, 128, 192, 256, 640) if ENDS[type(kernel).__name__] == (-1, 1) else (2, 63, 65, 130, 300)
    for terms in lengths:
        for rows, channels in ((1, 1), (3, 17), (17, 16), (33, 50)):
            x = rng.integers(format.min, format.max + 1, (rows, terms)).astype(format.storage)
            w = drawn(kernel, (channels, terms), rng)
            assert by_kernel(kernel, x, w, monkeypatch).tolist() == expected(x, w), (terms, rows, channels)


@needs_tiles
@given(data=st.data())
@settings(max_examples=30)
def test_drawn_products(data):
    kernel = data.draw(st.sampled_from(NARROW))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    terms = data.draw(st.integers(2, 5)) * 64
    x = rng.integers(-128, 128, (data.draw(st.integers(1, 40)), terms)).astype(np.int8)
    w = drawn(kernel, (data.draw(st.integers(1, 40)), terms), rng)
    with pytest.MonkeyPatch.context() as patch:
        found = by_kernel(kernel, x, w, patch)
    assert np.array_equal(found, x.astype(object) @ w.T.astype(object))


@needs_tiles
def test_long_rows_are_multiplied_in_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    for kernel in NARROW:
        x = rng.integers(-128, 128, (35, 64 * 140)).astype(np.int8)
        w = drawn(kernel, (33, 64 * 140), rng)
        found = by_kernel(kernel, x, w, monkeypatch)
        assert np.array_equal(found, x.astype(np.int64) @ w.T.astype(np.int64))


def test_weights_take_their_bits():
    """Rule V5 for one panel: bytes that are shared, code by code."""
    for kernel in NARROW:
        w = drawn(kernel, (1, 16, 1, 64), np.random.default_rng(2))
        packed = pack(w, kernel, 1)
        assert packed.nbytes == 16 * 64 * kernel.bits // 8
        lines = packed.reshape(-1, 64).view(np.uint8)
        for channel in range(16):
            for term in range(64):
                step, byte = divmod(term, 4)
                line, place = divmod(step, 8 // kernel.bits)
                bits = int(lines[line, 4 * channel + byte]) >> place * kernel.bits & (1 << kernel.bits) - 1
                code = int(w[0, channel, 0, term])
                assert bits == (code < 0 if ENDS[type(kernel).__name__] == (-1, 1) else code % 2**kernel.bits)


def test_signs_need_whole_steps(monkeypatch):
    """What fills a step must be zeros, which +1 and -1 have no bit for. None are packed without GFNI."""
    from intsim.kernels import packing

    found = operands(AMX, np.dtype(np.int8), -1, 1)
    w = np.array([[1, -1] * 32])
    for has, terms, name in ((True, 64, "AmxSigns"), (True, 63, "AmxBits2"), (False, 64, "AmxBytes")):
        monkeypatch.setattr(packing, "host_features", lambda held=has: {"gfni": held})
        assert type(narrowed(found, w, terms).kernel).__name__ == name
    monkeypatch.setattr(packing, "host_features", lambda: {"gfni": True})
    assert narrowed(found, w * 9, 64) is found
    vectors = operands(ISAS[1], np.dtype(np.int8), -1, 1)
    assert narrowed(vectors, w, 64) is vectors


@pytest.mark.parametrize("kernel", NARROW, ids=lambda kernel: type(kernel).__name__)
def test_the_instructions_are_the_ones_meant(kernel):
    name = type(kernel).__name__

    def blocks(module):
        return [micro.block(module, name, *shape, True) for shape in micro.variants(kernel)]

    shown = assembly(blocks, "x86_64-linux-gnu", (*AMX.features, "gfni"))
    assert re.search(r"vgf2p8affineqb\s.*%zmm", shown)
    assert re.search(r"tdpbssd\s", shown)
    assert not re.search(r"^\s+call\s", shown, re.M)


def test_what_is_told(monkeypatch):
    monkeypatch.setenv(WEIGHTS_VARIABLE, "count")
    assert weights_told() == "count"
    monkeypatch.setenv(WEIGHTS_VARIABLE, "words")
    with pytest.raises(SpecError, match="INTSIM_WEIGHTS must be one of count, unpack, bytes, not 'words'"):
        weights_told()
