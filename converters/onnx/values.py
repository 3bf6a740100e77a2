"""What a tensor's name stands for while a graph is converted.

`Codes` are integers of the network. `Real` is what a DequantizeLinear gives: codes and what they mean;
nothing is computed for it. `Blocked` is the same with scales in blocks. `Entry` is a float graph input that
waits for its QuantizeLinear, `Pending` a float result that the QuantizeLinear behind it turns into integers.
A `Constant` (of `model`) is the sixth kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from intsim_converters.onnx.model import Array, Constant, Node

from intsim.formats import IntFormat, Minifloat, Quantization
from intsim.formats.table import named

if TYPE_CHECKING:
    from intsim_converters.onnx.lowering import Lowering

Shape = tuple[int, ...]
Function = Callable[[Array], Array]
"""Of float32, element by element: rows of results that an element may have, by elements."""

FORMATS: dict[str, IntFormat] = {
    **{f"int{bits}": IntFormat(bits) for bits in (2, 4, 8, 16, 32, 64)},
    **{f"uint{bits}": IntFormat(bits, signed=False) for bits in (2, 4, 8, 16, 32, 64)},
    "bool": IntFormat(1, signed=False),
}
"""Element type of integers -> number format; bool is one unsigned bit."""

CODED: dict[str, Minifloat] = {
    "float8e4m3fn": named("e4m3").format,
    "float8e4m3fnuz": named("e4m3fnuz").format,
    "float8e5m2": named("e5m2").format,
    "float8e5m2fnuz": named("e5m2fnuz").format,
    "float4e2m1": named("e2m1").format,
}
"""Element type of floats whose codes a network holds -> number format."""


def format_of(dtype: str) -> IntFormat | Minifloat:
    """The format of the codes of an element type."""
    return FORMATS[dtype] if dtype in FORMATS else CODED[dtype]


def is_held(dtype: str) -> bool:
    """Whether a network holds codes of an element type."""
    return dtype in FORMATS or dtype in CODED


def too_large(shape: Shape) -> bool:
    """Whether a tensor is larger than a runtime counts, or than its places are looked at one by one."""
    return math.prod(shape) >= 1 << 31 or max(shape, default=1) > 1 << 24


class Layout(Enum):
    """In which order a network's tensor holds the axes of a sample."""

    PLAIN = "as the file has them"
    IMAGE = "height, width, channels of an image that the file has as channels, height, width"


@dataclass(eq=False)
class Codes:
    """Integers of the network.

    shape : the file's, with the batch axis
    views : the names of the network's tensors that hold it, by layout
    """

    name: str
    shape: Shape
    dtype: str
    views: dict[Layout, str] = field(default_factory=dict)

    @property
    def format(self) -> IntFormat | Minifloat:
        return format_of(self.dtype)


@dataclass(frozen=True, eq=False)
class Meaning:
    """Scale, zero point and the axis that several of them run along: real = scale * (code - zero_point).

    limits : of the codes, where an activation in front leaves fewer than the format has
    """

    scale: Array  # float32 or float16, one value or one per index of the axis
    zero_point: Array  # int64, as many as scale
    axis: int | None
    dtype: str  # of the codes
    limits: tuple[int, int] | None = None

    @property
    def format(self) -> IntFormat | Minifloat:
        return format_of(self.dtype)

    @property
    def lowest(self) -> int:
        return self.format.min if self.limits is None else self.limits[0]

    @property
    def highest(self) -> int:
        return self.format.max if self.limits is None else self.limits[1]

    def same(self, other: Meaning) -> bool:
        """Whether both say the same of every code."""
        return (
            (self.dtype, self.axis, self.limits) == (other.dtype, other.axis, other.limits)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    def quantization(self, lead: int = 0) -> Quantization | None:
        """The annotation for a network's tensor whose samples lack `lead` axes; bit patterns have none."""
        if self.dtype in CODED or not (np.isfinite(self.scale) & (self.scale > 0)).all():
            return None
        axis = None if self.axis is None else self.axis - lead
        if axis is not None and axis < 0:
            return None
        return Quantization(self.scale.reshape(-1).astype(np.float64), self.zero_point.reshape(-1), axis)


@dataclass(frozen=True, eq=False)
class Real:
    """What codes stand for, and then functions of it, the first applied first.

    nodes : of the file, that are the functions
    """

    codes: Codes | Constant
    meaning: Meaning
    functions: tuple[Function, ...] = ()
    nodes: tuple[Node, ...] = ()

    @property
    def shape(self) -> Shape:
        return self.codes.shape


@dataclass(frozen=True, eq=False)
class Blocked:
    """What codes stand for whose scales run in blocks along an axis.

    scale, zero_point : floats and int64, as many per axis as the codes, but for one per block of the axis
    length : of a block; the last has what there is
    """

    codes: Codes | Constant
    scale: Array
    zero_point: Array
    axis: int
    length: int

    def same(self, other: Blocked) -> bool:
        """Whether both say the same of every code."""
        return (
            (self.codes.dtype, self.axis, self.length) == (other.codes.dtype, other.axis, other.length)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


@dataclass(frozen=True, eq=False)
class Entry:
    """A float graph input, limited by activations and moved: the limits in their order, the moves in theirs.

    shape : the graph input's, before it is moved
    """

    name: str
    shape: Shape
    limits: tuple[tuple[float, float], ...] = ()
    moves: tuple[Callable[[Codes, str], Codes], ...] = ()


@dataclass(frozen=True, eq=False)
class Pending:
    """A float result whose QuantizeLinear decides how it is computed in integers.

    finish : given the QuantizeLinear and its output's meaning, adds the nodes
    reason : why it is float, where nothing quantizes it
    """

    finish: Callable[[Lowering, Meaning], Codes]
    reason: str
    limits: tuple[tuple[float, float], ...] = ()


Value = Codes | Real | Blocked | Entry | Pending | Constant
