"""What the reductions share: their axes, and the steps from a sum to a mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from intsim_converters.tflite.kernels import xnnpack_reads
from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.moving import Operands, axis_of, operands

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Overflow,
    Register,
    Requantization,
    Rounding,
    Scale,
)
from intsim.arithmetic.dialects import (
    double_rounding_by,
    quantize_multiplier,
    ratio_float64,
    single_rounding_by,
)
from intsim.formats import IntFormat

_WIDEST = 2.0**29  # a scaled sum below this meets no overflow on its way


@dataclass(frozen=True)
class Reduced:
    """What is reduced: the operand, its sample's axes, how many elements make one output, its shape."""

    operands: Operands
    axes: tuple[int, ...]
    count: int
    shape: tuple[int, ...]  # TFLite's
    keepdims: bool


def read_reduction(op: Lowering) -> Reduced:
    """The operand and axes of a reducing operator (input, constant axes -> output)."""
    x = op.input(0)
    op.require(x.rank >= 1, "input must have an axis")
    axes = sorted({axis_of(op, axis, x.rank) for axis in op.ints(1)})
    op.require(bool(axes), "axes must name one at least")
    keepdims = bool(op.options.keep_dims)
    whole = operands(op, (0,), keeps_batch=axes[0] > 0)
    sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    shape = tuple(size for axis, size in enumerate(sizes) if keepdims or axis not in axes)
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=object))
    return Reduced(whole, tuple(whole.axis(axis) for axis in axes), count, shape, keepdims)


def mean_or_sum(op: Lowering, count: int, mean: bool) -> Requantization:
    """The steps from a sum of `count` raw codes to the output's code."""
    x, y = op.input(0), op.output(0)
    op.require(x.scale > 0 and y.scale > 0, "scales must be positive")
    limits = Clamp(lo=y.format.min, hi=y.format.max)
    if op.dialect == "xnnpack" and (x.dtype != "int16" or not mean):
        return Requantization((_float32_step(op, count, mean), limits), y.format)
    centre = Add(values=-x.zero_point * count, into=Register(IntFormat(32), Overflow.WRAP))
    steps = (centre, *_fixed_point_steps(op, count, mean), Add(values=y.zero_point), limits)
    return Requantization(steps, y.format)


def _fixed_point_steps(op: Lowering, count: int, mean: bool) -> tuple[AnyStep, ...]:
    """The steps from a centred sum to the output's scale.

    A mean's multiplier takes 1 / count in, in integers (LiteRT internal/reference/reduce.h,
    QuantizedMeanOrSum): multiplier * 2**k // count with the largest k that keeps it in 32 bits and the
    shift above -32.
    """
    x, y = op.input(0), op.output(0)
    ratio = float(ratio_float64([x.scale], y.scale)[0])
    widest = (x.format.max - x.format.min) * (1 if mean else count) * ratio
    op.require(
        widest < _WIDEST,
        f"scaled sums must stay below 2**29, not reach {widest:.4g}: the runtime's result is undefined there",
    )
    single = op.dialect == "single-rounding"
    multiplier, shift = quantize_multiplier(ratio, single)
    if mean:
        k = min(count.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << k) // count, shift - k
    by = single_rounding_by if single else double_rounding_by
    return by(np.array([multiplier]), np.array([shift]))


def _float32_step(op: Lowering, count: int, mean: bool) -> AnyStep:
    """The raw sum times a float32 scale, plus one offset formed in float32 too, rounded.

    XNNPACK does so with int8 and uint8, half to even; the optimized kernel of SUM with int16, which has no
    offset, half away from zero. Measured with LiteRT 2.3.0 on x86; nothing is fused there.
    """
    x, y = op.input(0), op.output(0)
    wide = x.dtype == "int16"
    op.require(
        wide or xnnpack_reads(x, y),
        f"XNNPACK takes {op.name} only of 6 axes at most and where scales are written along axis 0; use"
        " another dialect",
    )
    with np.errstate(all="ignore"):
        scale = np.float32(x.scale / y.scale)
        if mean:
            scale = np.float32(scale * np.float32(np.float32(1) / np.float32(count)))
        offset = np.float32(np.float32(y.zero_point) - np.float32(np.float32(count * x.zero_point) * scale))
    op.require(np.isfinite(scale) and np.isfinite(offset), "ratio of scales must be finite")
    if wide:
        return Scale(factors=scale, rounding=Rounding.HALF_AWAY)
    return Scale(factors=scale, after=offset, rounding=Rounding.HALF_EVEN)
