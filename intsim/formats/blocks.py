"""`Blocks`: a tensor in a `BlockFormat`, as codes; and its values (rules L1 to L4 of `block`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.errors import InputError, SpecError
from intsim.formats.block import BlockFormat, ElementFormat, ScaleFormat
from intsim.formats.dyadic import Dyadic
from intsim.formats.exact import add, multiply, subtract
from intsim.record import Array


@dataclass(frozen=True, eq=False)
class Shared:
    """The codes of one level: a code per `size` elements of the last axis.

    Each array is of the elements' shape with the last axis ``ceil(n / size)`` long; for a level of size 0 of
    any shape that broadcasts to the elements. What the level has not is None.
    """

    scale: Array
    zero: Array | None = None
    offset: Array | None = None
    offset_scale: Array | None = None


@dataclass(frozen=True, eq=False)
class Blocks:
    """Codes of elements, and of what they share.

    format : BlockFormat
    elements : codes, integers of any shape; blocks run along the last axis
    levels : a `Shared` per level of the format, innermost first
    """

    format: BlockFormat
    elements: Array
    levels: tuple[Shared, ...]

    def values(self) -> Dyadic:
        """The exact value of every element.

        Raises
        ------
        InputError
            Something is no code, or there are not as many scales as there are blocks.
        """
        if len(self.levels) != len(self.format.levels):
            raise InputError(f"levels must be {len(self.format.levels)}, not {len(self.levels)}")
        value, taken = self.format.element.decode(self.elements), None
        for place in range(len(self.levels)):
            scale, zero = self.scales(place), self._optional(place, "zero")
            offset, offset_scale = self._optional(place, "offset"), self._optional(place, "offset_scale")
            value = multiply(value if zero is None else subtract(value, zero), scale)
            if taken is not None:
                taken = multiply(taken, scale if offset_scale is None else offset_scale)
            if offset is not None:
                taken = offset if taken is None else add(taken, offset)
        return value if taken is None else subtract(value, taken)

    def affine(self) -> tuple[Dyadic, Dyadic | None, Dyadic | None]:
        """Scale, offset and zero of every element: its value is (q - zero) * scale - offset.

        Raises
        ------
        SpecError
            A level that is not the innermost has a zero.
        """
        one = Dyadic.of_integers(np.ones(self.elements.shape, np.int64))
        scale, taken, zero = one, None, self._optional(0, "zero")
        for place, level in enumerate(self.format.levels):
            if place and level.zero is not None:
                raise SpecError(f"levels[{place}].zero must be nothing beyond the innermost level")
            own = self.scales(place)
            offset, offset_scale = self._optional(place, "offset"), self._optional(place, "offset_scale")
            scale = multiply(scale, own)
            if taken is not None:
                taken = multiply(taken, own if offset_scale is None else offset_scale)
            if offset is not None:
                taken = offset if taken is None else add(taken, offset)
        return scale, taken, zero

    def scales(self, place: int) -> Dyadic:
        """The values of a level's scales, one for every element."""
        where = f"levels[{place}].scale"
        level = self.format.levels[place]
        return spread(level.scale, self.levels[place].scale, level.size, self.elements.shape, where)

    def _optional(self, place: int, name: str) -> Dyadic | None:
        level = self.format.levels[place]
        format, codes = getattr(level, name), getattr(self.levels[place], name)
        where = f"levels[{place}].{name}"
        if format is None and codes is None:
            return None
        if format is None or codes is None:
            raise InputError(f"{where} must {'not ' if format is None else ''}be given")
        return spread(format, codes, level.size, self.elements.shape, where)


def spread(
    format: ElementFormat | ScaleFormat, codes: Array, size: int, shape: tuple[int, ...], where: str
) -> Dyadic:
    """The values of codes that `size` elements share (0: all), one for every element of `shape`.

    Raises
    ------
    InputError
        There are not as many codes as there are blocks; `where` names them.
    """
    given = np.asarray(codes)
    values: Dyadic = format.decode(given)
    if size:
        wanted = (*shape[:-1], -(-shape[-1] // size))
        if given.shape != wanted:
            raise InputError(f"{where} must have shape {wanted}, not {given.shape}")
        return values.each(lambda array: np.repeat(array, size, axis=-1)[..., : shape[-1]])
    try:
        return values.each(lambda array: np.broadcast_to(array, shape))
    except ValueError:
        raise InputError(f"{where} must have a shape that broadcasts to {shape}, not {given.shape}") from None
