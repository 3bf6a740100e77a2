"""`q4_k_dot`: ggml's q4_K times q8_K, whose eight lanes and minima no `BlockAccumulator` has.

Rules
-----
Q1. A super-block is 256 elements in 8 sub-blocks of 32, each with a 6-bit scale and a 6-bit minimum.
    Element i belongs to lane i modulo 8. A lane's integer is the sum of scale * q4 * q8 over its elements.
Q2. d is the product of both super-blocks' scales, in binary32. Every lane is a binary32 register: it adds
    d * (its integer, rounded to binary32), the product rounded before it is added.
Q3. The integer of the minima is the sum of minimum * q8 over all elements. Its product with dmin * (the
    scale of q8_K), all in binary32, is taken from one more register.
Q4. At the end, the lanes are added to that register one after another, lane 0 first.

Source: ggml, ggml-cpu/quants.c, ggml_vec_dot_q4_K_q8_K_generic, without contraction to fused operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic.blocks.exact_sum import zeros
from intsim.arithmetic.blocks.soft_float import FP32
from intsim.errors import InputError
from intsim.formats.blocks import Blocks
from intsim.formats.dyadic import Dyadic
from intsim.formats.exact import negate
from intsim.formats.minifloat import BINARY16, BINARY32
from intsim.formats.table import named
from intsim.record import Array

SUPER, SUB, LANES = 256, 32, 8


def q4_k_dot(weights: Blocks, codes: Array, scales: Array) -> Dyadic:
    """Dot products of rows of q4_K with rows of q8_K, in binary32 (rules Q1 to Q4).

    Parameters
    ----------
    weights : Blocks of the format q4_k, elements of shape (..., K)
    codes : integers from -128 to 127 of shape (..., K)
    scales : bits of binary32, integers of shape (..., K / 256)

    Returns
    -------
    Dyadic of the shape that the rows broadcast to; values of binary32.

    Raises
    ------
    InputError
        K is no multiple of 256, or the shapes or codes do not fit.
    """
    values = np.asarray(codes).astype(np.int64)
    length = values.shape[-1]
    if length % SUPER or weights.elements.shape[-1] != length:
        raise InputError(f"rows must be of one length, a multiple of {SUPER}, not {length}")
    if values.size and not -128 <= values.min() <= values.max() <= 127:
        raise InputError("codes must be -128 to 127")
    if weights.format != named("q4_k").format:
        raise InputError("weights must be of the format q4_k")
    weights.values()  # refuses codes and shapes that do not fit
    inner, outer = weights.levels
    lanes, minima = _integers(weights.elements, inner.scale, inner.offset, values)
    given = BINARY32.decode(scales)
    d, dmin = (
        FP32.multiply(BINARY16.decode(np.asarray(code)), given) for code in (outer.scale, outer.offset_scale)
    )
    held, total = zeros((*lanes.shape[:-2], LANES)), zeros(lanes.shape[:-2])
    for block in range(length // SUPER):
        whole = FP32.round(Dyadic.of_integers(lanes[..., block, :]))
        held = FP32.add(held, FP32.multiply(d[..., block, None], whole))
        taken = FP32.multiply(dmin[..., block], FP32.round(Dyadic.of_integers(minima[..., block])))
        total = FP32.add(total, negate(taken))
    for lane in range(LANES):
        total = FP32.add(total, held[..., lane])
    return total


def _integers(elements: Array, scales: Any, minima: Any, codes: Array) -> tuple[Array, Array]:
    """The lanes' integers, (..., super-blocks, 8), and those of the minima, (..., super-blocks)."""
    shape = (-1, SUPER // SUB, SUB // LANES, LANES)
    products = np.asarray(elements).astype(np.int64) * codes
    products = products.reshape(*products.shape[:-1], *shape)
    sub = (-1, SUPER // SUB)
    by_sub = np.asarray(scales).astype(np.int64).reshape(*np.shape(scales)[:-1], *sub)
    least = np.asarray(minima).astype(np.int64).reshape(*np.shape(minima)[:-1], *sub)
    lanes = (products.sum(axis=-2) * by_sub[..., None]).sum(axis=-2)
    sums = codes.reshape(*codes.shape[:-1], -1, SUPER // SUB, SUB).sum(axis=-1)
    return lanes, (sums * least).sum(axis=-1)
