"""group_dense: a fully connected layer with integer scales and zero points for groups of the last axis.

Rules
-----
R1. Input (..., C) of integers, weight (K, C), output (..., K). Every `group` consecutive elements of C are a
    group, the last with what there is. A second input (..., G), one integer per group, scales the input.
R2. Weights fit weight_format, scales (K, G) scale_format; `zero` and `offset`, one or (K, G), fit theirs.
R3. SUM: the sum over a group of (x - zx) * (w - zero) is multiplied by the product of both scales of the
    group, that of the input 1 where there is no second input, and enters the accumulator (rules U1 to U3).
    What `scale_product` makes of the product of both scales is taken in its place: fewer bits, in VS-Quant's
    hardware.
R4. WEIGHT: the weight (w - zero) * scale - offset is made first, and written into `weight_register` where
    there is one; then each output is a sum of products as in `dense` (rules S1 to S3), whatever the tiles.
    (QServe's progressive groups.) There is no second input.
R5. The bias is in the units of the sums. The output is the accumulator's format; requantization is a node of
    its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import ClassVar

import numpy as np

from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Bounds,
    Events,
    Interval,
    Register,
    Requantization,
    Rounding,
    accumulate,
)
from intsim.formats import Bipolar, Codebook, FixedPoint, IntFormat, TensorSpec, Ternary
from intsim.ops.base import Op, kind_of, whole_input, write
from intsim.ops.dot import dot_bounds, join_bounds, sum_of_products
from intsim.ops.group_sums import EXACT, check_stages, gather, staged_bounds, stages
from intsim.ops.weights import check_codes, check_order, per_channel
from intsim.record import Array, CodeArray, IntArray, field


class GroupScales(Enum):
    """What a group's scale multiplies (rules R3 and R4)."""

    SUM = "the sum of the group"
    WEIGHT = "every weight, before the product"

    def __repr__(self) -> str:
        return f"GroupScales.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class GroupDense(Op):
    """Product of activations with a stored matrix whose groups have scales of their own."""

    name: ClassVar[str] = "group_dense"
    arity: ClassVar[tuple[int, int | None]] = (1, 2)
    by_element: ClassVar[bool] = True

    weight: CodeArray = field("integers, shape (K, C)", format="weight_format")
    scale: CodeArray = field("integers, shape (K, G)", format="scale_format")
    group: int = field("elements of a group")
    zero: CodeArray = field("taken from weights, one or (K, G)", format="zero_format", default=0)
    offset: CodeArray = field(
        "taken from scaled weights, one or (K, G); 0 for SUM", format="offset_format", default=0
    )
    weight_format: IntFormat | Bipolar | Ternary | Codebook | FixedPoint = field(
        "of weights", default=IntFormat(4, signed=False)
    )
    scale_format: IntFormat = field("of scales", default=IntFormat(8, signed=False))
    zero_format: IntFormat | FixedPoint = field("of zeros", default=IntFormat(4, signed=False))
    offset_format: IntFormat | FixedPoint = field("of offsets", default=IntFormat(8, signed=False))
    bias: IntArray = field("added to every sum, per tensor or per output channel", default=0)
    input_zero_point: int = field("zx of rule R3", default=0)
    scales: GroupScales = field("what a scale multiplies: sum or weight", default=GroupScales.SUM)
    weight_register: Register | None = field("holds scaled weights; absent: exact", default=None)
    scale_product: Requantization | None = field("of the product of both scales; absent: exact", default=None)
    accumulator: Accumulator = field("how each sum is made", default=Accumulator())

    def check(self) -> Iterator[tuple[str, str]]:
        if self.weight.ndim != 2 or self.weight.size == 0:
            yield "weight", f"must have 2 axes and no size 0, not shape {self.weight.shape}. [R2]"
            return
        if self.group < 1:
            yield "group", f"must be at least 1, not {self.group}. [R1]"
            return
        channels, depth = self.weight.shape
        shape = (channels, -(-depth // self.group))
        if self.scale.shape != shape:
            yield "scale", f"must be of shape {shape}, not {self.scale.shape}. [R2]"
        for name in ("zero", "offset"):
            values = getattr(self, name)
            if values.shape not in ((), shape):
                yield name, f"must be one or of shape {shape}, not {values.shape}. [R2]"
        if self.bias.ndim > 1 or self.bias.size not in (1, channels):
            yield "bias", f"must be one value or {channels}, not of shape {self.bias.shape}. [R5]"
        for name in ("weight", "scale", "zero", "offset"):
            yield from check_codes(self, name, getattr(self, f"{name}_format"), "R2")
        yield from self._check_scales()

    def _check_scales(self) -> Iterator[tuple[str, str]]:
        """Rules R3 and R4."""
        if self.scales is GroupScales.WEIGHT:
            yield from check_order(self.accumulator, self.weight.shape[1])
            if self.scale_product is not None:
                yield "scale_product", "must be absent where scales multiply weights. [R4]"
            return
        yield from check_stages(self.accumulator, self.group)
        if self.offset.any():
            yield "offset", "must be 0 where scales multiply sums. [R3]"
        if self.weight_register is not None:
            yield "weight_register", "must be absent where scales multiply sums. [R3]"
        if self.scale_product is not None:
            if self.scale_product.channels() != 1:
                yield "scale_product", "must hold one value for all channels. [R3]"
            steps = self.scale_product.steps
            if any(getattr(step, "rounding", None) is Rounding.STOCHASTIC for step in steps):
                yield "scale_product", "must not be STOCHASTIC. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        x, *others = inputs
        whole_input(self, x)
        channels, depth = self.weight.shape
        self.require(
            len(x.shape) >= 1 and x.shape[-1] == depth,
            f"input must have {depth} elements on its last axis, not shape {x.shape}. [R1]",
        )
        for spec in others:
            whole_input(self, spec)
            self.require(
                self.scales is GroupScales.SUM, "inputs must be one where scales multiply weights. [R4]"
            )
            wanted = (*x.shape[:-1], self.groups)
            self.require(spec.shape == wanted, f"scales must be of shape {wanted}, not {spec.shape}. [R1]")
        return (TensorSpec((*x.shape[:-1], channels), self.accumulator.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        x = inputs[0]
        channels, depth = self.weight.shape
        bias = per_channel(self.bias, channels, x)
        if self.scales is GroupScales.WEIGHT:
            made = self.scaled_weight.astype(kind_of(x)), self.input_zero_point, 0, bias
            return (sum_of_products(x[..., None, :], *made, self.accumulator, (1, 1, depth), events),)
        cut = stages(self.accumulator, self.group)
        outside, inside = cut.split(events)
        scale = self.scale_of(*inputs)

        def term(group: int) -> Array:
            return np.asarray(self._group_sum(x, group, cut.inner, inside) * scale(group))

        first = cut.outer.bias is BiasPlace.FIRST
        sums = accumulate(
            term,
            range(self.groups),
            cut.outer,
            start=bias if first else 0,
            after=[] if first else [bias],
            events=outside,
        )
        if events is not None and outside is not None:
            gather(events, outside, inside)
        return (sums,)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        rows = [list(entry.rows()) for entry in inputs]
        count = max(map(len, rows))
        together = zip(*(entry if len(entry) == count else entry * count for entry in rows), strict=True)
        return join_bounds([self._row_bounds(row) for row in together])

    def _row_bounds(self, inputs: Sequence[Interval]) -> Bounds:
        """Bounds of the sums of one row of the input, and of the second, with ranges per element of it."""
        channels, depth = self.weight.shape
        bias = np.broadcast_to(self.bias.reshape(-1), (channels,))
        none, zx = np.zeros(channels, np.int64), self.input_zero_point
        if self.scales is GroupScales.WEIGHT:
            rest = zx, none, bias, self.accumulator, (1, 1, depth)
            return dot_bounds(self.scaled_weight, inputs[0], *rest)
        cut = stages(self.accumulator, self.group)
        register = EXACT if cut.inner is None else cut.inner
        groups, scales, met = [], [], list(inputs)
        for group in range(self.groups):
            part = self.part(group)
            sizes = (1, 1, part.stop - part.start)
            own = zx, self.zeros[:, group], none, register, sizes, None
            groups.append(dot_bounds(self.weight[:, part], _slice(inputs[0], part), *own))
            found, way = self._scale_bounds(group, inputs)
            scales.append(found)
            met.append(way)
        return staged_bounds(groups, scales, bias, cut, met)

    @property
    def groups(self) -> int:
        """How many there are."""
        return -(-int(self.weight.shape[1]) // self.group)

    @cached_property
    def scaled_weight(self) -> Array:
        """The weights of rule R4."""
        scale, zero, offset = (
            np.repeat(values, self.group, axis=1)[:, : self.weight.shape[1]]
            for values in (self.scale.astype(object), self.zeros.astype(object), self._offsets)
        )
        made = (self.weight.astype(object) - zero) * scale - offset
        if self.weight_register is not None:
            made = write(made, self.weight_register)
        narrow = -(2**62) < min(made.flat) <= max(made.flat) < 2**62
        return np.asarray(made.astype(np.int64) if narrow else made)

    @cached_property
    def zeros(self) -> Array:
        """The zero of every group."""
        return np.broadcast_to(self.zero.astype(np.int64), self.scale.shape)

    @property
    def _offsets(self) -> Array:
        return np.broadcast_to(self.offset.astype(object), self.scale.shape)

    def part(self, group: int) -> slice:
        """The elements of a group."""
        return slice(group * self.group, min((group + 1) * self.group, self.weight.shape[1]))

    def _group_sum(self, x: Array, group: int, inner: Accumulator | None, events: Events | None) -> Array:
        """The sums of one group (rule U1)."""
        part = self.part(group)
        w, zeros = self.weight[:, part].astype(kind_of(x)), self.zeros[:, group].astype(kind_of(x))
        if inner is None:
            return np.asarray((x[..., part] - self.input_zero_point) @ (w - zeros[:, None]).T)
        sizes = (1, 1, part.stop - part.start)
        return sum_of_products(
            x[..., None, part], w, self.input_zero_point, zeros, np.zeros_like(zeros), inner, sizes, events
        )

    def scale_of(self, *inputs: Array) -> Callable[[int], Array]:
        """What a group's sums are multiplied by (rule R3)."""
        own = self.scale.astype(kind_of(inputs[0]))

        def scale(group: int) -> Array:
            found = own[:, group]
            if len(inputs) > 1:
                found = inputs[1][..., group, None] * found
            return found if self.scale_product is None else self.scale_product.apply(found)

        return scale

    def _scale_bounds(self, group: int, inputs: Sequence[Interval]) -> tuple[Interval, Interval]:
        """The range of a group's scales, per channel, and the hull of what is met on the way."""
        own = self.scale[:, group].astype(object)
        found = Interval(own, own)
        if len(inputs) > 1:
            given = _slice(inputs[1], slice(group, group + 1))
            ends = own * given.lo, own * given.hi
            found = Interval(np.minimum(*ends), np.maximum(*ends))
        met = Interval.join((found.hull(), Interval(min(own), max(own))))
        if self.scale_product is None:
            return found, met
        made, way = self.scale_product.bounds(found)
        return made, Interval.join((met, way.hull()))


def _slice(interval: Interval, part: slice) -> Interval:
    """The range of some elements of the last axis."""
    lo, hi = (end[part] if np.ndim(end) else end for end in (interval.lo, interval.hi))
    return Interval(lo, hi)
