"""Overflow: what a register does with a value that does not fit. The one room in which intsim narrows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.record import Record, field

Integers = Any  # a Python int, or an int64 or object (Python int) array


class Overflow(Enum):
    """What a register does with a value that does not fit."""

    WRAP = "keep the low bits"
    SATURATE = "keep the nearest value of the format"
    TRAP = "stop with an error that names the place"

    def __repr__(self) -> str:
        return f"Overflow.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Register(Record):
    """A register: the format it holds, and what it does with a value that does not fit."""

    format: IntFormat = field("width and signedness")
    overflow: Overflow = field("wrap, saturate or trap", default=Overflow.WRAP)

    def __str__(self) -> str:
        return f"{self.format} {self.overflow.name.lower()}"


def fit(value: Integers, format: IntFormat, overflow: Overflow) -> Integers:
    """What a register of `format` holds after `value` is written into it.

    Parameters
    ----------
    value : int64 or object array, or a Python int
    format : IntFormat
    overflow : Overflow

    Returns
    -------
    Integers of the kind of `value`, all in `format`.

    Raises
    ------
    OverflowTrap
        TRAP, and some value does not fit; the first such index is named.

    Examples
    --------
    >>> fit(147, IntFormat(8), Overflow.WRAP), fit(147, IntFormat(8), Overflow.SATURATE)
    (-109, 127)
    """
    if overflow is Overflow.WRAP:
        return wrap(value, format)
    if overflow is Overflow.SATURATE:
        return saturate(value, format)
    trap(value, format)
    return value


def wrap(value: Integers, format: IntFormat) -> Integers:
    """Keep the low bits, read as two's complement where the format is signed."""
    narrow = isinstance(value, np.ndarray) and value.dtype != object
    if narrow and format.bits == 64:
        if format.signed or not (value < 0).any():
            return value
        return wrap(value.astype(object), format)  # 2**63 and more have no place in int64
    mask = (1 << format.bits) - 1
    low = value & mask
    if not format.signed:
        return low
    sign = 1 << (format.bits - 1)
    return (low ^ sign) - sign


def saturate(value: Integers, format: IntFormat) -> Integers:
    """The nearest value of the format."""
    if not isinstance(value, np.ndarray):
        return min(max(value, format.min), format.max)
    if value.dtype == object:
        return np.minimum(np.maximum(value, format.min), format.max)
    limits = np.iinfo(value.dtype)
    return np.clip(value, max(format.min, int(limits.min)), min(format.max, int(limits.max)))


def trap(value: Integers, format: IntFormat) -> None:
    """Raise OverflowTrap where a value does not fit."""
    array = np.asarray(value)
    outside = format.outside(array)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0]) if array.ndim else ()
        raise OverflowTrap(
            f"register must hold {format} ({format.min} to {format.max}), not {int(array[index])}"
            f" at {index}: {int(outside.sum())} of {array.size} values do not fit"
        )
