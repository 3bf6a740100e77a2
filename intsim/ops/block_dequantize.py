"""block_dequantize: blocks to floats, each rounded once.

Rules
-----
R1. The inputs are the planes of `format` (rules P1 to P3). The output has the elements' shape.
R2. The exact value of an element (rules L1 to L4 of `block`) is rounded by `output`, once.
R3. The output holds the codes of `output`'s float; with `real`, which takes binary32, the float32 themselves,
    at the door of a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.arithmetic.blocks import SoftFloat
from intsim.formats import BlockFormat, Discrete, RealFormat, TensorSpec
from intsim.formats.minifloat import BINARY32
from intsim.ops.base import Op, kind_of
from intsim.ops.block_planes import blocks_of, check_outer, float_codes, require_planes
from intsim.record import Array, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class BlockDequantize(Op):
    """The values of blocks."""

    name: ClassVar[str] = "block_dequantize"
    arity: ClassVar[tuple[int, int | None]] = (1, None)
    real_outputs: ClassVar[bool] = True

    format: BlockFormat = field("of the blocks")
    outer: IntArray | None = field("entries of scales of levels of size 0; absent: planes", default=None)
    output: SoftFloat = field("rounds every value", default=SoftFloat())
    real: bool = field("give float32 in place of codes of binary32", default=False)

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_outer(self.format, self.outer, "P3")
        if self.real and self.output.format != BINARY32:
            yield "real", f"must be false unless output is binary32, not {self.output.format}. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        shape = require_planes(self, self.format, self.outer is not None, inputs, "R1")
        return (TensorSpec(shape, RealFormat(32) if self.real else self.output.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        values = blocks_of(self.format, inputs, self.outer).values()
        codes = float_codes(self.output, self.output.round(values))
        if self.real:
            return (codes.astype(np.uint32).view(np.float32),)
        return (codes.astype(kind_of(inputs[0])),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        met = [entry.hull() for entry in inputs]
        (spec,) = self.infer(*specs)
        if not isinstance(spec.format, Discrete):
            return Bounds((met[0],), Interval.join(met))
        output = Interval.of_format(spec.format)
        return Bounds((output,), Interval.join((output, *met)))
