"""`Operand`: rows of blocks as a dot product sees them, exact integers times powers of two.

Rules
-----
O1. Elements are decoded to significands and exponents; so are scales. Levels inside the outermost one that
    counts its elements are multiplied into them, exactly: microexponents, for one.
O2. The exponents of a format's values, for an alignment, are those of its fields: `fraction` is how far the
    last place of a significand is below it.
O3. Levels with a zero or an offset are refused: what they add is another sum.
O4. Where no level counts elements, blocks are as large as is asked for, and their scales are 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.errors import InputError
from intsim.formats.blocks import Blocks
from intsim.formats.dyadic import Dyadic
from intsim.formats.element import ElementFormat, ScaleFormat
from intsim.formats.exact import multiply
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import Minifloat


@dataclass(frozen=True, eq=False)
class Operand:
    """Rows of blocks (rules O1 to O3).

    elements : Dyadic of shape (..., K)
    scales : Dyadic of shape (..., ceil(K / size))
    size : elements of a block
    fraction, scale_fraction : places of significands below their format's exponent
    outer : Dyadic that broadcasts to (...); the scale of the whole tensor or channel, None if there is none
    """

    elements: Dyadic
    scales: Dyadic
    size: int
    fraction: int = 0
    scale_fraction: int = 0
    outer: Dyadic | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"size must be at least 1, not {self.size}")
        wanted = -(-self.elements.shape[-1] // self.size)
        if self.scales.shape[-1:] != (wanted,):
            raise InputError(f"scales must be {wanted} along the last axis, not {self.scales.shape}")

    def rows(self) -> Operand:
        """The same values, a single row as one of one."""
        if self.elements.shape[:-1]:
            return self
        elements, scales = self.elements.reshape(1, -1), self.scales.reshape(1, -1)
        return Operand(elements, scales, self.size, self.fraction, self.scale_fraction, self.outer)

    def finer(self, size: int) -> Operand:
        """The same values in smaller blocks, whose scales repeat.

        Raises
        ------
        InputError
            The blocks do not divide into blocks of `size`.
        """
        if size == self.size:
            return self
        if self.size % size:
            raise InputError(f"blocks must divide into blocks of {size}, not {self.size}")
        blocks = -(-self.elements.shape[-1] // size)
        scales = self.scales.each(lambda array: np.repeat(array, self.size // size, axis=-1)[..., :blocks])
        return Operand(self.elements, scales, size, self.fraction, self.scale_fraction, self.outer)


def operand(blocks: Blocks, size: int | None = None) -> Operand:
    """The operand that codes of a block format are.

    Parameters
    ----------
    blocks : Blocks
    size : elements of a block where no level counts them (rule O4)

    Raises
    ------
    InputError
        Something is no code, or the format has zeros or offsets (rule O3), or no level that counts elements
        and no size is given.
    """
    levels = blocks.format.levels
    counted = [place for place, level in enumerate(levels) if level.size]
    if not counted and size is None:
        raise InputError("format must have a level that counts its elements")
    for place, level in enumerate(levels):
        if level.zero is not None or level.offset is not None:
            raise InputError(f"levels[{place}] must have no zero and no offset in a dot product. [O3]")
    elements = blocks.format.element.decode(blocks.elements)
    for place in counted[:-1]:
        elements = multiply(elements, blocks.scales(place))
    outer = None
    for place, level in enumerate(levels):
        if not level.size:
            given = np.asarray(blocks.levels[place].scale)
            if given.ndim and given.shape[-1] != 1:
                raise InputError(f"levels[{place}].scale must be one along the last axis, not {given.shape}")
            value = level.scale.decode(given if not given.ndim else given[..., 0])
            outer = value if outer is None else multiply(outer, value)
    if not counted:
        return unscaled(elements, blocks.format.element, size or 1, outer)
    last = levels[counted[-1]]
    blocks.scales(counted[-1])  # refuses shapes and codes that do not fit
    return Operand(
        elements,
        last.scale.decode(np.asarray(blocks.levels[counted[-1]].scale)),
        last.size,
        _fraction(blocks.format.element),
        _fraction(last.scale),
        outer,
    )


def unscaled(
    elements: Dyadic, format: ElementFormat | None, size: int, outer: Dyadic | None = None
) -> Operand:
    """Rows of values in blocks of `size` under scales of 1 (rule O4); without a format they are integers."""
    blocks = -(-elements.shape[-1] // size)
    scales = Dyadic.of_integers(np.ones((*elements.shape[:-1], blocks), np.int64))
    return Operand(elements, scales, size, 0 if format is None else _fraction(format), 0, outer)


def _fraction(format: ElementFormat | ScaleFormat) -> int:
    """Rule O2: of a significand, and of the integers of fixed point, whose exponent is 0."""
    if isinstance(format, Minifloat):
        return format.mantissa_bits
    return -format.exponent if isinstance(format, FixedPoint) else 0
