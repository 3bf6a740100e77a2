"""Sums and differences of two computed tensors, as integers.

Rules
-----
J1. Shapes are equal. Both have a zero point, and scales that are whole multiples of the smaller one; the
    tensor of the larger scale is multiplied by that number.
J2. The result stands in the smaller scale, in a register that holds every sum.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from intsim_converters.onnx.values import Layout
from intsim_converters.qonnx.affine import UNIT, affine, exact
from intsim_converters.qonnx.lowering import QonnxLowering
from intsim_converters.qonnx.values import Carried

from intsim.arithmetic import Multiply, Register, Requantization
from intsim.formats import IntFormat
from intsim.ops import Add, Requantize, Sub

_MOST = 1 << 16


def join(op: QonnxLowering, a: Carried, b: Carried) -> None:
    """Add the node for an Add or Sub of two computed tensors."""
    op.require(op.name in ("Add", "Sub"), f"one operand of {op.name} must be a constant")
    op.require(a.shape == b.shape, f"shapes must be equal, not {a.shape} and {b.shape}. [J1]")
    a, b = affine(op, a), affine(op, b)
    factors = _factors(op, a, b)
    codes = [op.settled(x) for x in (a, b)]
    image = all(Layout.IMAGE in entry.views for entry in codes)
    layout = Layout.IMAGE if image else Layout.PLAIN
    names, ranges = [], []
    for k, (x, factor) in enumerate(zip((a, b), factors, strict=True)):
        low, high = x.format.min * factor, x.format.max * factor
        name = op.view(codes[k], layout)
        if factor > 1:
            rule = Requantization((Multiply(multipliers=factor),), IntFormat.covering(low, high))
            name = op.step(Requantize(rule), name, name=f"scaled_{k}")
        names.append(name)
        ranges.append((low, high))
    sign = 1 if op.name == "Add" else -1
    ends = [x + sign * y for x in ranges[0] for y in ranges[1]]
    format = IntFormat.covering(min(ends), max(ends))
    node = (Add if sign > 0 else Sub)(Register(format))
    slope = np.minimum(a.slope, b.slope)
    zero = a.zero * factors[0] + sign * b.zero * factors[1]
    most = np.maximum(np.abs(format.min - zero), np.abs(format.max - zero)).astype(np.float64)
    rounded = np.where(exact(slope, 1, most), 0.0, 4 * UNIT * np.abs(slope) * most)
    note = op.annotation(slope, zero, a.shape, layout)
    made = op.produce(node, *names, shape=a.shape, layout=layout, meaning=note)
    op.bind(replace(a, codes=made, format=format, slope=slope, zero=zero, error=a.error + b.error + rounded))


def _factors(op: QonnxLowering, a: Carried, b: Carried) -> tuple[int, int]:
    """Rule J1."""
    op.require(bool((a.slope > 0).all() and (b.slope > 0).all()), "scales must be positive. [J1]")
    for big, small, order in ((a.slope, b.slope, 1), (b.slope, a.slope, -1)):
        whole = np.unique(np.rint(big / small))
        if whole.size == 1 and 1 <= whole[0] <= _MOST and (big == small * whole[0]).all():
            return (int(whole[0]), 1)[::order]  # type: ignore[return-value]
    return op.refuse(
        "scales must be equal, or whole multiples of one another: quantize both with one quantizer. [J1]"
    )
