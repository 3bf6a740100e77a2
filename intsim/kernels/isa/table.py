"""Which vector instructions multiply: the instruction sets, and which of them a plan takes.

Rules
-----
V1. An instruction set names a kernel for bytes (8-bit codes) and one for words (16-bit codes), each
    exact modulo 2**32. Without a kernel for bytes, bytes are widened to words.
V2. The first of `ISAS` whose features the processor has is taken, or the one that the environment
    variable ``INTSIM_ISA`` names.
V3. All kernels share one layout of weights: panels of 16 output channels; in a panel, steps of 4 bytes
    of input (4 bytes or 2 words) for each of the 16 channels.
V4. Tiles (AMX) also need the leave of the operating system, asked for once per process.
V5. Weights of a few bits can lie in memory as such, for a kernel that makes bytes of them on its way. Of
    each panel, 8 / bits steps in sequence share 64 bytes, the first at the least significant end.
V6. How weights of few bits are multiplied is chosen by what it costs, or told by ``INTSIM_WEIGHTS``, which
    holds wherever it can be done: ``count`` counts bits in packed words, ``unpack`` packs them and makes
    bytes of them on the way, ``bytes`` does neither.

A kernel is a type of named tuple: a compiled function that takes one is compiled once per kernel, and knows
from the type which instructions to emit (`kernels.isa.micro`).
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from intsim.errors import SpecError
from intsim.record import Array

PANEL = 16
"""Output channels in a panel of weights (rule V3)."""

STEP = 4
"""Bytes of one row of input in a step (rule V3)."""


class Kernel(NamedTuple):
    """What a kernel tells its callers.

    rows, least : input rows of one block of registers, and of its small variant
    panels : panels of one block of registers, a power of two; every smaller one is a variant
    depth : bytes of an input row that enter at once; rows are read in whole multiples
    config : the tile configuration, uint8 (64) or (0)
    bits : that a byte of weights takes in memory (rule V5)
    """

    rows: int
    least: int
    panels: int
    depth: int
    config: Array
    bits: int


class AmxBytes(Kernel):
    """tdpbssd and tdpbusd on tiles of 16 rows by 64 bytes, four sums at once."""

    __slots__ = ()


class AmxSigns(Kernel):
    """The same with weights of +1 and -1: a bit is 1 for -1."""

    __slots__ = ()


class AmxBits1(Kernel):
    """The same with weights of 0 and 1."""

    __slots__ = ()


class AmxBits2(Kernel):
    """The same with weights of two bits, two's complement."""

    __slots__ = ()


class AmxBits4(Kernel):
    """The same with weights of four bits, two's complement."""

    __slots__ = ()


class VnniBytes512(Kernel):
    """vpdpbusd on 512 bits."""

    __slots__ = ()


class VnniBytes256(Kernel):
    """vpdpbusd on 256 bits."""

    __slots__ = ()


class NeonBytes(Kernel):
    """sdot on 128 bits."""

    __slots__ = ()


class VnniWords512(Kernel):
    """vpdpwssd on 512 bits."""

    __slots__ = ()


class Avx2Words(Kernel):
    """vpmaddwd on 256 bits."""

    __slots__ = ()


class PortableWords(Kernel):
    """Vectors of LLVM that any processor is given instructions for."""

    __slots__ = ()


Tiles = AmxBytes | AmxSigns | AmxBits1 | AmxBits2 | AmxBits4


def _tiles() -> Array:
    """Palette 1: eight tiles of 16 rows by 64 bytes."""
    config = np.zeros(64, np.uint8)
    config[0] = 1
    config[16:32].view(np.uint16)[:] = 64
    config[48:56] = 16
    return config


_NONE = np.zeros(0, np.uint8)
_AMX = AmxBytes(32, 16, 2, 64, _tiles(), 8)
SIGNS, BITS1 = AmxSigns(*_AMX[:5], 1), AmxBits1(*_AMX[:5], 1)
BITS2, BITS4 = AmxBits2(*_AMX[:5], 2), AmxBits4(*_AMX[:5], 4)
NARROW: tuple[Tiles, ...] = (SIGNS, BITS1, BITS2, BITS4)
"""The kernels of rule V5, for processors that have tiles and the instructions of Galois fields."""

_VNNI512 = VnniBytes512(6, 1, 4, STEP, _NONE, 8)
_VNNI256 = VnniBytes256(6, 1, 1, STEP, _NONE, 8)
_NEON = NeonBytes(6, 1, 1, STEP, _NONE, 8)
_WORDS512 = VnniWords512(6, 1, 4, STEP, _NONE, 8)
_AVX2 = Avx2Words(6, 1, 1, STEP, _NONE, 8)
_PORTABLE = PortableWords(4, 1, 1, STEP, _NONE, 8)


@dataclass(frozen=True, eq=False)
class Isa:
    """An instruction set.

    name : as ``INTSIM_ISA`` names it
    machine : of the processor, in the words of LLVM; None for any
    features : that the processor must have, in the words of LLVM
    bytes, words : its kernels (rule V1)
    takes : the input that `bytes` multiplies: ``"u8"``, ``"s8"``, or ``"both"``
    """

    name: str
    machine: str | None
    features: tuple[str, ...]
    bytes: Kernel | None
    words: Kernel
    takes: str = ""

    @property
    def lanes(self) -> Isa:
        """The instruction set of vectors, for one of tiles: channels by themselves have no use for tiles."""
        return next(isa for isa in ISAS if isa.name == "avx512_vnni") if self.name == "amx" else self


_AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512vnni")
ISAS = (
    Isa("amx", "x86", (*_AVX512, "amx-tile", "amx-int8"), _AMX, _WORDS512, "both"),
    Isa("avx512_vnni", "x86", _AVX512, _VNNI512, _WORDS512, "u8"),
    Isa("avx_vnni", "x86", ("avx2", "avxvnni"), _VNNI256, _AVX2, "u8"),
    Isa("avx2", "x86", ("avx2",), None, _AVX2),
    Isa("neon", "arm", ("dotprod",), _NEON, _PORTABLE, "s8"),
    Isa("portable", None, (), None, _PORTABLE),
)
"""The fastest first (rule V2)."""

VARIABLE = "INTSIM_ISA"
WEIGHTS_VARIABLE, WEIGHTS = "INTSIM_WEIGHTS", ("count", "unpack", "bytes")
"""Rule V6."""


def chosen() -> Isa:
    """Rule V2.

    Raises
    ------
    SpecError
        ``INTSIM_ISA`` names no instruction set, or one that this processor does not have.
    """
    name = os.environ.get(VARIABLE, "")
    if not name:
        return next(isa for isa in ISAS if runs(isa))
    for isa in ISAS:
        if isa.name == name:
            if runs(isa):
                return isa
            needs = ", ".join(isa.features)
            raise SpecError(f"{VARIABLE}: the processor must have {needs}, to be told {name!r}. [V2]")
    known = ", ".join(isa.name for isa in ISAS)
    raise SpecError(f"{VARIABLE} must be one of {known}, not {name!r}. [V2]")


def weights_told() -> str:
    """What rule V6 is told; empty where it is not.

    Raises
    ------
    SpecError
        ``INTSIM_WEIGHTS`` is none of the words.
    """
    name = os.environ.get(WEIGHTS_VARIABLE, "")
    if name and name not in WEIGHTS:
        raise SpecError(f"{WEIGHTS_VARIABLE} must be one of {', '.join(WEIGHTS)}, not {name!r}. [V6]")
    return name


def runs(isa: Isa) -> bool:
    """Whether this processor, and where needed its operating system, can run it."""
    if isa.machine not in (None, _machine()):
        return False
    found = host_features()
    return all(found.get(name, False) for name in isa.features) and (isa.name != "amx" or may_use_tiles())


def _machine() -> str:
    name = platform.machine().lower()
    return {"x86_64": "x86", "amd64": "x86", "aarch64": "arm", "arm64": "arm"}.get(name, name)


@functools.cache
def host_features() -> Mapping[str, bool]:
    """The features that numba compiles for, by LLVM's names."""
    told = os.environ.get("NUMBA_CPU_FEATURES")
    if told is not None:
        return {part[1:]: part.startswith("+") for part in told.split(",") if part}
    import llvmlite.binding as llvm

    return dict(llvm.get_host_cpu_features())


@functools.cache
def may_use_tiles() -> bool:
    """Rule V4: Linux gives a process the state of tiles when it is asked (arch_prctl)."""
    if not sys.platform.startswith("linux") or _machine() != "x86" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    try:
        return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)
    except (OSError, AttributeError):
        return False
