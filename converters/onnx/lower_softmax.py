"""com.microsoft QLinearSoftmax, and Softmax between DequantizeLinear and QuantizeLinear.

Rules (O), cited by the lowerings
---------------------------------
O1. Rows run along the axis; before operator set 13 along it and all behind it, taken as one. Axes that are
    left out are the last, before 13 the second.
O2. In a row of D codes the entry for one that is i below the largest is exp((rise - i) * input's scale), in
    float64 as C's exp gives it, rounded to float32; rise = max(0, log(FLT_MAX / D) - 5) / input's scale,
    where FLT_MAX / D and the logarithm are float32. No sum of entries leaves float32.
O3. An entry is multiplied by floor(1 / output's scale) and divided by the row's sum, which is made in order,
    all in float32; then half to even, plus the zero point, saturated.
O4. Softmax between 8-bit codes of one type is O1 to O3; between others the runtime computes it in float.
O5. Refused: rows of more than 32768 codes, for which libraries do not agree on O2's logarithm, and an output
    scale so small that a product of O3 leaves float32: there the runtime converts infinity to an integer.

References
----------
ONNX Runtime 1.31.1: onnxruntime/contrib_ops/cpu/quantization/qlinear_softmax.cc.
"""

from __future__ import annotations

import math

import numpy as np
from intsim_converters.onnx.floating import Nodes, check_codes, codes_behind, emit_in_turn, limits_of
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.values import Codes, Layout, Meaning, Pending

from intsim.arithmetic import QuotientSoftmax
from intsim.ops import Reshape, Softmax, Transpose

_LONGEST = 1 << 15  # rule O5
_ALONE = 13  # the operator set from which on an axis does not take those behind it along


@lowers("QLinearSoftmax", domain=MICROSOFT)
def lower_qlinear_softmax(op: Lowering) -> None:
    op.require_own()
    version = op.attribute("opset")
    op.require(version is not None, "opset must be given. [O1]")
    x = op.codes(0)
    _softmax(
        op, x, op.meaning(1, 2, x.dtype), op.meaning(3, 4, x.dtype), _axis(op, version), version < _ALONE
    )


@lowers("Softmax")
def lower_softmax(op: Lowering) -> None:
    """Rule O4."""
    op.require(op.fuses, f"float region: Softmax computes in float in dialect {op.dialect}. [O4]")
    codes, meaning = codes_behind(op)
    axis, together = _axis(op, op.opset), op.opset < _ALONE

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        return _softmax(quantize, codes, meaning, y, axis, together)

    op.bind(Pending(finish, pending_reason(op)))


def _axis(op: Lowering, version: int) -> int:
    """Rule O1."""
    return int(op.attribute("axis", 1 if version < _ALONE else -1))


def _softmax(op: Lowering, x: Codes, meaning: Meaning, y: Meaning, axis: int, together: bool) -> Codes:
    """Rules O1 to O3."""
    check_codes(op, x, meaning, y)
    place, sample = op.axis(axis, x.shape), op.target.batch.sample(x.shape)
    depth = math.prod(sample[place:]) if together else sample[place]
    layout, before, after = Layout.PLAIN, (), ()
    if place < len(sample) - 1 and together:
        before = (("rows", Reshape((*sample[:place], depth))),)
        after = (("shaped", Reshape(sample)),)
    elif place == 0 and Layout.IMAGE in x.views:  # channels, which an image has last
        layout = Layout.IMAGE
    elif place < len(sample) - 1:
        order = list(range(len(sample)))
        order[place], order[-1] = order[-1], place
        before = (("turned", Transpose(tuple(order))),)
        after = (("back", Transpose(tuple(order))),)
    recipe = _recipe(op, meaning.scale[0], y, depth)
    nodes: Nodes = [*before, ("softmax", Softmax(recipe, y.format)), *limits_of(y), *after]
    return emit_in_turn(op, op.view(x, layout), nodes, shape=x.shape, layout=layout, y=y)


def _recipe(op: Lowering, scale: np.float32, y: Meaning, depth: int) -> QuotientSoftmax:
    """Rules O2 and O5."""
    op.require(depth <= _LONGEST, f"rows must have at most {_LONGEST} codes, not {depth}. [O5]")
    table, multiplier = exponentials(scale, depth), np.floor(np.float32(1) / y.scale[0])
    op.require(
        bool(multiplier <= 2**24 and np.isfinite(table[-1] * multiplier)),
        f"output's scale {y.scale[0]:.9g} must be larger for rows of {depth}: the runtime multiplies"
        " exponentials by its inverse, which leaves float32. [O5]",
    )
    return QuotientSoftmax(table, multiplier, int(y.zero_point[0]))


def exponentials(scale: np.float32, depth: int) -> Array:
    """Rule O2: the table for rows of `depth` codes of this scale, the largest code's entry last."""
    step = float(scale)
    most = np.finfo(np.float32).max / np.float32(depth)
    rise = max(0.0, float(np.float32(math.log(most))) - 5.0) / step
    return np.array([math.exp((i - 255 + rise) * step) for i in range(256)]).astype(np.float32)
