"""ONNX's element types that no network holds: float8, float4 and E8M0, cast and quantized by intsim's
formats.

Rules
-----
N1. A cast to one of these rounds once from the exact value, half to even; beyond the largest it saturates,
    or with saturate=0 becomes infinity, or NaN where there is none. E8M0 rounds as round_mode says.
N2. A cast from one of these is exact, then rounded to the target where that is narrower.
N3. A cast of reals to integers cuts toward zero; integers to narrower ones keep the low bits.
N4. QuantizeLinear to float8 and float4 is the quotient in float32, cast; their zero points are 0.
    DequantizeLinear multiplies in the scale's type.

References
----------
ONNX, docs/Operators.md: Cast, QuantizeLinear, DequantizeLinear; docs/technical/float8.md.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from intsim_converters.onnx.model import Array, Constant, storage
from intsim_converters.onnx.values import CODED, FORMATS

from intsim.arithmetic import Overflow, Rounding, fit
from intsim.arithmetic.encode import Beyond, encode
from intsim.errors import ConversionError
from intsim.formats.table import named

NARROW: dict[str, Any] = {
    **CODED,
    "float8e8m0": named("e8m0").format,
    "bfloat16": named("bfloat16").format,
}
"""ONNX's name of an element type that numpy lacks -> intsim's format."""

_MODES = {"up": Rounding.CEIL, "down": Rounding.FLOOR, "nearest": Rounding.HALF_UP}


def reals(constant: Constant) -> Array:
    """A tensor's values as numpy has them: floats, or integers."""
    if constant.dtype in NARROW:
        return np.asarray(NARROW[constant.dtype].decode(constant.values).floats())
    return constant.values


def cast(constant: Constant, dtype: str, *, saturate: bool = True, round_mode: str = "up") -> Constant:
    """A tensor in another element type (rules N1 to N3).

    Raises
    ------
    ConversionError
        The types are none that are cast here, or a value has no code.
    """
    values = reals(constant)
    if dtype in NARROW:
        rounding = _MODES[round_mode] if dtype == "float8e8m0" else Rounding.HALF_EVEN
        beyond = Beyond.SATURATE if saturate else Beyond.SPECIAL
        found: Array = encode(NARROW[dtype], values, rounding, beyond)
    elif dtype in FORMATS:
        whole = np.trunc(values).astype(np.int64) if values.dtype.kind == "f" else values.astype(np.int64)
        found = np.asarray(fit(whole, FORMATS[dtype], Overflow.WRAP))
    elif dtype in ("float16", "float32", "float64"):
        with np.errstate(over="ignore"):
            found = values.astype(dtype)
    else:
        raise ConversionError(f"Cast must be to a type of numbers, not {dtype}")
    return Constant(constant.name, dtype, found.astype(storage(dtype)).reshape(constant.shape))


@functools.cache
def values_of(dtype: str) -> Array:
    """What every code of a type stands for, float32; a NaN has the sign of its code."""
    format = NARROW[dtype]
    codes = np.arange(format.max + 1)
    values = format.decode(codes).floats().astype(np.float32)
    signed = np.copysign(np.float32(np.nan), np.where(codes >> (format.bits - 1), -1, 1).astype(np.float32))
    return np.where(np.isnan(values), signed, values)


def codes_of(dtype: str, values: Array, *, quiet: bool) -> Array:
    """The codes of float32 values, saturated, as int64; a NaN keeps its sign where the type has one for it.

    quiet : NaN as IEEE has it, and as ml_dtypes; else all ones, as ONNX Runtime has it
    """
    format, nan = NARROW[dtype], np.isnan(values)
    found = encode(format, np.where(nan, 0, values), Rounding.HALF_EVEN, Beyond.SATURATE).astype(np.int64)
    if not nan.any():
        return found
    sign = 1 << (format.bits - 1)
    if format.nan_code & sign:
        return np.where(nan, format.nan_code, found)
    code = format.nan_code if quiet else sign - 1
    return np.where(nan, code | np.where(np.signbit(values), sign, 0), found)


def quantize(x: Constant, scale: Array, dtype: str, *, saturate: bool = True) -> Constant:
    """Rule N4; the scale broadcasts to `x`."""
    with np.errstate(all="ignore"):
        quotient = np.asarray(x.values / scale, np.float32)
    return cast(Constant(x.name, "float32", quotient), dtype, saturate=saturate)


def dequantize(x: Constant, scale: Array) -> Array:
    """Rule N4; the scale broadcasts to `x`."""
    with np.errstate(all="ignore"):
        return np.asarray(reals(x).astype(scale.dtype) * scale, scale.dtype)
