"""Writing powers of two: rule E7 of `encode`."""

from __future__ import annotations

import numpy as np

from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import Beyond, scaled_round
from intsim.errors import InputError, SpecError
from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.power_of_two import PowerOfTwo
from intsim.record import Array


def encode_power_of_two(format: PowerOfTwo, values: Dyadic, rounding: Rounding, beyond: Beyond) -> Array:
    leading = values.exponent + bit_length(values.significand) - 1
    none = values.zero | values.negative
    nan = (values.kind == Kind.NAN) | (none & (beyond is not Beyond.SATURATE))
    positive = ~none & values.finite
    unit = np.where(positive, leading, 0)
    down, up = (scaled_round(values, unit, way) for way in _around(format, leading, rounding))
    power = leading + np.where(_lower_is_odd(format, leading), up, down) - 1  # 1 or 2 units
    code = format.bias - power if format.down else power + format.bias
    infinite = (values.kind == Kind.INFINITE) & ~values.negative
    small, large = (format.max_code, 0) if format.down else (0, format.max_code)
    code = np.where(infinite, large + (-1 if format.down else 1), np.where(positive, code, small))
    over = (code < 0 if format.down else code > format.max_code) & ~nan
    if beyond is Beyond.TRAP and (over | nan).any():
        raise InputError(f"values must be within the format, not {values.shown(over | nan)}")
    if beyond is Beyond.SPECIAL:
        nan = nan | over
    code = np.minimum(np.maximum(code, 0), format.max_code)
    if nan.any():
        if format.nan_code is None:
            raise InputError(f"values must have a code, and NaN has none: {values.shown(nan)}")
        code = np.where(nan, format.nan_code, code)
    return np.asarray(code, dtype=np.int64)


def _around(format: PowerOfTwo, leading: Array, rounding: Rounding) -> tuple[Rounding, Rounding]:
    """The rounding where the lower code is even, and where it is odd."""
    if rounding is Rounding.STOCHASTIC:
        raise SpecError("rounding must not be STOCHASTIC to powers of two")
    if rounding is Rounding.HALF_EVEN:
        return Rounding.HALF_DOWN, Rounding.HALF_UP
    if rounding is Rounding.HALF_ODD:
        return Rounding.HALF_UP, Rounding.HALF_DOWN
    return rounding, rounding


def _lower_is_odd(format: PowerOfTwo, leading: Array) -> Array:
    """Whether the code of the power of two just below is odd."""
    return np.asarray((format.bias - leading if format.down else leading + format.bias) & 1 == 1)
