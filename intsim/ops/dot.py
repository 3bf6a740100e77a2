"""Sums of products: what convolutions, dense layers and matrix products share.

Rules (S), cited by the ops
---------------------------
S1. A sum has the terms (x - zx) * (w - zw) over its taps, and a bias.
S2. A tap outside the image holds zx, so it adds nothing.
S3. Where and when zero points and bias enter, in which order and through which registers the terms
    are added, is the accumulator's say (rules A1 to A7).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic import Accumulator, BiasPlace, Bounds, Events, Interval, ZeroPointPlace, accumulate
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


def dot_bounds(
    w: Array,
    x: Interval,
    input_zero_point: int,
    weight_zero_point: Array,
    bias: Array,
    accumulator: Accumulator,
    skippable: bool = False,
) -> Bounds:
    """Exact bounds of sums whose weights are known.

    Parameters
    ----------
    w : integer weights, one row of taps per channel
    x : range of every tap; ends are ints, or arrays that broadcast to `w`
    input_zero_point, weight_zero_point, bias : one weight_zero_point and bias per channel
    skippable : some sums may lack some taps (rule S2), so a tap may also hold zx

    Notes
    -----
    A tap's term lies between its products with the ends of `x`; sums of those ends are attained by the
    input that takes the matching end at every tap. `partial` covers every order, tile and tree: any
    subset of the terms, with start value and corrections in or out.
    """
    lo, hi = np.asarray(x.lo, dtype=object), np.asarray(x.hi, dtype=object)
    if skippable:
        lo = np.asarray(np.minimum(lo, input_zero_point), dtype=object)
        hi = np.asarray(np.maximum(hi, input_zero_point), dtype=object)
    zw, bias = np.asarray(weight_zero_point), np.asarray(bias)
    kind = _roomy(w, lo, hi, input_zero_point, zw, bias)
    w, zw, bias = w.astype(kind), zw.astype(kind), bias.astype(kind)
    lo, hi = (np.broadcast_to(end.astype(kind), w.shape) for end in (lo, hi))
    down, up = _ends(w - zw[:, None], lo - input_zero_point, hi - input_zero_point)
    final = Interval.of_arrays(down.sum(axis=1) + bias, up.sum(axis=1) + bias)
    extra = [np.zeros_like(bias), bias]
    met = [lo, hi, lo - input_zero_point, hi - input_zero_point, w, w - zw[:, None], bias]
    if accumulator.zero_point is not ZeroPointPlace.SUBTRACT:
        down, up = _ends(w, lo, hi)
        sums = lo.sum(axis=1), hi.sum(axis=1)
        parts = w.shape[1] * input_zero_point * zw, input_zero_point * w.sum(axis=1)
        swing = _ends(zw, *sums)
        for end in swing:
            extra += [parts[0] - parts[1] - end, parts[0] - parts[1] - end + bias]
        met += [np.minimum(lo, 0).sum(axis=1), np.maximum(hi, 0).sum(axis=1), *parts, *swing, w.sum(axis=1)]
        met += [parts[0] - end for end in swing]
    reach = Interval.of_arrays(
        np.minimum(down, 0).sum(axis=1) + np.minimum.reduce(extra),
        np.maximum(up, 0).sum(axis=1) + np.maximum.reduce(extra),
    )
    output = accumulated(final, reach, accumulator)
    on_the_way = Interval(min(int(a.min()) for a in met), max(int(a.max()) for a in met))
    partial = Interval.join((passing(reach, accumulator, w.shape[1]), final.hull(), on_the_way))
    return Bounds((output,), partial, reach, final)


def product_bounds(
    taps: int, x: Interval, y: Interval, x_zero_point: int, y_zero_point: int, accumulator: Accumulator
) -> Bounds:
    """Exact bounds of sums of `taps` products whose operands are both known by their range only."""
    zx, zy = x_zero_point, y_zero_point
    centred = _mapped(x, 1, -zx), _mapped(y, 1, -zy)
    term = _product(*centred)
    final = _mapped(term, taps)
    zero = Interval(0, 0)
    met, extra = [x, y, *centred], zero
    if accumulator.zero_point is not ZeroPointPlace.SUBTRACT:
        term = _product(x, y)
        by_x, by_y = _mapped(x, taps * zy), _mapped(y, taps * zx)
        rest = _mapped(by_x, -1, taps * zx * zy)
        correction = Interval(rest.min - by_y.max, rest.max - by_y.min)
        extra = Interval.join((zero, correction))
        met += [_mapped(x, taps), _mapped(y, taps), by_x, by_y, rest, _mapped(zero, 1, taps * zx * zy)]
    every = Interval.join((zero, _mapped(term, taps)))
    reach = Interval(every.min + extra.min, every.max + extra.max)
    output = accumulated(final, reach, accumulator)
    partial = Interval.join((passing(reach, accumulator, taps), final, *met))
    return Bounds((output,), partial, reach, final)


def _mapped(x: Interval, factor: int, offset: int = 0) -> Interval:
    """The range of x * factor + offset."""
    ends = x.min * factor + offset, x.max * factor + offset
    return Interval(min(ends), max(ends))


def _product(x: Interval, y: Interval) -> Interval:
    """The range of the product of two independent values."""
    ends = [a * b for a in (x.min, x.max) for b in (y.min, y.max)]
    return Interval(min(ends), max(ends))


def accumulated(final: Interval, reach: Interval, accumulator: Accumulator) -> Interval:
    """What the outermost register can hold, given the exact final sum and every partial sum."""
    if cannot_overflow(reach, accumulator):
        return final
    if is_ring(accumulator):
        return final.fit(accumulator.format, accumulator.overflow)
    return Interval.of_format(accumulator.format)


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


def _roomy(w: Array, lo: Array, hi: Array, input_zero_point: int, zw: Array, bias: Array) -> type:
    """int64 where every sum of `dot_bounds` surely fits it, else object (Python ints)."""
    operand = max(-int(lo.min()), int(hi.max()), 0) + abs(input_zero_point)
    weight = max(-int(w.min()), int(w.max()), 0) + max(-int(zw.min()), int(zw.max()), 0)
    largest = 4 * w.shape[1] * operand * weight + 2 * max(-int(bias.min()), int(bias.max()), 0)
    return np.int64 if max(largest, operand, weight) < 2**62 else object
