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

from typing import Any

import numpy as np
from intsim_converters.onnx.model import Array, Constant, storage
from intsim_converters.onnx.values import FORMATS

from intsim.arithmetic import Overflow, Rounding, fit
from intsim.arithmetic.encode import Beyond, encode
from intsim.errors import ConversionError
from intsim.formats.table import named

NARROW: dict[str, Any] = {
    "float8e4m3fn": named("e4m3").format,
    "float8e4m3fnuz": named("e4m3fnuz").format,
    "float8e5m2": named("e5m2").format,
    "float8e5m2fnuz": named("e5m2fnuz").format,
    "float4e2m1": named("e2m1").format,
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


def quantize(x: Constant, scale: Array, dtype: str, *, saturate: bool = True) -> Constant:
    """Rule N4; the scale broadcasts to `x`."""
    with np.errstate(all="ignore"):
        quotient = np.asarray(x.values / scale, np.float32)
    return cast(Constant(x.name, "float32", quotient), dtype, saturate=saturate)


def dequantize(x: Constant, scale: Array) -> Array:
    """Rule N4; the scale broadcasts to `x`."""
    with np.errstate(all="ignore"):
        return np.asarray(reals(x).astype(scale.dtype) * scale, scale.dtype)
