"""Windows of convolutions and poolings: strides, dilations and padding as intsim's ops have them."""

from __future__ import annotations

from dataclasses import dataclass

from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.values import Shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Down and across; one row of a signal is an image of height 1."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[Pair, Pair]

    @property
    def fields(self) -> dict[str, object]:
        """What the ops call it, but for the kernel."""
        return {"stride": self.stride, "dilation": self.dilation, "padding": self.padding}

    def size(self, size: Pair, ceil: bool = False) -> Pair:
        """The output's size; with `ceil` a last window may begin within the padding before."""
        sizes = []
        for axis in range(2):
            reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            room = size[axis] + sum(self.padding[axis]) - reach
            count = -(-room // self.stride[axis]) + 1 if ceil else room // self.stride[axis] + 1
            if ceil and (count - 1) * self.stride[axis] >= size[axis] + self.padding[axis][0]:
                count -= 1
            sizes.append(count)
        return sizes[0], sizes[1]


def image_size(op: Lowering, shape: Shape) -> Pair:
    """Height and width of an image (N, C, H, W), or 1 and length of a signal (N, C, L)."""
    op.require(
        len(shape) in (3, 4) and op.target.batch.batched(shape),
        f"input must have shape (N, C, H, W) or (N, C, L), not {shape}",
    )
    return (shape[2], shape[3]) if len(shape) == 4 else (1, shape[2])


def read_window(op: Lowering, shape: Shape, kernel: tuple[int, ...] | None = None) -> Window:
    """The window of an operator.

    shape : of the input, with the batch
    kernel : the weights' size, if the operator has weights
    """
    size, axes = image_size(op, shape), len(shape) - 2
    given = op.attribute("kernel_shape", kernel)
    op.require(
        given is not None and len(given) == axes and min(given) >= 1,
        f"kernel_shape must have {axes} sizes of at least 1, not {given}",
    )
    op.require(kernel is None or tuple(given) == kernel, f"kernel_shape must be the weights', not {given}")
    stride = pair_of(op, "strides", axes)
    dilation = pair_of(op, "dilations", axes)
    taps = (1, *given) if axes == 1 else tuple(given)
    window = Window((taps[0], taps[1]), stride, dilation, ((0, 0), (0, 0)))
    return Window(window.kernel, stride, dilation, _padding(op, window, size, axes))


def pair_of(op: Lowering, name: str, axes: int, absent: int = 1) -> Pair:
    """An attribute of one size for each axis, which is `absent` where it is left out, and there at least."""
    given = op.attribute(name, (absent,) * axes)
    op.require(
        len(given) == axes and min(given) >= absent,
        f"{name} must be {axes} sizes of at least {absent}, not {given}",
    )
    return (absent, given[0]) if axes == 1 else (given[0], given[1])


def _padding(op: Lowering, window: Window, size: Pair, axes: int) -> tuple[Pair, Pair]:
    """Explicit numbers; SAME_UPPER has the odd element after, SAME_LOWER before."""
    automatic = op.attribute("auto_pad", "NOTSET")
    if automatic == "NOTSET":
        pads = op.attribute("pads", (0,) * (2 * axes))
        op.require(
            len(pads) == 2 * axes and min(pads) >= 0,
            f"pads must be {2 * axes} numbers, none negative, not {pads}",
        )
        if axes == 1:
            return (0, 0), (pads[0], pads[1])
        return (pads[0], pads[2]), (pads[1], pads[3])
    op.require(automatic in ("SAME_UPPER", "SAME_LOWER", "VALID"), f"auto_pad must not be {automatic!r}")
    pairs = []
    for axis in range(2):
        reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1
        needed = (-(-size[axis] // window.stride[axis]) - 1) * window.stride[axis] + reach - size[axis]
        op.require(
            automatic == "VALID" or needed >= -1,
            f"auto_pad must not leave {-needed} elements unread: the runtime begins with a later one then",
        )
        total = max(needed, 0)
        before = (total + 1) // 2 if automatic == "SAME_LOWER" else total // 2
        pairs.append((0, 0) if automatic == "VALID" else (before, total - before))
    return pairs[0], pairs[1]
