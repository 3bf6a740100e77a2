"""Memory that a kernel works in, kept per thread: fresh pages cost more than many a kernel.

A kernel gets it for the time of one call and leaves whatever it likes in it.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from intsim.record import Array

LINE = 64
"""Every array begins at a multiple of this many bytes."""

Wanted = tuple[tuple[int, ...], "np.dtype[Any] | type[Any]"]
"""Shape and dtype."""


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of its own with any values that begins at a line: tiles across two lines load half as fast."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    cut: Array = memory[begin : begin + size].view(dtype)
    return cut.reshape(shape)


class _Held(threading.local):
    """One thread's memory, and the arrays cut from it so far."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)
        self.cut: dict[tuple[Wanted, ...], list[Array]] = {}


_held = _Held()


def scratch(*wanted: Wanted) -> list[Array]:
    """Arrays of these shapes and dtypes with any values, which the thread's next call may have again.

    Examples
    --------
    >>> [(array.shape, array.dtype) for array in scratch(((2, 3), np.int32))]
    [((2, 3), dtype('int32'))]
    """
    arrays = _held.cut.get(wanted)
    return _cut(wanted) if arrays is None else arrays


def _cut(wanted: tuple[Wanted, ...]) -> list[Array]:
    if _held.memory.size < room(wanted):
        _held.memory = np.empty(room(wanted), np.uint8)
        _held.cut.clear()
    _held.cut[wanted] = cut(wanted, _held.memory)
    return _held.cut[wanted]


def room(wanted: tuple[Wanted, ...]) -> int:
    """Bytes that hold these arrays, wherever they begin."""
    return sum(math.prod(shape) * np.dtype(dtype).itemsize + LINE for shape, dtype in wanted)


def cut(wanted: tuple[Wanted, ...], memory: Array) -> list[Array]:
    """Arrays of these shapes and dtypes from some bytes."""
    place, arrays = 0, []
    for shape, dtype in wanted:
        place += -(memory.ctypes.data + place) % LINE
        size = math.prod(shape) * np.dtype(dtype).itemsize
        arrays.append(memory[place : place + size].view(dtype).reshape(shape))
        place += size
    return arrays
