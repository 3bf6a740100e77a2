"""com.microsoft QLinearAdd and QLinearMul, and Add, Sub, Mul, Div, Min and Max between dequantized tensors
and a QuantizeLinear.

Rules (E), cited by the lowerings
---------------------------------
E1. QLinearAdd of 8-bit codes of one type: rules F1 to F3 of `fused_add`, as integers that give every pair of
    codes the same code (`integer_add`), else as a table of pairs. Where the layout that the runtime picks
    decides between F2 and F3 and that changes a code, it is refused.
E2. QLinearMul of 8-bit codes of one type: the product of the codes less their zero points, times the ratio of
    scales in float32, plus the zero point, half to even. The ratio: input scales' product over the output's.
E3. In ort Add and Mul of tensors of the output's type are these, unless by rule Q2 of `carried` the runtime
    does not fuse them. Those, other pairs, other operators, and all of them in onnx-ref compute in float32:
    what the codes stand for, the operator, then QuantizeLinear; a table of pairs, or above 8 bits an op that
    does so (`wide_pairs`).
E4. Two functions of one tensor, as in x * Sigmoid(x), are one function of it, which the runtime is asked for
    (rules of `evaluated`), as it may fuse them.
E5. A float constant of 256 values at most takes part in E3. One of one value makes the operator a function
    of the other tensor (rule T1 of `lower_tables`).

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/mlas/lib/qlmul.cpp, contrib_ops/cpu/quantization/qlinear_binary_op.cc.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from intsim_converters.onnx.broadcasting import Operand, broadcast, common_shape, first_is_spread, operand_of
from intsim_converters.onnx.carried import check_carried, moved_in_float
from intsim_converters.onnx.elementwise import quantized
from intsim_converters.onnx.evaluated import evaluated
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.fused_add import scaled_sum
from intsim_converters.onnx.integer_add import WIDE, IntegerSum, integer_sum
from intsim_converters.onnx.lower_tables import bind_function
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.pair_tables import are_few, emit_pair, emit_real_pair
from intsim_converters.onnx.sums import ratio
from intsim_converters.onnx.values import Codes, Meaning, Pending, Real
from intsim_converters.onnx.wide_pairs import emit_wide_pair, is_wide

from intsim.arithmetic import Add as AddStep
from intsim.arithmetic import Register, Requantization
from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat
from intsim.ops import Add, Mul, Requantize

Meanings = tuple[Meaning, Meaning, Meaning]

_EIGHT = ("int8", "uint8")
_WIDE = IntFormat(32)
_BEFORE = DIALECTS["f32-rne-zp-before"]

_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Min": np.minimum,
    "Max": np.maximum,
}


@lowers("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def lower_qlinear(op: Lowering) -> None:
    op.require_own()
    operands = operand_of(op, 0), operand_of(op, 3)
    meanings = (
        op.meaning(1, 2, operands[0].dtype),
        op.meaning(4, 5, operands[1].dtype),
        op.meaning(6, 7, operands[0].dtype),
    )
    _fused(op, op.name.removeprefix("QLinear"), operands, meanings)


def _fused(op: Lowering, name: str, operands: tuple[Operand, Operand], meanings: Meanings) -> Codes:
    """Rules E1 and E2."""
    types = [operand.dtype for operand in operands]
    op.require(
        types[0] == types[1] and types[0] in _EIGHT, f"operands must both be int8 or uint8, not {types}. [E1]"
    )
    op.require(all(entry.axis is None for entry in meanings), "operands and output must have one scale. [E1]")
    return (_sum if name == "Add" else _product)(op, operands, meanings)


def _sum(op: Lowering, operands: tuple[Operand, Operand], meanings: Meanings) -> Codes:
    """Rule E1."""
    a, b = operands
    rank = len(common_shape(op, a.shape, b.shape))
    images = (False, True) if rank in (3, 4) else (False,)
    swaps = {first_is_spread(a.shape, b.shape, image) for image in images}
    swapped = first_is_spread(a.shape, b.shape, False)
    if len(swaps) > 1:
        values = [_reached(operand) for operand in operands]
        tables = [scaled_sum(values[0][:, None], values[1][None, :], meanings, entry) for entry in swaps]
        op.require(
            np.array_equal(*tables),
            "the operand that is broadcast must be the second one, as the runtime's rounding depends on the"
            " layout that it picks; swap the operands. [E1]",
        )
    single = any(isinstance(operand, Constant) and operand.values.size == 1 for operand in operands)
    sums = None if single else integer_sum(meanings, swapped)
    if sums is not None:
        return _integer(op, operands, sums, meanings[2])
    return emit_pair(op, a, b, meanings[2], lambda a, b: scaled_sum(a, b, meanings, swapped))


def _integer(op: Lowering, operands: tuple[Operand, Operand], sums: IntegerSum, y: Meaning) -> Codes:
    """Rule E1 by rules H1 to H3 of `integer_add`."""
    pair = broadcast(op, *operands)
    scaled = [
        op.step(Requantize(sums.operand(factor)), name, name=side)
        for name, factor, side in zip(pair.names, (sums.fa, sums.fb), ("lhs", "rhs"), strict=True)
    ]
    total = op.step(Add(Register(WIDE)), *scaled, name="accumulator")
    return op.emit(
        Requantize(sums.result(y)), total, shape=pair.shape, dtype=y.dtype, layout=pair.layout, meaning=y
    )


def _reached(operand: Operand) -> Array:
    """The codes that an operand may hold."""
    if isinstance(operand, Constant):
        return np.unique(operand.values).astype(np.int64)
    return np.arange(operand.format.min, operand.format.max + 1)


def _product(op: Lowering, operands: tuple[Operand, Operand], meanings: Meanings) -> Codes:
    """Rule E2."""
    first, second, y = meanings
    pair = broadcast(op, *operands)
    names = []
    for name, meaning, side in zip(pair.names, meanings[:2], ("lhs", "rhs"), strict=True):
        zero = int(meaning.zero_point[0])
        if zero:
            centre = Requantization((AddStep(values=-zero),), IntFormat(16))
            name = op.step(Requantize(centre), name, name=side)
        names.append(name)
    product = op.step(Mul(Register(_WIDE)), *names, name="accumulator")
    ratios = ratio(op, [first.scale, second.scale], y.scale)
    rule = _BEFORE.requantization(
        ratios, zero_point=int(y.zero_point[0]), lo=y.lowest, hi=y.highest, format=y.format
    )
    return op.emit(Requantize(rule), product, shape=pair.shape, dtype=y.dtype, layout=pair.layout, meaning=y)


@lowers(*_FUNCTIONS)
def lower_real(op: Lowering) -> None:
    """Binds what the QuantizeLinear behind it finishes."""
    op.require(len(op.node.inputs) == 2, f"must have two operands, not {len(op.node.inputs)}. [E3]")
    sides = [op.value(i) for i in range(2)]
    for i, side in enumerate(sides):
        good = (isinstance(side, Real) and side.meaning.axis is None) or are_few(side)
        op.require(
            good, op.float_reason(i) if not isinstance(side, (Constant, Real)) else _PLAIN.format(op.name)
        )
    op.require(any(isinstance(side, Real) for side in sides), _PLAIN.format(op.name))
    for i, side in enumerate(sides):
        if isinstance(side, Constant) and side.values.size == 1:
            _by_constant(op, 1 - i, side)
            return
    if _one_tensor(*sides):
        _of_itself(op, sides)
        return

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        return _finish(op, quantize, sides, y)

    op.bind(Pending(finish, pending_reason(op)))


_PLAIN = (
    "float region: operands of {} must come from DequantizeLinear with one scale each,"
    " or be few float constants. [E3]"
)


def _one_tensor(first: object, second: object) -> bool:
    """Whether two values are functions of one tensor, not both the tensor itself."""
    if not isinstance(first, Real) or not isinstance(second, Real):
        return False
    same = first.codes is second.codes and first.meaning.same(second.meaning)
    return same and bool(first.functions or second.functions)


def _of_itself(op: Lowering, sides: list[Real]) -> None:
    """Rule E4."""
    nodes = {node.index: node for side in sides for node in side.nodes}
    inside = [nodes[index] for index in sorted(nodes)]
    made = {name for node in inside for name in node.outputs}
    read = {name for node in (*inside, op.node) for name in node.inputs if name}
    readers = {reader.index for name in made for reader in op.target.readers(name)}
    op.require(
        readers <= {*nodes, op.node.index} and not made & op.target.outputs,
        "float region: what two functions of one tensor are must be read by no other node. [E4]",
    )
    roots = [name for name in sorted(read - made) if not isinstance(op.target.values[name], Constant)]
    op.require(len(roots) == 1, f"functions must be of one tensor, not of {' and '.join(roots)}. [E4]")
    first = sides[0]
    function = evaluated(op, (*inside, op.node), roots[0])
    op.bind(Real(first.codes, first.meaning, (function,), (*inside, op.node)))


def _by_constant(op: Lowering, i: int, constant: Constant) -> None:
    """Rule E5: one float meets every element of input i."""
    function, one = _FUNCTIONS[op.name], constant.values.reshape(())
    shape = op.value(i).shape  # type: ignore[union-attr]
    op.require(
        constant.values.ndim <= len(shape), "a constant must not have more axes than the other operand. [E5]"
    )
    bind_function(op, (lambda x: function(x, one)) if i == 0 else (lambda x: function(one, x)), i)


def _fuses(op: Lowering) -> bool:
    """Whether the dialect has an integer operator for two plain tensors of 8 bits."""
    if any(moved_in_float(op, i) for i in range(2)):
        return False
    for i in range(2):
        check_carried(op, i)
    return True


def _finish(op: Lowering, quantize: Lowering, sides: list, y: Meaning) -> Codes:  # type: ignore[type-arg]
    """Rules E1 to E3, by the output's meaning."""
    plain = all(isinstance(side, Real) and not side.functions for side in sides)
    if plain and op.fuses and op.name in ("Add", "Mul"):
        meanings = (sides[0].meaning, sides[1].meaning, y)
        if {entry.dtype for entry in meanings} in ({"int8"}, {"uint8"}) and _fuses(op):
            return _fused(quantize, op.name, (sides[0].codes, sides[1].codes), meanings)
    function = _FUNCTIONS[op.name]
    op.require(y.axis is None, "output must have one scale. [E3]")
    first, second = sides
    if is_wide(op.name, sides, y):
        return emit_wide_pair(quantize, op.name, (first, second), y)
    return emit_real_pair(
        quantize, (first, second), y, lambda a, b: quantized(quantize, np.asarray(function(a, b)), y)
    )
