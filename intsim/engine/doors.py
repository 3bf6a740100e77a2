"""Lowering of quantize and dequantize to and from plain integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from intsim.arithmetic import Rounding
from intsim.engine.lowered import Begin, Lowered, Site, launched
from intsim.engine.reference import lower_reference
from intsim.formats import IntFormat
from intsim.kernels.launch import Launch
from intsim.record import Array

_ROUNDINGS = (Rounding.HALF_EVEN, Rounding.HALF_AWAY)
_LEAST = 1 << 15  # elements below which a thread costs more than it gives


def lower_quantize(site: Site) -> Lowered | str:
    """A kernel for reals to codes; or why there is none."""
    op = site.op
    if not isinstance(op.format, IntFormat):
        return f"no kernel for codes of {op.format}"
    if op.rounding not in _ROUNDINGS:
        return f"no kernel that rounds {op.rounding.name}"
    real = op.scale.dtype
    ends = (op.format.min, op.format.max)
    reach = max(abs(int(end) - int(zero)) for end in ends for zero in op.zero_point.flat)
    if reach >= 1 << (np.finfo(real).nmant - 1):
        return f"codes less zero points come to {reach}, which {real} does not round by a sum"
    reason = f"every quotient is limited to {reach} and rounded by a sum, which is exact there"
    otherwise = lower_reference(site).call  # it says which element is not a number
    return launched(f"quantize {real}", reason, site.outputs[0], _quantize(site), otherwise)


def _quantize(site: Site) -> Begin:
    op, format = site.op, site.op.format
    scale, zero, inner = _along(site)
    factor = scale.dtype.type(1) / scale if op.reciprocal else scale
    magic = scale.dtype.type(1.5 * 2.0 ** np.finfo(scale.dtype).nmant)
    away, divide = int(op.rounding is Rounding.HALF_AWAY), int(not op.reciprocal)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.doors import quantized

        flat = out.reshape(-1)
        before = (inputs[0].reshape(-1), factor, zero, inner, format.min, format.max, magic, away, divide)
        return Launch(quantized, before, (flat,), flat.size, _LEAST)

    return begin


def lower_dequantize(site: Site) -> Lowered | str:
    """A kernel for codes to reals; or why there is none."""
    op = site.op
    if op.input_format is not None:
        return f"no kernel for codes of {op.input_format}"
    scale, zero, inner = _along(site)

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.doors import dequantized

        flat = out.reshape(-1)
        before = (inputs[0].reshape(-1), scale.astype(np.float64), zero, inner)
        return Launch(dequantized, before, (flat,), flat.size, _LEAST)

    return launched("dequantize float64", "the steps themselves", site.outputs[0], begin)


def _along(site: Site) -> tuple[Any, Any, int]:
    """Scales, as many zero points, and how many elements in a row share one."""
    op, shape = site.op, site.inputs[0].shape
    scale = np.ascontiguousarray(op.scale.reshape(-1))
    zero = np.ascontiguousarray(np.broadcast_to(op.zero_point.reshape(-1), scale.shape).astype(np.int64))
    inner = math.prod(shape[op.axis + 1 :]) if scale.size > 1 else max(1, math.prod(shape))
    return scale, zero, inner
