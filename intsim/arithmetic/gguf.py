"""GGUF's quantization and dequantization, as ggml's generic code does them in float32: to the last bit.

Rules
-----
G1. Every float32 step is the exact result rounded to nearest even, by integers (rule Q4 of `quotient`).
G2. Q8_0: d = a / 127 of the largest magnitude a, r = 1 / d (0 where d is 0); an element is x * r, rounded
    with ties away from zero.
G3. Q4_0: d = a / -8 of the first value a of the largest magnitude, with its sign; r as above; an element is
    x * r + 8.5, cut to an integer, at most 15. A block of zeros has the scale -0 where its first zero is +0.
G4. TQ1_0 and TQ2_0: d = a; an element is x * r, rounded with ties away from zero.
G5. The scale that is kept is d rounded to float16, nearest even; elements were made with the d before that.
    A d beyond float16 is kept as infinity.
G6. Values that are not finite are refused, and so are blocks whose 1 / d is beyond float32: what ggml makes
    of those depends on the machine.
G7. Reading is exact, rounded once to float32: no step of ggml's but the last one of Q4_K rounds.
G8. Q4_K's scales are found by a search that ggml states in float code only: blocks of it are read and written
    as bytes, and elements are made under scales that are given (`encode_elements`).
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from intsim.arithmetic.encode import Beyond, encode, exact, round_to
from intsim.arithmetic.quotient import divide_in, multiply_in, subtract_in
from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import scaled_round
from intsim.errors import InputError, SpecError
from intsim.formats.block import BlockFormat
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.minifloat import BINARY16, BINARY32
from intsim.formats.table import FORMATS
from intsim.record import Array

_DIVISORS = {"q8_0": 127, "q4_0": -8, "tq1_0": 1, "tq2_0": 1}


def quantize_gguf(name: str, values: Any) -> Blocks:
    """float32 values as blocks of GGUF (rules G1 to G6).

    Parameters
    ----------
    name : q8_0, q4_0, tq1_0 or tq2_0
    values : float32 array whose last axis is a whole number of blocks

    Raises
    ------
    InputError
        The values are no such array, or are refused by rule G6.
    SpecError
        The name is none of these.

    Examples
    --------
    >>> blocks = quantize_gguf("tq2_0", np.repeat(np.float32([0, 2, -1, 0.5]), 64))
    >>> np.unique(blocks.values().floats()).tolist()
    [-2.0, 0.0, 2.0]
    """
    if name not in _DIVISORS:
        raise SpecError(f"format must be one of {', '.join(_DIVISORS)}, not {name!r}")
    format = cast(BlockFormat, FORMATS[name].format)
    given = _in_blocks(np.asarray(values), format.block)
    largest = _first_largest(given)
    if name != "q4_0":
        largest = largest.magnitude()
    scale = divide_in(BINARY32, largest, Dyadic.of_integers([_DIVISORS[name]]))
    products = multiply_in(BINARY32, given, _inverse(scale))
    if name == "q4_0":
        sums = subtract_in(BINARY32, products, Dyadic.of_integers([-17], exponent=-1))
        codes = np.minimum(scaled_round(sums, 0, Rounding.TOWARD_ZERO), 15)
    else:
        codes = encode(format.element, products, Rounding.HALF_AWAY)
    kept = encode(BINARY16, scale, beyond=Beyond.SPECIAL)
    return Blocks(format, codes.reshape(np.shape(values)), (Shared(kept[..., 0]),))


def dequantize_gguf(blocks: Blocks) -> Dyadic:
    """The float32 values of blocks (rule G7)."""
    return round_to(BINARY32, blocks.values())


def _in_blocks(values: Array, size: int) -> Dyadic:
    if values.dtype != np.float32 or values.ndim == 0 or values.shape[-1] % size or not values.size:
        raise InputError(f"values must be float32, {size} to a block, not {values.dtype} {values.shape}")
    given = exact(values)
    if not given.finite.all():
        raise InputError(f"values must be finite, not {given.shown(~given.finite)}")
    return given.each(lambda array: array.reshape(*values.shape[:-1], -1, size))


def _first_largest(blocks: Dyadic) -> Dyadic:
    """The first value of the largest magnitude in each block; the last axis stays, of length 1."""
    order = encode(BINARY32, blocks.magnitude())  # codes of positive floats are in the order of their values
    place = order.argmax(axis=-1, keepdims=True)
    return blocks.each(lambda array: np.take_along_axis(array, place, axis=-1))


def _inverse(scale: Dyadic) -> Dyadic:
    """1 / d in float32, 0 where d is 0 (rules G2 and G6)."""
    inverse = divide_in(BINARY32, Dyadic.of_integers([1]), scale)
    beyond = (inverse.kind == Kind.INFINITE) & ~scale.zero
    if beyond.any():
        raise InputError(f"1 / d must be within float32, and is not for d = {scale.shown(beyond)}")
    return Dyadic(inverse.negative & ~scale.zero, inverse.significand, inverse.exponent, 0 * inverse.kind)
