"""Fused activations: the limits that they put on a quantized output.

Rules (L), all of it in float32
-------------------------------
L1. A real limit becomes zero_point + round(limit / scale), half away from zero (LiteRT 2.3.0,
    tflite/kernels/kernel_util.cc, CalculateActivationRangeQuantized).
L2. In the operators that XNNPACK takes it becomes round(limit / scale + zero_point), half to even: at
    ties of the quotient the neighbour of L1's code half of the time (XNNPACK's xnn_qs8_quantize and
    xnn_qu8_quantize; measured on LiteRT 2.3.0).
"""

from __future__ import annotations

import math

import numpy as np
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView

_REALS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def activation_limits(
    op: Lowering, y: TensorView, activation: str | None = None, *, xnnpack: bool = False
) -> tuple[int, int]:
    """The lowest and the highest code that a fused activation leaves of `y`.

    activation : the option fused_activation_function where absent
    xnnpack : whether XNNPACK computes the operator: rule L2 in place of L1
    """
    activation = op.options.fused_activation_function if activation is None else activation
    if activation not in _REALS:
        op.refuse(f"fused activation must be one of {', '.join(_REALS)}, not {activation}")
    return real_limits(op, y, *_REALS[activation], xnnpack=xnnpack)


def real_limits(
    op: Lowering, y: TensorView, low: float | None, high: float | None, *, xnnpack: bool = False
) -> tuple[int, int]:
    """The lowest and the highest code of `y` between two reals; see `activation_limits`."""
    lo, hi = y.format.min, y.format.max
    if low is not None:
        lo = max(lo, _quantize(op, low, y, xnnpack))
    if high is not None:
        hi = min(hi, _quantize(op, high, y, xnnpack))
    if lo > hi:
        op.refuse(f"limits {low} to {high} must leave a code of {y.format}, not {lo} to {hi}")
    return lo, hi


def _quantize(op: Lowering, real: float, y: TensorView, xnnpack: bool) -> int:
    op.require(y.scale > 0, "output's scale must be positive")
    with np.errstate(over="ignore"):
        ratio = np.float32(real) / y.scale
    op.require(abs(ratio) < 2**31 - 256, f"activation limit {real} must be in the output's reach")
    if xnnpack:
        return int(np.rint(np.float32(ratio + np.float32(y.zero_point))))
    magnitude = abs(float(ratio))
    return y.zero_point + int(math.copysign(math.floor(magnitude + 0.5), ratio))


def plain_limits(op: Lowering, y: TensorView, activation: str | None = None) -> tuple[int, int]:
    """The lowest and the highest value that a fused activation leaves of integers without scale."""
    activation = op.options.fused_activation_function if activation is None else activation
    if activation not in _REALS:
        op.refuse(f"fused activation must be one of {', '.join(_REALS)}, not {activation}")
    low, high = _REALS[activation]
    return y.format.min if low is None else int(low), y.format.max if high is None else int(high)
