"""Operators on two dequantized tensors of more than 8 bits, for which there is no table of pairs: the op
`float_elementwise` does the float32 steps that the file asks for.

Rules (W), cited by the lowerings
---------------------------------
W1. Add, Sub, Mul, Max and Min of dequantized tensors of 16 bits at most, without functions on them, and the
    QuantizeLinear behind: each code's real in float32, the operator, then the quotient, half to even, plus
    the zero point. In every dialect; ONNX Runtime has no integer operator for them.
W2. onnx.reference holds the quotient in int32 before it is saturated: it must fit.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.broadcasting import broadcast
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.values import FORMATS, Codes, Meaning, Real

from intsim.ops import Clamp, FloatElementwise, FloatFunction

_FUNCTIONS = {
    "Add": FloatFunction.ADD,
    "Sub": FloatFunction.SUBTRACT,
    "Mul": FloatFunction.MULTIPLY,
    "Max": FloatFunction.MAXIMUM,
    "Min": FloatFunction.MINIMUM,
}
_TABLED, _MOST = 8, 16


def is_wide(name: str, sides: list[object], y: Meaning) -> bool:
    """Whether rule W1 holds, and a table of pairs does not."""
    if name not in _FUNCTIONS or y.format.bits > _MOST:
        return False
    plain = [side.codes for side in sides if isinstance(side, Real) and not side.functions]
    bits = [FORMATS[codes.dtype].bits for codes in plain if codes.dtype in FORMATS]
    return len(bits) == 2 and _TABLED < max(bits) <= _MOST


def emit_wide_pair(op: Lowering, name: str, sides: tuple[Real, Real], y: Meaning) -> Codes:
    """Add the nodes of an operator on what two tensors stand for (rule W1)."""
    first, second = (side.meaning for side in sides)
    pair = broadcast(op, *(side.codes for side in sides))
    scales = [np.float32(entry.scale[0]) for entry in (first, second, y)]
    points = [int(entry.zero_point[0]) for entry in (first, second, y)]
    if not op.fuses:
        _check_quotient(op, name, (first, second), scales)
    node = FloatElementwise(_FUNCTIONS[name], *scales, *points, y.format)
    limits = Clamp(y.lowest, y.highest)
    if y.limits is not None:
        inner = op.step(node, *pair.names, name="quantized")
        return op.emit(limits, inner, shape=pair.shape, dtype=y.dtype, layout=pair.layout, meaning=y)
    return op.emit(node, *pair.names, shape=pair.shape, dtype=y.dtype, layout=pair.layout, meaning=y)


def _check_quotient(
    op: Lowering, name: str, meanings: tuple[Meaning, Meaning], scales: list[np.float32]
) -> None:
    """Rule W2, for the largest magnitudes."""
    a, b = (
        max(
            abs(entry.format.min - int(entry.zero_point[0])), abs(entry.format.max - int(entry.zero_point[0]))
        )
        * float(scale)
        for entry, scale in zip(meanings, scales, strict=False)
    )
    most = (a * b if name == "Mul" else a + b) / float(scales[2])
    op.require(most < 2.0**31, f"quotients must fit int32 before they are saturated, not be {most:.3g}. [W2]")
