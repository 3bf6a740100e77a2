"""Codes of blocks as integers: tables are looked up row by row.

Rules
-----
D1. An element is `significands * 2**exponents`. Where `plain`, a zero's exponent is `FAR`, and significands
    are odd, so that the smallest exponent of a row is that of its last place.
D2. The kind of a row is the largest of those of its elements and scales (`kernels.block_round`). What is not
    finite counts as zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels.block_wide import trailing
from intsim.kernels.jit import compiled

FAR = 1 << 20
"""The exponent of zeros: above every other (rule D1)."""

SIGNIFICAND, EXPONENT, KIND = range(3)
"""Rows of a table, int32 (4, codes); the last is whether a code is below zero, or minus zero."""


@compiled
def decode_rows(codes: Any, table: Any, significands: Any, exponents: Any, kinds: Any) -> None:
    """Elements of codes (rows, K), any unsigned dtype, into int32 (rows, K); kinds uint8 (rows) may rise."""
    special = np.int32(0)
    for code in range(table.shape[1]):
        special = max(special, table[KIND, code])
    for i in range(codes.shape[0]):
        for k in range(codes.shape[1]):
            code = codes[i, k]
            significands[i, k] = table[SIGNIFICAND, code]
            exponents[i, k] = table[EXPONENT, code]
        kind = np.int32(0)
        for k in range(codes.shape[1] if special else 0):
            kind = max(kind, table[KIND, codes[i, k]])
        kinds[i] = max(kinds[i], kind)


@compiled
def scale_rows(
    codes: Any, table: Any, size: int, plain: int, significands: Any, exponents: Any, kinds: Any
) -> None:
    """Multiply elements by scales inside a block, codes (rows, ceil(K / size))."""
    for i in range(codes.shape[0]):
        for block in range(codes.shape[1]):
            code = codes[i, block]
            factor, more = table[SIGNIFICAND, code], table[EXPONENT, code]
            kinds[i] = max(kinds[i], table[KIND, code])
            for k in range(block * size, min(block * size + size, significands.shape[1])):
                significands[i, k] = np.int32(significands[i, k] * factor)
                zero = plain and significands[i, k] == 0
                exponents[i, k] = np.int32(FAR) if zero else np.int32(exponents[i, k] + more)


@compiled
def plain_rows(significands: Any, exponents: Any) -> None:
    """Make int32 (rows, K) plain (rule D1)."""
    for i in range(significands.shape[0]):
        for k in range(significands.shape[1]):
            value = np.int64(significands[i, k])
            down = trailing(value)
            significands[i, k] = np.int32(value >> down) if value else np.int32(0)
            exponents[i, k] = np.int32(exponents[i, k] + down) if value else np.int32(FAR)
