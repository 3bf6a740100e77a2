"""Reals to codes and codes to reals, element by element, at the doors of a network.

Flat arrays; elements that follow one another in runs of `inner` share a scale and a zero point.
"""

from __future__ import annotations

from typing import Any

from intsim.kernels.jit import compiled


@compiled
def quantized(
    x: Any, scale: Any, zero: Any, inner: int, low: int, high: int, magic: Any, away: int, divide: int,
    begin: int, end: int, out: Any,
) -> int:  # fmt: skip
    """Elements begin to end of `out`; how many of them are not a number.

    x, scale, magic : of one float type; scale is 1 / scale where it multiplies
    zero : int64, as many as scale
    low, high : of the codes
    magic : 1.5 times the power of two from which on a float has no fraction: added and taken off, it rounds
        half to even what is within a third of it, as the codes less any zero point must be
    away : 1 where ties go away from zero, else they go to even
    divide : 1, or 0 to multiply
    """
    wrong, at, real = 0, begin, x.dtype.type
    while at < end:
        stop = min(end, (at // inner + 1) * inner)
        place = (at // inner) % scale.size
        offset = zero[place]
        limits = real(low - offset), real(high - offset)
        wrong += run(x[at:stop], scale[place], limits, magic, real(away), divide, offset, out[at:stop])
        at = stop
    return wrong


@compiled
def run(x: Any, scale: Any, limits: Any, magic: Any, away: Any, divide: int, offset: int, out: Any) -> int:
    """Elements of one scale and zero point."""
    wrong, keep = 0, out.dtype.type
    least, most = limits
    half, none = x.dtype.type(0.5), x.dtype.type(0)
    for k in range(x.size):
        wrong += x[k] != x[k]
        y = x[k] / scale if divide else x[k] * scale
        y = y if y >= least else least  # what is not a number too
        y = y if y <= most else most
        whole = (y + magic) - magic
        rest = y - whole  # exact
        up = away if rest == half and y > none else none
        down = away if rest == -half and y < none else none
        out[k] = keep(int(whole + up - down) + offset)
    return wrong


@compiled
def dequantized(x: Any, scale: Any, zero: Any, inner: int, begin: int, end: int, out: Any) -> None:
    """Elements begin to end of `out`; scale is float64, which holds float32."""
    at, keep = begin, out.dtype.type
    while at < end:
        stop = min(end, (at // inner + 1) * inner)
        place = (at // inner) % scale.size
        factor, offset = scale[place], zero[place]
        codes, to = x[at:stop], out[at:stop]
        for k in range(codes.size):
            to[k] = keep(float(int(codes[k]) - offset) * factor)
        at = stop
