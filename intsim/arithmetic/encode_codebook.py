"""Writing codebooks: rule E8 of `encode`."""

from __future__ import annotations

import numpy as np

from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import Beyond, refuse_nan, scaled_round
from intsim.errors import InputError, SpecError
from intsim.formats.codebook import Codebook
from intsim.formats.dyadic import Dyadic
from intsim.record import Array


def encode_codebook(format: Codebook, values: Dyadic, rounding: Rounding, beyond: Beyond) -> Array:
    if rounding is Rounding.STOCHASTIC:
        raise SpecError("rounding must not be STOCHASTIC to a codebook")
    refuse_nan(values)
    order = np.argsort(format.values)
    points = format.values[order]
    # Twice the values, so that middles are integers; below a half only whether there is something matters.
    limit = 4 * int(np.abs(points).max()) + 4
    whole = scaled_round(values, format.exponent - 1, Rounding.FLOOR)
    ceil = scaled_round(values, format.exponent - 1, Rounding.CEIL)
    infinite = np.where(values.negative, -limit, limit)
    whole, ceil = (
        np.where(values.finite, np.minimum(np.maximum(end, -limit), limit), infinite).astype(np.int64)
        for end in (whole, ceil)
    )
    outside = (ceil > 2 * points[-1]) | (whole < 2 * points[0])
    if beyond is not Beyond.SATURATE and outside.any():
        raise InputError(f"values must be within the format, not {values.shown(outside)}")
    # The neighbours: the last point that is not above, and the next one.
    last = len(points) - 1
    lower = np.minimum(np.maximum(np.searchsorted(2 * points, whole, side="right") - 1, 0), last)
    upper = np.where((2 * points[lower] >= ceil) | (lower == last), lower, lower + 1)
    upper = np.where(whole < 2 * points[0], lower, upper)
    middle = points[lower] + points[upper]
    tie = (whole == middle) & (ceil == middle)
    goes_up = (whole >= middle) & ~tie & (lower != upper)
    goes_up = goes_up | (tie & _tie_goes_up(format, order, points, lower, upper, rounding))
    if rounding in _DIRECTED:
        toward_zero = np.abs(points[upper]) < np.abs(points[lower])
        goes_up = {
            Rounding.FLOOR: np.zeros(values.shape, bool),
            Rounding.CEIL: np.ones(values.shape, bool),
            Rounding.TOWARD_ZERO: toward_zero,
            Rounding.AWAY_FROM_ZERO: ~toward_zero,
        }[rounding]
    return np.asarray(order[np.where(goes_up, upper, lower)], dtype=np.int64)


_DIRECTED = (Rounding.FLOOR, Rounding.CEIL, Rounding.TOWARD_ZERO, Rounding.AWAY_FROM_ZERO)


def _tie_goes_up(
    format: Codebook, order: Array, points: Array, lower: Array, upper: Array, rounding: Rounding
) -> Array:
    nearer_zero = np.abs(points[upper]) < np.abs(points[lower])
    even = order[upper] % 2 == 0
    return np.asarray(
        {
            Rounding.HALF_UP: np.ones(lower.shape, bool),
            Rounding.HALF_DOWN: np.zeros(lower.shape, bool),
            Rounding.HALF_TOWARD_ZERO: nearer_zero,
            Rounding.HALF_AWAY: ~nearer_zero,
            Rounding.HALF_EVEN: even,
            Rounding.HALF_ODD: ~even,
        }.get(rounding, np.zeros(lower.shape, bool))
    )
