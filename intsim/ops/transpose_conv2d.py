"""transpose_conv2d: the transposed convolution, which enlarges, into accumulators.

Rules
-----
R1. Input (H, W, C), weight (K, KH, KW, C / groups), output (OH, OW, K) with (OH, OW) = output_size.
R2. Along each axis, input i and tap k meet in output o = i * stride - offset + k * dilation; what would
    fall outside the output is dropped.
R3. Output channel k sees the input channels of group k // (K / groups).
R4. Each output is a sum of products (rules S1 to S3) over all taps, places in h, w, c order of the
    weight; a tap that no input meets there holds zx, as one outside the image does (S2).
R5. Weights fit weight_format; weight_zero_point and bias are per tensor or per output channel.
R6. The output is the accumulator's format; requantization is a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Events, Interval
from intsim.formats import IntFormat, TensorSpec, WeightFormat
from intsim.ops.base import Op, whole_input
from intsim.ops.convolution import grouped_bounds, grouped_sums
from intsim.ops.weights import check_order, check_weights
from intsim.ops.windows import windows
from intsim.record import Array, CodeArray, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class TransposeConv2d(Op):
    """Transposed convolution of N H W C activations with K H W C weights."""

    name: ClassVar[str] = "transpose_conv2d"
    by_element: ClassVar[bool] = True

    weight: CodeArray = field("integers, shape (K, KH, KW, C / groups)", format="weight_format")
    output_size: tuple[int, int] = field("height and width of the output")
    weight_format: WeightFormat = field("format of the weights", default=IntFormat(8))
    bias: IntArray = field("added to every sum, per tensor or per output channel", default=0)
    input_zero_point: int = field("zx of rule S1", default=0)
    weight_zero_point: IntArray = field("zw of rule S1, per tensor or per output channel", default=0)
    stride: tuple[int, int] = field("of the output, down and across", default=(1, 1))
    dilation: tuple[int, int] = field("down, across", default=(1, 1))
    offset: tuple[int, int] = field("rows above and columns left that are dropped", default=(0, 0))
    groups: int = field("how many groups the channels are split into", default=1)
    accumulator: Accumulator = field("how each sum is made", default=Accumulator())

    def check(self) -> Iterator[tuple[str, str]]:
        for name, least in (("stride", 1), ("dilation", 1), ("offset", 0), ("output_size", 1)):
            if min(getattr(self, name)) < least:
                yield name, f"must be at least {least}, not {getattr(self, name)}. [R2]"
        yield from check_weights(self, rank=4, label="R5")
        if self.weight.ndim == 4 and self.weight.size:
            if self.groups < 1 or self.weight.shape[0] % self.groups:
                yield (
                    "groups",
                    f"must divide the output channels of {self.weight.shape}, not {self.groups}. [R3]",
                )
            yield from check_order(self.accumulator, self.weight[0].size)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        whole_input(self, x)
        depth = self.weight.shape[3] * self.groups
        self.require(len(x.shape) == 3, f"input must have shape (H, W, C), not {x.shape}. [R1]")
        self.require(x.shape[2] == depth, f"input must have {depth} channels, not {x.shape[2]}. [R1]")
        return (TensorSpec((*self.output_size, self.weight.shape[0]), self.accumulator.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        return (grouped_sums(self, self.weight, self.groups, self.seen(x), events),)

    def seen(self, x: Array) -> Array:
        """What each output position looks at: (N, OH, OW, C, KH, KW), as `windows` gives it."""
        height, width = self.weight.shape[1:3]
        # a correlation that meets the taps from the last to the first
        taps = windows(self.spread(x), (height, width), (1, 1), self.dilation, ((0, 0), (0, 0)), 0)
        return taps[..., ::-1, ::-1]

    def spread(self, x: Array) -> Array:
        """The input with zx between its elements and around them, one row for each place a tap looks at."""
        sizes, places = [], []
        for axis in range(2):
            before = (self.weight.shape[1 + axis] - 1) * self.dilation[axis]
            size = self.output_size[axis] + before
            place = np.arange(x.shape[1 + axis]) * self.stride[axis] + before - self.offset[axis]
            sizes.append(size)
            places.append((place, (place >= 0) & (place < size)))
        spread = np.full((x.shape[0], *sizes, x.shape[3]), self.input_zero_point, dtype=x.dtype)
        (rows, seen_rows), (columns, seen_columns) = places
        inside = x[:, seen_rows][:, :, seen_columns]
        spread[:, rows[seen_rows, None], columns[None, seen_columns]] = inside
        return spread

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        live = [self._live_taps(axis, specs[0].shape[axis]) for axis in range(2)]
        return grouped_bounds(self, self.weight, self.groups, inputs[0], live, specs[0].integer.spacing)

    def _live_taps(self, axis: int, size: int) -> list[tuple[int, ...]]:
        """The different sets of taps that meet an input somewhere along an axis."""
        step, live = self.stride[axis], set()
        for output in range(self.output_size[axis]):
            places = output + self.offset[axis] - np.arange(self.weight.shape[1 + axis]) * self.dilation[axis]
            met = (places % step == 0) & (places >= 0) & (places // step < size)
            live.add(tuple(np.flatnonzero(met).tolist()))
        return sorted(live)
