"""`BlockFormat`: elements that share scales. MX, NVFP4, VS-Quant, group scales, GGUF's blocks are all this.

Rules
-----
L1. `levels` go from the innermost outward. A level's scale is shared by `size` consecutive elements along the
    last axis, which the next level's size is a multiple of; 0 stands for all elements of a tensor or channel.
L2. The value of an element q is built level by level, from v = q and o = 0:
    v becomes (v - zero) * scale, where the level has no `zero` v * scale;
    o becomes o * offset_scale, where the level has none o * scale, and then `offset` is added to it.
    At the end the value is v - o. A level that shares nothing out (no zero, no offset) only multiplies.
L3. A NaN scale makes every element under it NaN. Under a finite scale that is not 0, an element that is NaN
    or infinite is so, and its neighbours are not touched. The rest is IEEE 754's (rules X1, X2 of `exact`).
L4. Where the last block is short, it holds what there is.
L5. What a block costs: its elements as `packing` lays them out (their bits, where it does not say), and the
    bits of everything that its levels share. Levels of size 0 cost nothing per element.
L6. `symmetric`: writing never gives a fixed-point element below minus the largest one (-128 in MXINT8).
    Reading takes every code.
L7. `specials`: what writing does with a block that has a NaN or an infinity in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import ClassVar

from intsim.formats.bipolar import Bipolar
from intsim.formats.codebook import Codebook
from intsim.formats.element import ElementFormat, ScaleFormat
from intsim.formats.fixed_point import FixedPoint
from intsim.formats.minifloat import Minifloat
from intsim.formats.packing import Packing, bits_per_code
from intsim.formats.power_of_two import PowerOfTwo
from intsim.formats.ternary import Ternary
from intsim.record import Record, field

__all__ = ["BlockFormat", "BlockSpecials", "ElementFormat", "Level", "ScaleFormat"]


class BlockSpecials(Enum):
    """What becomes of a block with a NaN or an infinity in it, when it is written."""

    REFUSE = "an error that names the first"
    NAN_SCALE = "the scale is NaN, and so every value of the block"
    ELEMENTS = "the scale is that of the finite values; the element becomes its own NaN or infinity"

    def __repr__(self) -> str:
        return f"BlockSpecials.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Level(Record):
    """What neighbouring elements share (rules L1 and L2)."""

    kind: ClassVar[str] = "level"

    size: int = field("elements that share; 0 for all of a tensor or channel")
    scale: PowerOfTwo | Minifloat | FixedPoint = field("what the elements are multiplied with")
    zero: Minifloat | FixedPoint | None = field("what is taken from elements before the scale", default=None)
    offset: Minifloat | FixedPoint | None = field("what is taken from values after the scale", default=None)
    offset_scale: PowerOfTwo | Minifloat | FixedPoint | None = field(
        "the scale of inner levels' offsets, where it is not `scale`", default=None
    )

    def check(self) -> Iterator[tuple[str, str]]:
        if self.size < 0:
            yield "size", f"must be 0 or more, not {self.size}"

    @property
    def bits(self) -> int:
        """Bits of everything that is shared."""
        parts = (self.scale, self.zero, self.offset, self.offset_scale)
        return sum(part.bits for part in parts if part is not None)


@dataclass(frozen=True, eq=False, repr=False)
class BlockFormat(Record):
    """Elements under scales (rules L1 to L7).

    Examples
    --------
    >>> from intsim.formats.power_of_two import E8M0
    >>> BlockFormat(Minifloat(2, 1, bias=1), (Level(32, E8M0),)).bits_per_element
    Fraction(17, 4)
    """

    kind: ClassVar[str] = "block"

    element: FixedPoint | Minifloat | Bipolar | Ternary | Codebook = field("the format of an element")
    levels: tuple[Level, ...] = field("what is shared, from the innermost outward")
    packing: Packing | None = field("how elements lie in memory, where the format says so", default=None)
    symmetric: bool = field("whether writing leaves out the lowest fixed-point code", default=False)
    specials: BlockSpecials = field("what writing does with NaN and infinities", default=BlockSpecials.REFUSE)

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.levels:
            yield "levels", "must be at least one"
        inner = 1
        for index, level in enumerate(self.levels):
            outside = 0 in (other.size for other in self.levels[:index])
            if level.size and (level.size % inner or outside):
                yield "levels", f"must each be a multiple of the ones inside, not {level.size} at {index}"
            inner = level.size or inner
        if self.symmetric and not (isinstance(self.element, FixedPoint) and self.element.signed):
            yield "symmetric", "must be false unless elements are signed fixed-point"

    @property
    def block(self) -> int:
        """Elements of the outermost level that counts them, 1 if none does."""
        return max(1, *(level.size for level in self.levels))

    @property
    def bits_per_element(self) -> Fraction:
        """Rule L5, exactly."""
        own = Fraction(self.element.bits) if self.packing is None else bits_per_code(self.packing)
        return own + sum(Fraction(level.bits, level.size) for level in self.levels if level.size)
