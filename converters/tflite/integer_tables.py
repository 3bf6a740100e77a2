"""Tables filled in integers: logistic and tanh of int16, and of int8 in TensorFlow Lite Micro; 1 / sqrt.

References
----------
LiteRT 2.3.0: tflite/kernels/internal/reference/integer_ops/{logistic,tanh}.h (int16),
internal/common.h (sigmoid_table_uint16), elementwise.cc (RsqrtEvalQuantizedInt8); TensorFlow Lite Micro:
micro/kernels/{logistic,tanh}_common.cc, internal/reference/integer_ops/{logistic,tanh}.h (int8).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Rounding, fixed_point, round_shift
from intsim.arithmetic.dialects import quantize_multiplier

Array = np.ndarray[Any, Any]
_ENTRIES = 256


@functools.cache
def logistic_entries() -> Array:
    """logistic(i / 24) * 2**16, each lowered by half the error that the line to the next has midway.

    The last one is 2**16 - 1.
    """

    def logistic(place: float) -> float:
        return 2**16 / (1 + math.exp(-place / 24))

    entries = []
    for i in range(_ENTRIES - 1):
        line = (logistic(i) + logistic(i + 1)) / 2
        entries.append(math.floor(logistic(i) - (line - logistic(i + 0.5)) / 2 + 0.5))
    return np.array([*entries, 2**16 - 1], np.int64)


def _steps(codes: Array, multiplier: int, shift: int) -> Array:
    """codes * multiplier / 2**shift, ties up."""
    half = 1 << (shift - 1) if shift > 0 else 0
    return (codes * multiplier + half) >> shift


def _line(place: Array, bits: int, top: int) -> Array:
    """Entries for magnitudes of which `bits` interpolate, times 2**bits; `top` from the last one on."""
    entries = logistic_entries()
    at = np.minimum(place >> bits, _ENTRIES - 2)
    part = place & ((1 << bits) - 1)
    value = (entries[at] << bits) + part * (entries[at + 1] - entries[at])
    return np.where(place >> bits >= _ENTRIES - 1, top, value)


def logistic16(codes: Array, multiplier: int, shift: int) -> Array:
    """logistic of int16 codes in Q0.15: magnitudes in steps of 1 / (24 * 2**9)."""
    place = _steps(codes, multiplier, shift)
    upper = _line(np.abs(place), 9, 0x7FFF << 10)
    half = 1 << 9
    return np.where(place >= 0, upper + half, (1 << 25) - upper + half - 1) >> 10


def tanh16(codes: Array, multiplier: int, shift: int) -> Array:
    """tanh of int16 codes in Q0.15, as 2 * logistic(2 x) - 1: magnitudes in steps of 1 / (48 * 2**8)."""
    place = _steps(codes, multiplier, shift)
    upper = _line(np.abs(place), 8, 0xFFFF << 8)
    half = 1 << 7
    return np.where(place >= 0, upper - (1 << 23) + half, -upper + (1 << 23) + half - 1) >> 8


def logistic8(values: Array, scale: float, op: Lowering) -> Array:
    """logistic of codes less their zero point, to int8 with scale 1/256 and zero point -128."""
    return _fixed_point8(values, scale, op, fixed_point.logistic, bits=8, offset=-128)


def tanh8(values: Array, scale: float, op: Lowering) -> Array:
    """tanh of codes less their zero point, to int8 with scale 1/128 and zero point 0."""
    return _fixed_point8(values, scale, op, fixed_point.tanh, bits=7, offset=0)


def _fixed_point8(values: Array, scale: float, op: Lowering, function: Any, bits: int, offset: int) -> Array:
    """Inside a radius of 15, the function of the value in Q4.27, to `bits` fraction bits half away."""
    multiplier, shift = quantize_multiplier(scale * 2.0**27)
    op.require(
        0 <= shift <= 30, f"input's scale must be in reach of Q4.27, not {scale:.9g}: the runtime stops there"
    )
    radius = math.floor(15 * 2.0**27 / 2.0**shift)
    inside = (values > -radius) & (values < radius)
    place = fixed_point.multiply_by_multiplier(np.where(inside, values, 0), multiplier, shift)
    codes = round_shift(function(place, 4), 31 - bits, Rounding.HALF_AWAY) + offset
    return np.where(inside, np.clip(codes, -128, 127), np.where(values < 0, -128, 127))


def rsqrt(ratio: float, most: int, y: TensorView, single_rounding: bool) -> Array:
    """1 / sqrt of values 0 to `most` times a ratio, in codes of `y`; the largest code for 0."""
    multiplier, shift = quantize_multiplier(ratio, single_rounding)
    values = np.arange(most + 1)
    inverse, right = fixed_point.inverse_square_root(values)
    fine = fixed_point.multiply_by_multiplier(np.ones_like(values), inverse, 20 - right, single_rounding)
    codes = fixed_point.multiply_by_multiplier(fine, multiplier, shift - 20, single_rounding) + y.zero_point
    return np.where(values == 0, y.format.max, np.clip(codes, y.format.min, y.format.max))
