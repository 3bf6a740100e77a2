"""embedding_lookup: rows of a stored table, picked by index.

Rules
-----
R1. Output = the rows table[index] for every index of the input: its shape, then a row's.
R2. Every value of the table fits the format.
R3. Every index is 0 to rows - 1, and is checked when it is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intsim.arithmetic import Bounds, Events, Interval
from intsim.formats import IntFormat, TensorSpec
from intsim.ops.base import Op, integer_input, kind_of
from intsim.ops.moves import require_inside, stored
from intsim.ops.weights import check_codes
from intsim.record import Array, CodeArray, field


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingLookup(Op):
    """Rows of a table."""

    name: ClassVar[str] = "embedding_lookup"

    table: CodeArray = field("codes, one row per index along the first axis", format="format")
    format: IntFormat = field("format of the codes", default=IntFormat(8))

    def check(self) -> Iterator[tuple[str, str]]:
        if self.table.ndim == 0 or self.table.size == 0:
            yield "table", f"must have rows and no size 0, not shape {self.table.shape}. [R1]"
            return
        yield from check_codes(self, "table", self.format, "R2")

    def infer(self, *inputs: TensorSpec) -> tuple[TensorSpec, ...]:
        (indices,) = inputs
        integer_input(self, indices)
        return (TensorSpec((*indices.shape, *self.table.shape[1:]), self.format),)

    def reference(self, *inputs: Array, events: Events | None = None) -> tuple[Array, ...]:
        (indices,) = inputs
        require_inside(self, indices, self.table.shape[0], "R3")
        return (self.table[indices.astype(np.int64)].astype(kind_of(indices)),)

    def bounds(self, specs: Sequence[TensorSpec], inputs: Sequence[Interval]) -> Bounds:
        reached = self.table[max(inputs[0].min, 0) : max(inputs[0].max + 1, 1)]
        rows = stored(reached if reached.size else self.table)
        output = rows.outputs[0] if self.table.ndim > 1 else rows.outputs[0].hull()
        return Bounds((output,), Interval.join((rows.partial, inputs[0].hull())))
