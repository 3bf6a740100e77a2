"""Windows: which input elements an output position of a convolution or pooling looks at.

Rules (W), cited by the ops
---------------------------
W1. Output size = floor((size + before + after - reach) / stride) + 1, where
    reach = (kernel - 1) * dilation + 1; it must be at least 1.
W2. Output position o looks at the places o * stride - before + k * dilation, k from 0.
W3. Strides, dilations, paddings and the kernels of poolings are at most 65536, beyond any use: what is made
    of them stays within memory, whatever a file says.
W4. SAME pads so that the output size is ceil(size / stride), the odd element after; VALID pads nothing.
    Files hold the explicit numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from intsim.record import Array

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
LARGEST = 1 << 16
"""Rule W3."""

Taps = list[tuple[int, ...]]
"""Sets of taps along one axis."""


def same_padding(size: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Padding:
    """Rule W4, SAME, for height and width.

    Examples
    --------
    >>> same_padding((8, 8), (3, 3), (2, 2))
    ((0, 1), (0, 1))
    """
    pads = []
    for extent, taps, step, gap in zip(size, kernel, stride, dilation, strict=True):
        reach = (taps - 1) * gap + 1
        total = max((-(-extent // step) - 1) * step + reach - extent, 0)
        pads.append((total // 2, total - total // 2))
    return pads[0], pads[1]


def output_size(size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Pair:
    """Rule W1, for height and width; may be below 1, which the ops refuse."""
    sizes = []
    for axis in range(2):
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        sizes.append((size[axis] + sum(padding[axis]) - reach) // stride[axis] + 1)
    return sizes[0], sizes[1]


def check_window(stride: Pair, dilation: Pair, padding: Padding) -> Iterator[tuple[str, str]]:
    """The rules of the fields themselves, for use in an op's `check`."""
    yield from check_steps("stride", stride)
    yield from check_steps("dilation", dilation)
    if min(min(pair) for pair in padding) < 0 or max(max(pair) for pair in padding) > LARGEST:
        yield "padding", f"must be 0 to {LARGEST}, not {padding}. [W3]"


def check_steps(name: str, values: Pair) -> Iterator[tuple[str, str]]:
    """Check a field of two sizes."""
    if min(values) < 1 or max(values) > LARGEST:
        yield name, f"must be 1 to {LARGEST}, not {values}. [W3]"


def taps_inside(size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Array:
    """How many of rule W2's places are inside the image, for every output position: (OH, OW)."""
    outputs = output_size(size, kernel, stride, dilation, padding)
    counts = [
        _taps_along(np.arange(max(outputs[axis], 0)), axis, size, kernel, stride, dilation, padding)
        for axis in range(2)
    ]
    return np.asarray(np.multiply.outer(counts[0], counts[1]))


def any_outside(size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> bool:
    """Whether some output position has no place inside the image.

    Without dilation the places are without gaps, so that the first and the last position tell.
    """
    outputs = output_size(size, kernel, stride, dilation, padding)
    for axis in range(2):
        last = outputs[axis] - 1
        positions = np.array([0, last]) if dilation[axis] == 1 else np.arange(last + 1)
        if (_taps_along(positions, axis, size, kernel, stride, dilation, padding) == 0).any():
            return True
    return False


def _taps_along(
    positions: Array, axis: int, size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding
) -> Array:
    """How many of rule W2's places are inside the image along one axis, at these output positions."""
    first = positions * stride[axis] - padding[axis][0]
    lowest = np.maximum(-(first // dilation[axis]), 0)
    highest = np.minimum((size[axis] - 1 - first) // dilation[axis], kernel[axis] - 1)
    return np.asarray(np.maximum(highest - lowest + 1, 0))


def live_taps(size: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> list[Taps]:
    """Per axis, the different sets of taps that are inside the image at some output position."""
    sets: list[Taps] = []
    outputs = output_size(size, kernel, stride, dilation, padding)
    for axis in range(2):
        first = np.arange(outputs[axis])[:, None] * stride[axis] - padding[axis][0]
        places = first + np.arange(kernel[axis]) * dilation[axis]
        inside = np.unique((places >= 0) & (places < size[axis]), axis=0)
        sets.append([tuple(np.flatnonzero(row).tolist()) for row in inside])
    return sets


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding, fill: Any) -> Array:
    """Rule W2.

    Parameters
    ----------
    x : (N, H, W, C)
    fill : the value of places outside the image

    Returns
    -------
    (N, OH, OW, C, KH, KW), a view where nothing is padded.
    """
    if any(map(any, padding)):
        (above, below), (left, right) = padding
        batch, height, width, channels = x.shape
        # not np.pad, which would put numpy's integers among Python's
        grown = np.full((batch, above + height + below, left + width + right, channels), fill, dtype=x.dtype)
        grown[:, above : above + height, left : left + width] = x
        x = grown
    reach = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    return seen[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
