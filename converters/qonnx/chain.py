"""Float steps between integers and a quantizer, as QONNX executes them: in float32, operator by operator.

Rules
-----
C1. QONNX runs ONNX's operators in ONNX Runtime, one by one. Every operation here is rounded to float32 as
    there: x + p, x - p, p - x, x * p, x / p; relu and clip are choices; leaky relu multiplies what is
    negative.
C2. A batch norm is x * a + (b - mean * a), a = scale * (1 / sqrt(variance + epsilon)), each operation
    rounded.
C3. Every step never falls, or never rises, in float32 too: rounding keeps the order. `direction` says
    which.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/providers/cpu/nn/batch_norm.h (rule C2); QONNX 1.0.0:
core/onnx_exec.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from intsim_converters.qonnx.parameters import Array, Move, Shape, moved

Function = Callable[..., Array]


def _leaky(value: Array, alpha: Array) -> Array:
    return np.where(value < 0, value * alpha, value)


FUNCTIONS: Mapping[str, Function] = {
    "Add": np.add,
    "Sub": np.subtract,
    "From": lambda value, first: np.subtract(first, value),
    "Mul": np.multiply,
    "Div": np.divide,
    "Relu": lambda value: np.maximum(value, np.float32(0)),
    "Clip": lambda value, low, high: np.minimum(np.maximum(value, low), high),
    "LeakyRelu": _leaky,
    "BatchNormalization": lambda value, factor, offset: value * factor + offset,
}
"""Kind of step -> its function of a float32 and parameters."""


@dataclass(frozen=True, eq=False)
class Step:
    """One float step.

    kind : a key of `FUNCTIONS`
    parameters : float32, as `parameters` has them
    """

    kind: str
    parameters: tuple[Array, ...] = ()

    def __call__(self, value: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(FUNCTIONS[self.kind](value, *self.parameters), np.float32)

    def direction(self) -> Array | int:
        """Rule C3: 1 where the step never falls, -1 where it never rises."""
        if self.kind in ("Mul", "Div", "BatchNormalization"):
            return np.where(self.parameters[0] < 0, -1, 1)
        return -1 if self.kind == "From" else 1

    def moved(self, shape: Shape, move: Move, rank: int) -> Step:
        """The step behind a movement of the tensor."""
        return replace(self, parameters=tuple(moved(entry, shape, move, rank) for entry in self.parameters))

    def flat(self, pick: Callable[[Array], Array]) -> Step:
        """The step with its parameters picked."""
        return replace(self, parameters=tuple(pick(entry) for entry in self.parameters))


def batch_norm(
    scale: Array, bias: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array]:
    """Rule C2: factor and offset."""
    with np.errstate(all="ignore"):
        factor = scale * (np.float32(1) / np.sqrt(variance + np.float32(epsilon)))
        return factor, bias - mean * factor


def directions(steps: tuple[Step, ...]) -> Any:
    """The direction of several steps, one after the other."""
    sign: Any = 1
    for step in steps:
        sign = sign * step.direction()
    return sign
