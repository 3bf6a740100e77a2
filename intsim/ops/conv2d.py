"""conv2d: two-dimensional convolution into accumulators.

Rules
-----
R1. Input (H, W, C), weight (K, KH, KW, C / groups), output (OH, OW, K); W1 and W2 give OH, OW and the taps.
R2. Output channel k sees the input channels of group k // (K / groups).
R3. Each output is a sum of products (rules S1 to S3), its taps' places in h, w, c order.
R4. Weights fit weight_format; weight_zero_point and bias are per tensor or per output channel.
R5. The output is the accumulator's format; requantization is a node of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from intsim.arithmetic import Accumulator, Bounds, Events, Interval
from intsim.formats import IntFormat, TensorSpec, WeightFormat
from intsim.ops.base import Op, whole_input
from intsim.ops.convolution import grouped_bounds, grouped_sums
from intsim.ops.weights import check_order, check_weights
from intsim.ops.windows import check_window, live_taps, output_size, windows
from intsim.record import Array, CodeArray, IntArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Conv2d(Op):
    """Convolution of N H W C activations with K H W C weights."""

    name: ClassVar[str] = "conv2d"
    by_element: ClassVar[bool] = True

    weight: CodeArray = field("integers, shape (K, KH, KW, C / groups)", format="weight_format")
    weight_format: WeightFormat = field("format of the weights", default=IntFormat(8))
    bias: IntArray = field("added to every sum, per tensor or per output channel", default=0)
    input_zero_point: int = field("zx of rule S1", default=0)
    weight_zero_point: IntArray = field("zw of rule S1, per tensor or per output channel", default=0)
    stride: tuple[int, int] = field("down, across", default=(1, 1))
    dilation: tuple[int, int] = field("down, across", default=(1, 1))
    padding: tuple[tuple[int, int], tuple[int, int]] = field(
        "((above, below), (left, right)), filled with zx", default=((0, 0), (0, 0))
    )
    groups: int = field("how many groups the channels are split into", default=1)
    accumulator: Accumulator = field("how each sum is made", default=Accumulator())

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_window(self.stride, self.dilation, self.padding)
        yield from check_weights(self, rank=4, label="R4")
        if self.groups < 1 or (self.weight.ndim == 4 and self.weight.shape[0] % self.groups):
            yield "groups", f"must divide the output channels of {self.weight.shape}, not {self.groups}. [R2]"
        elif self.weight.ndim == 4 and self.weight.size:
            yield from check_order(self.accumulator, self.weight[0].size)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        whole_input(self, x)
        channels, *kernel, depth = self.weight.shape
        self.require(len(x.shape) == 3, f"input must have shape (H, W, C), not {x.shape}. [R1]")
        self.require(
            x.shape[2] == depth * self.groups,
            f"input must have {depth * self.groups} channels, not {x.shape[2]}. [R1]",
        )
        size = output_size(
            (x.shape[0], x.shape[1]), (kernel[0], kernel[1]), self.stride, self.dilation, self.padding
        )
        self.require(min(size) >= 1, f"kernel must fit the padded input {x.shape}. [W1]")
        return (TensorSpec((*size, channels), self.accumulator.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        return (grouped_sums(self, self.weight, self.groups, self.seen(x), events),)

    def seen(self, x: Array) -> Array:
        """What each output position looks at: (N, OH, OW, C, KH, KW), as `windows` gives it."""
        height, width = self.weight.shape[1:3]
        return windows(x, (height, width), self.stride, self.dilation, self.padding, self.input_zero_point)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        size, kernel = specs[0].shape[:2], self.weight.shape[1:3]
        live = live_taps(size, kernel, self.stride, self.dilation, self.padding)  # type: ignore[arg-type]
        return grouped_bounds(self, self.weight, self.groups, inputs[0], live, specs[0].integer.spacing)
