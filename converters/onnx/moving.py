"""What lowerings of operators that move codes share.

A move of what a DequantizeLinear gave is a move of its codes, which mean the same afterwards: the result
waits for its QuantizeLinear or for the operator that is fused. Its codes are named as the output of the one
QuantizeLinear that follows, if that means the same, else "<float tensor>/codes".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from intsim_converters.onnx.elementwise import rises
from intsim_converters.onnx.folding import moved_constant
from intsim_converters.onnx.lower_blocked import moved_blocks
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.values import FORMATS, Blocked, Codes, Entry, Meaning, Real, Shape

from intsim.ops import Op, Reshape

Move = Callable[[Lowering, Codes, "str | None"], Codes]
"""Adds the node that moves codes; the name is None where it is the output's."""


def moved(op: Lowering, move: Move, ordered: bool = False) -> None:
    """Move input 0: codes, or what they stand for.

    ordered : whether the move looks at which of several is the largest
    """
    value = op.value(0)
    if isinstance(value, (Codes, Constant)):
        move(op, op.codes(0), None)
        return
    if isinstance(value, Blocked):
        op.bind(moved_blocks(op, value))
        return
    if isinstance(value, Entry):
        op.bind(replace(value, moves=(*value.moves, lambda x, name: move(op, x, name))))
        return
    if not isinstance(value, Real):
        op.refuse(op.float_reason(0))
    if isinstance(value.codes, Constant):
        op.bind(_constant(op, value, value.codes))
        return
    op.require(value.meaning.axis is None, f"input of {op.name} must have one scale to be moved")
    op.require(not ordered or rises(value), f"input of {op.name} must rise with its codes, not fall")
    op.bind(Real(move(op, value.codes, code_name(op, value)), value.meaning, value.functions, value.nodes))


def _constant(op: Lowering, value: Real, codes: Constant) -> Real:
    """A move of dequantized weights is done while converting; Transpose takes several scales along."""
    axis = value.meaning.axis
    named = {name: op.target.values.get(name) for name in op.node.inputs}
    constants = {name: entry for name, entry in named.items() if isinstance(entry, Constant)}
    found = moved_constant(op.node, {**constants, op.node.inputs[0]: codes}, op.opset)
    if found is None:
        op.refuse(f"{op.name} of a dequantized constant is not one that is computed while converting")
    if axis is not None:
        op.require(op.name == "Transpose", f"input of {op.name} must have one scale to be moved")
        order = op.attribute("perm", tuple(reversed(range(len(codes.shape)))))
        axis = list(order).index(axis)
    return Real(found, replace(value.meaning, axis=axis), value.functions)


def code_name(op: Lowering, value: Real, output: int = 0) -> str:
    """How the codes behind a float output are named."""
    name = op.node.outputs[output]
    readers = op.target.readers(name)
    if len(readers) == 1 and readers[0].op == "QuantizeLinear" and not value.functions:
        quantize = Lowering(op.target, readers[0], op.dialect)
        if name not in op.target.outputs and _means(quantize, value.meaning):
            return readers[0].outputs[0]
    return op.target.fresh(f"{name}/codes")


def _means(quantize: Lowering, meaning: Meaning) -> bool:
    """Whether a QuantizeLinear has this meaning too; what is wrong with it, it says itself."""
    given = [quantize.target.values.get(name) for name in quantize.node.inputs[1:3]]
    if len(given) != 2 or not all(isinstance(entry, Constant) and entry.values.size == 1 for entry in given):
        return False
    scale, zero = given
    assert isinstance(scale, Constant)
    assert isinstance(zero, Constant)
    return (
        zero.dtype == meaning.dtype
        and zero.dtype in FORMATS  # of floats some codes may become others
        and scale.values.reshape(()) == meaning.scale[0]
        and int(zero.values.reshape(())) == int(meaning.zero_point[0])
    )


def whole(op: Lowering, codes: Codes) -> str:
    """Codes with all of the file's axes in their one sample; refused where samples must not mix."""
    op.require(not op.strict, "the batch on the first axis must stay as it is; samples must not mix")
    name = op.view(codes)
    if op.target.specs[name].shape == codes.shape:
        return name
    return op.step(Reshape(codes.shape), name, name="whole")


def emit_whole(op: Lowering, move: Op, name: str, shape: Shape, codes: Codes, out: str | None) -> Codes:
    """Add a move of whole tensors, and take a leading 1 off where samples lack it."""
    sample = op.target.batch.sample(shape)
    if sample == shape:
        return op.emit(move, name, shape=shape, dtype=codes.dtype, name=out)
    inner = op.step(move, name, name="moved")
    return op.emit(Reshape(sample), inner, shape=shape, dtype=codes.dtype, name=out)
