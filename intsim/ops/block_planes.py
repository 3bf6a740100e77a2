"""The planes of blocks: what a tensor in a `BlockFormat` is among the tensors of a network.

Rules (P), cited by the ops
---------------------------
P1. A tensor of blocks is several tensors, its planes, as hardware streams them: the elements (..., n), then
    what each level shares, from the innermost outward: its scale, zero, offset and offset_scale, those that
    it has. Each is in its own format: codes of floats and powers of two, integers of all else.
P2. A plane of a level of `size` elements has the elements' shape, but ceil(n / size) on the last axis. That
    of a level of size 0 has 1 there, and on every other axis 1 or what the elements have.
P3. `outer` gives the scales of levels of size 0, one entry per such level; then they are no planes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from intsim.arithmetic.blocks import SoftFloat
from intsim.arithmetic.encode import Beyond, encode, exact
from intsim.formats import (
    Bipolar,
    BlockFormat,
    Blocks,
    Discrete,
    Dyadic,
    FixedPoint,
    IntFormat,
    Minifloat,
    RealFormat,
    Shared,
    TensorSpec,
    Ternary,
)
from intsim.ops.base import Op
from intsim.record import Array

PARTS = ("scale", "zero", "offset", "offset_scale")
"""What a level may share, in the order of rule P1."""


@dataclass(frozen=True)
class Plane:
    """One plane of a level.

    level : place in `BlockFormat.levels`
    part : one of `PARTS`
    size : elements that share an entry; 0: all of them
    format : of its entries
    """

    level: int
    part: str
    size: int
    format: Discrete

    @property
    def name(self) -> str:
        return f"levels[{self.level}].{self.part}"

    def fits(self, shape: tuple[int, ...], elements: tuple[int, ...]) -> bool:
        """Rule P2."""
        if self.size:
            return shape == (*elements[:-1], -(-elements[-1] // self.size))
        if len(shape) != len(elements) or shape[-1] != 1:
            return False
        return all(size in (1, wanted) for size, wanted in zip(shape, elements, strict=True))


def planes(format: BlockFormat, outer: bool = False) -> tuple[Plane, ...]:
    """The planes beside the elements (rule P1); `outer`: without those that rule P3 gives."""
    return tuple(
        Plane(place, part, level.size, getattr(level, part))
        for place, level in enumerate(format.levels)
        if not (outer and level.size == 0)
        for part in PARTS
        if getattr(level, part) is not None
    )


def check_outer(format: BlockFormat | None, outer: Array | None, label: str) -> Iterator[tuple[str, str]]:
    """The rules of the field `outer`, which belongs to `format` (rule P3)."""
    if outer is None:
        return
    levels = [level for level in format.levels if level.size == 0] if format is not None else []
    if not levels or outer.shape != (len(levels),):
        wanted = f"have {len(levels)} entries" if levels else "be absent where no level is of size 0"
        yield "outer", f"must {wanted}, not shape {outer.shape}. [{label}]"
        return
    for level, entry in zip(levels, outer, strict=True):
        if any(getattr(level, part) is not None for part in PARTS[1:]):
            yield "outer", f"must be absent where a level of size 0 has more than a scale. [{label}]"
        if level.scale.outside(np.asarray(entry)).any():
            yield "outer", f"entries must fit {level.scale}, not {int(entry)}. [{label}]"


def require_planes(
    op: Op, format: BlockFormat, outer: bool, inputs: Sequence[TensorSpec], label: str
) -> tuple[int, ...]:
    """The shape of the elements, where the inputs are the planes of a format; else a SpecError."""
    expected = planes(format, outer)
    names = ("elements", *(plane.name for plane in expected))
    op.require(
        len(inputs) == len(names),
        f"inputs must be {len(names)} planes ({', '.join(names)}), not {len(inputs)}. [{label}]",
    )
    first, *others = inputs
    formats = (format.element, *(plane.format for plane in expected))
    for name, wanted, spec in zip(names, formats, inputs, strict=True):
        op.require(spec.format == wanted, f"{name} must be {wanted}, not {spec.format}. [{label}]")
    op.require(len(first.shape) >= 1, f"elements must have an axis, not shape {first.shape}. [{label}]")
    for plane, spec in zip(expected, others, strict=True):
        op.require(
            plane.fits(spec.shape, first.shape),
            f"{plane.name} must suit elements of shape {first.shape}, not have {spec.shape}. [P2]",
        )
    return first.shape


def blocks_of(format: BlockFormat, arrays: Sequence[Array], outer: Array | None = None) -> Blocks:
    """The blocks that planes are: the elements, and what is shared (rules P1 and P3).

    Arrays have any leading axes; where `outer` gives scales, these get as many axes as the elements.
    """
    elements, *shared = arrays
    found: list[dict[str, Array]] = [{} for _ in format.levels]
    for plane, entries in zip(planes(format, outer is not None), shared, strict=True):
        found[plane.level][plane.part] = codes(plane.format, entries)
    if outer is not None:
        places = [place for place, level in enumerate(format.levels) if level.size == 0]
        for place, scale in zip(places, outer_codes(format, outer, elements.ndim), strict=True):
            found[place]["scale"] = scale
    return Blocks(format, codes(format.element, elements), tuple(Shared(**parts) for parts in found))


def outer_codes(format: BlockFormat, outer: Array, rank: int) -> list[Array]:
    """The codes of the scales that rule P3 gives, each with as many axes as the elements."""
    levels = [level for level in format.levels if level.size == 0]
    return [
        codes(level.scale, np.full((1,) * rank, entry)) for level, entry in zip(levels, outer, strict=True)
    ]


def require_numbers(op: Op, format: Discrete | None, x: TensorSpec, label: str, real: bool = False) -> None:
    """SpecError unless a tensor has an axis and is of a format; absent: integers, or reals where allowed."""
    op.require(len(x.shape) >= 1, f"input must have an axis, not shape {x.shape}. [{label}]")
    if format is not None:
        op.require(x.format == format, f"input must be {format}, not {x.format}. [{label}]")
    elif not (real and isinstance(x.format, RealFormat)):
        whole = isinstance(x.format, (IntFormat, Bipolar, Ternary))
        op.require(whole, f"input must be integers where no input_format is given, not {x.format}. [{label}]")


def values_of(format: Minifloat | FixedPoint | None, entries: Array) -> Dyadic:
    """The exact values of a tensor's entries; where there is no format, of integers or reals as they are."""
    if format is not None:
        return format.decode(codes(format, entries))
    return exact(entries)


def float_codes(float: SoftFloat, values: Dyadic) -> Array:
    """The codes of values that a float holds."""
    return encode(float.format, values, float.rounding, Beyond.SPECIAL)


def codes(format: Discrete, entries: Array) -> Array:
    """The codes of a plane's entries, which may be Python ints."""
    return format.codes_of(np.asarray(entries).astype(format.storage))


def entries(blocks: Blocks, outer: bool = False) -> Iterator[Array]:
    """The planes of blocks, in the order of rule P1, in their formats' storage."""
    yield blocks.format.element.entries_of(blocks.elements)
    for plane in planes(blocks.format, outer):
        yield plane.format.entries_of(getattr(blocks.levels[plane.level], plane.part))
