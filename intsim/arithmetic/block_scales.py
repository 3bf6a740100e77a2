"""The scales of blocks that follow from the values: rules N2 to N4 of `encode_blocks`."""

from __future__ import annotations

from typing import cast

import numpy as np

from intsim.arithmetic.encode import Beyond, encode
from intsim.arithmetic.quotient import divide
from intsim.arithmetic.scale_mode import ScaleMode, largest_magnitude, scale_exponent
from intsim.formats.block import BlockFormat
from intsim.formats.blocks import Shared
from intsim.formats.dyadic import Dyadic
from intsim.formats.element import largest
from intsim.formats.exact import multiply
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import Minifloat
from intsim.formats.power_of_two import PowerOfTwo
from intsim.record import Array


def in_blocks(array: Array, size: int) -> Array:
    """An array cut into blocks of `size` along its last axis, filled up with zeros (rule N6)."""
    missing = -array.shape[-1] % size
    padded = np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])
    return padded.reshape(*array.shape[:-1], -1, size)


def powers(format: BlockFormat, values: Dyadic, mode: ScaleMode, beyond: Beyond) -> tuple[Shared, ...]:
    """Rules N2 and S3."""
    level = format.levels[0]
    scale = cast(PowerOfTwo, level.scale)
    return (Shared(_power_codes(format, values, level.size, scale, mode, beyond)),)


def _power_codes(
    format: BlockFormat, values: Dyadic, size: int, scale: PowerOfTwo, mode: ScaleMode, beyond: Beyond
) -> Array:
    """The codes of the powers of two for every `size` values; of a block of zeros, that of the smallest."""
    amax = largest_magnitude(values.each(lambda array: in_blocks(array, size or array.shape[-1])))
    least = scale.decode(scale.max_code if scale.down else 0)
    exponent = np.where(amax.zero, least.exponent, scale_exponent(mode, amax, format.element))
    power = Dyadic(amax.negative, np.ones(amax.shape, np.int64), exponent, amax.kind)
    return encode(scale, power, beyond=beyond)


def microexponents(format: BlockFormat, values: Dyadic, beyond: Beyond) -> tuple[Shared, ...]:
    """Rule N3."""
    inner, outer = format.levels
    shift, scale = cast(PowerOfTwo, inner.scale), cast(PowerOfTwo, outer.scale)
    groups, blocks = (
        _power_codes(format, values, level.size, scale, ScaleMode.FLOOR, beyond) for level in (inner, outer)
    )
    over = np.repeat(blocks, outer.size // inner.size, axis=-1)[..., : groups.shape[-1]]
    return Shared(np.minimum(over - groups, shift.max_code)), Shared(blocks)


def two_levels(
    format: BlockFormat, values: Dyadic, per_row: bool, given: Array | None = None
) -> tuple[Shared, ...]:
    """Rule N4; `given` are the outer scale's codes, where somebody else chose it."""
    inner, outer = format.levels
    inner_scale, outer_scale = cast(FixedPoint, inner.scale), cast(Minifloat, outer.scale)
    most = largest(format.element)
    outer_codes = _outer_codes(format, values, per_row) if given is None else given
    blocks = largest_magnitude(values.each(lambda array: in_blocks(array, inner.size)))
    unit = multiply(outer_scale.decode(outer_codes), most)
    codes = encode(inner_scale, divide(blocks, unit.each(lambda array: np.broadcast_to(array, blocks.shape))))
    return Shared(codes), Shared(outer_codes)


def _outer_codes(format: BlockFormat, values: Dyadic, per_row: bool) -> Array:
    """The outer scale's codes by rule N4: one, or one per row."""
    inner_scale, outer_scale = (cast(Minifloat, level.scale) for level in format.levels)
    rows = values if per_row else values.each(lambda array: array.reshape(1, -1))
    amax = largest_magnitude(rows)
    shape = (*values.shape[:-1], 1) if per_row else (1,) * len(values.shape)
    whole = amax.each(lambda array: array.reshape(shape))
    codes = encode(outer_scale, divide(whole, multiply(largest(format.element), largest(inner_scale))))
    return np.where(whole.zero, encode(outer_scale, np.array(1)), codes)
