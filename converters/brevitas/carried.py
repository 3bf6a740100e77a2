"""`Carried`: an integer tensor of the network, and the reals that Brevitas has in its place.

Rules
-----
C1. Brevitas holds the float32 nearest to slope * n + offset (`affine`), within `error` of it; `error` is 0
    where that is proved to be exactly what it holds.
C2. `after` are activation functions (see `functions`), applied to that float.
C3. Samples are in Brevitas' order, (C, H, W), (C, L) or (F,); the network holds them as (H, W, C),
    (1, L, C) and (F,): channels last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.functions import Form, Function

from intsim.formats import Bipolar, IntFormat, Ternary

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Format = IntFormat | Bipolar | Ternary


@dataclass(frozen=True)
class Carried:
    """An integer tensor and what it stands for (rules C1 to C3).

    name : of the tensor in the network
    shape : of one sample, in Brevitas' order
    format : which integers it holds
    affine : slope and offset, for all channels or per channel
    error : how far Brevitas' float32 can be from the exact real; for all channels or per channel
    reach : the largest magnitude of the real; as many as error
    after : functions still to be applied
    """

    name: str
    shape: Shape
    format: Format
    affine: Affine
    error: tuple[Fraction, ...] = (Fraction(0),)
    reach: tuple[Fraction, ...] = (Fraction(0),)
    after: tuple[Function, ...] = ()

    def replace(self, **changes: Any) -> Carried:
        return replace(self, **changes)

    @property
    def rising(self) -> bool:
        """Whether what it stands for, after the functions, grows with its integers."""
        return self.affine.rising and all(function.form is not Form.VALLEY for function in self.after)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def stored(self) -> Shape:
        """The shape that the network holds (rule C3)."""
        return stored_shape(self.shape)


@dataclass(frozen=True, eq=False)
class Moved:
    """Elements of a tensor that no node has moved yet: of the network's real input before its quantizer has
    seen it, or of integers that Brevitas holds in more than three axes on the way.

    source : the tensor; of a Real only its name and shape are known
    index : which of its elements stand where, in Brevitas' order
    """

    source: Carried | Real
    index: Array

    @property
    def shape(self) -> Shape:
        return tuple(self.index.shape)


@dataclass(frozen=True)
class Real:
    """The network's real input: its name, and the shape of a sample in Brevitas' order."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Indices:
    """The network's input where it is of integers: its name, and the shape of a sample."""

    name: str
    shape: Shape


def stored_shape(shape: Shape) -> Shape:
    """Rule C3."""
    if len(shape) == 3:
        return (shape[1], shape[2], shape[0])
    if len(shape) == 2:
        return (1, shape[1], shape[0])
    return shape
