"""The width that a range needs, by integer bit lengths: a float logarithm is wrong near powers of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.record import Array


def width(lo: int, hi: int, signed: bool = True) -> int | None:
    """The fewest bits of a format that holds `lo` to `hi`; None if it is unsigned and `lo` is negative.

    Examples
    --------
    >>> width(-128, 127), width(-129, 0), width(0, 255, signed=False), width(0, 0)
    (8, 9, 8, 1)
    """
    if signed:
        return 1 + max((~lo).bit_length() if lo < 0 else 0, hi.bit_length() if hi > 0 else 0)
    return None if lo < 0 else max(1, hi.bit_length())


def widths(lo: Any, hi: Any, signed: bool = True) -> Array:
    """`width` for arrays of ends, as an object array of ints and None."""
    lows, highs = np.broadcast_arrays(np.atleast_1d(lo), np.atleast_1d(hi))
    found = np.empty(lows.size, dtype=object)
    found[:] = [width(int(a), int(b), signed) for a, b in zip(lows.ravel(), highs.ravel(), strict=True)]
    return found
