"""Where a function that never falls reaches what is wanted: found by bisection, for all wanted at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def least(below: Array, reached: Array, holds: Callable[[Array], Array]) -> Array:
    """Element by element the least integer for which `holds`.

    Parameters
    ----------
    below : int64 array, integers for which it does not hold; they are not asked for
    reached : int64 array, larger integers for which it does; they are not asked for
    holds : from integers, of that shape, to bool; once True it stays so as its integer grows. It is given
        `below` where an element is found already, and its answer there is not read.

    Examples
    --------
    >>> least(np.array([0, 0]), np.array([100, 100]), lambda n: n * n >= np.array([50, 7])).tolist()
    [8, 3]
    """
    while True:
        open_ = reached - below > 1
        if not open_.any():
            return reached
        middle = np.where(open_, below + (reached - below) // 2, below)
        up = open_ & holds(middle)
        reached, below = np.where(up, middle, reached), np.where(open_ & ~up, middle, below)
