"""What a tensor's name stands for while a QONNX graph is converted.

`Carried` are integers of the network and the float32 that QONNX has in their place; `Fixed` are constant
integers and what they stand for. A float graph input is an `Entry` until a quantizer reads it, and
`Pending` is what a QuantizeLinear gives, before the DequantizeLinear behind it. A `Constant` is a tensor of
the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.values import Codes
from intsim_converters.qonnx.annotations import Format
from intsim_converters.qonnx.chain import Step
from intsim_converters.qonnx.parameters import Array, Move, Shape, compact, moved

from intsim.formats import Discrete

if TYPE_CHECKING:
    from intsim_converters.qonnx.quantizers import Quantizer


@dataclass(frozen=True, eq=False)
class Carried:
    """Integers n, and QONNX' float32 in their place: float32((n - zero) * slope), then `steps`.

    codes : where the network has them; may still have the shape that the tensor had before it was reshaped
    shape : the file's, with the batch axis
    slope : float64, as `parameters` has them; float32 products are exact in it
    zero : int64, likewise
    error : how far QONNX' float32 can be from (n - zero) * slope, before the steps; 0: it is exactly that
    """

    codes: Codes
    shape: Shape
    format: Discrete
    slope: Array
    zero: Array
    error: Array
    steps: tuple[Step, ...] = ()

    @property
    def parameters(self) -> tuple[Array, ...]:
        """Everything that the code of an element depends on."""
        return (self.slope, self.zero, *(p for step in self.steps for p in step.parameters))

    def then(self, step: Step) -> Carried:
        """With one more float step."""
        return replace(self, steps=(*self.steps, step))

    def moved(self, shape: Shape, move: Move, codes: Codes | None = None) -> Carried:
        """Behind a movement to a shape; `codes`: where the moved integers are, if not in place."""
        rank = len(shape)
        slope, zero, error = (moved(p, self.shape, move, rank) for p in (self.slope, self.zero, self.error))
        steps = tuple(step.moved(self.shape, move, rank) for step in self.steps)
        return Carried(codes or self.codes, shape, self.format, slope, zero, error, steps)


@dataclass(frozen=True, eq=False)
class Fixed:
    """Constant integers: real = (codes - zero) * slope, rounded to float32."""

    name: str
    codes: Array
    format: Format
    slope: Array
    zero: Array

    @property
    def shape(self) -> Shape:
        return tuple(self.codes.shape)

    @property
    def real(self) -> Array:
        """QONNX' float32."""
        with np.errstate(all="ignore"):
            return ((self.codes - self.zero) * self.slope).astype(np.float32)

    def moved(self, move: Move) -> Fixed:
        """Behind a movement."""
        codes = np.ascontiguousarray(move(self.codes))
        slope, zero = (compact(move(np.broadcast_to(p, self.shape))) for p in (self.slope, self.zero))
        return replace(self, codes=codes, slope=slope, zero=zero)


@dataclass(frozen=True)
class Entry:
    """A float graph input.

    shape : of the graph input
    now : what it was reshaped to
    """

    name: str
    shape: Shape
    now: Shape


@dataclass(frozen=True, eq=False)
class Pending:
    """What a QuantizeLinear gives: integers, which a Clip may narrow and a DequantizeLinear finishes."""

    source: Carried | Entry | Fixed
    quantizer: Quantizer
    shape: Shape


Value = Carried | Fixed | Entry | Pending | Constant
