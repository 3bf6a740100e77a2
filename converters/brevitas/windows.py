"""Kernels, strides and paddings of torch, for height and width; a line has height 1."""

from __future__ import annotations

from typing import Any

from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.lowering import Lowering

Pair = tuple[int, int]


def pair(value: Any, rank: int, filler: int) -> Pair:
    """A torch argument, one number or one per axis, as (down, across)."""
    given = (value,) if isinstance(value, int) else tuple(int(entry) for entry in value)
    if rank == 2:  # a line
        return filler, given[0]
    return (given[0], given[0]) if len(given) == 1 else (given[0], given[1])


def window(op: Lowering, module: Any, x: Carried, kernel: Pair) -> dict[str, Any]:
    """Stride, dilation and padding of a convolution, as the ops have them."""
    size = op.spatial(x)
    stride = pair(module.stride, x.rank, 1)
    dilation = pair(module.dilation, x.rank, 1)
    return {
        "stride": stride,
        "dilation": dilation,
        "padding": _padding(module, x.rank, size, kernel, stride, dilation),
    }


def _padding(module: Any, rank: int, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    if getattr(module, "is_same_padded_strided", False) or module.padding == "same":
        return tuple(_same(*of_axis) for of_axis in zip(size, kernel, stride, dilation, strict=True))
    if module.padding == "valid":
        return ((0, 0), (0, 0))
    return tuple((amount, amount) for amount in pair(module.padding, rank, 0))


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """As many outputs as ceil(size / stride), the odd element after."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2
