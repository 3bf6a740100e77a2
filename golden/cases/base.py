"""`Pinned`: one hand-chosen case of an op, and short ways to write its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from intsim.formats import AnyDiscrete, IntFormat, RealFormat, TensorSpec
from intsim.ops import Op
from intsim.testing import Case


@dataclass(frozen=True)
class Tensor:
    """Values of one sample, and the format they are in.

    values : nested lists without a batch axis; a bare number for shape ()
    """

    format: AnyDiscrete | RealFormat
    values: Any


@dataclass(frozen=True)
class Pinned:
    """An op, inputs chosen for it, and a sentence that says what is special about them."""

    special: str
    op: Op
    inputs: tuple[Tensor, ...]

    @property
    def case(self) -> Case:
        """The same for the engines: a batch of one."""
        specs, arrays = [], []
        for tensor in self.inputs:
            dtype = tensor.format.storage if isinstance(tensor.format, RealFormat) else np.int64
            array = np.array(tensor.values, dtype)
            specs.append(TensorSpec(array.shape, tensor.format))
            arrays.append(array[None])
        return Case(self.op, tuple(specs), tuple(arrays))


def pin(special: str, op: Op, *inputs: Tensor) -> Pinned:
    """One case."""
    return Pinned(special, op, inputs)


def codes(name: str, values: Any) -> Tensor:
    """Integers of a format named as in "int8" or "uint4"."""
    return Tensor(IntFormat.parse(name), values)


def int8(values: Any) -> Tensor:
    return codes("int8", values)


def uint8(values: Any) -> Tensor:
    return codes("uint8", values)


def int16(values: Any) -> Tensor:
    return codes("int16", values)


def int32(values: Any) -> Tensor:
    return codes("int32", values)


def float32(values: Any) -> Tensor:
    return Tensor(RealFormat(32), values)


def count(*shape: int, first: int = 0, step: int = 1) -> Any:
    """Nested lists that count up through a shape: each place has its own value."""
    places = np.arange(int(np.prod(shape)))
    return (first + step * places).reshape(shape).tolist()
