"""block_quantize: numbers to blocks, their scales following from them.

Rules
-----
R1. The input is (..., n), at least one axis, in `input_format`; where that is absent, integers as they are,
    or reals at the door of a network. Their exact values are what is written.
R2. The outputs are the planes of `format` (rules P1 to P3): elements, and scales for every level.
R3. Scales and elements follow rules N1 to N4, N6 and N7 of `encode_blocks`, sample by sample. With two levels
    the outer scale is that of a sample, or with `per_row` that of a row of the last axis; where `outer` gives
    it, the inner scales follow from it and it is no output.
R4. A NaN or an infinity is an error where `format.specials` is REFUSE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding
from intsim.arithmetic.encode import Beyond
from intsim.arithmetic.encode_blocks import check_scales, encode_blocks
from intsim.arithmetic.scale_mode import ScaleMode
from intsim.formats import BlockFormat, FixedPoint, Minifloat, TensorSpec
from intsim.ops.base import Op, kind_of
from intsim.ops.block_planes import check_outer, entries, outer_codes, planes, require_numbers, values_of
from intsim.record import Array, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class BlockQuantize(Op):
    """Blocks of numbers, with scales that follow from them."""

    name: ClassVar[str] = "block_quantize"
    real_inputs: ClassVar[bool] = True

    format: BlockFormat = field("of the blocks")
    input_format: Minifloat | FixedPoint | None = field(
        "of the input; absent: integers as they are, or reals", default=None
    )
    mode: ScaleMode = field("of power-of-two scales", default=ScaleMode.FLOOR)
    rounding: Rounding = field("of elements", default=Rounding.HALF_EVEN)
    beyond: Beyond = field("of power-of-two scales above the largest", default=Beyond.SATURATE)
    per_row: bool = field("an outer scale for every row of the last axis, not one", default=False)
    outer: IntArray | None = field("the outer scale's code; absent: it follows from the values", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        refusal = check_scales(self.format, self.mode)
        if refusal is not None:
            yield "format", f"{refusal.removeprefix('format ')}. [R3]"
        elif any(level.size == 0 for level in self.format.levels[:1]):
            yield "format", "must count the elements of its innermost level. [R3]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [R3]"
        yield from check_outer(self.format, self.outer, "P3")
        if self.per_row and (self.outer is not None or self.format.levels[-1].size):
            yield "per_row", "must be false where no outer scale follows from the values. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        require_numbers(self, self.input_format, x, "R1", real=True)
        found = [TensorSpec(x.shape, self.format.element)]
        for plane in planes(self.format, self.outer is not None):
            lead = x.shape[:-1] if plane.size or self.per_row else (1,) * len(x.shape[:-1])
            last = -(-x.shape[-1] // plane.size) if plane.size else 1
            found.append(TensorSpec((*lead, last), plane.format))  # type: ignore[arg-type]
        return tuple(found)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        kind = np.dtype(np.int64) if x.dtype.kind == "f" else kind_of(x)
        by_sample = self.format.levels[-1].size == 0 and self.outer is None and not self.per_row
        parts = [x[i : i + 1] for i in range(len(x))] if by_sample and x.ndim > 2 else [x]
        found = [self._written(part, self.per_row or (by_sample and x.ndim == 2)) for part in parts]
        return tuple(np.concatenate(planes).astype(kind) for planes in zip(*found, strict=True))

    def _written(self, x: Array, per_row: bool) -> tuple[Array, ...]:
        """The planes of samples whose scales follow from all of them, or from every row."""
        given = None
        if self.outer is not None:
            given = outer_codes(self.format, self.outer, x.ndim)[0]
        rules = self.mode, self.rounding, self.beyond
        blocks = encode_blocks(self.format, values_of(self.input_format, x), *rules, per_row, given)
        return tuple(entries(blocks, self.outer is not None))

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        found = tuple(Interval.of_format(spec.integer) for spec in self.infer(*specs))
        return Bounds(found, Interval.join((inputs[0].hull(), *found)))
