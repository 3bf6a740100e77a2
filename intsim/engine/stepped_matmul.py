"""Lowering of batch_matmul whose registers may overflow: pair by pair, y in the weights' place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from intsim.arithmetic import Interval, ZeroPointPlace
from intsim.engine.certified import taken
from intsim.engine.chain import Stepping, lane_of, stepping_of, trap, why_stepped
from intsim.engine.lowered import Lowered, Site, Work
from intsim.engine.products import Products, products_of
from intsim.engine.reference import lower_reference
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import BatchMatmul, Dense
from intsim.ops.base import align
from intsim.record import Array

_INT32 = IntFormat(32)


def lower_stepped_matmul(site: Site) -> Lowered | str:
    """The certifying and stepping kernel, or why its lanes would not do."""
    op: BatchMatmul = site.op
    if not _INT32.holds(min(op.x_zero_point, op.y_zero_point), max(op.x_zero_point, op.y_zero_point)):
        return "a zero point does not fit int32"
    ranges = _entering_ranges(site)
    lane = lane_of(site, _depth(site), *ranges)
    if isinstance(lane, str):
        return lane
    template = _template(site)
    storage = site.inputs[0].format.storage
    narrow = lane == np.int32 and template.input_format.holds(op.x_zero_point, op.x_zero_point)
    largest = max(-ranges[0].min, ranges[0].max) * max(-ranges[1].min, ranges[1].max)
    shape, reference = site.outputs[0].shape, lower_reference(site)
    result = site.outputs[0].format.storage

    def stepping_for(columns: Array) -> Stepping:
        products = replace(template, filters=columns[:, None, None, :])
        found = taken(products, storage) if narrow else None
        return stepping_of(products, found, lane, largest, site.bounds, site.counted)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        x, y = inputs
        x = x.swapaxes(-1, -2) if op.transpose_x else x
        y = y if op.transpose_y else y.swapaxes(-1, -2)
        x, y = align(x, y)
        out = np.empty((x.shape[0], *shape), result)
        a = np.broadcast_to(x, (*out.shape[:-1], x.shape[-1])).reshape(-1, *x.shape[-2:])
        b = np.broadcast_to(y, (*out.shape[:-2], *y.shape[-2:])).reshape(-1, *y.shape[-2:])
        for left, right, to in zip(a, b, out.reshape(-1, *shape[-2:]), strict=True):
            rows = np.ascontiguousarray(left)[:, None, None, :]
            if not stepping_for(np.array(right)).run(rows, to, work):
                trap(site, reference, inputs, work)
        return (out,)

    sample = np.zeros((shape[-1], _depth(site)), site.inputs[1].format.storage)
    return Lowered(f"batch_matmul stepwise {lane}", why_stepped(site, stepping_for(sample)), call)


def _depth(site: Site) -> int:
    return site.inputs[0].shape[-2 if site.op.transpose_x else -1]


def _entering_ranges(site: Site) -> tuple[Interval, Interval]:
    """What is multiplied."""
    subtract = site.op.accumulator.zero_point is ZeroPointPlace.SUBTRACT
    zeros = (site.op.x_zero_point, site.op.y_zero_point) if subtract else (0, 0)
    formats = [spec.integer for spec in site.inputs]
    x, y = (Interval(f.min - zero, f.max - zero) for f, zero in zip(formats, zeros, strict=True))
    return x, y


def _template(site: Site) -> Products:
    """The products of one pair, but for y."""
    op: BatchMatmul = site.op
    dense = Dense(
        weight=np.zeros((site.outputs[0].shape[-1], _depth(site)), np.int8),
        input_zero_point=op.x_zero_point,
        weight_zero_point=op.y_zero_point,
        accumulator=op.accumulator,
    )
    rows = TensorSpec((site.outputs[0].shape[-2], _depth(site)), site.inputs[0].format)
    return products_of(dense, rows, *dense.infer(rows))
