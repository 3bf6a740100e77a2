"""Codes: what is kept of values of low-bit formats, nonnegative integers of a few bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.errors import InputError
from intsim.record import Array


def check_codes(codes: Any, bits: int) -> Array:
    """`codes` as an array, if all of them are integers from 0 to ``2**bits - 1``.

    Raises
    ------
    InputError
        Naming the first that is not.
    """
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        if array.size or array.dtype.kind not in "fO":
            raise InputError(f"codes must be integers, not {array.dtype}")
        array = array.astype(np.int64)
    wrong = array < 0
    if bits < 64 and array.dtype.itemsize * 8 > bits:
        wrong = wrong | (array >= (1 << bits) if bits < 63 or array.dtype.kind == "u" else wrong)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f" at {place}" if place else ""
        raise InputError(f"codes must be 0 to {(1 << bits) - 1}, not {int(array[place])}{where}")
    return array


def fill(codes: Array, group: int, pad: int = 0) -> Array:
    """Codes, filled up along the last axis to whole groups."""
    missing = -codes.shape[-1] % group
    return np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, missing)], constant_values=pad)
