"""Tables that LiteRT fills with float32 functions when it loads a model: 256 entries, or 513 for int16.

References
----------
LiteRT 2.3.0: tflite/kernels/internal/common.h (LUTPopulateInt8, LUTPopulateInt16), activations.cc,
elementwise.cc, exp.cc, internal/reference/gelu.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from intsim_converters.tflite.libm import Array, c_function
from intsim_converters.tflite.tensors import TensorView

Function = Callable[[Array], Array]
_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)


class OutOfReach(ValueError):  # noqa: N818 - an event
    """An entry has no defined value: the runtime's result would depend on the machine."""


def _round_away(values: Array) -> Array:
    """C's round: to the nearest integer, ties away from zero; infinities and NaN stay."""
    magnitude = np.abs(values)
    whole = np.floor(magnitude)
    with np.errstate(invalid="ignore"):
        whole = np.where(magnitude - whole >= 0.5, whole + values.dtype.type(1), whole)
    return np.asarray(np.copysign(whole, values), dtype=values.dtype)


def direct_table(function: Function, x: TensorView, y: TensorView, sum_half_even: bool = False) -> Array:
    """One entry for every code of an 8-bit `x`, in codes of `y`, from the smallest code on.

    Every step is float32: dequantize, the function, times 1 / scale, round half away, plus zero point.
    sum_half_even : XNNPACK's way: plus zero point, then round half to even

    Raises
    ------
    OutOfReach
        An entry is NaN or beyond int32 before the limits.
    """
    low, high = x.format.min, x.format.max
    codes = (np.arange(low, high + 1) - x.zero_point).astype(np.float32)
    zero_point = np.float32(y.zero_point)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        scaled = function(np.float32(x.scale) * codes) * (_ONE / np.float32(y.scale))
        scaled = np.rint(scaled + zero_point) if sum_half_even else _round_away(scaled) + zero_point
    _check(scaled, np.abs(scaled) < 2.0**31, low)
    return np.clip(scaled, y.format.min, y.format.max).astype(np.int64)


def interpolated_table(
    function: Function, input: tuple[Any, int], output: tuple[Any, int], dtype: Any = np.float32
) -> Array:
    """513 entries for int16 codes; see `table_between`.

    Parameters
    ----------
    function : of arrays of `dtype`
    input, output : scale and zero point; the output's zero point only sets the table's reach
    dtype : every step is in it
    """
    real = np.dtype(dtype).type
    (x_scale, x_zero), (y_scale, y_zero) = input, output
    first, last = (real(x_scale) * real(end - x_zero) for end in (-32768, 32767))
    bottom, top = (real(y_scale) * real(end - y_zero) for end in (-32768, 32767))
    return table_between(function, (first, last), (bottom, top))


def table_between(function: Function, reach: tuple[Any, Any], output: tuple[Any, Any]) -> Array:
    """513 entries of a function from one real to another, each moved by half the error midway to the next.

    reach, output : the reals that the first and the last code stand for; their type is the arithmetic's

    Raises
    ------
    OutOfReach
        An entry is NaN.
    """
    (first, last), (bottom, top) = reach, output
    real = type(first)
    step = (last - first) / real(512)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        inverse = real(65536) / (top - bottom)
        starts = first + np.arange(513, dtype=real) * step
        values = function(starts) * inverse
        middles = _round_away(function(starts[:-1] + step / real(2)) * inverse)
        samples = _round_away(values[:-1])
        lines = _round_away((values[1:] + samples) / real(2))
        biased = samples - _round_away((lines - middles) / real(2))
        end = _round_away(function(np.array([last])) * inverse)
    entries = np.concatenate([biased, end])
    _check(entries, ~np.isnan(entries), 0)
    return np.clip(entries, -32768, 32767).astype(np.int64)


def _check(values: Array, good: Array, first: int) -> None:
    if not good.all():
        place = int(np.argmin(good))
        raise OutOfReach(
            f"entry {first + place} of its table must be a number within int32, not {values[place]}:"
            " what the runtime makes of that depends on the machine"
        )


# --- the functions, in float32 as LiteRT writes them ---

exp = c_function("expf")
tanh = c_function("tanhf")
exp_double = c_function("exp", np.float64)
_expm1, _log, _erfc = c_function("expm1f"), c_function("logf"), c_function("erfcf")


def inverse(x: Array) -> Array:
    """1 / (1 + x), in the floats that x is of."""
    one = x.dtype.type(1)
    return np.asarray(one / (one + x))


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.asarray(_ONE / (_ONE + exp(-x)))


def logistic_double(x: Array) -> Array:
    """1 / (1 + exp(-x)) in float64, rounded once to float32, as XNNPACK has it."""
    return np.asarray(1.0 / (1.0 + exp_double(-x.astype(np.float64)))).astype(np.float32)


def elu(x: Array) -> Array:
    """x, or exp(x) - 1 below 0."""
    return np.where(x < 0, _expm1(x), x)


def gelu(x: Array) -> Array:
    """x / 2 * erfc(-x / sqrt 2)."""
    return np.asarray(_HALF * x * _erfc(x * np.float32(-math.sqrt(0.5))))


def gelu_approximate(x: Array) -> Array:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3)))."""
    factor = np.float32(2 / math.sqrt(math.pi) * math.sqrt(0.5))
    return np.asarray(_HALF * x * (_ONE + tanh(factor * (x + np.float32(0.044715) * x * x * x))))


def log_from(lowest: np.float32) -> Function:
    """log(x), and `lowest` where x <= 0."""

    def log(x: Array) -> Array:
        positive = x > 0
        return np.where(positive, _log(np.where(positive, x, _ONE)), lowest)

    return log


def rsqrt_to(highest: np.float32) -> Function:
    """1 / sqrt(x), and `highest` where x <= 0."""

    def rsqrt(x: Array) -> Array:
        positive = x > 0
        return np.where(positive, _ONE / np.sqrt(np.where(positive, x, _ONE)), highest)

    return rsqrt
