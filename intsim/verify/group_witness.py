"""Witnesses of sums over groups: rules V1 to V3 of `witness`, one stage after the other.

Rules
-----
V4. The register of a group is taken as far as it goes by the terms of that group, while all others have the
    least magnitude; only groups are tried whose register is not proved exact. Registers outside are taken by
    whole groups, every term times the scale of its group.
V5. Scales that multiply weights make a layer of products, and its witnesses.
V6. A second input of scales is tried at the upper end of its range and at the lower, alike for all groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, Interval, Overflow, ZeroPointPlace
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import Dense, GroupDense, GroupScales
from intsim.ops.dot import dot_bounds
from intsim.ops.group_sums import stages
from intsim.record import Array
from intsim.verify.candidates import Extreme, Sums, extremes
from intsim.verify.places import Places, places_of
from intsim.verify.witness import BLOCK, Witness, choices, local_witnesses, sample, without_trap

_ROOM = IntFormat(62)
"""int64, with room for a sum of two."""


def group_witnesses(
    node: str, op: GroupDense, specs: Sequence[TensorSpec], ranges: Sequence[Interval], channels: Array
) -> dict[int, Witness]:
    """Witnesses for some channels of a group_dense; the parameters are those of `local_witnesses`."""
    if op.scales is GroupScales.WEIGHT:
        dense = _as_dense(op)
        return {} if dense is None else local_witnesses(node, dense, specs, ranges, channels)
    found: dict[int, Witness] = {}
    narrow = op.bounds(specs, ranges).partial.within(_ROOM)
    for places in places_of(op, specs, ranges[0].rank):
        left = [channel for channel in channels.tolist() if channel not in found]
        for begin in range(0, len(left), BLOCK):
            rows = left[begin : begin + BLOCK]
            for given in _scales(specs, ranges):
                layer = _layer(op, specs[0], ranges[0], places, rows, given, np.int64 if narrow else object)
                _search(node, layer, specs, ranges, rows, found)
    return found


def _as_dense(op: GroupDense) -> Dense | None:
    """Rule V5; None where the weights have more than 64 bits."""
    weight = op.scaled_weight
    least, most = int(weight.min()), int(weight.max())
    if not IntFormat(64).holds(least, most):
        return None
    rest = {"bias": op.bias, "input_zero_point": op.input_zero_point, "accumulator": op.accumulator}
    return Dense(weight, IntFormat.covering(min(least, -1), most), **rest)


@dataclass(frozen=True)
class _Layer:
    """Some channels as an op of their own, a row of inputs for each.

    x : (3, rows, C), the ends of every input and its value nearest to the zero point
    ids : (C,) element numbers in the first input's sample
    scales : (G,) second input, the same for all rows; None where there is none
    place : of the output
    """

    op: GroupDense
    x: Array
    ids: Array
    scales: Array | None
    place: Places
    kind: Any

    def factors(self) -> Array:
        """What every group's sum is multiplied by, (rows, G)."""
        scale = self.op.scale_of(*self.inputs(self.x[2]))
        count = len(self.op.weight)
        made = [np.broadcast_to(scale(group), (count, count)).diagonal() for group in range(self.op.groups)]
        return np.stack(made, axis=1)

    def inputs(self, x: Array) -> tuple[Array, ...]:
        """Batches with a row for every channel."""
        if self.scales is None:
            return (x.astype(self.kind),)
        return x.astype(self.kind), np.tile(self.scales.astype(self.kind), (len(x), 1))

    def delivered(self, x: Array) -> Array:
        """What the registers make of every row's own sum, saturating where they would trap."""
        quiet = self.op.replace(accumulator=without_trap(self.op.accumulator))
        return np.asarray(quiet.reference(*self.inputs(x))[0].diagonal())

    def exact(self, x: Array) -> Array:
        """The sums that no register changes."""
        products = (x.astype(self.kind) - self.op.input_zero_point) * self.centred()
        begins = np.arange(0, x.shape[1], self.op.group)
        sums = np.add.reduceat(products, begins, axis=1) * self.factors()
        return np.asarray(sums.sum(axis=1) + np.broadcast_to(self.op.bias.reshape(-1), (len(x),)))

    def centred(self) -> Array:
        """Every weight less the zero point of its group, (rows, C)."""
        depth = self.op.weight.shape[1]
        zeros = np.repeat(self.op.zeros, self.op.group, axis=1)[:, :depth]
        return np.asarray(self.op.weight.astype(self.kind) - zeros.astype(self.kind))

    def traps(self, row: int, x: Array) -> bool:
        """Whether one row's inputs stop the run."""
        try:
            _rows(self.op, [row]).reference(*(entry[row : row + 1] for entry in self.inputs(x)))
        except OverflowTrap:
            return True
        return False


def _layer(
    op: GroupDense,
    spec: TensorSpec,
    interval: Interval,
    places: Places,
    rows: list[int],
    scales: Array | None,
    kind: Any,
) -> _Layer:
    x = choices(spec, interval, places.x[rows], op.input_zero_point)
    return _Layer(_rows(op, rows), x, places.x[0], scales, places, kind)


def _rows(op: GroupDense, rows: list[int]) -> GroupDense:
    """Some of an op's channels."""
    zero = op.zero[rows] if op.zero.ndim else op.zero
    bias = op.bias[rows] if op.bias.size > 1 else op.bias
    return op.replace(weight=op.weight[rows], scale=op.scale[rows], zero=zero, bias=bias)


def _scales(specs: Sequence[TensorSpec], ranges: Sequence[Interval]) -> Iterator[Array | None]:
    """Rule V6: scales for every group."""
    if len(specs) == 1:
        yield None
        return
    for end in (ranges[1].max, ranges[1].min):
        yield np.full(specs[1].shape[-1:], end, dtype=object)


def _search(
    node: str,
    layer: _Layer,
    specs: Sequence[TensorSpec],
    ranges: Sequence[Interval],
    channels: list[int],
    found: dict[int, Witness],
) -> None:
    """Rule V3: run the candidates, and keep what is a witness."""
    trapping = any(level.overflow is Overflow.TRAP for level in layer.op.accumulator.levels())
    for extreme in _candidates(layer):
        x = np.take_along_axis(layer.x, extreme.choices[None], axis=0)[0]
        delivered, exact = layer.delivered(x), layer.exact(x)
        for row, channel in enumerate(channels):
            trapped = trapping and channel not in found and layer.traps(row, x)
            if channel in found or (delivered[row] == exact[row] and not trapped):
                continue
            inputs = _samples(layer, specs, ranges, x[row])
            index = (*layer.place.index[:-1], channel)
            numbers = int(exact[row]), int(delivered[row])
            found[channel] = Witness(node, channel, index, extreme.level, *numbers, inputs, trapped)
        if all(channel in found for channel in channels):
            return


def _candidates(layer: _Layer) -> Iterator[Extreme]:
    """Rule V4: from the innermost register out."""
    op, kind = layer.op, layer.kind
    cut = stages(op.accumulator, op.group)
    zx, x = op.input_zero_point, layer.x.astype(kind)
    outer = len(cut.outer.levels())
    if cut.inner is not None:
        inner = without_trap(cut.inner).replace(order="hwc")
        for group in range(op.groups):
            part, zeros = op.part(group), op.zeros[:, group]
            w = op.weight[:, part].astype(kind)
            ends = Interval(*(end[:, part].astype(object) for end in layer.x[:2]))
            sizes = (1, 1, w.shape[1])
            if (
                dot_bounds(w, ends, zx, zeros, np.zeros_like(zeros), cut.inner, sizes)
                .registers[0]
                .exact.all()
            ):
                continue
            for extreme in extremes(Sums(x[:, :, part], w[None], zx, zeros[:, None].astype(kind), inner)):
                chosen = np.full(x.shape[1:], len(x) - 1)
                chosen[:, part] = extreme.choices
                yield Extreme(extreme.level + outer, chosen)
    scaled = layer.centred() * np.repeat(layer.factors(), op.group, axis=1)[:, : x.shape[2]]
    zero = np.zeros((len(scaled), 1), kind)
    around = _outside(without_trap(op.accumulator), op.group)
    around = around.replace(order="hwc", zero_point=ZeroPointPlace.SUBTRACT)
    yield from extremes(Sums(x, scaled[None], zx, zero, around))


def _outside(accumulator: Accumulator, group: int) -> Accumulator:
    """The levels that add scaled sums of groups."""
    if accumulator.inner is None or accumulator.tile == group:
        return accumulator.replace(tile=group, inner=None)
    return accumulator.replace(inner=_outside(accumulator.inner, group))


def _samples(
    layer: _Layer, specs: Sequence[TensorSpec], ranges: Sequence[Interval], x: Array
) -> tuple[Array, ...]:
    """One sample per input: the witness's row, and elsewhere what is nearest to the zero point."""
    samples = [sample(specs[0], ranges[0], layer.ids, layer.op.input_zero_point, x)]
    if layer.scales is not None:
        samples.append(np.full(specs[1].shape, layer.scales[0]).astype(specs[1].format.storage))
    return tuple(samples)
