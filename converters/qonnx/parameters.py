"""Parameters that broadcast to a tensor of the file: one value, or several along some of its axes.

An array of parameters has the tensor's rank, and size 1 along every axis on which it does not depend. So a
value per channel stays one through transpositions and reshapes, and where it ends is seen from its shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Move = Callable[[Array], Array]


def one(value: Any, rank: int, dtype: Any) -> Array:
    """The same value for all elements."""
    return np.full((1,) * rank, value, dtype)


def fitted(values: Array, shape: Shape) -> Array | None:
    """Values that numpy broadcasts to a shape, with its rank; None where they do not fit."""
    if values.ndim > len(shape):
        return None
    wide = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    fits = all(a in (1, b) for a, b in zip(wide.shape, shape, strict=True))
    return compact(wide) if fits else None


def compact(values: Array) -> Array:
    """The same with size 1 along every axis along which all are equal."""
    for axis in range(values.ndim):
        first = values.take([0], axis)
        if values.shape[axis] > 1 and np.array_equal(np.broadcast_to(first, values.shape), values):
            values = first
    return np.ascontiguousarray(values)


def moved(values: Array, shape: Shape, move: Move, rank: int) -> Array:
    """What becomes of parameters when the tensor of a shape that they belong to is moved.

    rank : of the result
    """
    if values.size == 1:
        return values.reshape((1,) * rank)
    return compact(move(np.broadcast_to(values, shape)))


def axes(arrays: Iterable[Array]) -> list[int]:
    """The axes along which any of some parameters differ."""
    return sorted({axis for array in arrays for axis, size in enumerate(array.shape) if size > 1})
