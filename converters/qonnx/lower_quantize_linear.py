"""QuantizeLinear, Clip, DequantizeLinear: a quantizer in ONNX's own operators (QCDQ).

Rules
-----
L1. QuantizeLinear is rule Q5 of `quantizers`; a Clip of integers behind it leaves fewer codes, which get
    the narrowest format. The DequantizeLinear behind them says what the codes stand for.
L2. A DequantizeLinear of a constant gives constant integers.
L3. Scales are one, or one per index of the axis; scales are positive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.values import FORMATS
from intsim_converters.qonnx.annotations import Format
from intsim_converters.qonnx.lowering import QonnxLowering, lowers
from intsim_converters.qonnx.parameters import Array, compact
from intsim_converters.qonnx.quantizers import Quantizer, linear
from intsim_converters.qonnx.quantizing import apply, shape_of
from intsim_converters.qonnx.values import Fixed, Pending

from intsim.arithmetic import Rounding


@lowers("QuantizeLinear")
def lower_quantize_linear(op: QonnxLowering) -> None:
    source = op.given(0)
    shape = shape_of(op, source)
    scale, zero, dtype = _meaning(op, shape)
    format = FORMATS[dtype]
    op.require(op.attribute("output_dtype", 0) == 0 or op.has(2), "output type must be the zero point's")
    made = Quantizer(
        linear(format.min, format.max),
        (scale, zero),
        format.min,
        1,
        format.max - format.min,
        format,
        scale.astype(np.float64),
        zero,
        Rounding.HALF_EVEN,
        after=True,
    )
    op.bind(Pending(source, made, shape))


@lowers("DequantizeLinear")
def lower_dequantize_linear(op: QonnxLowering) -> None:
    x = op.given(0)
    if isinstance(x, Constant | Fixed):
        scale, zero, _ = _meaning(op, x.shape)
        codes, format = _integers(op, x)
        op.bind(Fixed(x.name, codes, format, scale.astype(np.float64), zero))
        return
    op.require(isinstance(x, Pending), "input must come from a QuantizeLinear, or be constant integers")
    scale, zero, _ = _meaning(op, x.shape)
    quantizer = replace(x.quantizer, slope=scale.astype(np.float64), zero=zero)
    op.bind(apply(op, x.source, quantizer))


def _integers(op: QonnxLowering, x: Constant | Fixed) -> tuple[Array, Format]:
    """Constant integers, perhaps behind a Clip (rule L2)."""
    if isinstance(x, Fixed):
        op.require(
            bool((x.slope == 1).all() and not x.zero.any()), "input must be integers without a scale. [L2]"
        )
        return x.codes, x.format
    op.require(x.dtype in FORMATS, f"constant must hold integers, not {x.dtype}. [L2]")
    return x.values.astype(np.int64), FORMATS[x.dtype]


def _meaning(op: QonnxLowering, shape: tuple[int, ...]) -> tuple[Array, Array, str]:
    """Scale, zero point and type of codes, with the rank of a shape (rule L3)."""
    scale = op.reals(1, "scale")
    op.require(
        bool(np.isfinite(scale).all() and (scale > 0).all()), "scale must be positive and finite. [L3]"
    )
    dtype, zero = "uint8", np.zeros(1, np.int64)
    if op.has(2):
        given: Any = op.value(2)
        good = isinstance(given, Constant) and given.dtype in FORMATS
        op.require(good, "zero point must be a constant integer. [L3]")
        dtype, zero = given.dtype, given.values.astype(np.int64)
    axis, rank = int(op.attribute("axis", 1)), len(shape)
    op.require(not op.attribute("block_size", 0), "blocks of scales must not be used. [L3]")

    def along(values: Array) -> Array:
        wide = [1] * rank
        if values.size > 1:
            good = -rank <= axis < rank and values.ndim == 1 and shape[axis] == values.size
            op.require(good, f"scales must be one, or one per index of axis {axis} of {shape}. [L3]")
            wide[axis] = values.size
        return compact(values.reshape(wide))

    return along(scale), along(zero), dtype
