"""`PinnedRatio`: one hand-chosen case of a dialect: scales of a tool, and sums brought to codes by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from intsim.formats import IntFormat


@dataclass(frozen=True)
class PinnedRatio:
    """Scales, and sums that they are applied to.

    special : what is special about it
    numerators : the scales whose product is taken, each one number or one per channel
    denominator : the scale of the output
    sums : a list; rows with one sum per channel where a numerator has several
    zero_point : of the output
    format : of the codes
    bias : a real bias in units of the sum, for a dialect that adds one in float
    """

    special: str
    numerators: tuple[Any, ...]
    denominator: float
    sums: list[Any]
    zero_point: int = 0
    format: IntFormat = IntFormat(8)
    bias: float | None = None
