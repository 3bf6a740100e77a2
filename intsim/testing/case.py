"""`Case`: an op at work; and what the checks of the contract ask of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.arithmetic import Interval
from intsim.errors import OverflowTrap
from intsim.formats import Discrete, IntFormat, TensorSpec
from intsim.network import Network, NetworkBuilder
from intsim.ops import Op
from intsim.record import Array

INT64 = IntFormat(64)
TRAPPED = "trapped"
"""The outcome of a reference whose register trapped."""


@dataclass(frozen=True)
class Case:
    """An op at work: the specifications of its inputs, and inputs (batch first) that fit them.

    Integer inputs are int64 arrays; a real one (at a door) has its format's dtype.
    """

    op: Op
    specs: tuple[TensorSpec, ...]
    inputs: tuple[Array, ...]

    @property
    def batch(self) -> int:
        return int(self.inputs[0].shape[0]) if self.inputs else 1

    def sample(self, index: int) -> Case:
        """The same op with one sample of the batch."""
        return Case(self.op, self.specs, tuple(x[index : index + 1] for x in self.inputs))


def network_of(case: Case) -> Network:
    """The op of a case as the one node, "node", of a network; inputs x0, x1, ..."""
    builder = NetworkBuilder()
    names = [builder.input(f"x{i}", spec.shape, spec.format) for i, spec in enumerate(case.specs)]
    if not names:  # a network has an input
        builder.input("x0", (1,), IntFormat(8))
    count = len(case.op.infer(*case.specs))
    outputs = ("node",) if count == 1 else tuple(f"y{i}" for i in range(count))
    builder.output(*builder.add_many(case.op, *names, name="node", outputs=outputs))
    return builder.build()


def outcome_of(case: Case, dtype: Any) -> Any:
    """The reference's outputs on integers of a dtype, or that it trapped."""
    inputs = [x if x.dtype.kind == "f" else x.astype(dtype) for x in case.inputs]
    try:
        outputs = case.op.reference(*inputs, events=None)
    except OverflowTrap:
        return TRAPPED
    for output in outputs:
        if inputs and inputs[0].dtype.kind != "f" and output.dtype.kind != "f":
            assert output.dtype == dtype, f"C1: {np.dtype(dtype)} in gives {output.dtype} out"
    return [wide(output) for output in outputs]


def wide(values: Array) -> Array:
    """Integers as Python ints, to be compared whatever their dtype; floats as they are."""
    return values if values.dtype.kind == "f" else values.astype(object)


def ranges_of(case: Case) -> Iterator[list[Interval]]:
    """What can be said of the inputs: their formats, the range of all values, those of the channels."""
    integer = [isinstance(spec.format, Discrete) for spec in case.specs]
    pairs = list(zip(case.specs, case.inputs, integer, strict=True))
    door = Interval(0, 0)
    yield [Interval.of_format(spec.integer) if is_int else door for spec, _, is_int in pairs]
    yield [Interval(int(x.min()), int(x.max())) if is_int else door for _, x, is_int in pairs]
    yield [_by_channel(x) if is_int else door for _, x, is_int in pairs]


def _by_channel(x: Array) -> Interval:
    if x.ndim == 1:
        return Interval(int(x.min()), int(x.max()))
    others = tuple(range(x.ndim - 1))
    return Interval.of_arrays(x.min(axis=others), x.max(axis=others))
