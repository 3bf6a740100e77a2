"""What writing in any format needs: values as given, and values rounded to units of a power of two."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from intsim.arithmetic.rounding import Rounding, round_shift
from intsim.errors import InputError
from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.minifloat import read_floats
from intsim.record import Array


class Beyond(Enum):
    """What becomes of a value beyond a format's largest (rule E3)."""

    SATURATE = "the largest finite value"
    SPECIAL = "infinity, or NaN where there is no infinity"
    TRAP = "an error"

    def __repr__(self) -> str:
        return f"Beyond.{self.name}"


def exact(values: Any) -> Dyadic:
    """Values as they are given: a Dyadic, float16, float32 or float64 (read by their bits), or integers."""
    if isinstance(values, Dyadic):
        return values
    array = np.asarray(values)
    return read_floats(array) if array.dtype.kind == "f" else Dyadic.of_integers(array)


def scaled_round(values: Dyadic, unit: Any, rounding: Rounding, seed: int = 0) -> Array:
    """Values in units of ``2**unit``, rounded to integers: int64, or Python ints where they are larger.

    Values that are not finite count as 0.
    """
    shift = np.where(values.zero | ~values.finite, 0, unit - values.exponent)
    signed = values.signed
    length = bit_length(values.significand) + np.maximum(-shift, 0)
    if length.size and int(length.max()) > 62:
        signed = signed.astype(object)
    down = np.maximum(shift, 0)
    far = np.maximum(down - 62, 0)
    if rounding is Rounding.STOCHASTIC:  # the bits that no draw looks at
        signed, down = signed >> np.minimum(far, 63).astype(signed.dtype), down - far
    elif signed.dtype != object:  # less than half a unit: only whether there is something matters
        signed, down = np.where(far > 0, np.sign(signed), signed), down - far
    left = signed << np.maximum(-shift, 0).astype(signed.dtype)
    return np.asarray(round_shift(np.asarray(left), down.astype(signed.dtype), rounding, seed))


def refuse_nan(values: Dyadic) -> None:
    """Rule E4 for the formats without NaN."""
    nan = values.kind == Kind.NAN
    if nan.any():
        raise InputError(f"values must have a code, and NaN has none: {values.shown(nan)}")
