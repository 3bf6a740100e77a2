"""Lowering of sums of products: which kernel, in which lanes, by which proof.

Rules
-----
K1. Where no partial sum, in any order, leaves any register, wrap, saturate and trap are one and the same
    and the order is free: the exact sum is the answer, and there are no events.
K2. WRAP in every register, none narrower inside, is arithmetic modulo 2**bits: the exact sum wrapped
    once is the answer. Events are another matter: they are counted step by step.
K3. A sum modulo 2**lane is the exact sum where that fits the lane, and is enough where it is then
    wrapped to no more bits than the lane has.
K4. (x - zx) * (w - zw) summed is the sum of x * (w - zw) minus zx times the sum of w - zw; a place
    outside the image holds zx.
K5. Everything else is done term by term in the accumulator's own order, in lanes that hold every
    register's value plus what enters it, and the exact sums that events are counted from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from intsim.arithmetic import Interval
from intsim.engine.bits import Bits, bits_of
from intsim.engine.blocks import Blocks, blocks_of
from intsim.engine.certified import in_its_order
from intsim.engine.chain import lower_chain
from intsim.engine.depthwise import Depthwise, depthwise_of
from intsim.engine.lowered import Lowered, Site, Work, launched, ready
from intsim.engine.products import Products, products_of
from intsim.formats import Discrete, IntFormat, TensorSpec
from intsim.kernels.epilogue import Epilogue, plain, started
from intsim.kernels.launch import Launch
from intsim.ops.dot import cannot_overflow, is_ring
from intsim.record import Array

_THREAD = 1 << 17  # products below which a thread costs more than it gives
_INT16, _INT32, _INT64 = IntFormat(16), IntFormat(32), IntFormat(64)


def lower_products(site: Site) -> Lowered | str:
    """A kernel for a conv2d, depthwise_conv2d, transpose_conv2d or dense; or why there is none."""
    products = products_of(site.op, site.inputs[0], site.outputs[0])
    accumulator, bounds = products.accumulator, site.bounds
    if not _INT32.holds(products.input_zero_point, products.input_zero_point):
        return f"the input's zero point {products.input_zero_point} does not fit int32"
    if bounds.reach is None or bounds.final is None:
        return "its bounds say nothing about partial sums"
    proved = cannot_overflow(bounds.reach, accumulator) or in_its_order(bounds, site.counted)
    if proved or (is_ring(accumulator) and not site.counted):
        lane = exact_lane(bounds.final, accumulator.format)
        if lane is None:
            return f"sums can be in {bounds.final}, beyond int64"
        return _lower_exact(site, products, lane, why_exact(site, proved))
    return lower_chain(site, products)


def exact_lane(final: Interval, format: IntFormat) -> np.dtype[Any] | None:
    """The narrowest lane whose low bits are enough (rule K3)."""
    for lane in (_INT32, _INT64):
        if final.within(lane) or format.bits <= lane.bits:
            return lane.storage
    return None


def why_exact(site: Site, proved: bool) -> str:
    """The proof, in the words of the plan."""
    register = site.op.accumulator.register
    if proved and site.bounds.reach and not cannot_overflow(site.bounds.reach, site.op.accumulator):
        met = site.bounds.registers[0].partial
        return f"in its own order no register changes a sum: all met is in {met} [K6]"
    if proved:
        return f"every partial sum is in {site.bounds.reach}, no register overflows, any order is exact [K1]"
    return f"{register}: sums modulo 2**{register.format.bits}, wrapped once at the end [K2]"


def _lower_exact(site: Site, products: Products, lane: np.dtype[Any], reason: str) -> Lowered:
    if lane == np.int32:
        vectors = vectors_of(products, site.ranges[0])
        if vectors is not None:
            return _lower_sums(site, products, vectors, reason)
    return _lower_plain(site, products, lane, reason)


Vectors = Blocks | Depthwise | Bits


def vectors_of(products: Products, interval: Interval | None = None) -> Vectors | None:
    """The sums modulo 2**32 on a vector kernel; None where operands do not fit one.

    Parameters
    ----------
    interval : what the input can be, where that is known
    """
    if products.depthwise:
        return depthwise_of(products)
    format = products.input_format
    return bits_of(products, interval or Interval(format.min, format.max)) or blocks_of(products)


def lower_vectors(
    site: Site, products: Products, vectors: Vectors, epilogue: Epilogue, reason: str
) -> Lowered:
    """What an epilogue makes of the sums of a node, in the storage of its output."""
    if isinstance(vectors, Bits):
        reason = f"{reason}; {vectors.why}"
    started_epilogue = started(epilogue, vectors.start)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        x = ready(products.images(inputs[0]))
        return vectors.launch(x, started_epilogue, out.reshape(-1, products.channels))

    found = launched(f"{products.word} {vectors.word}", reason, site.outputs[0], begin)
    held = site.inputs[0].format.storage
    converted = isinstance(vectors, Depthwise) and vectors.storage != held
    return replace(found, begin=None) if converted or not products.as_it_lies else found


def _lower_sums(site: Site, products: Products, vectors: Vectors, reason: str) -> Lowered:
    """The sums of a node as its accumulator holds them; beyond 32 bits they are widened afterwards."""
    format = products.accumulator.format
    if format.bits <= 32:
        return lower_vectors(site, products, vectors, plain(products.channels, format), reason)
    narrow = replace(site, outputs=(TensorSpec(site.outputs[0].shape, _INT32),))
    sums = lower_vectors(narrow, products, vectors, plain(products.channels), reason)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        return (widened(sums.call(inputs, work)[0], format),)

    return replace(sums, call=call, begin=None)


def widened(sums: Array, format: IntFormat) -> Array:
    """Sums that fit int32 as a wider register holds them: below 0 they wrap where it is unsigned."""
    if format.signed:
        return sums.astype(format.storage)
    return sums.astype(np.uint64) & np.uint64(format.max)


def _lower_plain(site: Site, products: Products, lane: np.dtype[Any], reason: str) -> Lowered:
    weight, start = _folded(products, lane)
    format = products.accumulator.format
    mask, sign = wrap_constants(format)
    narrow = weight.dtype
    if products.matrix:
        return _lower_matrix(site, products, weight, start, (mask, sign), reason)
    depthwise = products.depthwise
    packed, start = (
        _pack_depthwise(products, weight, start) if depthwise else (_pack(products, weight), start)
    )
    storage = format.storage
    shape = site.outputs[0].shape

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels import sums
        from intsim.kernels.threads import run_parts

        x = ready(products.images(inputs[0]))
        out = np.empty((x.shape[0] * shape[0], *shape[1:]), storage)
        kernel = sums.depthwise_rows if depthwise else sums.conv_rows
        fill = products.input_zero_point

        def rows(begin: int, end: int) -> None:
            kernel(x, packed, start, fill, products.geometry, mask, sign, begin, end, out)

        run_parts(rows, out.shape[0], work.threads, grain(shape[1] * products.filters.size))
        return (out.reshape(x.shape[0], *shape),)

    return Lowered(f"{products.word} {lane} ({narrow} operands)", reason, call)


def _lower_matrix(
    site: Site, products: Products, weight: Array, start: Array, wrapping: tuple[int, int], reason: str
) -> Lowered:
    packed = padded(weight)
    taps = products.taps
    out_shape, storage = site.outputs[0].shape, site.outputs[0].format.storage

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        from intsim.kernels import sums
        from intsim.kernels.threads import run_parts

        (x,) = inputs
        rows = _operands(products.images(x).reshape(-1, taps), packed)
        out = np.empty((rows.shape[0], packed.shape[0]), storage)

        def part(begin: int, end: int) -> None:
            sums.matmul_rows(rows, packed, start, *wrapping, begin, end, out)

        run_parts(part, rows.shape[0], work.threads, grain(packed.size))
        return (out.reshape(x.shape[0], *out_shape),)

    return Lowered(f"{products.word} {start.dtype} ({packed.dtype} operands)", reason, call)


def _operands(x: Array, packed: Array) -> Array:
    """Rows of activations in the weights' dtype, as long as the weights' rows."""
    if x.shape[1] == packed.shape[1]:
        return ready(x.astype(packed.dtype, copy=False))
    rows = np.zeros((x.shape[0], packed.shape[1]), packed.dtype)
    rows[:, : x.shape[1]] = x
    return rows


def grain(products: int) -> int:
    """The fewest rows that are worth a thread, each of so many products."""
    return max(1, _THREAD // max(1, products))


def wrap_constants(format: IntFormat) -> tuple[int, int]:
    """The mask and the sign of `kernels.sums.wrapped`, as int64 holds them."""
    sign = 1 << (format.bits - 1) if format.signed else 0
    return _as_int64((1 << format.bits) - 1), _as_int64(sign)


def _as_int64(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def _folded(products: Products, lane: np.dtype[Any]) -> tuple[Array, Array]:
    """Rule K4: centred weights (K, taps) in their operand dtype, start values in lanes."""
    centred = products.centred()
    start = products.bias - products.input_zero_point * centred.sum(axis=1).astype(object)
    half = 2 ** (8 * lane.itemsize - 1)
    lanes = (start + half) % (2 * half) - half
    operand = operand_dtype(centred, products.input_format, products.input_zero_point)
    wide = centred if centred.dtype != object else (centred + 2**63) % 2**64 - 2**63
    return wide.astype(operand), lanes.astype(lane)


def operand_dtype(weights: Array, format: Discrete, zero_point: int) -> np.dtype[Any]:
    """int16 where weights and activations fit it, else int64."""
    narrow = _INT16.holds(
        min(weights.min(), format.min, zero_point), max(weights.max(), format.max, zero_point)
    )
    return np.dtype(np.int16 if narrow else np.int64)


def padded(rows: Array) -> Array:
    """Rows with zeros at the end, up to a length that vectors divide."""
    taps = rows.shape[-1]
    return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, -taps % 16)])


def _pack(products: Products, weight: Array) -> Array:
    """(groups, K / groups, taps) for `conv_rows`."""
    return padded(weight.reshape(products.groups, products.channels // products.groups, -1))


def _pack_depthwise(products: Products, weight: Array, start: Array) -> tuple[Array, Array]:
    """(taps, M, C) and (M, C) for `depthwise_rows`."""
    split = weight.reshape(products.groups, -1, products.taps)
    return (
        np.ascontiguousarray(split.transpose(2, 1, 0)),
        np.ascontiguousarray(start.reshape(products.groups, -1).T),
    )
