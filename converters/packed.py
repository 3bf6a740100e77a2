"""Elements of fewer than 8 bits, as files of several frameworks pack them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def unpack(packed: Array, bits: int, count: int, signed: bool) -> Array:
    """Elements of 2 or 4 bits, the first in the lowest bits of the first byte.

    Examples
    --------
    >>> unpack(np.array([0xE1, 0x03], np.uint8), 4, 3, signed=True).tolist()
    [1, -2, 3]
    """
    places = np.arange(0, 8, bits, dtype=np.uint8)
    fields = ((packed[:, None] >> places) & np.uint8((1 << bits) - 1)).reshape(-1)[:count]
    if not signed:
        return fields
    sign = np.uint8(1 << (bits - 1))
    return ((fields ^ sign).astype(np.int8) - np.int8(sign)).astype(np.int8)
