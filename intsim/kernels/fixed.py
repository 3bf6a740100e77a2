"""The usual requantization, mostly in int32: add, multiply, two rounding right shifts, add, limit.

The arithmetic is that of `kernels.steps` (rules P1 and P2). Only the product and the first shift are
int64; the caller proves that all else fits int32. The loops are kept apart because each is then one
that vectors take. Stages that a requantization does not have are neutral.

`scalars` are int64 and `integers` int32, as wide as a row of values; their places are named below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.jit import compiled

BEFORE, BITS, BELOW, ABOVE, AFTER, LOW, HIGH = range(7)
FACTOR, MORE_BITS, MORE_BELOW, MORE_ABOVE = range(4)


@compiled
def fixed_rows(x: Any, scalars: Any, integers: Any, begin: int, end: int, out: Any) -> None:
    """out[e] for e from row begin to row end; x and out are flat."""
    width = integers.shape[1]
    lane, wide, keep = np.int32, np.int64, out.dtype.type
    before, bits, below, above = lane(scalars[BEFORE]), scalars[BITS], scalars[BELOW], scalars[ABOVE]
    after, low, high = lane(scalars[AFTER]), lane(scalars[LOW]), lane(scalars[HIGH])
    factor, more_bits = integers[FACTOR], integers[MORE_BITS]
    more_below, more_above = integers[MORE_BELOW], integers[MORE_ABOVE]
    held = np.empty(width, np.int32)
    for row in range(begin, end):
        first = row * width
        count = min(width, x.size - first)
        values, codes = x[first : first + count], out[first : first + count]
        for k in range(count):
            product = wide(lane(lane(values[k]) + before)) * wide(factor[k])
            held[k] = lane((product + (below if product < 0 else above)) >> bits)
        for k in range(count):
            value = held[k]
            value = lane(lane(value + (more_below[k] if value < 0 else more_above[k])) >> more_bits[k])
            held[k] = min(max(lane(value + after), low), high)
        for k in range(count):
            codes[k] = keep(held[k])
