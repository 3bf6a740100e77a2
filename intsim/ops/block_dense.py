"""block_dense: a fully connected layer over blocks, into a float; the last axis is reduced.

Rules
-----
R1. The inputs are the planes of `input_format` (rules P1 to P3), or, where that is a format of numbers or
    absent, one tensor whose scale is 1: of that format, or of integers. Elements (..., C), output (..., K).
R2. Weights are entries of `weight_format`'s elements, shape (K, C). `weight_scales` has an array for every
    level: (K, ceil(C / size)) entries, of a level of size 0 one or K.
R3. Each output is the dot product of two rows of blocks, made as the accumulator says (rules K1 to K8 of
    `arithmetic.blocks.accumulator`). A side that counts no elements has blocks of the other's size.
R4. The output is in the float that rounded it last: `accumulator.outer` where a level is of size 0, else
    `accumulator.output`, else that of a float register. Where nothing rounds, the layer is refused.
R5. The bias, codes of that float, one for all or one per output channel, is added in it and rounded once.
R6. No level has a zero or an offset (rule O3); the larger block is a multiple of the smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.arithmetic.blocks import (
    BlockAccumulator,
    FloatRegister,
    Operand,
    SoftFloat,
    block_dot,
    block_sum_bits,
    operand,
    unscaled,
)
from intsim.formats import (
    BlockFormat,
    Blocks,
    Discrete,
    Dyadic,
    FixedPoint,
    IntFormat,
    Minifloat,
    Shared,
    TensorSpec,
)
from intsim.ops.base import Op, kind_of
from intsim.ops.block_planes import (
    PARTS,
    blocks_of,
    check_outer,
    codes,
    float_codes,
    planes,
    require_numbers,
    require_planes,
    values_of,
)
from intsim.ops.weights import check_codes
from intsim.record import Array, CodeArray, IntArray, field

_AT_ONCE = 1 << 18  # products that the reference makes at a time
_TABLED = 16  # bits of elements whose values are looked through


@dataclass(frozen=True, eq=False, repr=False)
class BlockDense(Op):
    """Product of rows of blocks with a stored matrix of blocks."""

    name: ClassVar[str] = "block_dense"
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    weight: CodeArray = field("entries of elements, shape (K, C)", format="weight_format.element")
    weight_scales: tuple[CodeArray, ...] = field("entries of scales, an array per level (rule R2)")
    weight_format: BlockFormat = field("of the weights")
    input_format: BlockFormat | Minifloat | FixedPoint | None = field(
        "of the input; absent: integers as they are", default=None
    )
    outer: IntArray | None = field(
        "entries of the input's scales of levels of size 0, one each; absent: planes", default=None
    )
    bias: CodeArray | None = field("codes of the output's float, one or K", default=None)
    accumulator: BlockAccumulator = field(
        "how each sum is made", default=BlockAccumulator(output=SoftFloat(), outer=SoftFloat())
    )

    def check(self) -> Iterator[tuple[str, str]]:
        if self.weight.ndim != 2 or self.weight.size == 0:
            yield "weight", f"must have 2 axes and no size 0, not shape {self.weight.shape}. [R2]"
            return
        yield from check_codes(self, "weight", self.weight_format.element, "R2")
        yield from self._check_scales()
        block_input = self.input_format if isinstance(self.input_format, BlockFormat) else None
        yield from check_outer(block_input, self.outer, "P3")
        for name, format in (("weight_format", self.weight_format), ("input_format", block_input)):
            if format is not None and any(part.part != PARTS[0] for part in planes(format)):
                yield name, "must have no zeros and no offsets. [R6]"
        sizes = sorted((counted(self.weight_format), counted(block_input)))
        if sizes[0] and sizes[1] % sizes[0]:
            yield "input_format", f"blocks must divide one another, not {sizes[0]} and {sizes[1]}. [R6]"
        if self.float is None:
            yield "accumulator", "must have an output, or a float register. [R4]"
        elif self.scaled_as_a_whole and self.accumulator.outer is None:
            yield "accumulator.outer", "must be given for scales of levels of size 0. [K7]"
        elif self.bias is not None:
            if self.bias.size not in (1, len(self.weight)) or self.bias.ndim > 1:
                yield "bias", f"must be one code or {len(self.weight)}, not of shape {self.bias.shape}. [R5]"
            yield from check_codes(self, "bias", self.float.format, "R5")

    def _check_scales(self) -> Iterator[tuple[str, str]]:
        """Rule R2; every array is held in its format's storage, those of a whole as (1, 1) or (K, 1)."""
        levels, (channels, depth) = self.weight_format.levels, self.weight.shape
        if len(self.weight_scales) != len(levels):
            yield "weight_scales", f"must have {len(levels)} arrays, not {len(self.weight_scales)}. [R2]"
            return
        kept = []
        for place, (level, given) in enumerate(zip(levels, self.weight_scales, strict=True)):
            if not level.size and given.size in (1, channels):
                given = given.reshape(-1, 1)
            elif not level.size or given.shape != (channels, -(-depth // level.size)):
                shape = (channels, -(-depth // level.size)) if level.size else f"() or ({channels},)"
                yield "weight_scales", f"{place} must be of shape {shape}, not {given.shape}. [R2]"
                return
            outside = level.scale.outside(given)
            if outside.any():
                index = tuple(int(i) for i in np.argwhere(outside)[0])
                what = f"must fit {level.scale}, not {int(given[index])} at {index}"
                yield "weight_scales", f"{place} {what}. [R2]"
                return
            kept.append(np.ascontiguousarray(given, level.scale.storage))
            kept[-1].flags.writeable = False
        object.__setattr__(self, "weight_scales", tuple(kept))

    @property
    def scaled_as_a_whole(self) -> bool:
        """Whether a level of either side is of size 0."""
        sides = (self.weight_format, self.input_format)
        return any(
            level.size == 0 for side in sides if isinstance(side, BlockFormat) for level in side.levels
        )

    @property
    def float(self) -> SoftFloat | None:
        """The float that rounds last (rule R4); None where nothing does."""
        made = self.accumulator
        held = made.register.float if isinstance(made.register, FloatRegister) else None
        return (made.outer if self.scaled_as_a_whole else None) or made.output or held

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        if isinstance(self.input_format, BlockFormat):
            shape = require_planes(self, self.input_format, self.outer is not None, inputs, "R1")
        else:
            self.require(len(inputs) == 1, f"inputs must be one tensor, not {len(inputs)}. [R1]")
            require_numbers(self, self.input_format, inputs[0], "R1")
            shape = inputs[0].shape
        channels, depth = self.weight.shape
        self.require(
            shape[-1] == depth, f"elements must be {depth} on the last axis, not shape {shape}. [R1]"
        )
        return (TensorSpec((*shape[:-1], channels), self._float.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        x, w = (_operand(side) for side in (self.rows(*inputs), self.columns))
        channels, depth = self.weight.shape
        step, count = max(1, _AT_ONCE // (channels * depth)), x.elements.shape[0]
        parts = [
            self.finished(
                block_dot(
                    _over(x, (slice(begin, begin + step), None)),
                    _over(w, (None, slice(None))),
                    self.accumulator,
                )
            )
            for begin in range(0, count, step)
        ]
        found = np.concatenate([np.zeros((0, channels), np.int64), *parts])
        return (found.reshape(*inputs[0].shape[:-1], channels).astype(kind_of(inputs[0])),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        output = Interval.of_format(self._float.format)
        return Bounds((output,), Interval.join((output, *(entry.hull() for entry in inputs))))

    @property
    def _float(self) -> SoftFloat:
        assert self.float is not None  # by `check`
        return self.float

    def rows(self, *inputs: Array) -> Blocks | Operand:
        """The inputs as rows of two axes, all leading axes together (rule R1)."""
        elements = inputs[0]
        flat = elements.reshape(-1, elements.shape[-1])
        size = counted(self.weight_format) or elements.shape[-1]
        if not isinstance(self.input_format, BlockFormat):
            return unscaled(values_of(self.input_format, flat), self.input_format, size)
        lead = elements.shape[:-1]
        others = [
            np.broadcast_to(plane, (*lead, plane.shape[-1])).reshape(-1, plane.shape[-1])
            for plane in inputs[1:]
        ]
        blocks = blocks_of(self.input_format, [flat, *others], self.outer)
        return blocks if counted(self.input_format) else operand(blocks, size)

    @cached_property
    def columns(self) -> Blocks | Operand:
        """The weights as rows of two axes."""
        shared = tuple(
            Shared(codes(level.scale, given))
            for level, given in zip(self.weight_format.levels, self.weight_scales, strict=True)
        )
        blocks = Blocks(self.weight_format, codes(self.weight_format.element, self.weight), shared)
        if counted(self.weight_format):
            return blocks
        block_input = self.input_format if isinstance(self.input_format, BlockFormat) else None
        return operand(blocks, counted(block_input) or self.weight.shape[1])

    def finished(self, sums: Dyadic) -> Array:
        """The codes of sums (K on the last axis), once the bias is in them (rule R5)."""
        if self.bias is not None:
            sums = self._float.add(sums, self._float.format.decode(self.bias))
        return float_codes(self._float, sums)

    def term_bits(self, input_format: Discrete) -> tuple[int, int] | None:
        """How many products are added exactly (rule K1), and the bits of a signed register for their sums.

        None where a side has scales inside its blocks, or elements of more than 16 bits.
        """
        own = self.input_format
        other = own.element if isinstance(own, BlockFormat) else input_format
        if isinstance(other, IntFormat) and other.bits <= _TABLED:
            other = FixedPoint(other.bits, other.signed)
        blocks = [side for side in (own, self.weight_format) if isinstance(side, BlockFormat)]
        if any(sum(level.size > 0 for level in side.levels) > 1 for side in blocks):
            return None
        element = self.weight_format.element
        if isinstance(other, IntFormat) or max(other.bits, element.bits) > _TABLED:
            return None
        depth = int(self.weight.shape[1])
        size = min([counted(side) for side in blocks if counted(side)], default=depth)
        products = min(self.accumulator.exact or size, size, depth)
        return products, block_sum_bits(other, element, products)  # type: ignore[arg-type]


def counted(format: BlockFormat | None) -> int:
    """Elements of the outermost level that counts them; 0 if none does."""
    return max((level.size for level in format.levels), default=0) if format is not None else 0


def _operand(side: Blocks | Operand) -> Operand:
    return side if isinstance(side, Operand) else operand(side)


def _over(side: Operand, place: tuple[slice | None, ...]) -> Operand:
    """Some rows of an operand, with an axis before or after them."""
    outer = side.outer
    if outer is not None and outer.shape:
        lead = side.elements.shape[:-1]
        outer = outer.each(lambda array: np.broadcast_to(array, lead))[place]
    return Operand(
        side.elements[place], side.scales[place], side.size, side.fraction, side.scale_fraction, outer
    )
