"""The packings that are in use, by name, each with its source: `PACKINGS`."""

from __future__ import annotations

from dataclasses import dataclass

from intsim.formats.packing import Fields, Packing, Part, Parts, SignedTriples, Trits


@dataclass(frozen=True)
class NamedPacking:
    """A packing that exists.

    name : as it is asked for
    summary : what lies where, in one line
    source : where that was read
    packing : Packing
    """

    name: str
    summary: str
    source: str
    packing: Packing


_EIGHT = tuple(range(8))

PACKINGS: dict[str, NamedPacking] = {
    entry.name: entry
    for entry in (
        NamedPacking(
            "bits",
            "eight bits a byte, the first least significant",
            "gguf Q1_0, FINN; np.packbits(bitorder='little')",
            Fields(1, order=_EIGHT),
        ),
        NamedPacking(
            "bits-msb",
            "eight bits a byte, the first most significant",
            "np.packbits, whose default order this is",
            Fields(1, order=_EIGHT[::-1]),
        ),
        NamedPacking(
            "bits-32",
            "32 bits a little-endian word, the first least significant",
            "Larq compute engine, TBitpacked",
            Fields(1, order=tuple(range(32)), bytes=4),
        ),
        NamedPacking(
            "bits-64",
            "64 bits a little-endian word, the first least significant",
            "what a 64-bit popcount takes",
            Fields(1, order=tuple(range(64)), bytes=8),
        ),
        NamedPacking(
            "two-bit",
            "four 2-bit codes a byte, the first least significant",
            "a little-endian stream of 2-bit codes",
            Fields(2, order=(0, 1, 2, 3)),
        ),
        NamedPacking(
            "tq2_0",
            "128 codes in 32 bytes: byte p holds p, p+32, p+64, p+96 from the least significant bits",
            "ggml, block_tq2_0",
            Fields(2, order=(0, 1, 2, 3), words=32),
        ),
        NamedPacking(
            "i2_s-x86",
            "128 codes in 32 bytes: byte p holds p, p+32, p+64, p+96 from the most significant bits",
            "microsoft/BitNet, ggml-bitnet-mad.cpp, quantize_i2_s for x86",
            Fields(2, order=(3, 2, 1, 0), words=32),
        ),
        NamedPacking(
            "i2_s-arm",
            "64 codes in 16 bytes: byte p holds p, p+16, p+32, p+48 from the most significant bits",
            "microsoft/BitNet, ggml-bitnet-mad.cpp, quantize_i2_s for Arm",
            Fields(2, order=(3, 2, 1, 0), words=16),
        ),
        NamedPacking(
            "bitnet-gpu",
            "16 codes a little-endian word, in the order 0 4 8 12 1 5 9 13 2 6 10 14 3 7 11 15",
            "microsoft/BitNet, gpu/pack_weight.py, interleave_weight_int8; codes of OFFSET_TWO",
            Fields(2, order=tuple(4 * field + byte for byte in range(4) for field in range(4)), bytes=4),
        ),
        NamedPacking(
            "trits",
            "five ternary codes a byte in base 3, the first most significant",
            "the plain form of five trits in 243 of 256 bytes",
            Trits(5),
        ),
        NamedPacking(
            "tq1_0",
            "256 codes in 52 bytes: scaled trits, 32 and 16 bytes of five, 4 bytes of four",
            "ggml, block_tq1_0",
            Parts(
                (
                    Part(160, Trits(5, words=32, scaled=True)),
                    Part(80, Trits(5, words=16, scaled=True)),
                    Part(16, Trits(4, words=4, scaled=True)),
                )
            ),
        ),
        NamedPacking(
            "tl2",
            "three ternary codes as a 4-bit size and a sign, the signs after the sizes",
            "microsoft/BitNet, preprocess_three_weights; without the kernels' tiling",
            SignedTriples(),
        ),
        NamedPacking(
            "nibbles",
            "two 4-bit codes a byte, the first low",
            "torchao, NVFP4 and MXFP4 tensors of adjacent pairs",
            Fields(4, order=(0, 1)),
        ),
        NamedPacking(
            "nibbles-high",
            "two 4-bit codes a byte, the first high",
            "TL1 of microsoft/BitNet puts the first of two indices high",
            Fields(4, order=(1, 0)),
        ),
        NamedPacking(
            "nibbles-16",
            "32 codes in 16 bytes: byte p holds p low and p+16 high",
            "ggml, block_q4_0 and block_mxfp4",
            Fields(4, order=(0, 1), words=16),
        ),
        NamedPacking(
            "nibbles-32",
            "64 codes in 32 bytes: byte p holds p low and p+32 high",
            "ggml, block_q4_K",
            Fields(4, order=(0, 1), words=32),
        ),
        NamedPacking(
            "gptq",
            "eight 4-bit codes a little-endian word, the first least significant",
            "AutoGPTQ, qweight along K",
            Fields(4, order=_EIGHT, bytes=4),
        ),
        NamedPacking(
            "awq",
            "eight 4-bit codes a little-endian word, in the order 0 2 4 6 1 3 5 7",
            "AWQ, qweight along N",
            Fields(4, order=(0, 2, 4, 6, 1, 3, 5, 7), bytes=4),
        ),
        NamedPacking(
            "six-bit",
            "four 6-bit codes in three bytes, the first least significant",
            "a little-endian stream of 6-bit codes",
            Fields(6, order=(0, 1, 2, 3), bytes=3),
        ),
        NamedPacking(
            "bytes",
            "a code a byte",
            "every 8-bit format",
            Fields(8, order=(0,)),
        ),
    )
}
