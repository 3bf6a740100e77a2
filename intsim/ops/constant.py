"""constant: codes that are stored in the network.

Rules
-----
R1. The output is `values`, the same for every sample of a batch.
R2. Every value fits the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import AnyDiscrete, IntFormat, TensorSpec
from intsim.ops.base import Op
from intsim.ops.moves import stored
from intsim.ops.weights import check_codes
from intsim.record import Array, CodeArray, field


@dataclass(frozen=True, eq=False, repr=False)
class Constant(Op):
    """Stored codes."""

    name: ClassVar[str] = "constant"
    arity: ClassVar[tuple[int, int | None]] = (0, 0)

    values: CodeArray = field("codes, in the shape of one sample", format="format")
    format: AnyDiscrete = field("format of the codes", default=IntFormat(8))

    def check(self) -> Iterator[tuple[str, str]]:
        if self.values.size == 0:
            yield "values", f"must have no size 0, not shape {self.values.shape}. [R1]"
            return
        yield from check_codes(self, "values", self.format, "R2")

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        return (TensorSpec(self.values.shape, self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        return (self.values[None].astype(np.int64),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        return stored(self.values)
