"""pad: a border around a tensor.

Rules
-----
R1. Axis a gets padding[a][0] places before and padding[a][1] after; none is negative.
R2. CONSTANT: they hold `value`, which is in the input's format.
R3. REFLECT: they mirror the input about its first and last place, which are not repeated; at most
    size - 1 places. SYMMETRIC: they mirror it about its edges, so those are repeated; at most size.
R4. Every axis is padded for itself; a corner mirrors along all its axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import TensorSpec
from intsim.ops.base import Op, discrete_input
from intsim.ops.moves import carried
from intsim.record import Array, field


class PadMode(Enum):
    """What a border holds."""

    CONSTANT = "one value"
    REFLECT = "a mirror image, the edge not repeated"
    SYMMETRIC = "a mirror image, the edge repeated"

    def __repr__(self) -> str:
        return f"PadMode.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Pad(Op):
    """The input with a border."""

    name: ClassVar[str] = "pad"
    by_element: ClassVar[bool] = True

    padding: tuple[tuple[int, int], ...] = field("(before, after) for every axis of a sample")
    value: int = field("what a CONSTANT border holds", default=0)
    mode: PadMode = field("what the border holds", default=PadMode.CONSTANT)

    def check(self) -> Iterator[tuple[str, str]]:
        if any(places < 0 for pair in self.padding for places in pair):
            yield "padding", f"must not be negative, not {self.padding}. [R1]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = discrete_input(self, x)
        self.require(
            len(self.padding) == len(x.shape),
            f"padding must have one pair per axis of {x.shape}, not {len(self.padding)}. [R1]",
        )
        if self.mode is PadMode.CONSTANT:
            self.require(
                not format.outside(np.array(self.value, dtype=object)),
                f"value must be in {format}, not {self.value}. [R2]",
            )
        else:
            kept = self.mode is PadMode.REFLECT
            most = tuple(size - kept for size in x.shape)
            self.require(
                all(max(pair) <= limit for pair, limit in zip(self.padding, most, strict=True)),
                f"padding of a {self.mode.name} border must be at most {most}, not {self.padding}. [R3]",
            )
        grown = tuple(size + sum(pair) for size, pair in zip(x.shape, self.padding, strict=True))
        return (TensorSpec(grown, format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        if not any(map(any, self.padding)):
            return (x,)
        if self.mode is PadMode.CONSTANT:  # not np.pad, which would put numpy's integers among Python's
            pairs = list(zip(x.shape[1:], self.padding, strict=True))
            inside = [slice(before, before + size) for size, (before, _) in pairs]
            grown = [before + size + after for size, (before, after) in pairs]
            y = np.full((x.shape[0], *grown), self.value, dtype=x.dtype)
            y[(slice(None), *inside)] = x
            return (y,)
        mode: Literal["reflect", "symmetric"] = "reflect" if self.mode is PadMode.REFLECT else "symmetric"
        return (np.pad(x, ((0, 0), *self.padding), mode=mode),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return carried(self, specs, inputs)
