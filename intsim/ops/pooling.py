"""`Pool2d`: what the poolings share, the window's fields and the output's shape.

Rules (P), cited by the ops
---------------------------
P1. Input (H, W, C), output (OH, OW, C) of the same format; W1 and W2 give OH, OW and the taps.
P2. Every window must look at one element of the image at least.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from intsim.formats import TensorSpec
from intsim.ops.base import Op, whole_input
from intsim.ops.windows import any_outside, check_steps, check_window, output_size, taps_inside
from intsim.record import Array, field


@dataclass(frozen=True, eq=False, repr=False)
class Pool2d(Op):
    """A window that slides over N H W C activations, channel by channel."""

    kernel: tuple[int, int] = field("taps down, across")
    stride: tuple[int, int] = field("down, across", default=(1, 1))
    dilation: tuple[int, int] = field("down, across", default=(1, 1))
    padding: tuple[tuple[int, int], tuple[int, int]] = field(
        "((above, below), (left, right))", default=((0, 0), (0, 0))
    )

    def check(self) -> Iterator[tuple[str, str]]:
        yield from check_steps("kernel", self.kernel)
        yield from check_window(self.stride, self.dilation, self.padding)

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = whole_input(self, x)
        self.require(len(x.shape) == 3, f"input must have shape (H, W, C), not {x.shape}. [P1]")
        height, width, channels = x.shape
        size = output_size((height, width), self.kernel, self.stride, self.dilation, self.padding)
        self.require(min(size) >= 1, f"kernel must fit the padded input {x.shape}. [W1]")
        outside = any_outside((height, width), self.kernel, self.stride, self.dilation, self.padding)
        self.require(not outside, "windows must not lie in the padding alone. [P2]")
        return (TensorSpec((*size, channels), format),)

    def taps_inside(self, size: tuple[int, int]) -> Array:
        """How many elements of an image of this size each window looks at: (OH, OW)."""
        return taps_inside(size, self.kernel, self.stride, self.dilation, self.padding)
