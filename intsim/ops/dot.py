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
    w : int64 weights, one row of taps per channel
    x : range of every tap
    input_zero_point, weight_zero_point, bias : one weight_zero_point and bias per channel
    skippable : some sums may lack some taps (rule S2), so a tap may also hold zx

    Notes
    -----
    A tap's term lies between its products with the ends of `x`; sums of those ends are attained by the
    input that takes the matching end at every tap. `partial` covers every order, tile and tree: any
    subset of the terms, with start value and corrections in or out.
    """
    lo, hi = x.min, x.max
    if skippable:
        lo, hi = min(lo, input_zero_point), max(hi, input_zero_point)
    exact = w.astype(object)
    zw = np.asarray(weight_zero_point).astype(object)
    bias = np.asarray(bias).astype(object)
    centred = exact - zw[:, None]
    down, up = _ends(centred, lo - input_zero_point, hi - input_zero_point)
    final = Interval.of_arrays(down.sum(axis=1) + bias, up.sum(axis=1) + bias)
    terms = [(down, up)]
    extra = [np.zeros_like(bias), bias]
    if accumulator.zero_point is not ZeroPointPlace.SUBTRACT:
        terms = [_ends(exact, lo, hi)]
        constant = w.shape[1] * input_zero_point * zw - input_zero_point * exact.sum(axis=1)
        swing = _ends(-zw[:, None], w.shape[1] * lo, w.shape[1] * hi)
        for end in swing:
            extra += [constant + end[:, 0], constant + end[:, 0] + bias]
    below = sum(np.minimum(ends[0], 0).sum(axis=1) for ends in terms)
    above = sum(np.maximum(ends[1], 0).sum(axis=1) for ends in terms)
    reach = Interval.of_arrays(below + np.minimum.reduce(extra), above + np.maximum.reduce(extra))
    if cannot_overflow(reach, accumulator):
        output = final
    elif _is_ring(accumulator):
        output = final.fit(accumulator.format, accumulator.overflow)
    else:
        output = Interval.of_format(accumulator.format)
    sums_of_x = Interval(min(lo, w.shape[1] * lo), max(hi, w.shape[1] * hi))
    weights = Interval(int(exact.min()), int(exact.max()))
    partial = Interval.join((reach.hull(), final.hull(), output.hull(), sums_of_x, weights))
    return Bounds((output,), partial, reach, final)


def cannot_overflow(reach: Interval, accumulator: Accumulator) -> bool:
    """Whether no register on any level can overflow, whatever the order."""
    return all(reach.within(level.format) for level in accumulator.levels())


def _is_ring(accumulator: Accumulator) -> bool:
    """Whether the value equals the exact sum, reduced once: WRAP in every register, none narrower inside."""
    levels = accumulator.levels()
    return all(
        level.overflow.name == "WRAP" and level.format.bits >= accumulator.format.bits for level in levels
    )


def _ends(w: Array, lo: int, hi: int) -> tuple[Array, Array]:
    """The smallest and the largest product of each weight with a value from lo to hi."""
    return np.minimum(w * lo, w * hi), np.maximum(w * lo, w * hi)
