"""Witnesses: inputs of one node that take a sum of it beyond its register, found from the weights' signs.

Rules
-----
V1. Every value that a register meets is a partial sum: the start value and the terms from one place to
    another, in the order in which they enter (A2 and A3 say which). Its extreme is met by the input that
    gives every term in it its extreme, and every other term the least magnitude.
V2. Registers are tried from the innermost out; in each, the partial sum that goes furthest up and the one
    that goes furthest down.
V3. Nothing is believed: each candidate goes through `accumulate`, and is a witness only if the value that
    comes out is not the exact sum, or a register traps. What a register with TRAP would go on with is shown
    as if it saturated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Interval, Overflow
from intsim.errors import OverflowTrap
from intsim.formats import TensorSpec
from intsim.ops import Op
from intsim.ops.dot import sum_of_products
from intsim.record import Array
from intsim.verify.candidates import Sums, extremes
from intsim.verify.places import Places, places_of

BLOCK = 64
"""Channels worked on at once."""


@dataclass(frozen=True)
class Witness:
    """An input that makes a register deliver something else than the exact sum.

    node : whose accumulator
    channel : of the output
    index : of the output element, in a sample
    level : of the register that it was made to overflow, 0 the outermost
    exact, delivered : the exact sum, and what the outermost register holds instead
    inputs : one sample of every input of the node
    trapped : whether a register with TRAP stops the run
    """

    node: str
    channel: int
    index: tuple[int, ...]
    level: int
    exact: int
    delivered: int
    inputs: tuple[Array, ...]
    trapped: bool = False


def local_witnesses(
    node: str, op: Op, specs: Sequence[TensorSpec], ranges: Sequence[Interval], channels: Array
) -> dict[int, Witness]:
    """Witnesses for some channels of a node (rules V1 to V3).

    Parameters
    ----------
    node : its name
    op : an op that accumulates
    specs, ranges : of its inputs
    channels : numbers of those that are not proved

    Returns
    -------
    One witness for each channel for which one was found.
    """
    found: dict[int, Witness] = {}
    for places in places_of(op, specs, max(entry.rank for entry in ranges)):
        left = [channel for channel in channels.tolist() if channel not in found]
        for begin in range(0, len(left), BLOCK):
            block = left[begin : begin + BLOCK]
            found.update(_at_position(node, op, specs, ranges, places, block))
        if len(found) == len(channels):
            break
    return found


def _at_position(
    node: str,
    op: Any,
    specs: Sequence[TensorSpec],
    ranges: Sequence[Interval],
    places: Places,
    channels: list[int],
) -> dict[int, Witness]:
    found: dict[int, Witness] = {}
    layer = _layer(op, specs, ranges, places, channels)
    rows = np.arange(len(channels))
    for extreme in extremes(layer.sums):
        x, y = (_chosen(operand, extreme.choices) for operand in (layer.sums.x, layer.sums.y))
        delivered = _execute(layer, x, y)
        exact = ((x - layer.sums.zx) * (y - layer.sums.zy)).sum(axis=1) + layer.bias
        for row in rows.tolist():
            channel = channels[row]
            if channel in found:
                continue
            trapped = layer.trapping and _traps(layer, op.accumulator, row, x, y)
            if delivered[row] == exact[row] and not trapped:
                continue
            inputs = _samples(specs, ranges, layer, row, x, y)
            index = (
                places.index if places.y is not None or not places.index else (*places.index[:-1], channel)
            )
            numbers = int(exact[row]), int(delivered[row])
            found[channel] = Witness(node, channel, index, extreme.level, *numbers, inputs, trapped)
        if len(found) == len(channels):
            break
    return found


def _chosen(operand: Array, choices: Array) -> Array:
    """One of the choices for every term."""
    if len(operand) == 1:
        return np.asarray(operand[0])
    return np.asarray(np.take_along_axis(operand, choices[None], axis=0)[0])


@dataclass(frozen=True)
class _Layer:
    """What `extremes` works on, and where its operands come from."""

    sums: Sums
    bias: Array
    ids: tuple[Array, ...]
    """(channels, terms) per input, in the order in which the terms enter; -1 outside."""
    zero_points: tuple[int, ...]
    trapping: bool
    """Whether some register traps."""


def _layer(
    op: Any, specs: Sequence[TensorSpec], ranges: Sequence[Interval], places: Places, channels: list[int]
) -> _Layer:
    accumulator: Accumulator = without_trap(op.accumulator)
    order = accumulator.permutation(places.sizes)
    rows = np.array(channels)
    x_ids = places.x[rows][:, order]
    count = places.x.shape[0]
    if places.y is not None:
        zx, zy = op.x_zero_point, np.full((len(rows), 1), op.y_zero_point, dtype=object)
        y_ids = places.y[rows][:, order]
        x, y = choices(specs[0], ranges[0], x_ids, zx), choices(specs[1], ranges[1], y_ids, op.y_zero_point)
        pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]
        x, y = np.stack([x[a] for a, _ in pairs]), np.stack([y[b] for _, b in pairs])
        ids: tuple[Array, ...] = (x_ids, y_ids)
        zeros: tuple[int, ...] = (zx, op.y_zero_point)
        bias = np.zeros(len(rows), dtype=object)
    else:
        zx = getattr(op, "input_zero_point", 0)
        x, ids, zeros = choices(specs[0], ranges[0], x_ids, zx), (x_ids,), (zx,)
        weight = np.ones(places.x.shape, np.int64) if places.weight is None else places.weight
        y = weight[rows][:, order][None]
        y = y.astype(np.int64 if y.dtype != np.uint64 else object)
        zy = _rows(getattr(op, "weight_zero_point", 0), count, rows)[:, None]
        bias = _rows(getattr(op, "bias", 0), count, rows)
    kind = _kind(x, y, zx, zy, bias, accumulator)
    sums = Sums(x.astype(kind), y.astype(kind), zx, zy.astype(kind), accumulator.replace(order="hwc"))
    trapping = any(level.overflow is Overflow.TRAP for level in op.accumulator.levels())
    return _Layer(sums, bias.astype(kind), ids, zeros, trapping)


def choices(spec: TensorSpec, interval: Interval, ids: Array, zero_point: int) -> Array:
    """The ends of every term's operand, and its value nearest to the zero point: (3, channels, terms)."""
    narrow = interval.max < 2**62 and max(abs(zero_point), -interval.min) < 2**62
    low, high = (
        np.broadcast_to(np.asarray(end).astype(np.int64 if narrow else object), spec.shape).ravel()
        for end in (interval.lo, interval.hi)
    )
    ends = [np.where(ids < 0, zero_point, end[np.maximum(ids, 0)]) for end in (low, high)]
    rest = np.where(ids < 0, zero_point, nearest(spec, zero_point, *ends))
    return np.stack([*ends, rest.astype(ends[0].dtype)])


def nearest(spec: TensorSpec, zero_point: int, low: Any, high: Any) -> Array:
    """The entry nearest to the zero point that is not below `low` or above `high`, which are entries."""
    return spec.integer.nearest(np.minimum(np.maximum(zero_point, low), high))


def _rows(values: Any, count: int, rows: Array) -> Array:
    flat = np.asarray(values, dtype=object).ravel()
    return np.asarray(np.broadcast_to(flat, (count,))[rows])


def _kind(x: Array, y: Array, zx: int, zy: Array, bias: Array, accumulator: Accumulator) -> Any:
    """int64 where every sum and register surely fits it, else Python ints."""
    operand = int(np.abs(x).max()) + abs(zx)
    weight = int(np.abs(y).max()) + int(np.abs(zy).max())
    largest = 8 * x.shape[-1] * operand * weight + 2 * int(np.abs(bias).max())
    narrow = all(level.format.bits < 63 for level in accumulator.levels())
    return np.int64 if largest < 2**62 and narrow else object


def _execute(layer: _Layer, x: Array, y: Array) -> Array:
    """Rule V3: the reference's sums of these operands."""
    sums = layer.sums
    sizes = (1, 1, x.shape[1])  # the terms already stand in their order
    return sum_of_products(x, y, sums.zx, sums.zy[:, 0], layer.bias, sums.accumulator, sizes)


def _traps(layer: _Layer, accumulator: Accumulator, row: int, x: Array, y: Array) -> bool:
    """Whether one channel's operands stop the run."""
    sums, only = layer.sums, slice(row, row + 1)
    terms = x[only], y[only], sums.zx, sums.zy[only, 0], layer.bias[only]
    try:
        sum_of_products(*terms, accumulator.replace(order="hwc"), (1, 1, x.shape[1]))
    except OverflowTrap:
        return True
    return False


def _samples(
    specs: Sequence[TensorSpec], ranges: Sequence[Interval], layer: _Layer, row: int, x: Array, y: Array
) -> tuple[Array, ...]:
    """One sample per input: the witness's elements, and elsewhere what is nearest to the zero point."""
    samples = []
    for spec, interval, ids, zero_point, values in zip(
        specs, ranges, layer.ids, layer.zero_points, (x, y), strict=False
    ):
        samples.append(sample(spec, interval, ids[row], zero_point, values[row]))
    return tuple(samples)


def sample(spec: TensorSpec, interval: Interval, ids: Array, zero_point: int, values: Array) -> Array:
    """One input: `values` at the elements `ids` (-1: nowhere), else what is nearest to the zero point."""
    rest = nearest(spec, zero_point, np.asarray(interval.lo, dtype=object), interval.hi)
    made = np.broadcast_to(rest, spec.shape).astype(spec.format.storage).ravel()
    inside = ids >= 0
    made[ids[inside]] = values[inside].astype(made.dtype)
    return np.asarray(made.reshape(spec.shape))


def without_trap(accumulator: Accumulator) -> Accumulator:
    """The same registers, saturating where they would trap (rule V3)."""
    inner = None if accumulator.inner is None else without_trap(accumulator.inner)
    trapping = accumulator.overflow is Overflow.TRAP
    return accumulator.replace(overflow=Overflow.SATURATE if trapping else accumulator.overflow, inner=inner)
