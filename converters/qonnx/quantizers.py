"""QONNX' quantizers as staircases over float32: how many steps a number has climbed.

Rules
-----
Q1. Quant, IntQuant: y = x / scale + zero_point, clamped to the least and largest code, then rounded; y
    stands for (y - zero_point) * scale. Narrow takes the least code of signed ones, the largest of unsigned
    ones. One signed bit is the sign of y, and 0 is positive.
Q2. BipolarQuant: the sign of x times the scale; 0 is positive.
Q3. MultiThreshold: as many steps as thresholds that x has reached, times out_scale, plus out_bias.
Q4. Trunc, version 1: x / scale + zero_point, half to even, divided by 2**(input bits - output bits),
    rounded; no clamp. Version 2 divides by 2**round(log2(output scale / scale)) and clamps before it
    rounds.
Q5. QuantizeLinear: x / scale, half to even, plus the zero point, saturated.
Q6. All of it is float32, rounded after every operation; HALF_UP adds 0.5 to the magnitude in float32 and
    takes the floor, so 0.5 - 2**-25 goes to 1.
Q7. Ternary stands for two narrow signed bits with zero point 0, Bipolar for signs.

References
----------
QONNX 1.0.0: custom_op/general/{intquant,bipolar_quant,multithreshold,trunc}.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from intsim_converters.qonnx.annotations import Format
from intsim_converters.qonnx.parameters import Array

from intsim.arithmetic import Rounding
from intsim.formats import IntFormat, Ternary

_HALF = np.float32(0.5)


def _by_magnitude(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda value: np.copysign(function(np.abs(value)), value)


ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _by_magnitude(np.ceil),
    "DOWN": np.trunc,
    "HALF_UP": _by_magnitude(lambda size: np.floor(size + _HALF)),
    "HALF_DOWN": _by_magnitude(lambda size: np.ceil(size - _HALF)),
}
"""QONNX' rounding modes, on float32."""

DOOR_ROUNDINGS: Mapping[str, Rounding] = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.AWAY_FROM_ZERO,
    "DOWN": Rounding.TOWARD_ZERO,
    "HALF_DOWN": Rounding.HALF_TOWARD_ZERO,
}
"""The same on reals, where float32 makes no difference; it does for HALF_UP (rule Q6)."""


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A quantizer, its parameters as `parameters` has them; thresholds have one axis more.

    climbed : (value, *parameters) -> how many steps from `least` on; never falls with the value
    least, unit : the code without a step, and what every step adds
    steps : how many there can be; None: the source's range decides
    slope, zero : a code stands for (code - zero) * slope
    rounding : at the door, where the quantizer is one of rule Q1 or Q5
    after : whether the zero point is added after rounding (rule Q5)
    """

    climbed: Callable[..., Array]
    parameters: tuple[Array, ...]
    least: int
    unit: int
    steps: int | None
    format: Format | None
    slope: Array
    zero: Array
    rounding: Rounding | None = None
    after: bool = False

    def __call__(self, value: Array) -> Array:
        """Steps of a float32 (points, channels), once the parameters are `flat`."""
        with np.errstate(all="ignore"):
            return self.climbed(value, *self.parameters)

    def flat(self, pick: Callable[[Array], Array]) -> Quantizer:
        """With parameters that are picked: one value, or one per channel."""
        return replace(self, parameters=tuple(pick(entry) for entry in self.parameters))

    @property
    def highest(self) -> int:
        return self.least + self.unit * (self.steps or 0)


def integers(round_: Callable[[Array], Array], low: int, high: int) -> Callable[..., Array]:
    """Rule Q1."""

    def climbed(value: Array, scale: Array, zero: Array) -> Array:
        y = value / scale + zero
        return round_(np.clip(y, np.float32(low), np.float32(high))).astype(np.int64) - low

    return climbed


def sign(value: Array, scale: Array, zero: Array) -> Array:
    """Rule Q1 for one signed bit, and Q2."""
    return (value / scale + zero >= 0).astype(np.int64)


def reached(value: Array, thresholds: Array) -> Array:
    """Rule Q3; thresholds (channels or 1, steps), ascending."""
    if len(thresholds) == 1:
        return np.searchsorted(thresholds[0], value, side="right")
    wide = np.broadcast_to(value, np.broadcast_shapes(value.shape, (len(thresholds),)))
    found = [np.searchsorted(row, wide[..., c], side="right") for c, row in enumerate(thresholds)]
    return np.stack(found, axis=-1)


def truncated(
    round_: Callable[[Array], Array], divisor: float, limits: tuple[int, int] | None
) -> Callable[..., Array]:
    """Rule Q4."""

    def climbed(value: Array, scale: Array, zero: Array) -> Array:
        y = np.rint(value / scale + zero) / np.float32(divisor)
        if limits is None:
            return round_(y).astype(np.int64)
        return round_(np.clip(y, np.float32(limits[0]), np.float32(limits[1]))).astype(np.int64) - limits[0]

    return climbed


def linear(low: int, high: int) -> Callable[..., Array]:
    """Rule Q5."""

    def climbed(value: Array, scale: Array, zero: Array) -> Array:
        whole = np.rint(np.clip(value / scale, -(2.0**40), 2.0**40)).astype(np.int64) + zero
        return np.clip(whole, low, high) - low

    return climbed


def limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """The least and the largest code of rule Q1."""
    if signed:
        return -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1 - narrow


def packed(low: int, high: int, bits: int, signed: bool, zero: Array) -> Format:
    """Rule Q7: the format of codes from low to high."""
    if signed and bits == 2 and (low, high) == (-1, 1) and not zero.any():
        return Ternary()
    return IntFormat(bits, signed)


def fewest(low: int, high: int, signed: bool, zero: Array) -> Format:
    """The narrowest format of codes from low to high."""
    covering = IntFormat.covering(low, high)
    return packed(low, high, covering.bits + (signed and not covering.signed), signed, zero)


def narrowed(quantizer: Quantizer, low: int, high: int) -> Quantizer:
    """Fewer codes of rule Q5, in the narrowest format of the same sign."""
    signed = isinstance(quantizer.format, IntFormat) and quantizer.format.signed
    format = fewest(low, high, signed, quantizer.zero)
    return replace(quantizer, climbed=linear(low, high), least=low, steps=high - low, format=format)


def whole(values: Any) -> bool:
    """Whether floats are whole numbers."""
    return bool(np.isfinite(values).all() and (np.rint(values) == values).all())
