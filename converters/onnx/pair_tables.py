"""Any function of two 8-bit codes as a table of 65536 entries, out of ops that are there: the index is
256 times the one plus the other.

It is how a float32 sum of two scaled codes, which rounds several times, is held in integers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from intsim_converters.onnx.broadcasting import Operand, broadcast
from intsim_converters.onnx.elementwise import TABLED, any_view, one_code, reals
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.values import CODED, FORMATS, Codes, Meaning, Real, format_of

from intsim.arithmetic import Add as AddStep
from intsim.arithmetic import Overflow, Register, Requantization, ShiftLeft
from intsim.formats import IntFormat
from intsim.ops import Add, Lookup, Requantize

_INDEX = IntFormat(16, signed=False)
_HALF = 8

Function = Callable[[Array, Array], Array]
"""Of two float32 or integer arrays that broadcast."""


def emit_pair(op: Lowering, a: Operand, b: Operand, y: Meaning, function: Function) -> Codes:
    """Add the nodes of an operator on two codes.

    function : from the codes of `a` and `b` (int64, broadcastable) to the output's codes
    """
    for i, operand in enumerate((a, b)):
        if isinstance(operand, Constant) and operand.values.size == 1:
            return _single(op, (a, b), i, y, function)
    for operand in (a, b):
        bits = format_of(operand.dtype).bits
        op.require(bits <= _HALF, f"codes must have 8 bits at most for a table of pairs, not {bits}")
    pair = broadcast(op, a, b)
    names = [
        _half(op, operand, name, side)
        for side, (operand, name) in enumerate(zip((a, b), pair.names, strict=True))
    ]
    index = op.step(Add(Register(_INDEX, Overflow.WRAP)), *names, name="index")
    values = [_values(operand) for operand in (a, b)]
    entries = np.asarray(function(values[0][:, None], values[1][None, :])).reshape(-1)
    lookup = Lookup(entries, _INDEX, y.format)
    return op.emit(lookup, index, shape=pair.shape, dtype=y.dtype, layout=pair.layout, meaning=y)


def _values(operand: Operand) -> Array:
    """The codes in order, for a whole half of the index; what an operand never holds is another one."""
    format = format_of(operand.dtype)
    codes = np.minimum(np.arange(1 << _HALF) + format.min, format.max)
    if isinstance(operand, Codes):
        return codes
    return np.where(np.isin(codes, operand.values), codes, int(operand.values.flat[0]))


def _half(op: Lowering, operand: Operand, name: str, side: int) -> str:
    """The high or the low half of the index."""
    if operand.dtype in CODED:
        codes = np.arange(CODED[operand.dtype].max + 1) << (_HALF if side == 0 else 0)
        return op.step(Lookup(codes, CODED[operand.dtype], _INDEX), name, name=("high", "low")[side])
    least = FORMATS[operand.dtype].min
    steps = [AddStep(values=-least)] if least else []
    steps += [ShiftLeft(bits=_HALF)] if side == 0 else []  # type: ignore[list-item]
    if not steps:
        return name
    rule = Requantization(tuple(steps), _INDEX)
    return op.step(Requantize(rule), name, name=("high", "low")[side])


def _single(
    op: Lowering, operands: tuple[Operand, Operand], fixed: int, y: Meaning, function: Function
) -> Codes:
    """One operand is one constant code: a table of the other."""
    constant, other = operands[fixed], operands[1 - fixed]
    assert isinstance(constant, Constant)
    if not isinstance(other, Codes):
        op.refuse("one operand must be computed, not both constant")
    op.require(
        constant.values.ndim <= len(other.shape), "a constant must not have more axes than the other operand"
    )
    bits = other.format.bits
    op.require(bits <= TABLED, f"codes must have {TABLED} bits at most for a table, not {bits}")
    codes = np.arange(other.format.min, other.format.max + 1)
    given = constant.values.reshape(-1).astype(np.int64)
    entries = function(given, codes) if fixed == 0 else function(codes, given)
    name, layout = any_view(other)
    lookup = Lookup(np.broadcast_to(entries, codes.shape), other.format, y.format)
    return op.emit(lookup, name, shape=other.shape, dtype=y.dtype, layout=layout, meaning=y)


Side = Real | Constant
"""A dequantized tensor, or floats."""


def are_few(side: object) -> bool:
    """Whether a value is a float32 constant of no more values than a table of pairs tells apart."""
    few = isinstance(side, Constant) and side.dtype == "float32" and side.values.size
    return bool(few) and np.unique(side.values).size <= 1 << _HALF  # type: ignore[union-attr]


def emit_real_pair(op: Lowering, sides: tuple[Side, Side], y: Meaning, function: Function) -> Codes:
    """Add the nodes of an operator on what two tensors stand for, in float32.

    function : from float32 to the output's codes
    """

    def codes(a: Array, b: Array) -> Array:
        first, second = (_reals(side, given) for side, given in zip(sides, (a, b), strict=True))
        return one_code(op, np.stack([function(row, other) for row in first for other in second]))

    return emit_pair(op, _stand_in(sides[0]), _stand_in(sides[1]), y, codes)


def _stand_in(side: Side) -> Operand:
    """An operand's codes; floats are represented by their places among the constant's values in order."""
    if isinstance(side, Real):
        return side.codes
    places = np.searchsorted(np.unique(side.values), side.values)
    return Constant(f"{side.name}/places", "uint8", np.asarray(places, np.uint8))


def _reals(side: Side, codes: Array) -> Array:
    """What codes of an operand stand for, in float32: rows of results that are possible."""
    if isinstance(side, Constant):
        listed = np.unique(side.values).astype(np.float32)
        return listed[np.minimum(codes, len(listed) - 1)][None]
    rows = reals(side.meaning, codes).reshape(1, -1)
    for function in side.functions:
        rows = np.asarray(function(rows), np.float32)
    return rows.reshape(-1, *codes.shape)
