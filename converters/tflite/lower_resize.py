"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: the indices and weights that the kernels compute.

Nearest: all dialects agree; an index is one float32 product, floored, or rounded half away from zero where
corners are aligned. Bilinear of int8 and int16: 10-bit weights, one rounding. XNNPACK, which takes int8
and uint8: places in float32, 11-bit weights, one rounding half up. The float kernels of uint8 are refused.
Scales are not looked at.

Sources: LiteRT tflite/kernels/resize_{nearest_neighbor,bilinear}.cc and internal/reference/resize_*.h;
XNNPACK src/indirection.c and src/s8-ibilinear.
"""

from __future__ import annotations

import math

import numpy as np
from intsim_converters.tflite.kernels import require_kernel, xnnpack_reads
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.model import Array
from intsim_converters.tflite.moving import require_same_meaning

from intsim.arithmetic import Rounding
from intsim.ops import Between, ResizeBilinear, ResizeNearest

_ONE = 1 << 10  # a bilinear weight of 1


@lowers("RESIZE_NEAREST_NEIGHBOR", options="ResizeNearestNeighborOptions")
def lower_resize_nearest_neighbor(op: Lowering) -> None:
    require_kernel(op, op.input(0), ("int8", "uint8", "int16"), micro=("int8", "int16"))
    (height, width), (rows, columns) = _sizes(op)
    op.emit(ResizeNearest(_nearest(op, height, rows), _nearest(op, width, columns)), op.value(0))


@lowers("RESIZE_BILINEAR", options="ResizeBilinearOptions")
def lower_resize_bilinear(op: Lowering) -> None:
    x = op.input(0)
    require_kernel(op, x, ("int8", "uint8", "int16"), micro=("int8",))
    op.require(
        x.dtype != "uint8" or op.dialect == "xnnpack",
        "RESIZE_BILINEAR of uint8 computes in float32, which is not converted; use int8 or dialect xnnpack",
    )
    op.require(
        not (op.options.align_corners and op.options.half_pixel_centers),
        "align_corners and half_pixel_centers must not both be set",
    )
    (height, width), (rows, columns) = _sizes(op)
    if op.dialect == "xnnpack" and x.dtype != "int16":
        op.require(
            xnnpack_reads(x, op.output(0)),
            "XNNPACK takes RESIZE_BILINEAR only where scales are written along axis 0; use another dialect",
        )
        require_same_meaning(op, x, op.output(0))
        bits, rounding, between = 11, Rounding.HALF_UP, _between_float32
    else:
        single = op.dialect == "single-rounding"
        bits, rounding, between = 10, Rounding.HALF_UP if single else Rounding.HALF_AWAY, _between
    vertical, horizontal = between(op, height, rows), between(op, width, columns)
    op.emit(ResizeBilinear(vertical, horizontal, weight_bits=bits, rounding=rounding), op.value(0))


def _sizes(op: Lowering) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the input, and of the output."""
    x, y, size = op.input(0), op.output(0), op.ints(1)
    op.require(x.rank == 4 and x.batched, f"input must have shape (batch {op.batch}, H, W, C), not {x.shape}")
    op.require(y.dtype == x.dtype, f"output must be {x.dtype} as the input is, not {y.dtype}")
    op.require(len(size) == 2 and min(size) >= 1, f"size must be two numbers of at least 1, not {size}")
    wanted = (x.shape[0], *size, x.shape[3])
    op.require(y.shape == wanted, f"output must have shape {wanted}, not {y.shape}")
    return (x.shape[1], x.shape[2]), (size[0], size[1])


def _nearest(op: Lowering, size: int, count: int) -> Array:
    """For each of `count` outputs the input that it copies; float32 as the kernel has it."""
    align = bool(op.options.align_corners)
    scale = np.float32(size) / np.float32(count)
    if align and count > 1:
        scale = np.float32(size - 1) / np.float32(count - 1)
    offset = np.float32(0.5 if op.options.half_pixel_centers else 0)
    places = (np.arange(count).astype(np.float32) + offset) * scale
    indices = [math.floor(place + 0.5) if align else math.floor(place) for place in places.tolist()]
    return np.minimum(np.array(indices), size - 1)


def _between(op: Lowering, size: int, count: int) -> Between:
    """For each of `count` outputs the two inputs it lies between, and the second one's 1024ths."""
    scale = (_ONE * size + count // 2) // count
    if op.options.align_corners and count > 1:
        scale = (_ONE * (size - 1) + (count - 1) // 2) // (count - 1)
    places = np.arange(count, dtype=np.int64) * scale
    if op.options.half_pixel_centers:
        places = places + scale // 2 - _ONE // 2
    low = np.maximum(places // _ONE, 0)
    high = np.minimum(np.maximum(-(-places // _ONE), 0), size - 1)
    op.require(
        places.max() < 2**31 and low.max() < size,
        f"output size {count} must not lead the kernel beyond the input's {size}",
    )
    return Between(low, high, np.where(low == high, 0, places - _ONE * low))


def _between_float32(op: Lowering, size: int, count: int) -> Between:
    """The same as XNNPACK has it: places in float32, the second one's 2048ths."""
    align = op.options.align_corners and count > 1
    scale = np.float32(size - align) / np.float32(count - align)
    places = np.arange(count).astype(np.float32) * scale
    if op.options.half_pixel_centers:
        places = places + (np.float32(0.5) * scale - np.float32(0.5))
        places = np.minimum(np.maximum(places, np.float32(0)), np.float32(size - 1))
    low = np.minimum(places.astype(np.int64), size - 1)
    weight = np.rint((places - low.astype(np.float32)) * np.float32(2048)).astype(np.int64)
    return Between(low, np.minimum(low + 1, size - 1), weight)
