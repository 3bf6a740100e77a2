"""Writing blocks: the scales, and the elements under them. Integers only.

Rules
-----
N1. An element is the exact value divided by the exact product of its scales, rounded once, and saturated.
N2. Power-of-two scales (OCP MX) follow the rules of `scale_mode`.
N3. Shared microexponents (MX9, MX6, MX4): the outer exponent is FLOOR's; a group inside counts down from it
    by as much as its own largest exponent is lower, at most by what its bits hold. A group of zeros has the
    lowest exponent there is. Rounding never raises an exponent: what would is saturated.
N4. Two levels of other scales (NVFP4, VS-Quant): the outer scale is a / (M * S), rounded to nearest even to
    its format, where a is the largest magnitude under it, M the largest element and S the largest inner
    scale; 1 where all is zero. An inner scale is a / (M * outer) for its own a, rounded to nearest even.
    Under a scale that is 0 every element is a zero of its own sign.
N5. Zero points and minima, and all other scales, are chosen by whoever calibrates: `encode_elements` takes
    them. There an element is round((v + offsets) / scales) + zero, with zero a whole number of elements.
N6. The last block may be short. What is missing counts as zeros, which change no scale.
N7. A block that has NaN or infinities in it: rule L7 of `block`. With NAN_SCALE its elements are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic.block_scales import in_blocks, microexponents, powers, two_levels
from intsim.arithmetic.encode import Beyond, encode, exact
from intsim.arithmetic.quotient import divide
from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.scale_mode import ScaleMode
from intsim.errors import InputError, SpecError
from intsim.formats.block import BlockFormat, BlockSpecials
from intsim.formats.blocks import Blocks, Shared
from intsim.formats.dyadic import Dyadic
from intsim.formats.element import ElementFormat
from intsim.formats.exact import add
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import Minifloat
from intsim.formats.power_of_two import PowerOfTwo
from intsim.record import Array

_WIDEST = 16  # bits of an element: quotients are good for 24


def encode_blocks(
    format: BlockFormat,
    values: Any,
    mode: ScaleMode = ScaleMode.FLOOR,
    rounding: Rounding = Rounding.HALF_EVEN,
    beyond: Beyond = Beyond.SATURATE,
    per_row: bool = False,
    outer: Array | None = None,
) -> Blocks:
    """Values as blocks, scales and all (rules N1 to N4, N6 and N7).

    Parameters
    ----------
    format : BlockFormat whose scales follow from the values: OCP MX, microexponents, NVFP4, VS-Quant
    values : Dyadic, or an array of floats or integers; blocks run along the last axis
    mode : of power-of-two scales
    rounding : of elements
    beyond : of power-of-two scales above the largest (rule S3)
    per_row : an outer scale per row of the last axis, where it is not one for everything
    outer : codes of the outer scales, where somebody else chose them; they broadcast to the values

    Raises
    ------
    InputError
        The values cannot be written (rule L7), or have no axis.
    SpecError
        The format's scales do not follow from the values: give them to `encode_elements`.

    Examples
    --------
    >>> from intsim.formats.table import FORMATS
    >>> blocks = encode_blocks(FORMATS["mxfp4"].format, np.array([7.0, -1.0, 0.25, 0.0]))
    >>> blocks.levels[0].scale.tolist(), blocks.values().floats().tolist()
    ([127], [6.0, -1.0, 0.0, 0.0])
    """
    given = exact(values)
    if not given.shape:
        raise InputError("values must have an axis that blocks run along")
    if given.size == 0:
        raise InputError("values must not be empty")
    refusal = check_scales(format, mode)
    if refusal is not None:
        raise SpecError(refusal)
    special = _specials(format, given)
    if len(format.levels) == 1:
        shared = powers(format, given, mode, beyond)
    elif isinstance(format.levels[1].scale, PowerOfTwo):
        shared = microexponents(format, given, beyond)
    else:
        shared = two_levels(format, given, per_row, outer)
    if format.specials is BlockSpecials.NAN_SCALE and special.any():
        shared = _nan_scales(format, shared, special)
    return _elements(format, given, shared, rounding, special)


def check_scales(format: BlockFormat, mode: ScaleMode = ScaleMode.FLOOR) -> str | None:
    """Why a format's scales do not follow from the values (rules N2 to N4); None where they do."""
    if any(level.zero or level.offset or level.offset_scale for level in format.levels):
        return "format must not have zeros or offsets for its scales to follow from the values"
    kinds = tuple(type(level.scale) for level in format.levels)
    powers_alone = kinds == (PowerOfTwo,)
    shifts = kinds == (PowerOfTwo, PowerOfTwo) and mode is ScaleMode.FLOOR
    scaled_twice = len(kinds) == 2 and kinds[0] is not PowerOfTwo and kinds[1] is Minifloat
    if not (powers_alone or shifts or scaled_twice):
        return "format must have scales that follow from the values"
    if scaled_twice and (not format.levels[0].size or format.levels[1].size):
        return "format must have an inner level with a size, and an outer one without"
    return None


def encode_elements(
    format: BlockFormat, values: Any, levels: tuple[Shared, ...], rounding: Rounding = Rounding.HALF_EVEN
) -> Blocks:
    """Values as elements under scales, zeros and offsets that are given (rules N1 and N5).

    Raises
    ------
    InputError
        A value is not finite; or the levels are not what the format has.
    """
    given = exact(values)
    if not given.finite.all():
        raise InputError(f"values must be finite, not {given.shown(~given.finite)}")
    return _elements(format, given, levels, rounding, ~given.finite)


def _elements(
    format: BlockFormat, values: Dyadic, levels: tuple[Shared, ...], rounding: Rounding, special: Array
) -> Blocks:
    """Rules N1 and N5. Elements at `special` are written as they are, not as quotients."""
    element = format.element
    if element.bits > _WIDEST:
        raise SpecError(f"elements must have at most {_WIDEST} bits in blocks, not {element.bits}")
    blocks = Blocks(format, np.zeros(values.shape, np.int64), levels)
    scale, shift, zero = blocks.affine()
    moved = values if shift is None else add(values, shift)
    quotient = divide(moved, scale)
    nothing = scale.zero | ~quotient.finite  # rules N4 and N7: all of it is 0
    significand = np.where(nothing, 0, quotient.significand)
    negative = np.where(scale.zero, moved.negative, quotient.negative)  # zero by zero has no sign
    quotient = Dyadic(negative, significand, quotient.exponent, np.zeros_like(quotient.kind))
    codes = _write(format, element, quotient, rounding, zero)
    if special.any() and format.specials is BlockSpecials.ELEMENTS:
        codes = codes.copy()
        codes[special] = encode(element, values[special], rounding, Beyond.SPECIAL)
    return Blocks(format, codes, levels)


def _write(
    format: BlockFormat, element: ElementFormat, quotient: Dyadic, rounding: Rounding, zero: Dyadic | None
) -> Array:
    if zero is None:
        return encode(element, quotient, rounding, Beyond.SATURATE, symmetric=format.symmetric)
    if not isinstance(element, FixedPoint):
        raise SpecError("elements must be fixed-point where there is a zero")
    wide = FixedPoint(32, exponent=element.exponent)
    whole = wide.decode(encode(wide, quotient, rounding)).integers(element.exponent)
    moved = Dyadic.of_integers(whole + zero.integers(element.exponent), element.exponent)
    return encode(element, moved, symmetric=format.symmetric)


def _specials(format: BlockFormat, values: Dyadic) -> Array:
    special = ~values.finite
    if format.specials is BlockSpecials.REFUSE and special.any():
        raise InputError(f"values must be finite, not {values.shown(special)}")
    return np.asarray(special)


def _nan_scales(format: BlockFormat, shared: tuple[Shared, ...], special: Array) -> tuple[Shared, ...]:
    """Rule N7: the outermost scale that has a NaN becomes it."""
    place = max(i for i, level in enumerate(format.levels) if level.size)
    level = format.levels[place]
    if isinstance(level.scale, FixedPoint) or level.scale.nan_code is None:
        raise SpecError("scales must have a NaN for blocks to become NaN")
    hit = in_blocks(special, level.size).any(axis=-1)
    codes = np.where(hit, level.scale.nan_code, shared[place].scale)
    return (*shared[:place], Shared(codes), *shared[place + 1 :])
