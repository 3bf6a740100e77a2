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

from intsim.engine.lowered import Call, Lowered, Site, Work, ready
from intsim.engine.sums import grain
from intsim.formats import IntFormat
from intsim.kernels.epilogue import plain
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
    storage, result = site.outputs[0].format.storage, site.outputs[0].shape

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.pooling import sum_rows
        from intsim.kernels.threads import run_parts

        batch = inputs[0].shape[0]
        x = ready(inputs[0]).reshape(batch * shape[0], *shape[1:])
        out = np.empty((batch, *result), storage)
        flat = out.reshape(x.shape[0], shape[2])

        def part(begin: int, end: int) -> None:
            sum_rows(x, epilogue, np.empty((1, epilogue.start.size), np.int32), begin, end, flat)

        run_parts(part, x.shape[0], work.threads, grain(shape[1] * shape[2]))
        return (out,)

    return Lowered("sum int32", f"every partial sum is in {reach}, any order is exact [K1]", call)


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
        window = [*op.kernel, *op.stride, *op.dilation, op.padding[0][0], op.padding[1][0]]
        geometry, images = [*spec.shape, *site.outputs[0].shape[:2], *window], (1, *spec.shape)
    if isinstance(op, MaxPool2d) and spec.format.storage.itemsize > 4:
        return "its codes have more than 32 bits"
    if isinstance(op, MaxPool2d):
        return Lowered(
            "max_pool2d", "the largest element is one of them", _pool(site, geometry, images, None)
        )
    reach = _reach(site, op.zero_point, geometry[5] * geometry[6])
    if reach is None:
        return "sums do not fit int32"
    numbers: tuple[Any, ...] = op.zero_point, counts.astype(np.int64), ROUNDINGS.index(op.rounding)
    reason = f"every partial sum is in {reach}, so int32 holds it [Z1]"
    return Lowered(f"{op.name} int32", reason, _pool(site, geometry, images, numbers))


def _pool(site: Site, geometry: list[int], images: tuple[int, ...], numbers: Any) -> Call:
    storage, result = site.outputs[0].format.storage, site.outputs[0].shape
    places = np.array(geometry, np.int64)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.pooling import average_lines, largest_lines
        from intsim.kernels.threads import run_parts

        x = ready(inputs[0]).reshape(-1, *images[1:])
        out = np.empty((inputs[0].shape[0], *result), storage)
        lines = out.reshape(x.shape[0] * geometry[3], geometry[4], geometry[2])

        def part(begin: int, end: int) -> None:
            if numbers is None:
                largest_lines(x, places, begin, end, lines)
            else:
                zero_point, counts, rounding = numbers
                average_lines(x, zero_point, counts, rounding, places, begin, end, lines)

        work_of_line = geometry[4] * geometry[2] * geometry[5] * geometry[6]
        run_parts(part, lines.shape[0], work.threads, grain(work_of_line))
        return (out,)

    return call


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
