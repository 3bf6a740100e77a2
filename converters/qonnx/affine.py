"""Carried integers as operands of a sum: float steps folded into slope and zero point, where that is exact.

Rules
-----
F1. x * p and x / p change the slope; x + p and x - p the zero point, if p is a whole number of slopes; a
    relu or a clip that changes no real is dropped. Other steps need a quantizer behind them.
F2. What QONNX rounds on that way is added to the error, unless it rounds nothing (rule X1).
X1. n * a * b is exact in float32 for all |n| <= most, in any order, if the odd parts of a and b times most
    are at most 2**24: all products and all their sums are then multiples of one power of two that float32
    counts.
X2. Otherwise a sum of K products and a bias differs from the exact one by at most ((1 + u)**(K + 4) - 1)
    times the sum of magnitudes, u = 2**-24, in whatever order they are added.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from intsim_converters.qonnx.chain import Step
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.parameters import Array
from intsim_converters.qonnx.values import Carried

UNIT = 2.0**-24
_SLACK = 1 + 2.0**-20  # what computing an error in float64 loses


def odd(values: Any) -> Array:
    """The odd whole number in each float, which is it times a power of two; 0 of 0."""
    mantissa, _ = np.frexp(np.abs(np.asarray(values, np.float64)))
    whole = (mantissa * 2.0**53).astype(np.int64)
    return np.asarray(whole // np.maximum(whole & -whole, 1), np.float64)


def exact(a: Any, b: Any, most: Any) -> Array:
    """Rule X1, element by element."""
    return np.asarray(odd(a) * odd(b) * most <= 2.0**24)


def reach(x: Carried) -> Array:
    """The largest |n - zero|, as parameters."""
    ends = (np.abs(end - x.zero) for end in (x.format.min, x.format.max))
    return np.asarray(np.maximum(*ends), np.float64)


def rounding(terms: int) -> float:
    """Rule X2: the error of a sum, in terms of the sum of magnitudes."""
    return float((1 + UNIT) ** (terms + 4) - 1)


def sum_error(a: Array, b: Array, magnitude: Array, terms: int, whole: bool) -> Array:
    """Rules X1 and X2: a and b are the slopes of the operands, magnitude that of the integers.

    whole : whether the operands are exact; where they are not, no sum of them is
    """
    rounded = rounding(terms) * magnitude * np.abs(a * b) * _SLACK
    return np.where(exact(a, b, magnitude) & whole, 0.0, rounded)


def affine(op: QonnxLowering, x: Carried) -> Carried:
    """The same without steps; refuses what rule F1 does not fold."""
    plain = replace(x, steps=())
    for step in x.steps:
        done = _folded(plain, step)
        if done is None:
            op.refuse(
                f"float region: {step.kind} behind {x.codes.name!r} must be a scale or a whole number of"
                f" scales, or have a quantizer between it and {op.name}. [F1]"
            )
        plain = done
    return plain


def _folded(x: Carried, step: Step) -> Carried | None:
    if step.kind == "Mul":
        (factor,) = (entry.astype(np.float64) for entry in step.parameters)
        return _scaled(x, x.slope * factor, exact(x.slope, factor, reach(x))) if factor.all() else None
    if step.kind == "Div":
        slope = x.slope / step.parameters[0].astype(np.float64)
        good = exact(slope, step.parameters[0], 1) & exact(slope, 1, reach(x))
        return _scaled(x, slope, good & (slope * step.parameters[0] == x.slope))
    if step.kind in ("Add", "Sub"):
        return _shifted(x, step.parameters[0] if step.kind == "Add" else -step.parameters[0])
    if step.kind in ("Relu", "Clip"):
        ends = np.stack([(end - x.zero) * x.slope for end in (x.format.min, x.format.max)])
        same = [np.array_equal(step(end.astype(np.float32)), end.astype(np.float32)) for end in ends]
        return x if all(same) else None
    return None


def _scaled(x: Carried, slope: Array, good: Array) -> Carried:
    """Another slope (rule F2)."""
    inherited = x.error * np.abs(slope / x.slope)
    rounded = np.where(good, 0.0, UNIT * np.abs(slope) * reach(x))
    return replace(x, slope=slope, error=(inherited + rounded) * _SLACK)


def _shifted(x: Carried, shift: Array) -> Carried | None:
    """Another zero point (rules F1 and F2)."""
    whole = shift / x.slope
    if not np.array_equal(whole, np.rint(whole)) or (np.abs(whole) >= 2.0**40).any():
        return None
    if (whole * x.slope != shift).any() or not exact(x.slope, whole, 1).all():
        return None
    moved = replace(x, zero=x.zero - whole.astype(np.int64))
    rounded = np.where(exact(x.slope, 1, reach(moved)), 0.0, UNIT * np.abs(x.slope) * reach(moved) * _SLACK)
    return replace(moved, error=x.error + rounded)


def one_scale(op: QonnxLowering, x: Carried, what: str) -> tuple[float, int]:
    """Slope and zero point of an operand of sums over all channels; refuses several."""
    op.require(
        x.slope.size == 1 and x.zero.size == 1,
        f"{what} must have one scale and one zero point, as a sum mixes channels",
    )
    return float(x.slope.reshape(())), int(x.zero.reshape(()))
