"""Writing floating-point formats: rules E1 to E6 of `encode`."""

from __future__ import annotations

import numpy as np

from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import Beyond, scaled_round
from intsim.errors import InputError
from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.minifloat import Minifloat
from intsim.record import Array


def encode_minifloat(
    format: Minifloat, values: Dyadic, rounding: Rounding, beyond: Beyond, seed: int
) -> Array:
    mantissa = format.mantissa_bits
    leading = values.exponent + bit_length(values.significand) - 1
    if format.exponent_bits == 0:  # rule M6: one step everywhere
        unit = np.full(values.shape, format.lsb)
        normal = np.zeros(values.shape, bool)
    else:
        normal = leading >= format.emin
        least = format.emin - mantissa if format.subnormals else format.emin
        unit = np.where(normal, leading - mantissa, least)
    unit = np.where(values.zero | ~values.finite, format.lsb, unit)
    if mantissa == 0 and rounding in (Rounding.HALF_EVEN, Rounding.HALF_ODD):
        near = scaled_round(values, unit, Rounding.HALF_TOWARD_ZERO)
        far = scaled_round(values, unit, Rounding.HALF_AWAY)
        lower_is_odd = np.where(normal, unit - format.emin + 1, 0) & 1 == 1
        units = np.where(lower_is_odd == (rounding is Rounding.HALF_EVEN), far, near)
    else:
        units = scaled_round(values, unit, rounding, seed)
    units = np.abs(units)
    if units.dtype == object:
        units = units.astype(np.int64)
    if not format.subnormals:
        units = np.where(normal, units, units << mantissa)
    body = np.where(normal, (unit + mantissa - format.emin) << mantissa, 0) + units
    return _finish(format, values, body, rounding, beyond)


def _finish(format: Minifloat, values: Dyadic, body: Array, rounding: Rounding, beyond: Beyond) -> Array:
    """Signs, limits and specials around the bodies of finite values."""
    negative, infinite, nan = values.negative, values.kind == Kind.INFINITE, values.kind == Kind.NAN
    inward = np.full(values.shape, rounding is Rounding.TOWARD_ZERO)
    if rounding in (Rounding.FLOOR, Rounding.CEIL):
        inward = negative == (rounding is Rounding.CEIL)
    below = negative & ~nan & ((body > 0) | infinite) if not format.signed else np.zeros(values.shape, bool)
    over = ((body > format.max_code) | infinite) & ~nan & ~below
    outside = over | below
    if beyond is Beyond.TRAP and outside.any():
        raise InputError(f"values must be within the format, not {values.shown(outside)}")
    code = np.where(over, format.max_code, np.where(below, 0, body)).astype(np.uint64)
    if beyond is Beyond.SPECIAL:
        gone = over & (infinite | ~inward)
        if format.infinity_code is not None:
            code = np.where(gone, np.uint64(format.infinity_code), code)
        else:
            nan = nan | gone
        nan = nan | below
    sign = negative & format.signed & (format.signed_zero | (code > 0))
    code = code + (sign.astype(np.uint64) << np.uint64(format.bits - 1))
    if nan.any():
        if format.nan_code is None:
            raise InputError(f"values must have a code, and NaN and infinity have none: {values.shown(nan)}")
        code = np.where(nan, np.uint64(format.nan_code), code)
    return code if format.bits == 64 else code.astype(np.int64)
