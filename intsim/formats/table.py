"""The number formats that are in use, by name, each with its source: `FORMATS`.

A format of one's own needs no entry here: every function takes the format itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.errors import SpecError
from intsim.formats.bipolar import Bipolar
from intsim.formats.block import BlockFormat, Level
from intsim.formats.codebook import Codebook
from intsim.formats.element import AnyFormat
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import BFLOAT16, BINARY16, BINARY32, Minifloat, NanCodes, ieee
from intsim.formats.packings import PACKINGS
from intsim.formats.power_of_two import E8M0, PowerOfTwo
from intsim.formats.ternary import Ternary, TernaryCoding

OCP_FP8 = "OCP 8-bit Floating Point Specification 1.0; Micikevicius et al. 2022, arXiv 2209.05433"
OCP_MX = "OCP Microscaling Formats (MX) Specification 1.0"
FNUZ = "Noune et al. 2022, arXiv 2206.02915; as ml_dtypes names it"
BDR = "Darvish Rouhani et al. 2023, arXiv 2302.08007; AMD Quark"
GGML = "ggml, ggml-common.h and ggml-quants.c"


@dataclass(frozen=True)
class NamedFormat:
    """A format that exists.

    name : as it is asked for
    summary : what it is, in one line
    source : where it is defined
    format : the format
    """

    name: str
    summary: str
    source: str
    format: AnyFormat | BlockFormat


E5M2 = ieee(5, 2)
E4M3 = Minifloat(4, 3, bias=7, nan=NanCodes.TOP_CODE)
E3M2 = Minifloat(3, 2, bias=3)
E2M3 = Minifloat(2, 3, bias=1)
E2M1 = Minifloat(2, 1, bias=1)
FIXED8 = FixedPoint(8, exponent=-6)  # MXINT8's elements: -2 to 127/64


def _fnuz(exponent_bits: int, mantissa_bits: int, bias: int) -> Minifloat:
    return Minifloat(exponent_bits, mantissa_bits, bias, nan=NanCodes.MINUS_ZERO, signed_zero=False)


def _micro(mantissa_bits: int) -> BlockFormat:
    """Sign and magnitude below a shared exponent of 16 and a shift of one bit for every two."""
    levels = (Level(2, PowerOfTwo(1, down=True)), Level(16, E8M0))
    return BlockFormat(Minifloat(0, mantissa_bits, bias=0), levels)


_MINI = (
    NamedFormat("e5m2", "8-bit float with infinities, range before precision", OCP_FP8, E5M2),
    NamedFormat("e4m3", "8-bit float without infinities, one NaN of either sign", OCP_FP8, E4M3),
    NamedFormat("e3m2", "6-bit float, finite values only", OCP_MX, E3M2),
    NamedFormat("e2m3", "6-bit float, finite values only", OCP_MX, E2M3),
    NamedFormat("e2m1", "4-bit float, finite values only", OCP_MX, E2M1),
    NamedFormat("e8m0", "8-bit power of two: the scale of MX blocks", OCP_MX, E8M0),
    NamedFormat("e4m3fnuz", "8-bit float, one NaN in the place of minus zero", FNUZ, _fnuz(4, 3, 8)),
    NamedFormat("e5m2fnuz", "8-bit float, one NaN in the place of minus zero", FNUZ, _fnuz(5, 2, 16)),
    NamedFormat(
        "e4m3b11fnuz", "8-bit float, bias 11, one NaN in the place of minus zero", FNUZ, _fnuz(4, 3, 11)
    ),
    NamedFormat("e3m4", "8-bit float by IEEE's rules", "ml_dtypes, float8_e3m4", ieee(3, 4)),
    NamedFormat("e4m3-ieee", "8-bit float by IEEE's rules", "ml_dtypes, float8_e4m3", ieee(4, 3)),
    NamedFormat("binary32", "IEEE binary32, as bits", "IEEE 754-2019", BINARY32),
    NamedFormat("float16", "IEEE binary16", "IEEE 754-2019", BINARY16),
    NamedFormat(
        "bfloat16",
        "binary32 without its last 16 bits",
        "Intel, BFLOAT16 Numerics",
        BFLOAT16,
    ),
    NamedFormat(
        "tf32",
        "binary32 without its last 13 bits",
        "NVIDIA A100 white paper",
        ieee(8, 10),
    ),
)

_SMALL = (
    NamedFormat("bipolar", "a bit: 1 is +1, 0 is -1", "FINN; ggml Q1_0", Bipolar()),
    NamedFormat("bipolar-dabnn", "a bit: 1 is +1, 0 is -1 and 0", "daBNN, x > 0", Bipolar(zero=-1)),
    NamedFormat("bipolar-larq", "a bit: 0 is +1, 1 is -1", "Larq compute engine", Bipolar(positive=0)),
    NamedFormat("ternary", "two bits: 0, 1, 2 are -1, 0, +1", "ggml TQ2_0; bitnet.cpp I2_S", Ternary()),
    NamedFormat(
        "ternary-gpu",
        "two bits: 1, 2, 3 are -1, 0, +1",
        "microsoft/BitNet, gpu/pack_weight.py",
        Ternary(TernaryCoding.OFFSET_TWO),
    ),
    NamedFormat(
        "ternary-twos",
        "two bits, two's complement; or not-zero and sign",
        "AMD HLS ap_int<2>",
        Ternary(TernaryCoding.TWOS_COMPLEMENT),
    ),
    NamedFormat(
        "ternary-planes",
        "two bits: one for plus, one for minus",
        "planes of bits; Alemdar et al. 2017, arXiv 1609.00222",
        Ternary(TernaryCoding.PLUS_MINUS),
    ),
    NamedFormat(
        "iq4_nl",
        "16 integers, denser near 0: a codebook",
        f"{GGML}, kvalues_iq4nl",
        Codebook(np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])),
    ),
)

_MX = (
    NamedFormat("mxfp8-e5m2", "32 E5M2 under an E8M0", OCP_MX, BlockFormat(E5M2, (Level(32, E8M0),))),
    NamedFormat("mxfp8-e4m3", "32 E4M3 under an E8M0", OCP_MX, BlockFormat(E4M3, (Level(32, E8M0),))),
    NamedFormat("mxfp6-e3m2", "32 E3M2 under an E8M0", OCP_MX, BlockFormat(E3M2, (Level(32, E8M0),))),
    NamedFormat("mxfp6-e2m3", "32 E2M3 under an E8M0", OCP_MX, BlockFormat(E2M3, (Level(32, E8M0),))),
    NamedFormat("mxfp4", "32 E2M1 under an E8M0", OCP_MX, BlockFormat(E2M1, (Level(32, E8M0),))),
    NamedFormat(
        "mxint8",
        "32 integers in 64ths under an E8M0; -2 is read and never written",
        OCP_MX,
        BlockFormat(FIXED8, (Level(32, E8M0),), symmetric=True),
    ),
    NamedFormat("mx9", "sign and 7 bits under a microexponent of 2 and an exponent of 16", BDR, _micro(7)),
    NamedFormat("mx6", "sign and 4 bits under a microexponent of 2 and an exponent of 16", BDR, _micro(4)),
    NamedFormat("mx4", "sign and 2 bits under a microexponent of 2 and an exponent of 16", BDR, _micro(2)),
    NamedFormat(
        "nvfp4",
        "16 E2M1 under an E4M3, all under a float32 of the tensor",
        "NVIDIA, Transformer Engine and cuDNN, NVFP4",
        BlockFormat(E2M1, (Level(16, E4M3), Level(0, BINARY32))),
    ),
)


def _groups(name: str, summary: str, source: str, zero: FixedPoint, packing: str) -> NamedFormat:
    levels = (Level(128, BINARY16, zero=zero),)
    four = FixedPoint(4, signed=False)
    return NamedFormat(name, summary, source, BlockFormat(four, levels, packing=PACKINGS[packing].packing))


_GROUPS = (
    NamedFormat(
        "vs-quant",
        "16 4-bit integers under a 4-bit integer, all under a float16 of the channel",
        "Dai et al. 2021, arXiv 2102.04503",
        BlockFormat(
            FixedPoint(4), (Level(16, FixedPoint(4, signed=False)), Level(0, BINARY16)), symmetric=True
        ),
    ),
    _groups(
        "gptq",
        "128 codes of 0 to 15, s * (q - z); z is kept less 1",
        "Frantar et al. 2022, arXiv 2210.17323; AutoGPTQ, checkpoint format gptq",
        FixedPoint(4, signed=False, offset=-1),
        "gptq",
    ),
    _groups(
        "gptq-v2",
        "128 codes of 0 to 15, s * (q - z)",
        "AutoGPTQ, checkpoint format gptq_v2",
        FixedPoint(4, signed=False),
        "gptq",
    ),
    _groups(
        "awq",
        "128 codes of 0 to 15, s * (q - z)",
        "Lin et al. 2023, arXiv 2306.00978; AutoAWQ, gemm",
        FixedPoint(4, signed=False),
        "awq",
    ),
    NamedFormat(
        "qserve",
        "128 codes of 0 to 15, q * s2 - z with integers s2 and z, under a float16 of the channel",
        "Lin et al. 2024, arXiv 2405.04532 (QoQ, W4A8, progressive groups)",
        BlockFormat(
            FixedPoint(4, signed=False),
            (Level(128, FixedPoint(8, signed=False), offset=FixedPoint(8, signed=False)), Level(0, BINARY16)),
        ),
    ),
)

_SIX = FixedPoint(6, signed=False)
_GGUF = (
    NamedFormat(
        "q4_0",
        "32 nibbles less 8 under a float16",
        f"{GGML}, block_q4_0",
        BlockFormat(
            FixedPoint(4, signed=False, offset=8), (Level(32, BINARY16),), PACKINGS["nibbles-16"].packing
        ),
    ),
    NamedFormat(
        "q8_0",
        "32 bytes under a float16",
        f"{GGML}, block_q8_0",
        BlockFormat(FixedPoint(8), (Level(32, BINARY16),)),
    ),
    NamedFormat(
        "q4_k",
        "8 times 32 nibbles, d * sc * q - dmin * m with 6-bit sc and m",
        f"{GGML}, block_q4_K",
        BlockFormat(
            FixedPoint(4, signed=False),
            (Level(32, _SIX, offset=_SIX), Level(256, BINARY16, offset_scale=BINARY16)),
            PACKINGS["nibbles-32"].packing,
        ),
    ),
    NamedFormat(
        "tq1_0",
        "256 trits, five to a byte, under a float16",
        f"{GGML}, block_tq1_0",
        BlockFormat(Ternary(), (Level(256, BINARY16),), PACKINGS["tq1_0"].packing),
    ),
    NamedFormat(
        "tq2_0",
        "256 trits of two bits under a float16",
        f"{GGML}, block_tq2_0",
        BlockFormat(Ternary(), (Level(256, BINARY16),), PACKINGS["tq2_0"].packing),
    ),
)

FORMATS: dict[str, NamedFormat] = {entry.name: entry for entry in (*_SMALL, *_MINI, *_MX, *_GROUPS, *_GGUF)}


def name_of(format: object) -> str | None:
    """The name that a format has in the table, if it has one."""
    return next((entry.name for entry in FORMATS.values() if entry.format == format), None)


def find(name: str) -> NamedFormat | None:
    """The format of that name, if there is one; capitals and underscores do not matter."""
    plain = name.lower()
    return FORMATS.get(plain) or FORMATS.get(plain.replace("_", "-"))


def named(name: str) -> NamedFormat:
    """The format of that name, as `find` finds it.

    Raises
    ------
    SpecError
        There is none.
    """
    entry = find(name)
    if entry is None:
        raise SpecError(f"format must be one of {', '.join(FORMATS)}, not {name!r}")
    return entry
