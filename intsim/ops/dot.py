"""Sums of products: what convolutions, dense layers and matrix products share.

Rules (S), cited by the ops
---------------------------
S1. A sum has the terms (x - zx) * (w - zw) over its taps, and a bias.
S2. A tap outside the image holds zx, so it adds nothing.
S3. Where and when zero points and bias enter, in which order and through which registers the terms
    are added, is the accumulator's say (rules A1 to A7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, BiasPlace, Bounds, Events, Interval, ZeroPointPlace, accumulate
from intsim.arithmetic.register_ranges import TermRanges, joined, register_ranges
from intsim.record import Array


def sum_of_products(
    x: Array,
    w: Array,
    input_zero_point: int,
    weight_zero_point: Any,
    bias: Any,
    accumulator: Accumulator,
    sizes: tuple[int, int, int],
    events: Events | None = None,
) -> Array:
    """Rule S1 through the accumulator's registers.

    Parameters
    ----------
    x, w : operands, broadcastable to each other; last axis = taps, places as h, w, c with c fastest
    input_zero_point : int
    weight_zero_point : int, or an array that broadcasts to the sums
    bias : int, or an array that broadcasts to the sums
    accumulator : Accumulator
    sizes : of the reduction axes h, w, c
    events : counts are added here if given

    Returns
    -------
    The sums: broadcast shape of x and w without the last axis.
    """
    subtract = accumulator.zero_point is ZeroPointPlace.SUBTRACT

    def term(place: int) -> Array:
        if subtract:
            return np.asarray((x[..., place] - input_zero_point) * (w[..., place] - weight_zero_point))
        return np.asarray(x[..., place] * w[..., place])

    first: list[Any] = []
    last: list[Any] = []
    if not subtract:
        preload = accumulator.zero_point is ZeroPointPlace.PRELOAD
        (first if preload else last).append(_correction(x, w, input_zero_point, weight_zero_point))
    (first if accumulator.bias is BiasPlace.FIRST else last).append(bias)
    return accumulate(
        term,
        accumulator.permutation(sizes),  # type: ignore[arg-type]
        accumulator,
        start=sum(first),
        after=last,
        events=events,
    )


def _correction(x: Array, w: Array, input_zero_point: int, weight_zero_point: Any) -> Array:
    """Rule A6: what SUBTRACT's terms sum to beyond the raw products."""
    taps = x.shape[-1]
    return np.asarray(
        taps * input_zero_point * weight_zero_point
        - weight_zero_point * x.sum(axis=-1)
        - input_zero_point * w.sum(axis=-1)
    )


def dot_terms(
    w: Array,
    x: Interval,
    input_zero_point: int,
    weight_zero_point: Array,
    bias: Array,
    accumulator: Accumulator,
    sizes: tuple[int, int, int],
) -> TermRanges:
    """What the terms of sums with known weights can be, in the order in which they enter.

    Parameters
    ----------
    w : integer weights, one row of taps per channel, places as h, w, c with c fastest
    x : range of every tap; ends are ints, or arrays that broadcast to `w`
    input_zero_point, weight_zero_point, bias : one weight_zero_point and bias per channel
    accumulator : Accumulator
    sizes : of the reduction axes h, w, c
    """
    lo, hi = np.asarray(x.lo, dtype=object), np.asarray(x.hi, dtype=object)
    zx, zw, bias = input_zero_point, np.asarray(weight_zero_point), np.asarray(bias)
    kind = _roomy(w, lo, hi, zx, zw, bias, accumulator)
    order = accumulator.permutation(sizes)
    w, zw, bias = w.astype(kind), zw.astype(kind), bias.astype(kind)
    lo, hi = (np.broadcast_to(end.astype(kind), w.shape) for end in (lo, hi))
    if not np.array_equal(order, np.arange(order.size)):
        w, lo, hi = w[:, order], lo[:, order], hi[:, order]
    centred = w - zw[:, None]
    if accumulator.zero_point is ZeroPointPlace.SUBTRACT:
        return TermRanges(_ends(centred, lo - zx, hi - zx), bias)
    correction = w.shape[1] * zx * zw - zx * w.sum(axis=1)
    if not zw.any():
        return TermRanges(_ends(w, lo, hi), bias, correction)
    swing, whole = _ends(-zw[:, None], lo, hi), _ends(centred, lo, hi)
    return TermRanges(_ends(w, lo, hi), bias, correction, swing, whole)


def dot_bounds(
    w: Array,
    x: Interval,
    input_zero_point: int,
    weight_zero_point: Array,
    bias: Array,
    accumulator: Accumulator,
    sizes: tuple[int, int, int],
    spacing: int | None = 1,
) -> Bounds:
    """Exact bounds of sums whose weights are known; the parameters are those of `dot_terms`.

    `spacing` is that of the taps' values; where it is None, that of the sums is left out.

    Notes
    -----
    A tap's term lies between its products with the ends of `x`; sums of those ends are attained by the
    input that takes the matching end at every tap. `reach` covers every order, tile and tree: any
    subset of the terms, with start value and corrections in or out.
    """
    terms = dot_terms(w, x, input_zero_point, weight_zero_point, bias, accumulator, sizes)
    met = _operands(w, x, input_zero_point, np.asarray(weight_zero_point))
    if accumulator.zero_point is not ZeroPointPlace.SUBTRACT:
        met += _correction_parts(w, x, input_zero_point, np.asarray(weight_zero_point))
    found = sums_bounds(terms, accumulator, [*met, Interval(int(np.min(bias)), int(np.max(bias)))])
    if spacing is None:
        return found
    return replace(found, spacing=_spacing(w, x, np.asarray(weight_zero_point), spacing))


def _spacing(w: Array, x: Interval, zw: Array, spacing: int) -> int:
    """What all differences of a channel's sums are multiples of, over the taps that are not constant."""
    moving = np.broadcast_to(np.asarray(x.lo) != np.asarray(x.hi), w.shape)
    weights = [np.unique(row[moves]).astype(object) for row, moves in zip(w, moving, strict=True)]
    zeros = np.broadcast_to(zw.ravel(), (len(weights),)).tolist()
    factors = (math.gcd(*(row - zero).tolist()) for row, zero in zip(weights, zeros, strict=True))
    return spacing * math.gcd(*factors) or 1


def sums_bounds(terms: TermRanges, accumulator: Accumulator, met: Sequence[Interval]) -> Bounds:
    """Bounds of the sums of some terms.

    Parameters
    ----------
    met : what else the reference meets: operands, and what its corrections are made of
    """
    registers = register_ranges(terms, accumulator)
    final, reach = Interval.of_arrays(*terms.final()), Interval.of_arrays(*terms.reach())
    passed = passing(reach, accumulator, terms.entering[0].shape[1])
    partial = Interval.join((passed, final.hull(), *(entry.hull() for entry in met)))
    return Bounds((registers[0].delivered,), partial, reach, final, registers)


def join_bounds(found: Sequence[Bounds]) -> Bounds:
    """Bounds of an op whose output positions are each within one of these."""
    if len(found) == 1:
        return found[0]
    return Bounds(
        (Interval.join(entry.outputs[0] for entry in found),),
        Interval.join(entry.partial for entry in found),
        Interval.join(entry.reach for entry in found if entry.reach is not None),
        Interval.join(entry.final for entry in found if entry.final is not None),
        tuple(joined(levels) for levels in zip(*(entry.registers for entry in found), strict=True)),
        _joined_spacing(found),
    )


def _joined_spacing(found: Sequence[Bounds]) -> int:
    """A channel's sums at different positions may start anywhere."""
    lows = [np.asarray(entry.final.lo, dtype=object) for entry in found if entry.final is not None]
    apart = [math.gcd(*map(int, np.ravel(low - lows[0]))) for low in lows[1:]]
    return math.gcd(*(entry.spacing for entry in found), *apart) or 1


def _operands(w: Array, x: Interval, zx: int, zw: Array) -> list[Interval]:
    """The ranges of both operands, as they are and without their zero points."""
    weights, zeros = Interval(int(w.min()), int(w.max())), Interval(int(zw.min()), int(zw.max()))
    centred = Interval(weights.min - zeros.max, weights.max - zeros.min)
    return [x.hull(), _mapped(x, 1, -zx), weights, centred]


def _correction_parts(w: Array, x: Interval, zx: int, zw: Array) -> list[Interval]:
    """Hulls of what `_correction` meets on its way."""
    taps, zero = w.shape[1], Interval(0, 0)
    zeros = Interval(int(zw.min()), int(zw.max()))
    inputs = _mapped(Interval.join((x.hull(), zero)), taps)
    weights = _mapped(Interval.join((Interval(int(w.min()), int(w.max())), zero)), taps)
    constant, swing, scaled = _mapped(zeros, taps * zx), _product(zeros, inputs), _mapped(weights, zx)
    less = Interval(constant.min - swing.max, constant.max - swing.min)
    whole = Interval(less.min - scaled.max, less.max - scaled.min)
    return [inputs, weights, constant, swing, scaled, less, whole, Interval(taps * zx, taps * zx)]


def product_bounds(
    taps: int, x: Interval, y: Interval, x_zero_point: int, y_zero_point: int, accumulator: Accumulator
) -> Bounds:
    """Exact bounds of sums of `taps` products whose operands are both known by their range only."""
    zx, zy = x_zero_point, y_zero_point
    whole = _product(_mapped(x, 1, -zx), _mapped(y, 1, -zy))
    none = np.zeros(1, dtype=object)
    met = [x, y, _mapped(x, 1, -zx), _mapped(y, 1, -zy)]
    if accumulator.zero_point is ZeroPointPlace.SUBTRACT:
        return sums_bounds(TermRanges(_repeated(whole, taps), none), accumulator, met)
    by_x, by_y = _mapped(x, -zy), _mapped(y, -zx)
    swing = Interval(by_x.min + by_y.min, by_x.max + by_y.max)
    whole = _mapped(whole, 1, -zx * zy)
    terms = TermRanges(
        _repeated(_product(x, y), taps),
        none,
        none + taps * zx * zy,
        _repeated(swing, taps),
        _repeated(whole, taps),
    )
    met += [_mapped(entry, taps) for entry in (x, y, by_x, by_y, swing, whole)]
    met += [_mapped(by_x, taps, taps * zx * zy), _mapped(Interval(0, 0), 1, taps * zx * zy)]
    return sums_bounds(terms, accumulator, met)


def _repeated(term: Interval, taps: int) -> tuple[Array, Array]:
    """The same range for every term of one channel."""
    return np.full((1, taps), term.min, dtype=object), np.full((1, taps), term.max, dtype=object)


def _mapped(x: Interval, factor: int, offset: int = 0) -> Interval:
    """The range of x * factor + offset."""
    ends = x.min * factor + offset, x.max * factor + offset
    return Interval(min(ends), max(ends))


def _product(x: Interval, y: Interval) -> Interval:
    """The range of the product of two independent values."""
    ends = [a * b for a in (x.min, x.max) for b in (y.min, y.max)]
    return Interval(min(ends), max(ends))


def passing(reach: Interval, accumulator: Accumulator, taps: int) -> Interval:
    """Hull of what stands before the registers while `taps` terms are summed, given every partial sum."""
    if cannot_overflow(reach, accumulator):
        return reach.hull()
    outer, *inner = (Interval.of_format(level.format) for level in accumulator.levels())
    held, entering = Interval.join((outer, *inner)), Interval.join((reach.hull(), *inner))
    if inner:  # what entered is added up once more, for the events
        entering = _mapped(entering, taps)
    return Interval(held.min + min(entering.min, 0), held.max + max(entering.max, 0))


def cannot_overflow(reach: Interval, accumulator: Accumulator) -> bool:
    """Whether no register on any level can overflow, whatever the order."""
    return all(reach.within(level.format) for level in accumulator.levels())


def is_ring(accumulator: Accumulator) -> bool:
    """Whether the value equals the exact sum, reduced once: WRAP in every register, none narrower inside."""
    levels = accumulator.levels()
    return all(
        level.overflow.name == "WRAP" and level.format.bits >= accumulator.format.bits for level in levels
    )


def _ends(w: Array, lo: Array, hi: Array) -> tuple[Array, Array]:
    """The smallest and the largest product of each weight with a value from lo to hi."""
    return np.minimum(w * lo, w * hi), np.maximum(w * lo, w * hi)


def _roomy(
    w: Array, lo: Array, hi: Array, input_zero_point: int, zw: Array, bias: Array, accumulator: Accumulator
) -> type:
    """int64 where every sum of `dot_terms`, and every register, surely fits it, else object (Python ints)."""
    if not all(level.format.max < 2**63 for level in accumulator.levels()):
        return object
    operand = max(-int(lo.min()), int(hi.max()), 0) + abs(input_zero_point)
    weight = max(-int(w.min()), int(w.max()), 0) + max(-int(zw.min()), int(zw.max()), 0)
    largest = 4 * w.shape[1] * operand * weight + 2 * max(-int(bias.min()), int(bias.max()), 0)
    return np.int64 if max(largest, operand, weight) < 2**62 else object
