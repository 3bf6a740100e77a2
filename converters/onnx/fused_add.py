"""ONNX Runtime's float32 sum of two scaled codes, as its AVX2 kernel computes it.

Rules (F)
---------
F1. With ra = sa / sc and rb = sb / sc in float32, fixed = zc - fma(ra, za, rb * zb).
F2. The result is fma(a, ra, fma(b, rb, fixed)), half to even, saturated: the zero point is in before
    rounding.
F3. Where the kernel's inner loop meets one element of a and several of b, or one of each, a and b change
    roles.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/intrinsics/avx2/qladd_avx2.cpp. How the compiler contracts the
expression of F1 was found by all 65536 pairs of codes for 80 sets of scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.values import Meaning


def fma(a: Any, b: Any, c: Any) -> Array:
    """a * b + c of float32, rounded once.

    The product is exact in float64; its sum with c is rounded to odd there, which leaves room for one right
    rounding to float32.

    Examples
    --------
    >>> float(fma(np.float32(3), np.float32(0.5), np.float32(0.25)))
    1.75
    """
    product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
    addend = np.asarray(c, np.float64)
    total = np.asarray(product + addend)
    back = total - product
    error = (product - (total - back)) + (addend - back)  # what the rounding of the sum lost
    even = (total.view(np.int64) & 1) == 0
    toward = np.where(error > 0, np.inf, -np.inf)
    odd = np.where((error != 0) & even, np.nextafter(total, toward), total)
    return odd.astype(np.float32)


def parameters(meanings: tuple[Meaning, Meaning, Meaning], swapped: bool) -> tuple[Any, Any, Any]:
    """ra, rb and fixed of rule F1, float32, of the operands as they are given: F3 is undone."""
    first, second, y = meanings
    if swapped:
        first, second = second, first
    ra, rb = (np.float32(entry.scale[0]) / np.float32(y.scale[0]) for entry in (first, second))
    za, zb, zc = (np.float32(entry.zero_point[0]) for entry in (first, second, y))
    fixed = zc - fma(ra, za, rb * zb)
    return (rb, ra, fixed) if swapped else (ra, rb, fixed)


def scaled_sum(a: Array, b: Array, meanings: tuple[Meaning, Meaning, Meaning], swapped: bool) -> Array:
    """The codes of the sum, for codes a and b (rules F1 to F3)."""
    ra, rb, fixed = parameters(meanings, swapped)
    y = meanings[2]
    if swapped:
        a, b, ra, rb = b, a, rb, ra
    real = fma(a.astype(np.float32), ra, fma(b.astype(np.float32), rb, fixed))
    limited = np.clip(np.rint(real.astype(np.float64)), y.lowest, y.highest)
    return limited.astype(np.int64)
