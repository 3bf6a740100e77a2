"""Equal, Greater, Less, GreaterOrEqual and LessOrEqual of codes and of dequantized tensors; And, Or, Xor and
Not of bools.

Rules (G), cited by the lowerings
---------------------------------
G1. Integers of one type are compared by their difference, held in one bit more, or in 64 bits saturated,
    which keeps its sign. Between -1 and 1 it says which is larger.
G2. Dequantized tensors that mean the same, and whose float32 reals rise with every code, are compared as
    G1 says.
G3. Others, and a float32 constant of 256 values at most, are compared in float32 as DequantizeLinear gives
    them: a table of pairs, or of one tensor's codes.
G4. bool is one bit: And is the smaller, Or the larger, Xor the sum that wraps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from intsim_converters.onnx.broadcasting import Operand, broadcast, operand_of
from intsim_converters.onnx.elementwise import TABLED, any_view, reals_of
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.pair_tables import are_few, emit_real_pair
from intsim_converters.onnx.values import FORMATS, Codes, Meaning, Real, Value

from intsim.arithmetic import Add as AddStep
from intsim.arithmetic import Clamp, Overflow, Register, Requantization, Step
from intsim.formats import IntFormat
from intsim.ops import Add, Lookup, Maximum, Minimum, Op, Requantize, Sub

_BIT = FORMATS["bool"]
_SIGN = IntFormat(2)

_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "GreaterOrEqual": np.greater_equal,
    "LessOrEqual": np.less_equal,
}

_LOGIC: dict[str, Op] = {
    "And": Minimum(),
    "Or": Maximum(),
    "Xor": Add(Register(_BIT, Overflow.WRAP)),
}


@lowers(*_FUNCTIONS)
def lower_comparison(op: Lowering) -> None:
    first, second = op.value(0), op.value(1)
    if _whole(first) and _whole(second):
        _compared(op, operand_of(op, 0), operand_of(op, 1))
    elif _alike(first, second):
        _compared(op, first.codes, second.codes)  # type: ignore[union-attr]
    else:
        _tabled(op, first, second)


def _whole(value: Value) -> bool:
    return isinstance(value, (Codes, Constant)) and value.dtype in FORMATS


def _alike(first: Value, second: Value) -> bool:
    """Rule G2."""
    if not isinstance(first, Real) or not isinstance(second, Real):
        return False
    meaning = first.meaning
    plain = not first.functions and not second.functions and meaning.axis is None
    return plain and meaning.same(second.meaning) and differ(meaning)


def differ(meaning: Meaning) -> bool:
    """Whether the float32 real of every code is above that of the code before it."""
    return meaning.format.bits <= TABLED and bool((np.diff(reals_of(meaning)) > 0).all())


def _compared(op: Lowering, a: Operand, b: Operand) -> None:
    """Rule G1."""
    op.require(a.dtype == b.dtype, f"operands must have one type, not {a.dtype} and {b.dtype}. [G1]")
    if op.name in ("Less", "LessOrEqual"):
        a, b = b, a
    spread = broadcast(op, a, b)
    register = Register(IntFormat(min(FORMATS[a.dtype].bits + 1, 64)), Overflow.SATURATE)
    held = op.step(Sub(register), *spread.names, name="difference")
    step: Op = Requantize(Requantization(_steps(op.name), _BIT))
    if op.name == "Equal":
        held = op.step(Requantize(Requantization((Clamp(lo=-1, hi=1),), _SIGN)), held, name="sign")
        step = Lookup([0, 0, 1, 0], _SIGN, _BIT)
    op.emit(step, held, shape=spread.shape, dtype="bool", layout=spread.layout)


def _steps(name: str) -> tuple[Step, ...]:
    """From a difference to whether it is above 0, or 0 or more."""
    if name in ("Greater", "Less"):
        return (Clamp(lo=0, hi=1),)
    return Clamp(lo=-1, hi=0), AddStep(values=1)


def _tabled(op: Lowering, *sides: Value) -> None:
    """Rule G3."""
    for i, side in enumerate(sides):
        good = (isinstance(side, Real) and side.meaning.axis is None) or are_few(side)
        op.require(good, _PLAIN if isinstance(side, (Codes, Constant, Real)) else op.float_reason(i))
    bit = Meaning(np.ones(1, np.float32), np.zeros(1, np.int64), None, "bool")
    first, second = sides
    function = _FUNCTIONS[op.name]
    emit_real_pair(op, (first, second), bit, lambda a, b: function(a, b).astype(np.int64))  # type: ignore[arg-type]


_PLAIN = (
    "operands must both be integers, or both come from DequantizeLinear with one scale each or be"
    " few float constants. [G3]"
)


@lowers(*_LOGIC)
def lower_logic(op: Lowering) -> None:
    """Rule G4."""
    operands = _bools(op, 0), _bools(op, 1)
    spread = broadcast(op, *operands)
    op.emit(_LOGIC[op.name], *spread.names, shape=spread.shape, dtype="bool", layout=spread.layout)


@lowers("Not")
def lower_not(op: Lowering) -> None:
    x = op.codes(0)
    op.require(x.dtype == "bool", f"input must be bool, not {x.dtype}. [G4]")
    name, layout = any_view(x)
    op.emit(Lookup([1, 0], _BIT, _BIT), name, shape=x.shape, dtype="bool", layout=layout)


def _bools(op: Lowering, i: int) -> Operand:
    operand = operand_of(op, i)
    op.require(operand.dtype == "bool", f"operands must be bool, not {operand.dtype}. [G4]")
    return operand
