"""QUANTIZE and DEQUANTIZE: the doors between reals and codes, and from codes to other codes.

Rules (D), cited by the lowerings
---------------------------------
D1. QUANTIZE of float32 to int8, uint8, int16 or int4, one scale or several along an axis: the quotient in
    float32, half away, plus the zero point, saturated; a quotient beyond int32 saturates too, which LiteRT
    2.3.0 leaves to the machine. XNNPACK, which takes int8 and uint8 with one scale, multiplies by the
    float32 reciprocal of the scale, half to even; int16 with one scale is refused there.
D2. QUANTIZE of codes: the code less its zero point times the ratio of scales, formed in float64; then the
    output's zero point, saturated. int8 and uint8 to int8, uint8 and int16; int16 to int8, int16 and int32;
    int32 to int8 and int16. XNNPACK takes int8 to int8 and uint8 to uint8: rules X3 and X5 of `xnnpack`.
D3. DEQUANTIZE to float32: the code less its zero point times the scale. Where XNNPACK could take the type
    but for its axes, D1 and D3 are refused: the optimized kernels have their own floats.
D4. TensorFlow Lite Micro knows one scale only, no uint8 and no int4 from reals, and other pairs of codes.

References
----------
LiteRT 2.3.0: tflite/kernels/{quantize,dequantize}.cc, internal/reference/{quantize,requantize}.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.tflite import xnnpack
from intsim_converters.tflite.kernels import LEFT, xnnpack_reads
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.scales import finite_ratio, widest
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Add, Requantization, Rounding
from intsim.arithmetic.dialects import ratio_float64
from intsim.ops import Dequantize, Quantize, Requantize

_EIGHT = ("int8", "uint8")
_REAL_TO = ("int8", "uint8", "int16", "int4")
_CODES_TO = {
    "int8": ("int8", "uint8", "int16"),
    "uint8": ("int8", "uint8", "int16"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}
_MICRO_TO = _CODES_TO | {"int8": ("int8", "uint8", "int16", "int32"), "uint8": ("int8",)}


@lowers("QUANTIZE")
def lower_quantize(op: Lowering) -> None:
    x, y = op.input(0), op.output(0)
    if not x.is_float:
        _requantize(op, x, y)
        return
    types = ("int8", "int16") if op.dialect == "tflm" else _REAL_TO
    op.require(
        x.dtype == "float32" and y.dtype in types,
        f"must be of float32 to one of {', '.join(types)}, not {x.dtype} to {y.dtype}. [D1]",
    )
    fields = _meaning(op, y)
    op.require((y.scales > 0).all(), "scales must be positive. [D1]")
    if op.dialect == "xnnpack" and y.scales.size == 1:
        op.require(
            y.dtype != "int16",
            "int16 must be left to another dialect: the optimized kernel's rounding depends on where an"
            " element lies in memory. [D1]",
        )
    if op.dialect == "xnnpack" and y.dtype in _EIGHT and y.scales.size == 1:
        op.require(xnnpack_reads(y), f"{LEFT}. [D1]")
        fields |= {"reciprocal": True, "rounding": Rounding.HALF_EVEN}
    op.emit(Quantize(format=y.format, **fields), op.value(0))


def _meaning(op: Lowering, view: TensorView) -> dict[str, Any]:
    """Scale, zero point and axis of a tensor of codes."""
    scales, points = view.scales, view.zero_points
    if scales.size == 1:
        return {"scale": scales, "zero_point": view.zero_point}
    op.require(op.dialect != "tflm", f"must have one scale in TensorFlow Lite Micro, not {scales.size}. [D4]")
    axis = view.quantized_axis - view.batched
    op.require(
        0 <= axis < len(view.sample_shape) and view.sample_shape[axis] == scales.size,
        f"scales must run along an axis of the sample {view.sample_shape},"
        f" not {scales.size} along axis {view.quantized_axis} of {view.shape}",
    )
    return {"scale": scales, "zero_point": points, "axis": axis}


def _requantize(op: Lowering, x: TensorView, y: TensorView) -> None:
    """Rule D2."""
    pairs = _MICRO_TO if op.dialect == "tflm" else _CODES_TO
    op.require(
        y.dtype in pairs.get(x.dtype, ()),
        f"must be {', '.join(f'{a} to {b}' for a, both in pairs.items() for b in both)},"
        f" not {x.dtype} to {y.dtype}. [D2]",
    )
    if x.dtype == y.dtype == "int16":
        points = (x.zero_point, y.zero_point)
        op.require(points == (0, 0), f"zero points of int16 must be 0, not {points}. [D2]")
    op.require(y.scale > 0, "output's scale must be positive. [D2]")
    exact = x.dtype != y.dtype and x.scale == y.scale  # nothing is rounded, in whichever kernel
    if op.dialect == "xnnpack" and x.dtype in _EIGHT and not exact:
        rule = xnnpack.requantize(op, x, y)
    else:
        with np.errstate(over="ignore"):
            ratio = ratio_float64([x.scale], y.scale)
        finite_ratio(op, ratio[0], 1 if x.dtype == "int32" else widest(x))
        rule = op.fixed_point.requantization(ratio, zero_point=y.zero_point, format=y.format)
    steps = (Add(values=-x.zero_point), *rule.steps) if x.zero_point else rule.steps
    op.emit(Requantize(Requantization(steps, y.format)), op.value(0))


@lowers("DEQUANTIZE")
def lower_dequantize(op: Lowering) -> None:
    """Rule D3."""
    x = op.input(0)
    op.require(
        x.dtype in (*_REAL_TO, "int2", "uint4"),
        f"input must be 16 bits or fewer, not {x.dtype}. [D3]",
    )
    op.require((x.scales > 0).all(), "scales must be positive. [D3]")
    if op.dialect == "xnnpack" and x.dtype in _EIGHT and x.scales.size == 1:
        op.require(xnnpack_reads(x), f"{LEFT}. [D3]")
    op.emit(Dequantize(**_meaning(op, x)), op.value(0))
