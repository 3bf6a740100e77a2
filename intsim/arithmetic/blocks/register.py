"""What adds the sums of blocks: an exact register, a fixed-point word, or a float.

Rules
-----
R1. Values enter one after another, in the order of their elements. The register starts at plus zero.
R2. `Kulisch` is as wide as it must be: nothing is lost (Kulisch 2013, Computer Arithmetic and Validity;
    `widths.kulisch_bits` says how wide).
R3. `FixedRegister` holds `bits` bits, `fraction_bits` of them below the point. A value is rounded to the last
    place before it enters, and `overflow` is applied after every addition (32 bits in TinyTapeout's
    ttihp-fp8-mul, 67 in an MXFP8, MXFP6 and MXFP4 MAC of Seoul National University).
    NaN and infinities go past the word, by rule S1.
R4. `FloatRegister` rounds every sum to its `float`. A value that enters is first rounded by `entering`; where
    that is absent it enters exactly, and the addition is fused: rounded once (the first in KU Leuven's MAC
    with a binary32 adder, arXiv 2505.22404; the second in MXDOTP, arXiv 2505.13159).
R5. With `parts` above 1 there are that many registers, and each adds its share of the values: consecutive
    ones, as many as the next whole number, or, `interleaved`, every parts-th one. CHAIN then adds the
    parts one after another, TREE in pairs (split-k of CUTLASS and Triton; the odd and even of AMD's CDNA3 and
    the lanes of ggml's q4_K are interleaved).
R6. The topology TREE, with one part, adds neighbours in pairs, these sums in pairs again, a last odd one
    passing up; every leaf and the result of every addition is rounded to `float` (the adder tree of
    Imperial's MX-for-FPGA).
R7. `aligned`: the register is one more term of every group's alignment, and the integer sum of both is
    rounded once (tensor cores, by MMA-Sim). `join`: the group's sum and the register are aligned with each
    other (`Join`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic.accumulate import Topology
from intsim.arithmetic.blocks.align import Join
from intsim.arithmetic.blocks.soft_float import SoftFloat
from intsim.arithmetic.overflow import Overflow
from intsim.arithmetic.rounding import Rounding
from intsim.formats import IntFormat
from intsim.record import Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Word(IntFormat):
    """Two's complement of up to 4096 bits: an `IntFormat` for Python ints only."""

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.bits <= 4096:
            yield "bits", f"must be 1 to 4096, not {self.bits}"


@dataclass(frozen=True, eq=False, repr=False)
class Kulisch(Record):
    """An exact register (rule R2)."""

    kind: ClassVar[str] = "kulisch"


@dataclass(frozen=True, eq=False, repr=False)
class FixedRegister(Record):
    """A fixed-point register (rule R3).

    Examples
    --------
    >>> FixedRegister(67, fraction_bits=32, overflow=Overflow.SATURATE).format
    Word(bits=67)
    """

    kind: ClassVar[str] = "fixed_register"

    bits: int = field("width, 1 to 4096, two's complement")
    fraction_bits: int = field("bits below the point; the last place counts 2**-fraction_bits")
    overflow: Overflow = field("applied after every addition", default=Overflow.WRAP)
    rounding: Rounding = field("of values to the last place, before they enter", default=Rounding.FLOOR)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 1 <= self.bits <= 4096:
            yield "bits", f"must be 1 to 4096, not {self.bits}. [R3]"
        if not -4096 <= self.fraction_bits <= 4096:
            yield "fraction_bits", f"must be -4096 to 4096, not {self.fraction_bits}. [R3]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [R3]"

    @property
    def format(self) -> IntFormat:
        return Word(self.bits)


@dataclass(frozen=True, eq=False, repr=False)
class FloatRegister(Record):
    """A floating-point register (rules R4 to R7)."""

    kind: ClassVar[str] = "float_register"

    float: SoftFloat = field("the register, and the rounding of its sums", default=SoftFloat())
    entering: SoftFloat | None = field("rounds values before they enter; absent: exact", default=None)
    topology: Topology = field("chain or tree", default=Topology.CHAIN)
    parts: int = field("registers that share the values", default=1)
    interleaved: bool = field("whether every parts-th value is a part's", default=False)
    aligned: bool = field("whether the register is a term of every alignment", default=False)
    join: Join | None = field("how group sum and register are aligned with each other", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.parts < 1:
            yield "parts", f"must be at least 1, not {self.parts}. [R5]"
        if self.interleaved and self.parts == 1:
            yield "interleaved", "must be false where there is one part. [R5]"
        fused = self.aligned or self.join is not None
        if self.aligned and self.join is not None:
            yield "join", "must not be given where the register is aligned with the terms. [R7]"
        if fused and self.entering is not None:
            yield "entering", "must be absent where sums are aligned with the register. [R7]"
        if fused and self.parts == 1 and self.topology is Topology.TREE:
            yield "topology", "must be CHAIN where sums are aligned with the register. [R7]"


AnyRegister = Kulisch | FixedRegister | FloatRegister
