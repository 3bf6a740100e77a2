"""Lowering of batch_matmul: matrix by matrix, both centred first (rules K1 to K3 of `engine.sums`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from intsim.arithmetic import Interval
from intsim.engine.blocks import laid_out
from intsim.engine.certified import in_its_order
from intsim.engine.lowered import Call, Lowered, Site, Work, ready
from intsim.engine.products import products_of
from intsim.engine.stepped_matmul import lower_stepped_matmul
from intsim.engine.sums import exact_lane, grain, padded, why_exact, widened, wrap_constants
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels.epilogue import plain
from intsim.kernels.isa.table import chosen
from intsim.kernels.packing import Operands, operands, pack
from intsim.kernels.scratch import aligned
from intsim.ops import BatchMatmul, Dense
from intsim.ops.base import align
from intsim.ops.dot import cannot_overflow, is_ring
from intsim.record import Array

_INT16, _INT32, _INT64 = IntFormat(16), IntFormat(32), IntFormat(64)


def lower_matmul(site: Site) -> Lowered | str:
    """The matrix kernel where the order of the additions does not matter; or why it does."""
    op, bounds = site.op, site.bounds
    accumulator = op.accumulator
    if bounds.reach is None or bounds.final is None:
        return "its bounds say nothing about partial sums"
    proved = cannot_overflow(bounds.reach, accumulator) or in_its_order(bounds, site.counted)
    if not proved and (site.counted or not is_ring(accumulator)):
        return lower_stepped_matmul(site)
    lane = exact_lane(bounds.final, accumulator.format)
    zeros = op.x_zero_point, op.y_zero_point
    centred = [Interval(r.min - zero, r.max - zero) for r, zero in zip(site.ranges, zeros, strict=True)]
    small = all(_INT32.holds(zero, zero) for zero in zeros)
    if lane is None or not small or not all(interval.within(_INT64) for interval in centred):
        return f"sums can be in {bounds.final}, beyond int64"
    workspace = 16 * sum(spec.size for spec in (*site.inputs, *site.outputs))
    if lane == np.int32:
        found = operands(chosen(), site.inputs[0].format.storage, centred[1].min, centred[1].max)
        if found is not None:
            call, word = _vectors_call(site, found)
            return Lowered(f"batch_matmul {word}", why_exact(site, proved), call, workspace)
    operand = np.dtype(np.int16 if all(interval.within(_INT16) for interval in centred) else np.int64)
    kernel = f"batch_matmul {lane} ({operand} operands)"
    return Lowered(kernel, why_exact(site, proved), _call(site, lane, operand), workspace)


def _vectors_call(site: Site, found: Operands) -> tuple[Call, str]:
    """Each pair on the vector kernels, y packed as weights are; and how the plan names it."""
    op: BatchMatmul = site.op
    shape, format = site.outputs[0].shape, op.accumulator.format
    depth = site.inputs[0].shape[-2 if op.transpose_x else -1]
    nothing = np.zeros((shape[-1], depth), np.int8)
    dense = Dense(weight=nothing, input_zero_point=op.x_zero_point, accumulator=op.accumulator)
    rows = TensorSpec((shape[-2], depth), site.inputs[0].format)
    blocks = laid_out(products_of(dense, rows, *dense.infer(rows)), nothing, found)
    register = format if format.bits <= 32 else _INT32
    epilogue = plain(shape[-1], register)
    kernel, item = found.kernel, found.operand.itemsize

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        x, y = inputs
        x = x.swapaxes(-1, -2) if op.transpose_x else x
        y = y if op.transpose_y else y.swapaxes(-1, -2)
        out = aligned((x.shape[0], *shape), register.storage)
        for left, right, result in zip(*_pairs(x, y, out), out.reshape(-1, *shape[-2:]), strict=True):
            weights = right.astype(np.int64) - op.y_zero_point
            start = -(op.x_zero_point + found.moved) * weights.sum(axis=1)
            lanes = np.zeros_like(epilogue.start)
            lanes[: start.size] = start.astype(np.int32)  # modulo 2**32
            packed = replace(blocks, weights=pack(weights[None, :, None, :], kernel, item))
            codes = ready(left).reshape(-1, 1, 1, depth)
            if result.size:
                packed.launch(codes, epilogue._replace(start=lanes), result).run(work.threads)
        return (out if format.bits <= 32 else widened(out, format),)

    return call, blocks.word


def _pairs(x: Array, y: Array, out: Array) -> tuple[Array, Array]:
    """The matrices of both inputs, one after another, as often as they meet."""
    x, y = align(x, y)
    a = np.broadcast_to(x, (*out.shape[:-1], x.shape[-1])).reshape(-1, *x.shape[-2:])
    b = np.broadcast_to(y, (*out.shape[:-2], *y.shape[-2:])).reshape(-1, *y.shape[-2:])
    return a, b


def _call(site: Site, lane: np.dtype[Any], operand: np.dtype[Any]) -> Any:
    op: BatchMatmul = site.op
    shape, storage = site.outputs[0].shape, site.outputs[0].format.storage
    mask, sign = wrap_constants(op.accumulator.format)
    start = np.zeros(shape[-1], lane)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels.sums import matmul_rows
        from intsim.kernels.threads import run_parts

        x, y = inputs
        x = x.swapaxes(-1, -2) if op.transpose_x else x
        y = y if op.transpose_y else y.swapaxes(-1, -2)
        x, y = _centred(x, op.x_zero_point, operand), _centred(y, op.y_zero_point, operand)
        out = np.empty((x.shape[0], *shape), storage)
        a, b = _pairs(x, y, out)
        results = out.reshape(-1, *shape[-2:])
        for left, right, result in zip(a, b, results, strict=True):
            rows, columns = np.array(left, order="C"), np.array(right, order="C")

            def part(
                begin: int, end: int, rows: Array = rows, columns: Array = columns, to: Array = result
            ) -> None:
                matmul_rows(rows, columns, start, mask, sign, begin, end, to)

            run_parts(part, rows.shape[0], work.threads, grain(columns.size))
        return (out,)

    return call


def _centred(x: Array, zero_point: int, operand: np.dtype[Any]) -> Array:
    """x - zero_point, padded with zeros along the reduced axis."""
    wide = x.astype(np.int64) - zero_point
    return padded(wide.astype(operand))
