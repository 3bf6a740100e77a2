"""GGUF blocks: bytes and float32 values as the gguf package makes them, and where a rule differs from it."""

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Types
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic.encode_blocks import encode_blocks
from intsim.arithmetic.gguf import dequantize_gguf, quantize_gguf
from intsim.arithmetic.rounding import Rounding
from intsim.errors import InputError, SpecError
from intsim.formats.dyadic import Kind
from intsim.formats.gguf import read_gguf, write_gguf
from intsim.formats.table import FORMATS

TYPES = {name: getattr(Types, name.upper()) for name in ("q4_0", "q8_0", "q4_k", "tq1_0", "tq2_0", "mxfp4")}
WRITTEN = ("q4_0", "q8_0", "tq1_0", "tq2_0")


def rows(name, seed, spread=7):
    """Rows of two blocks: random, zeros of both signs, ties, equal magnitudes, one value alone."""
    random = np.random.default_rng(seed)
    size = 2 * FORMATS[name].format.block
    made = random.standard_normal((12, size)) * np.exp(spread * random.standard_normal((12, 1)))
    made[0], made[1] = 0, -0.0
    made[2] = np.round(made[2] / np.abs(made[2]).max() * 8) / 8
    made[3] = random.choice([-1, 1], size)
    made[4, 1:] = 0
    made[5, : size // 2] = 0
    return made.clip(-6e4, 6e4).astype(np.float32)


def bits(values):
    return values.view(np.uint32)


@pytest.mark.parametrize("name", WRITTEN)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_quantize_as_gguf(name, seed):
    values = rows(name, seed, 4)
    values[np.abs(values) < 1e-30] = 0
    with np.errstate(all="ignore"):
        expected = gguf.quantize(values, TYPES[name])
    assert (write_gguf(name, quantize_gguf(name, values)) == expected).all()


@pytest.mark.parametrize("name", WRITTEN)
def test_dequantize_what_gguf_quantized(name):
    with np.errstate(all="ignore"):
        data = gguf.quantize(rows(name, 1), TYPES[name])
        expected = gguf.dequantize(data, TYPES[name])
    found = dequantize_gguf(read_gguf(name, data)).floats().astype(np.float32)
    assert (bits(found) == bits(expected)).all()


@pytest.mark.parametrize("name", ["q4_0", "q8_0", "q4_k", "tq1_0"])
def test_dequantize_any_bytes_as_gguf(name):
    """Any byte stands for something: infinite and NaN scales, negative ones, trits that no one writes."""
    size = gguf.GGML_QUANT_SIZES[TYPES[name]][1]
    data = np.random.default_rng(2).integers(0, 256, (64, size * 2), dtype=np.uint8)
    with np.errstate(all="ignore"):
        expected = gguf.dequantize(data, TYPES[name])
    blocks = read_gguf(name, data)
    found = dequantize_gguf(blocks).floats()
    nan = np.isnan(expected)
    assert (np.isnan(found) == nan).all()
    assert (bits(found.astype(np.float32)) == bits(expected))[~nan].all()
    if name != "tq1_0":  # 13 of 256 bytes are no five trits, and come back as those that are
        assert (write_gguf(name, blocks) == data).all()


def test_a_block_of_zeros_has_a_scale_of_minus_zero_in_q4_0():
    data = write_gguf("q4_0", quantize_gguf("q4_0", np.zeros(32, np.float32)))
    assert data.tolist() == [0x00, 0x80] + [0x88] * 16


def test_q8_0_quantizes_with_the_scale_before_it_is_rounded():
    """The kept scale is float16: 1 / 127 of 100 becomes 0.7876, and 100 comes back as 100.02."""
    values = np.zeros(32, np.float32)
    values[0] = 100
    blocks = quantize_gguf("q8_0", values)
    assert blocks.elements[0] == 127
    assert dequantize_gguf(blocks).floats()[0] == 127 * float(np.float16(100 / 127)) != 100


def test_tq2_0_reads_the_fourth_code_as_nothing():
    """ggml reads 3 as twice the scale; it writes no such code."""
    data = np.array([0b11] + [0] * 63 + [0x00, 0x3C], np.uint8)
    assert gguf.dequantize(data, Types.TQ2_0)[0] == 2
    assert read_gguf("tq2_0", data).values().kind[0] == Kind.NAN


def test_mxfp4_reads_minus_zero_and_a_nan_scale_where_ggml_does_not():
    data = np.array([127] + [0x08] * 16, np.uint8)
    assert not np.signbit(gguf.dequantize(data, Types.MXFP4)).any()
    assert read_gguf("mxfp4", data).values().negative[:16].all()
    data[0] = 0xFF
    assert np.isfinite(gguf.dequantize(data, Types.MXFP4)).all()
    assert (read_gguf("mxfp4", data).values().kind == Kind.NAN).all()


def test_mxfp4_of_gguf_takes_ties_to_the_smaller_magnitude():
    """And it has no minus zero; but for that it is HALF_TOWARD_ZERO."""
    values = (np.random.default_rng(3).integers(-96, 97, (40, 32)) / 16).astype(np.float32)
    values[:, 0] = 4  # its exponent is plain
    expected = gguf.dequantize(gguf.quantize(values, Types.MXFP4), Types.MXFP4)
    toward = encode_blocks(FORMATS["mxfp4"].format, values, rounding=Rounding.HALF_TOWARD_ZERO)
    assert (toward.values().floats() == expected).all()
    even = encode_blocks(FORMATS["mxfp4"].format, values).values().floats()
    assert (even != expected).any()


def test_iq4_nl_is_ggmls_codebook():
    assert FORMATS["iq4_nl"].format.values.tolist() == list(gguf.quants.IQ4_NL.kvalues)


@pytest.mark.parametrize("name", TYPES)
def test_bits_are_those_of_the_blocks(name):
    count, size = gguf.GGML_QUANT_SIZES[TYPES[name]]
    format = FORMATS[name].format
    assert (format.block, format.bits_per_element * count) == (count, 8 * size)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: quantize_gguf("q8_0", np.float32([np.inf] * 32)),
            "values must be finite, not infinity at (0,)",
        ),
        (
            lambda: quantize_gguf("q8_0", np.float32([1e-40] * 32)),
            "1 / d must be within float32, and is not for d = 281 * 2**-148 at (0, 0)",
        ),
        (
            lambda: quantize_gguf("q8_0", np.ones(32)),
            "values must be float32, 32 to a block, not float64 (32,)",
        ),
        (
            lambda: quantize_gguf("q4_k", np.ones(256, np.float32)),
            "format must be one of q8_0, q4_0, tq1_0, tq2_0, not 'q4_k'",
        ),
        (
            lambda: read_gguf("q8_0", np.zeros(33, np.uint8)),
            "bytes of q8_0 must be a multiple of 34, not (33,)",
        ),
        (
            lambda: read_gguf("q2_k", np.zeros(33, np.uint8)),
            "format must be one of q4_0, q8_0, q4_k, tq1_0, tq2_0, mxfp4, not 'q2_k'",
        ),
    ],
)
def test_refused(use, message):
    with pytest.raises((InputError, SpecError)) as error:
        use()
    assert str(error.value) == message
