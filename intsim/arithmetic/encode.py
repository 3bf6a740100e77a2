"""Writing values as codes: where a value between two codes goes, and one beyond the last. Integers only.

Rules
-----
E1. A value is rounded once, from its exact sign, significand and exponent. Exponents come from bit lengths;
    there is no logarithm and no float.
E2. The neighbours of a value are the two codes around it, as if the exponent had no upper limit and nothing
    were NaN. `Rounding` chooses between them. HALF_EVEN and HALF_ODD look at the codes' last bit: where a
    format has no mantissa, that is the exponent's. STOCHASTIC draws at most 62 bits below the last place.
E3. What is then beyond the largest finite value, an infinity included, becomes that value with SATURATE.
    With SPECIAL it becomes the infinity; where the format has none, NaN; where it has neither, an error. As
    in IEEE 754, a finite value that the rounding points inward (TOWARD_ZERO, FLOOR above, CEIL below) stays
    finite. With TRAP it is an error.
E4. NaN becomes the format's NaN, without a sign: a quiet one where there are several. Where there is none,
    it is an error: no code is made up.
E5. A zero keeps its sign where the format has one for it. What is rounded to zero keeps the sign it had.
    Where there is no minus zero, both are plus zero.
E6. Below zero in an unsigned format is beyond its limit: 0 with SATURATE, NaN or an error with SPECIAL.
E7. `PowerOfTwo` has no zero and no sign: zero and negative values are NaN with SPECIAL, and the smallest
    scale with SATURATE; where that needs a NaN the format has not, an error. What is below the smallest
    scale becomes the smallest. HALF_UP is what ml_dtypes and CUDA do, HALF_EVEN what gfloat does.
E8. `Codebook` takes the nearest value, a tie to the smaller (HALF_DOWN), the larger (HALF_UP), the one nearer
    to or farther from zero, or the one of the even or odd code; or the neighbour below or above. Of two that
    are as far from zero, the larger counts as farther. Values beyond the ends are the ends.
E9. `Bipolar` takes the sign; of a zero, what the format says. `Ternary` rounds to an integer, as `FixedPoint`
    does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic.encode_codebook import encode_codebook
from intsim.arithmetic.encode_minifloat import encode_minifloat
from intsim.arithmetic.encode_power import encode_power_of_two
from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import Beyond, exact, refuse_nan, scaled_round
from intsim.errors import InputError
from intsim.formats.bipolar import Bipolar
from intsim.formats.codebook import Codebook
from intsim.formats.dyadic import Dyadic, Kind
from intsim.formats.element import AnyFormat
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import Minifloat
from intsim.formats.power_of_two import PowerOfTwo
from intsim.formats.ternary import Ternary
from intsim.record import Array

__all__ = ["Beyond", "encode", "exact", "round_to"]


def encode(
    format: AnyFormat,
    values: Any,
    rounding: Rounding = Rounding.HALF_EVEN,
    beyond: Beyond = Beyond.SATURATE,
    symmetric: bool = False,
    seed: int = 0,
) -> Array:
    """The codes of values (rules E1 to E9).

    Parameters
    ----------
    format : Minifloat, FixedPoint, PowerOfTwo, Codebook, Bipolar or Ternary
    values : Dyadic, or an array of floats or integers, of any shape
    rounding : Rounding
    beyond : Beyond
    symmetric : leaves out the lowest code of a signed FixedPoint
    seed : of STOCHASTIC

    Returns
    -------
    int64 array of codes (uint64 for formats of 64 bits).

    Raises
    ------
    InputError
        A value has no code, and no rule gives it one.
    SpecError
        The rounding is none that the format can do.

    Examples
    --------
    >>> from intsim.formats.table import E2M1
    >>> encode(E2M1, np.array([2.5, -0.25, 100.0])).tolist()
    [4, 8, 7]
    """
    given = exact(values)
    if isinstance(format, Minifloat):
        return encode_minifloat(format, given, rounding, beyond, seed)
    if isinstance(format, PowerOfTwo):
        return encode_power_of_two(format, given, rounding, beyond)
    if isinstance(format, Codebook):
        return encode_codebook(format, given, rounding, beyond)
    if isinstance(format, Bipolar):
        return _bipolar(format, given)
    if isinstance(format, Ternary):
        return _ternary(format, given, rounding, beyond, seed)
    return _fixed_point(format, given, rounding, beyond, symmetric, seed)


def round_to(
    format: Minifloat, values: Any, rounding: Rounding = Rounding.HALF_EVEN, beyond: Beyond = Beyond.SPECIAL
) -> Dyadic:
    """The values, each rounded to a value of a floating-point format, by IEEE's defaults."""
    return format.decode(encode(format, values, rounding, beyond))


def _fixed_point(
    format: FixedPoint, values: Dyadic, rounding: Rounding, beyond: Beyond, symmetric: bool, seed: int
) -> Array:
    refuse_nan(values)
    lowest = -format.max if symmetric else format.min
    units = scaled_round(values, format.exponent, rounding, seed)
    infinite = values.kind == Kind.INFINITE
    units = np.where(infinite, np.where(values.negative, lowest - 1, format.max + 1), units)
    outside = np.asarray((units < lowest) | (units > format.max), dtype=bool)
    if beyond is not Beyond.SATURATE and outside.any():
        raise InputError(f"values must be within the format, not {values.shown(outside)}")
    units = np.minimum(np.maximum(units, lowest), format.max).astype(np.int64)
    return np.asarray((units + format.offset) & ((1 << format.bits) - 1))


def _bipolar(format: Bipolar, values: Dyadic) -> Array:
    refuse_nan(values)
    plus = np.where(values.zero, format.zero == 1, ~values.negative)
    return np.where(plus, format.positive, 1 - format.positive).astype(np.int64)


def _ternary(format: Ternary, values: Dyadic, rounding: Rounding, beyond: Beyond, seed: int) -> Array:
    # Two's complement of -1, 0 and 1 are the last, the first and the second of four.
    low = _fixed_point(FixedPoint(2), values, rounding, beyond, True, seed)
    return np.array([format.code(0), format.code(1), -1, format.code(-1)])[low]
