"""`BlockAccumulator`: how the dot product of two rows of blocks is made, step by step.

Rules
-----
K1. Elements are multiplied exactly. Every `exact` consecutive products of a block are added exactly, the last
    ones of a block with what there is; 0 stands for all of a block. What comes out are the terms. (8 in
    MXDOTP, 16 in the 4-bit path of tensor cores by MMA-Sim, all in ggml and in Imperial's MX-for-FPGA.)
K2. With an `alignment`, groups of terms are aligned, cut and added (rules G1 to G4). Without one, every term
    goes on by itself.
K3. The scales of both blocks multiply every TERM before the alignment, or every SUM that came out of it. The
    scales of a tensor-core product come first (MMA-Sim), those of ggml's kernels last; with power-of-two
    scales and one block to a group it is the same.
K4. Scales are multiplied exactly, or in a float, `scale_arithmetic`: the sum is rounded to it, then
    (sum * a) * b for SUM_FIRST, or sum * (a * b) for SCALES_FIRST, every product rounded. (Exactly in every
    MX unit; in binary32 in ggml, whose q4_0 kernel has the first order and the others the second.)
K5. What then is, enters the register between blocks (rules R1 to R7), in the order of the elements.
K6. `output` rounds what the register holds at the end; where it is absent, the result is what it holds.
    (OCP MX 1.0, section 6.2, has binary32; VMXDOTP, arXiv 2603.04979, bfloat16 as well.)
K7. `outer`: the scales of a whole tensor, or of a channel, are multiplied with each other, then with the
    result, both in this float. Where it is absent, operands must not have such scales. (NVFP4's second
    level: the alpha of cuBLASLt's epilogue, as Transformer Engine sets it.)
K8. NaN and infinities take IEEE 754's way through every step (rules S1, D2). A NaN scale is a factor of every
    element under it, so it makes the row's result NaN, whatever the elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from intsim.arithmetic.blocks.align import Alignment
from intsim.arithmetic.blocks.register import FixedRegister, FloatRegister, Kulisch
from intsim.arithmetic.blocks.soft_float import SoftFloat
from intsim.record import Record, field


class ScalePlace(Enum):
    """What the scales multiply (rule K3)."""

    TERM = "every term, before the alignment"
    SUM = "every sum, after the alignment"

    def __repr__(self) -> str:
        return f"ScalePlace.{self.name}"


class ScaleOrder(Enum):
    """Which product is made first (rule K4)."""

    SUM_FIRST = "(sum * a) * b"
    SCALES_FIRST = "sum * (a * b)"

    def __repr__(self) -> str:
        return f"ScaleOrder.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class ScaleArithmetic(Record):
    """A float in which scales are multiplied (rule K4)."""

    kind: ClassVar[str] = "scale_arithmetic"

    float: SoftFloat = field("rounds every product", default=SoftFloat())
    order: ScaleOrder = field("sum_first or scales_first", default=ScaleOrder.SCALES_FIRST)


@dataclass(frozen=True, eq=False, repr=False)
class BlockAccumulator(Record):
    """How a dot product of blocks is made (rules K1 to K8).

    Examples
    --------
    Everything exact, then one rounding to binary32:

    >>> BlockAccumulator(output=SoftFloat())
    BlockAccumulator(output=SoftFloat())
    """

    kind: ClassVar[str] = "block_accumulator"

    exact: int = field("products of a block that are added exactly to a term; 0: all", default=0)
    alignment: Alignment | None = field("of groups of terms; absent: none", default=None)
    scales: ScalePlace = field("what the scales multiply: term or sum", default=ScalePlace.TERM)
    scale_arithmetic: ScaleArithmetic | None = field("a float; absent: exact", default=None)
    register: Kulisch | FixedRegister | FloatRegister = field("adds the blocks", default=Kulisch())
    output: SoftFloat | None = field("rounds the result; absent: nothing does", default=None)
    outer: SoftFloat | None = field("multiplies scales of whole tensors; absent: none", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.exact < 0:
            yield "exact", f"must be 0 or more, not {self.exact}. [K1]"
        register = self.register
        if isinstance(register, FloatRegister) and (register.aligned or register.join is not None):
            where = "register.aligned" if register.aligned else "register.join"
            if self.alignment is None:
                yield where, "needs an alignment. [R7]"
            if self.scales is ScalePlace.SUM:
                yield where, "needs the scales in the terms. [R7]"
