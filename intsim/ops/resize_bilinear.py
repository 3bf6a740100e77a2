"""resize_bilinear: every output between four inputs, by integer weights.

Rules
-----
R1. Input (H, W, C), output (OH, OW, C) of the same format; OH and OW are the rows and columns listed.
R2. Output row i lies between the input rows low[i] and high[i] and takes weight[i] parts of
    2**weight_bits of high, the rest of low; columns likewise. Weights are 0 to 2**weight_bits.
R3. The four products are summed exactly, shifted right by 2 * weight_bits and rounded once.
R4. Rows are 0 to H - 1, columns 0 to W - 1. A converter computes them by its tool's rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval, Rounding, round_shift
from intsim.formats import TensorSpec
from intsim.ops.base import Op, integer_input, kind_of
from intsim.record import Array, IntArray, Record, field


@dataclass(frozen=True, eq=False, repr=False)
class Between(Record):
    """For each output row (or column), the two input rows it lies between, and where."""

    low: IntArray = field("the one input row")
    high: IntArray = field("the other input row")
    weight: IntArray = field("the other row's parts of 2**weight_bits")

    def check(self) -> Iterator[tuple[str, str]]:
        for name in ("low", "high", "weight"):
            values = getattr(self, name)
            if values.ndim != 1 or values.size == 0 or values.size != self.low.size:
                yield name, f"must be a list, as long as low, not of shape {values.shape}. [R2]"
            elif values.min() < 0:
                yield name, f"must be at least 0, not {values.min()}. [R2]"


@dataclass(frozen=True, eq=False, repr=False)
class ResizeBilinear(Op):
    """A resize that interpolates between neighbours."""

    name: ClassVar[str] = "resize_bilinear"

    rows: Between = field("which input rows each output row lies between")
    columns: Between = field("which input columns each output column lies between")
    weight_bits: int = field("a weight of 2**weight_bits is one, 0 to 30", default=10)
    rounding: Rounding = field("of the sum of products", default=Rounding.HALF_AWAY)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.weight_bits <= 30:
            yield "weight_bits", f"must be 0 to 30, not {self.weight_bits}. [R2]"
            return
        for name in ("rows", "columns"):
            largest = int(getattr(self, name).weight.max())
            if largest > 1 << self.weight_bits:
                yield f"{name}.weight", f"must be 0 to {1 << self.weight_bits}, not {largest}. [R2]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [R3]"

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (x,) = inputs
        format = integer_input(self, x)
        self.require(len(x.shape) == 3, f"input must have shape (H, W, C), not {x.shape}. [R1]")
        for name, size in zip(("rows", "columns"), x.shape[:2], strict=True):
            between = getattr(self, name)
            largest = int(max(between.low.max(), between.high.max()))
            self.require(largest < size, f"{name} must be below {size}, not {largest}. [R4]")
        return (TensorSpec((self.rows.low.size, self.columns.low.size, x.shape[2]), format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (x,) = inputs
        one = 1 << self.weight_bits
        weights = self.rows.weight.astype(kind_of(x))[:, None, None]
        mixed = x[:, self.rows.low] * (one - weights) + x[:, self.rows.high] * weights
        weights = self.columns.weight.astype(kind_of(x))[:, None]
        mixed = mixed[:, :, self.columns.low] * (one - weights) + mixed[:, :, self.columns.high] * weights
        return (np.asarray(round_shift(mixed, 2 * self.weight_bits, self.rounding)),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        x, one = inputs[0], 1 << (2 * self.weight_bits)
        met = Interval(min(x.min, 0) * one, max(x.max, 0) * one)
        return Bounds((x,), Interval.join((x.hull(), met, Interval(0, one))))
