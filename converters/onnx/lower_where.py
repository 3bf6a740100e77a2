"""Where of codes, com.microsoft QLinearWhere, and Where between DequantizeLinear and QuantizeLinear.

Rules (W), cited by the lowerings
---------------------------------
W1. The condition is bool: a graph input, a constant, or the result of a comparison. Where of integers of one
    type selects codes.
W2. QLinearWhere, and in every dialect Where of dequantized tensors of 16 bits at most in front of a
    QuantizeLinear: each side's codes that mean something else than the output go through a table (rule D3
    of `lower_doors`), then one side is selected. Selecting first and rounding then is the same.
W3. A side of W2 may be a float32 constant, which is quantized as D1 says.

References
----------
ONNX Runtime 1.31.1: onnxruntime/contrib_ops/cpu/quantization/qlinear_where.cc.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from intsim_converters.onnx.broadcasting import Operand, broadcast, operand_of
from intsim_converters.onnx.elementwise import TABLED, codes_in, means_same, quantized, table_of
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.values import Codes, Meaning, Pending, Real, Value

from intsim.ops import Select


@lowers("Where")
def lower_where(op: Lowering) -> None:
    condition = _condition(op)
    sides = [op.value(i) for i in (1, 2)]
    if all(isinstance(side, (Codes, Constant)) and side.dtype != "float32" for side in sides):
        _selected(op, condition, [operand_of(op, i) for i in (1, 2)])
        return
    for i, side in enumerate(sides):
        good = isinstance(side, Real) or (isinstance(side, Constant) and side.dtype == "float32")
        op.require(good, _PLAIN if isinstance(side, (Codes, Constant)) else op.float_reason(i + 1))

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        return _selected(quantize, condition, _parts(quantize, sides, y), y)

    op.bind(Pending(finish, pending_reason(op)))


_PLAIN = "sides must both be integers, or both come from DequantizeLinear or be float constants. [W2]"


@lowers("QLinearWhere", domain=MICROSOFT)
def lower_qlinear_where(op: Lowering) -> None:
    """Rule W2."""
    op.require_own()
    condition = _condition(op)
    first, second = op.codes(1), op.codes(4)
    y = op.meaning(7, 8, first.dtype)
    reals = Real(first, op.meaning(2, 3, first.dtype)), Real(second, op.meaning(5, 6, first.dtype))
    op.require(
        first.dtype == second.dtype and first.dtype in ("int8", "uint8"),
        f"sides must both be int8 or uint8, not {first.dtype} and {second.dtype}. [W2]",
    )
    _selected(op, condition, _parts(op, reals, y), y)


def _condition(op: Lowering) -> Operand:
    """Rule W1."""
    value = op.value(0)
    if not isinstance(value, (Codes, Constant)) or value.dtype != "bool":
        op.refuse("condition must be bool. [W1]")
    return value


def _parts(op: Lowering, sides: Iterable[Value], y: Meaning) -> list[Operand]:
    return [_part(op, side, y, name) for side, name in zip(sides, ("lhs", "rhs"), strict=True)]


def _part(op: Lowering, side: Value, y: Meaning, name: str) -> Operand:
    """Rules W2 and W3: a side in the output's codes."""
    if isinstance(side, Constant):
        op.require(y.axis is None, "inputs and output must have one scale each. [W2]")
        codes = quantized(op, side.values, y).astype(y.format.storage)
        return Constant(f"{op.output}/{name}", y.dtype, codes)
    assert isinstance(side, Real)
    if isinstance(side.codes, Constant) and means_same(op, side, y):
        return side.codes
    plain = side.meaning.axis is None and side.meaning.format.bits <= TABLED and y.axis is None
    if isinstance(side.codes, Constant) and plain:
        places = side.codes.values.astype(np.int64) - side.meaning.format.min
        found = table_of(op, side, y)[places]
        return Constant(f"{op.output}/{name}", y.dtype, found.astype(y.format.storage))
    return codes_in(op, side, y, name, "W2")


def _selected(op: Lowering, condition: Operand, sides: list[Operand], y: Meaning | None = None) -> Codes:
    types = sorted({side.dtype for side in sides})
    op.require(len(types) == 1, f"sides must have one type, not {' and '.join(types)}. [W1]")
    spread = broadcast(op, condition, *sides)
    return op.emit(
        Select(), *spread.names, shape=spread.shape, dtype=types[0], layout=spread.layout, meaning=y
    )
