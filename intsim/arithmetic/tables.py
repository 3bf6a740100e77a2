"""Tables of codes: one entry per code, or fewer entries and a straight line between two of them."""

from __future__ import annotations

import numpy as np

from intsim.arithmetic.overflow import Overflow, fit
from intsim.arithmetic.rounding import Rounding, round_shift
from intsim.formats import Discrete, IntFormat
from intsim.record import Array


def table_size(bits: int, interpolation_bits: int) -> int:
    """How many entries a table for `bits`-bit codes has, of which some bits interpolate.

    Examples
    --------
    >>> table_size(8, 0), table_size(16, 7)
    (256, 513)
    """
    return (1 << (bits - interpolation_bits)) + (interpolation_bits > 0)


def look_up(entries: Array, place: Array, interpolation_bits: int, format: Discrete) -> Array:
    """Entries at places from 0 on, or on the line between two of them.

    With interpolation_bits k > 0: base = entries[place >> k], slope = the next entry - base, and the
    result is base + ((slope * (place mod 2**k) + 2**(k - 1)) >> k); slope and result wrap in `format`.

    Parameters
    ----------
    entries : int64 or object; the result's kind
    place : integers of the same kind, 0 to 2**bits - 1
    interpolation_bits : 0 or more
    format : of the entries; plain integers where they interpolate

    References
    ----------
    LiteRT 2.3.0, tflite/kernels/internal/common.h, LUTLookup (k = 7).

    Examples
    --------
    >>> look_up(np.array([0, 100, 90]), np.array([0, 1, 2, 3]), 1, IntFormat(8)).tolist()
    [0, 50, 100, 95]
    """
    at = place.astype(np.int64) >> interpolation_bits
    base = entries[at]
    if interpolation_bits == 0:
        return np.asarray(base)
    assert isinstance(format, IntFormat)
    slope = fit(entries[at + 1] - base, format, Overflow.WRAP)
    part = place & ((1 << interpolation_bits) - 1)
    step = round_shift(np.asarray(slope * part), interpolation_bits, Rounding.HALF_UP)
    return np.asarray(fit(base + step, format, Overflow.WRAP))
