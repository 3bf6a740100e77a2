"""Sums of groups: one accumulator in two stages, scales between them, and what both can meet.

Rules (U), cited by the ops
---------------------------
U1. The level of the accumulator whose tile is the group divides it: that level and those outside it add the
    groups' scaled sums, `inner` adds the terms of a group, exactly where it is absent. Tiles outside are
    multiples of the group. An accumulator whose last level has no tile adds exact sums of groups there.
U2. Zero points enter with their group's terms, before the scale: where they are preloaded or come after,
    they do so in the group's register. The bias is the outermost register's.
U3. The order names axes; no term leaves its group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from intsim.arithmetic import Accumulator, Bounds, Events, Interval
from intsim.arithmetic.register_ranges import RegisterRange, TermRanges, joined, register_ranges
from intsim.formats import IntFormat
from intsim.ops.dot import passing
from intsim.record import Array

EXACT = Accumulator(IntFormat(64))
"""Stands for exact sums of groups where bounds need a register; its own ranges are not looked at."""


@dataclass(frozen=True)
class Stages:
    """An accumulator cut at its groups (rule U1).

    outer : adds one scaled sum per group
    inner : adds the terms of a group; None: exactly
    """

    outer: Accumulator
    inner: Accumulator | None

    def split(self, events: Events | None) -> tuple[Events | None, Events | None]:
        """Counts of the same kind for either stage; none where nobody counts."""
        if events is None:
            return None, None
        return Events.none(self.outer), None if self.inner is None else Events.none(self.inner)


def check_stages(accumulator: Accumulator, group: int) -> Iterator[tuple[str, str]]:
    """Rules U1 and U3."""
    if not isinstance(accumulator.order, str):
        yield "accumulator.order", "must name axes, so that no term leaves its group. [U3]"
    tiles = [level.tile for level in accumulator.levels()]
    for tile in tiles:
        if tile is None or tile == group:
            return
        if tile % group:
            yield "accumulator.tile", f"must be the group, {group}, or a multiple around it, not {tile}. [U1]"
            return
    yield "accumulator.tile", f"must be the group, {group}, in some level, not {tiles[-1]} in the last. [U1]"


def stages(accumulator: Accumulator, group: int) -> Stages:
    """The two stages of an accumulator that `check_stages` has nothing against."""
    if accumulator.tile is None or accumulator.tile == group:
        inner = accumulator.inner
        if inner is not None:
            inner = inner.replace(zero_point=accumulator.zero_point)
        return Stages(accumulator.replace(tile=None, inner=None), inner)
    inside = accumulator.inner
    if inside is None:
        raise ValueError("the last level must have the group's tile, or none")
    below = stages(inside, group)
    inner = None if below.inner is None else below.inner.replace(zero_point=accumulator.zero_point)
    return Stages(accumulator.replace(tile=accumulator.tile // group, inner=below.outer), inner)


def gather(events: Events, outer: Events, inner: Events | None) -> None:
    """Add the counts of both stages, outermost level first."""
    events.add(
        Events(
            outer.persistent + (inner.persistent if inner else []),
            outer.transient + (inner.transient if inner else []),
        )
    )


def staged_bounds(
    groups: Sequence[Bounds], scales: Sequence[Interval], bias: Array, cut: Stages, met: Sequence[Interval]
) -> Bounds:
    """Bounds of sums of groups' scaled sums.

    Parameters
    ----------
    groups : of each group's sums, one per channel; their registers only where there is an inner stage
    scales : what each group's sums are multiplied by, one per channel
    bias : one per channel
    cut : Stages
    met : what else is met

    Notes
    -----
    Groups share no input, so the ends of a group's scaled sum are attained whatever the others are. What a
    group's register delivers may be wrong where it is not proved exact; then nothing outside it is proved.
    """
    exact = [_scaled(entry.final, scale) for entry, scale in zip(groups, scales, strict=True)]
    whole = _terms(exact, bias)
    right = np.ones(len(bias), bool)
    entering = whole
    inner: tuple[RegisterRange, ...] = ()
    if cut.inner is not None:
        delivered = [_scaled(entry.outputs[0], scale) for entry, scale in zip(groups, scales, strict=True)]
        entering = _terms(delivered, bias)
        inner = tuple(joined(level) for level in zip(*(entry.registers for entry in groups), strict=True))
        right = np.broadcast_to(inner[0].exact, right.shape)
    outer = register_ranges(entering, cut.outer)
    registers = (
        *(replace(level, exact=level.exact & right) for level in outer),
        *(_deeper(level, len(outer)) for level in inner),
    )
    final = Interval.of_arrays(*whole.final())
    reaches = [Interval.of_arrays(*terms.reach()).hull() for terms in (whole, entering)]
    reach = Interval.join([*reaches, *(entry.reach.hull() for entry in groups if entry.reach is not None)])
    partial = Interval.join(
        [
            *(passing(entry, cut.outer, len(groups)) for entry in reaches),
            *(Interval.of_arrays(*terms.entering).hull() for terms in (whole, entering)),
            *(entry.partial.hull() for entry in groups),
            *(entry.hull() for entry in (final, *scales, *met)),
        ]
    )
    return Bounds((registers[0].delivered,), partial, reach, final, registers)


def _scaled(sums: Interval | None, scale: Interval) -> tuple[Array, Array]:
    """The ends of a group's scaled sums, per channel."""
    assert sums is not None
    ends = [
        np.asarray(a, dtype=object) * np.asarray(b, dtype=object)
        for a in (sums.lo, sums.hi)
        for b in (scale.lo, scale.hi)
    ]
    low, high = ends[0], ends[0]
    for end in ends[1:]:
        low, high = np.minimum(low, end), np.maximum(high, end)
    return low, high


def _terms(ends: Sequence[tuple[Array, Array]], bias: Array) -> TermRanges:
    """What enters the outer stage: a term per group."""
    low, high = (
        np.stack([np.broadcast_to(side, bias.shape) for side in sides], axis=-1)
        for sides in zip(*ends, strict=True)
    )
    return TermRanges((low, high), bias.astype(object))


def _deeper(found: RegisterRange, levels: int) -> RegisterRange:
    return replace(found, level=found.level + levels)
