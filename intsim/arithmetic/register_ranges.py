"""What every register of an accumulator can meet, proved from what its terms can be.

Rules
-----
Z1. Every term of a sum is a linear form in inputs that are independent of one another, so the smallest and
    the largest value of a partial sum are the sums of its terms' smallest and largest shares.
Z2. A register meets its start value and the value after every addition, in its own order and topology, tile
    by tile. A correction that depends on the inputs (a weight's zero point) counts with the terms that it
    shares them with, not apart from them.
Z3. A register delivers the exact sum where its overflow cannot change it. SATURATE and TRAP: what enters is
    exact, and every value it meets fits. WRAP: what enters is right modulo 2**bits, and the final sum fits;
    a sum on the way that does not fit is forgiven.
Z4. A WRAP register is right modulo 2**bits if what enters it is right modulo at least that.
Z5. From a register that may not deliver the exact sum, any value of its format may come, whatever its
    terms' part of the correction.
Z6. `any_order` is the hull over every order of the terms, in the same registers, before any overflow.

References
----------
Jacob et al. 2018 for the zero points' expansion; Colbert et al. 2023 (A2Q) for sums of positive and of
negative weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic.accumulate import Accumulator, BiasPlace, Topology, ZeroPointPlace
from intsim.arithmetic.interval import Interval
from intsim.arithmetic.overflow import Overflow, Register
from intsim.record import Array

Ends = tuple[Array, Array]
"""Lower and upper ends, of one shape."""

EXACT = 1 << 16
"""The modulus of a sum that is right as it stands: wider than any register."""


@dataclass(frozen=True)
class TermRanges:
    """What the terms of a sum can be, one row per channel, in the order in which they enter.

    entering : (channels, terms), what enters the innermost register
    bias : (channels,)
    correction : (channels,), the constant part of the zero-point correction; None where zero points are
        subtracted from the operands
    swing : (channels, terms), each term's share of the correction's other part; None where there is none
    whole : (channels, terms), a term and its swing taken together; None where there is no swing
    """

    entering: Ends
    bias: Array
    correction: Array | None = None
    swing: Ends | None = None
    whole: Ends | None = None

    def final(self) -> Ends:
        """The exact sum of everything."""
        low, high = _sums(self.whole or self.entering)
        constant = self.bias if self.correction is None else self.bias + self.correction
        return low + constant, high + constant

    def reach(self) -> Ends:
        """Any part of the terms, with or without bias and correction."""
        low, high = np.minimum(self.entering[0], 0).sum(axis=-1), np.maximum(self.entering[1], 0).sum(axis=-1)
        extra = [(self.bias, self.bias)]
        if self.correction is not None:
            swing = _sums(self.swing) if self.swing is not None else (0, 0)
            extra.append((self.correction + swing[0], self.correction + swing[1]))
        for ends in extra:
            low, high = low + np.minimum(ends[0], 0), high + np.maximum(ends[1], 0)
        return low, high


@dataclass(frozen=True)
class RegisterRange:
    """What one register of an accumulator can meet, per channel, before its overflow is applied.

    level : 0 is the outermost
    register : Register
    final : the value after the last addition (of any tile, in an inner register)
    partial : every value that is written into it (rule Z2); in a WRAP register that is entered by sums that
        are right modulo its width only, these are what it meets, and `final` is the exact sum
    any_order : as `partial`, for any order of the terms (rule Z6)
    exact : bool array, whether what it delivers is proved to be the exact sum (rule Z3)
    delivered : what it can hold after the last addition
    """

    level: int
    register: Register
    final: Interval
    partial: Interval
    any_order: Interval
    exact: Array
    delivered: Interval


def register_ranges(terms: TermRanges, accumulator: Accumulator) -> tuple[RegisterRange, ...]:
    """The ranges of every register, outermost first (rules Z1 to Z6).

    Parameters
    ----------
    terms : TermRanges, int64 where every sum fits it, else object (Python ints)
    accumulator : Accumulator
    """
    notes: dict[int, _Notes] = {}
    entering = _entering(terms.entering, accumulator, 0, notes)
    outer = _outermost(terms, accumulator, entering)
    found = [outer]
    for level, inner in enumerate(accumulator.levels()[1:], 1):
        held = accumulator.levels()[level - 1].tile or 1
        found.append(notes[level].range(level, inner.register, _any_tile(terms.entering, held)))
    return tuple(found)


def joined(ranges: Sequence[RegisterRange]) -> RegisterRange:
    """One register that serves several kinds of sums: the hull of what it meets in each."""
    first = ranges[0]
    return RegisterRange(
        first.level,
        first.register,
        Interval.join(entry.final for entry in ranges),
        Interval.join(entry.partial for entry in ranges),
        Interval.join(entry.any_order for entry in ranges),
        np.logical_and.reduce([entry.exact for entry in ranges]),
        Interval.join(entry.delivered for entry in ranges),
    )


@dataclass
class _Delivered:
    """What a row of registers hands on: its range, the exact sums' range, and what it is right modulo."""

    held: Ends
    exact: Ends
    modulus: Array


@dataclass
class _Notes:
    """Hulls over all tiles that pass through one level."""

    final: Ends
    partial: Ends
    delivered: Ends
    exact: Array

    def join(self, other: _Notes) -> _Notes:
        return _Notes(
            _hull(self.final, other.final),
            _hull(self.partial, other.partial),
            _hull(self.delivered, other.delivered),
            self.exact & other.exact,
        )

    def range(self, level: int, register: Register, any_order: Ends) -> RegisterRange:
        return RegisterRange(
            level,
            register,
            Interval.of_arrays(*self.final),
            Interval.of_arrays(*self.partial),
            Interval.of_arrays(*any_order),
            self.exact,
            Interval.of_arrays(*self.delivered),
        )


def _entering(terms: Ends, accumulator: Accumulator, level: int, notes: dict[int, _Notes]) -> _Delivered:
    """What enters a register: the terms (channels, ..., terms), or their tiles' sums (rule A3)."""
    if accumulator.tile is None:
        return _Delivered(terms, terms, np.full(terms[0].shape, EXACT, np.int32))
    parts = []
    for part in _tiles(terms, accumulator.tile):
        if accumulator.inner is None:
            sums = _sums(part)
            parts.append(_Delivered(sums, sums, np.full(sums[0].shape, EXACT, np.int32)))
        else:
            parts.append(_tile_register(part, accumulator.inner, level + 1, notes))
    return _Delivered(
        _joined([part.held for part in parts]),
        _joined([part.exact for part in parts]),
        np.concatenate([part.modulus for part in parts], axis=-1),
    )


def _tile_register(part: Ends, inner: Accumulator, level: int, notes: dict[int, _Notes]) -> _Delivered:
    """One register per tile, started at zero: part (channels, ..., tiles, terms)."""
    entering = _entering(part, inner, level, notes)
    partial, last = _running(entering.held, inner.topology)
    if inner.topology is Topology.CHAIN:
        partial = np.minimum(partial[0], 0), np.maximum(partial[1], 0)  # the register is cleared first
    exact = _sums(entering.exact)
    modulus = entering.modulus.min(axis=-1)
    held = _held(inner.register, exact, last, partial, modulus)
    met = _Notes(_by_channel(held.final), _by_channel(partial), _by_channel(held.delivered), _all(held.right))
    notes[level] = notes[level].join(met) if level in notes else met
    bits = inner.format.bits if inner.overflow is Overflow.WRAP else 0
    return _Delivered(held.delivered, exact, np.where(held.right, EXACT, np.minimum(modulus, bits)))


def _outermost(terms: TermRanges, accumulator: Accumulator, entering: _Delivered) -> RegisterRange:
    """The register that starts with zero points and bias, and ends with them."""
    partial, last = _run(terms, accumulator, entering)
    held = _held(accumulator.register, terms.final(), last, partial, entering.modulus.min(axis=-1))
    notes = _Notes(held.final, partial, held.delivered, held.right)
    return notes.range(0, accumulator.register, _any_order(terms, accumulator))


@dataclass
class _Held:
    final: Ends
    delivered: Ends
    right: Array


def _held(register: Register, exact: Ends, last: Ends, partial: Ends, modulus: Array) -> _Held:
    """Rules Z3 to Z5 for one register (or an array of them)."""
    format = register.format
    if register.overflow is Overflow.WRAP:
        congruent = modulus >= format.bits
        final = _where(congruent, exact, last)
        right = congruent & _fits(final, format)
        known = _fits(final, format)
    else:
        final = last
        known = _fits(partial, format)
        right = (modulus == EXACT) & known
    limits = np.full_like(final[0], format.min), np.full_like(final[1], format.max)
    return _Held(final, _where(known, final, limits), np.asarray(right))


def _run(terms: TermRanges, accumulator: Accumulator, entering: _Delivered) -> tuple[Ends, Ends]:
    """Every value met and the last one (rules Z1, Z2 and Z5)."""
    start = _start(terms, accumulator)
    shares, waiting, whole = entering.held, None, entering.held
    if terms.swing is not None and terms.whole is not None:
        swing = _shares(terms.swing, accumulator)
        alone = entering.held[0] + swing[0], entering.held[1] + swing[1]
        whole = _where(entering.modulus == EXACT, _shares(terms.whole, accumulator), alone)
        if accumulator.zero_point is ZeroPointPlace.PRELOAD:
            shares, waiting = whole, swing
    total = _sums(shares)
    value = total[0] + start, total[1] + start
    if accumulator.topology is Topology.TREE:
        partial = _hull(_running(entering.held, Topology.TREE)[0], value)
    else:
        low, high = (_chain(part, wait) for part, wait in zip(shares, waiting or (None, None), strict=True))
        partial = low.min(axis=-1) + start, high.max(axis=-1) + start
    for constant, corrects in _after(terms, accumulator):
        value = value[0] + constant, value[1] + constant
        if corrects:
            corrected = _sums(whole)
            value = value[0] - total[0] + corrected[0], value[1] - total[1] + corrected[1]
        partial = _hull(partial, value)
    return partial, value


def _chain(shares: Array, waiting: Array | None) -> Array:
    """An end of every sum on the way, the start first: what has entered, and what waits to."""
    first = np.zeros_like(shares[..., :1])
    run = np.concatenate([first, np.cumsum(shares, axis=-1)], axis=-1)
    if waiting is not None:
        gone = np.concatenate([first, np.cumsum(waiting, axis=-1)], axis=-1)
        run += gone[..., -1:] - gone
    return run


def _start(terms: TermRanges, accumulator: Accumulator) -> Array:
    """The constant part of what is loaded first (rules A5 and A6)."""
    start = terms.bias if accumulator.bias is BiasPlace.FIRST else np.zeros_like(terms.bias)
    if terms.correction is not None and accumulator.zero_point is ZeroPointPlace.PRELOAD:
        start = start + terms.correction
    return start


def _after(terms: TermRanges, accumulator: Accumulator) -> list[tuple[Array, bool]]:
    """The constants added after the last term, and whether the swing comes with them."""
    after = []
    if terms.correction is not None and accumulator.zero_point is ZeroPointPlace.AFTER:
        after.append((terms.correction, True))
    if accumulator.bias is BiasPlace.LAST:
        after.append((terms.bias, False))
    return after


def _running(values: Ends, topology: Topology) -> tuple[Ends, Ends]:
    """Hull of every sum that is made of the values on the last axis, and the last sum."""
    if topology is Topology.CHAIN:
        low, high = np.cumsum(values[0], axis=-1), np.cumsum(values[1], axis=-1)
        return (low.min(axis=-1), high.max(axis=-1)), (low[..., -1], high[..., -1])
    met = values[0].min(axis=-1), values[1].max(axis=-1)
    while values[0].shape[-1] > 1:
        values = _pairs(values[0]), _pairs(values[1])
        met = _hull(met, (values[0].min(axis=-1), values[1].max(axis=-1)))
    return met, (values[0][..., 0], values[1][..., 0])


def _any_order(terms: TermRanges, accumulator: Accumulator) -> Ends:
    """Rule Z6 for the outermost register: any part of the terms may have entered."""
    start = _start(terms, accumulator)
    low, high = terms.entering
    part = np.minimum(low, 0).sum(axis=-1), np.maximum(high, 0).sum(axis=-1)
    total = _sums(terms.entering)
    loaded = part[0] + start, part[1] + start
    if terms.swing is not None and terms.whole is not None:
        whole = _sums(terms.whole)
        if accumulator.zero_point is ZeroPointPlace.PRELOAD:
            mixed = np.minimum(terms.swing[0], terms.whole[0]), np.maximum(terms.swing[1], terms.whole[1])
            total, loaded = whole, tuple(end + start for end in _sums(mixed))  # type: ignore[assignment]
    value = total[0] + start, total[1] + start
    met = _hull(part, value) if accumulator.topology is Topology.TREE else loaded
    for constant, corrects in _after(terms, accumulator):
        value = value[0] + constant, value[1] + constant
        if corrects and terms.whole is not None:
            value = value[0] - total[0] + whole[0], value[1] - total[1] + whole[1]
        met = _hull(met, value)
    return met


def _any_tile(terms: Ends, held: int) -> Ends:
    """Rule Z6 for an inner register: any `held` terms, or fewer, may be in one tile."""
    low, high = np.sort(np.minimum(terms[0], 0), axis=-1), np.sort(np.maximum(terms[1], 0), axis=-1)
    return low[..., :held].sum(axis=-1), high[..., -held:].sum(axis=-1)


def _tiles(values: Ends, tile: int) -> list[Ends]:
    """Full tiles and, if there is one, the shorter last one: (..., tiles, terms) each."""
    count = values[0].shape[-1]
    full = count // tile * tile
    parts = []
    for begin, end, width in ((0, full, tile), (full, count, count - full)):
        if end > begin:
            lead = values[0].shape[:-1]
            low, high = (edge[..., begin:end].reshape(*lead, -1, width) for edge in values)
            parts.append((low, high))
    return parts


def _shares(values: Ends, accumulator: Accumulator) -> Ends:
    """The sums over the outermost tiles."""
    if accumulator.tile is None:
        return values
    return _joined([_sums(part) for part in _tiles(values, accumulator.tile)])


def _pairs(values: Array) -> Array:
    even = values.shape[-1] // 2 * 2
    summed = values[..., 0:even:2] + values[..., 1:even:2]
    return np.concatenate([summed, values[..., even:]], axis=-1)


def _joined(parts: list[Ends]) -> Ends:
    return (
        np.concatenate([low for low, _ in parts], axis=-1),
        np.concatenate([high for _, high in parts], axis=-1),
    )


def _sums(values: Ends) -> Ends:
    return values[0].sum(axis=-1), values[1].sum(axis=-1)


def _hull(a: Ends, b: Ends) -> Ends:
    return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])


def _where(condition: Array, a: Ends, b: Ends) -> Ends:
    return np.where(condition, a[0], b[0]), np.where(condition, a[1], b[1])


def _fits(values: Ends, format: Any) -> Array:
    return np.asarray((values[0] >= format.min) & (values[1] <= format.max), dtype=bool)


def _by_channel(values: Ends) -> Ends:
    channels = values[0].shape[0]
    return values[0].reshape(channels, -1).min(axis=-1), values[1].reshape(channels, -1).max(axis=-1)


def _all(values: Array) -> Array:
    return np.asarray(values.reshape(values.shape[0], -1).all(axis=-1))
