"""Lowering of poolings, means and sums along axes, in int32 lanes.

Rules
-----
Z1. A sum of at most `count` elements, each less the zero point, fits int32: then so does every partial sum.
Z2. A sum whose registers cannot overflow is free of its order (rule K1 of `engine.sums`).
Z3. The reduced axes lie together, and only the channels follow them, or nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from intsim.engine.lowered import Begin, Lowered, Site, launched
from intsim.engine.sums import grain
from intsim.formats import IntFormat
from intsim.kernels.epilogue import plain
from intsim.kernels.launch import Launch
from intsim.kernels.program import ROUNDINGS
from intsim.ops import AvgPool2d, MaxPool2d, Mean, Sum
from intsim.ops.dot import cannot_overflow
from intsim.record import Array

_INT32 = IntFormat(32)


def lower_sum(site: Site) -> Lowered | str:
    """A sum along axes, finished by the site's epilogue if it has one; or why not."""
    op: Sum = site.op
    bounds, format = site.bounds, op.accumulator.format
    shape = _together(op.axes, site.inputs[0].shape)
    if shape is None:
        return "the reduced axes do not lie together before the channels"
    if bounds.reach is None or not cannot_overflow(bounds.reach, op.accumulator):
        return f"sums can be in {bounds.reach}, beyond {op.accumulator.register}"
    reach = _reach(site, 0, shape[1])
    if reach is None or format.bits > 32 or (format.bits == 32 and not format.signed):
        return "sums do not fit int32"
    epilogue = site.epilogue if site.epilogue is not None else plain(shape[2])
    groups, elements, channels = shape
    sums = ((1, epilogue.start.size), np.int32)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.pooling import sum_rows

        x = inputs[0].reshape(inputs[0].shape[0] * groups, elements, channels)
        rows, least = out.reshape(x.shape[0], channels), grain(elements * channels)
        return Launch(sum_rows, (x, epilogue), (rows,), x.shape[0], least, (sums,))

    reason = f"every partial sum is in {reach}, any order is exact [K1]"
    return launched("sum int32", reason, site.outputs[0], begin)


def lower_pool(site: Site) -> Lowered | str:
    """An avg_pool2d, a max_pool2d or a mean over the rows and columns of an image; or why not."""
    op, spec = site.op, site.inputs[0]
    if isinstance(op, Mean):
        shape = _together(op.axes, spec.shape)
        if shape is None:
            return "the reduced axes do not lie together before the channels"
        counts = np.full((1, 1), shape[1])
        geometry = [shape[1], 1, shape[2], 1, 1, shape[1], 1, 1, 1, 1, 1, 0, 0]
        images: tuple[int, ...] = (shape[0], shape[1], 1, shape[2])
    else:
        counts = op.taps_inside(spec.shape[:2])
        if isinstance(op, AvgPool2d) and op.count_padding:
            counts = np.full_like(counts, op.kernel[0] * op.kernel[1])
        geometry, images = _geometry(site), (1, *spec.shape)
    if isinstance(op, MaxPool2d) and spec.format.storage.itemsize > 4:
        return "its codes have more than 32 bits"
    if isinstance(op, MaxPool2d):
        begin = _pool(geometry, images, None)
        return launched("max_pool2d", "the largest element is one of them", site.outputs[0], begin)
    reach = _reach(site, op.zero_point, geometry[5] * geometry[6])
    if reach is None:
        return "sums do not fit int32"
    numbers: tuple[Any, ...] = op.zero_point, counts.astype(np.int64), ROUNDINGS.index(op.rounding)
    reason = f"every partial sum is in {reach}, so int32 holds it [Z1]"
    return launched(f"{op.name} int32", reason, site.outputs[0], _pool(geometry, images, numbers))


def lower_float_pool(site: Site) -> Lowered | str:
    """A float_avg_pool2d: the op's own steps, in its order, whatever the codes."""
    op, spec = site.op, site.inputs[0]
    counts = op.counts(spec.shape[:2]).astype(np.float32)
    places = np.array(_geometry(site), np.int64)
    ends = np.array([op.format.min, op.format.max])
    table, first = np.ascontiguousarray(op.table), op.input_format.min
    numbers = table, first, counts, np.float32(op.scale), np.float32(op.zero_point), ends, places
    least = grain(int(places[2] * places[4] * places[5] * places[6]))

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.pooling import float_average_lines

        lines = out.reshape(-1, *site.outputs[0].shape[1:])
        return Launch(float_average_lines, (inputs[0], *numbers), (lines,), lines.shape[0], least)

    return launched("float_avg_pool2d float32", "the op's steps in its order", site.outputs[0], begin)


def _geometry(site: Site) -> list[int]:
    """What `kernels.pooling` lists of a window over an image."""
    op = site.op
    window = [*op.kernel, *op.stride, *op.dilation, op.padding[0][0], op.padding[1][0]]
    return [*site.inputs[0].shape, *site.outputs[0].shape[:2], *window]


def _pool(geometry: list[int], images: tuple[int, ...], numbers: Any) -> Begin:
    places = np.array(geometry, np.int64)
    least = grain(geometry[4] * geometry[2] * geometry[5] * geometry[6])

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.pooling import average_lines, largest_lines

        x = inputs[0].reshape(-1, *images[1:])
        lines = out.reshape(x.shape[0] * geometry[3], geometry[4], geometry[2])
        if numbers is None:
            return Launch(largest_lines, (x, places), (lines,), lines.shape[0], least)
        return Launch(average_lines, (x, *numbers, places), (lines,), lines.shape[0], least)

    return begin


def _together(axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Rule Z3: how many groups of elements, elements of a group, and channels after them."""
    first, last = axes[0], axes[-1]
    if axes != tuple(range(first, last + 1)) or last < len(shape) - 2:
        return None
    channels = shape[-1] if last == len(shape) - 2 else 1
    return math.prod(shape[:first]), math.prod(shape[first : last + 1]), channels


def _reach(site: Site, zero_point: int, count: int) -> Any:
    """Rule Z1: the range of sums of up to `count` elements; None where int32 does not hold it."""
    ends = [min(0, site.ranges[0].min - zero_point) * count, max(0, site.ranges[0].max - zero_point) * count]
    raw = [abs(end) * count for end in (site.ranges[0].min, site.ranges[0].max)]
    if not _INT32.holds(*ends) or max(raw) + abs(zero_point) * count > _INT32.max:
        return None
    return f"[{ends[0]}, {ends[1]}]"
