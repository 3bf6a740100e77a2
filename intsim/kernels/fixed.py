"""The usual requantization in one pass: add, multiply, two rounding right shifts, add, limit.

The arithmetic is that of `kernels.steps` (rules P1 and P2); stages that a requantization does not have
are neutral. Rows of parameters are named below, each as wide as a row of values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled

BEFORE, FACTOR, BITS, BELOW, ABOVE, MORE_BITS, MORE_BELOW, MORE_ABOVE, AFTER, LOW, HIGH = range(11)


@compiled
def fixed_rows(x: Any, parameters: Any, begin: int, end: int, out: Any) -> None:
    """out[e] for e from row begin to row end; x and out are flat, parameters (11, width) int64."""
    width = parameters.shape[1]
    keep = out.dtype.type
    for row in range(begin, end):
        first = row * width
        count = min(width, x.size - first)
        for k in range(count):
            value = (np.int64(x[first + k]) + parameters[BEFORE, k]) * parameters[FACTOR, k]
            added = parameters[BELOW, k] if value < 0 else parameters[ABOVE, k]
            value = (value + added) >> parameters[BITS, k]
            added = parameters[MORE_BELOW, k] if value < 0 else parameters[MORE_ABOVE, k]
            value = (value + added) >> parameters[MORE_BITS, k]
            value = min(max(value + parameters[AFTER, k], parameters[LOW, k]), parameters[HIGH, k])
            out[first + k] = keep(value)
