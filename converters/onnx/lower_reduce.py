"""ReduceMax, ReduceMin, ArgMax and ArgMin of codes and of dequantized tensors.

Rules (R), cited by the lowerings
---------------------------------
R1. The largest code is the code of the largest real, as scales are positive: ReduceMax and ReduceMin of
    dequantized tensors of one scale are those of the codes, in front of one QuantizeLinear. So are those of
    functions that do not fall.
R2. ArgMax and ArgMin of dequantized tensors are those of the codes where the float32 reals of two codes are
    never equal: among equal ones the place decides.
"""

from __future__ import annotations

from intsim_converters.onnx.elementwise import rises
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lower_compare import differ
from intsim_converters.onnx.lower_doors import requantized
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.moving import code_name
from intsim_converters.onnx.reductions import axes_of, sampled, without
from intsim_converters.onnx.values import FORMATS, Codes, Pending, Real, Shape

from intsim.ops import ArgMax, ArgMin, Op, ReduceMax, ReduceMin, Reshape

_REDUCTIONS: dict[str, type[ReduceMax] | type[ReduceMin]] = {"ReduceMax": ReduceMax, "ReduceMin": ReduceMin}
_ARGUMENTS: dict[str, type[ArgMax] | type[ArgMin]] = {"ArgMax": ArgMax, "ArgMin": ArgMin}


@lowers(*_REDUCTIONS)
def lower_reduction(op: Lowering) -> None:
    """Rule R1."""
    value = op.value(0)
    if not isinstance(value, Real):
        _reduced(op, op.codes(0), None)
        return
    x = _plain(op, value, "R1")
    op.require(rises(value), "input must rise with its codes, not fall. [R1]")
    found = _reduced(op, x, code_name(op, value))
    real = Real(found, value.meaning, value.functions)
    op.bind(Pending(lambda quantize, y: requantized(quantize, real, found, y), pending_reason(op)))


def _plain(op: Lowering, value: Real, label: str) -> Codes:
    """The codes of a dequantized tensor of one scale."""
    if isinstance(value.codes, Constant):
        op.refuse(f"input must be computed, not a constant. [{label}]")
    op.require(value.meaning.axis is None, f"input must have one scale. [{label}]")
    return value.codes


def _reduced(op: Lowering, x: Codes, name: str | None) -> Codes:
    axes = axes_of(op, len(x.shape))
    keepdims = bool(op.attribute("keepdims", 1))
    shape = without(x.shape, axes, keepdims)
    if not axes:
        sample = op.target.batch.sample(x.shape)
        return op.emit(Reshape(sample), op.view(x), shape=x.shape, dtype=x.dtype, name=name)
    held, axes = sampled(op, x, axes)
    return _emitted(op, _REDUCTIONS[op.name](axes, keepdims), held, shape, x.dtype, name)


def _emitted(op: Lowering, node: Op, held: str, shape: Shape, dtype: str, name: str | None) -> Codes:
    """The node, and a Reshape where samples have other axes than it leaves."""
    sample = op.target.batch.sample(shape)
    (spec,) = node.infer(op.target.specs[held])
    if spec.shape == sample:
        return op.emit(node, held, shape=shape, dtype=dtype, name=name)
    inner = op.step(node, held, name="reduced")
    return op.emit(Reshape(sample), inner, shape=shape, dtype=dtype, name=name)


@lowers(*_ARGUMENTS)
def lower_argument(op: Lowering) -> None:
    """Rule R2."""
    value = op.value(0)
    x = _plain(op, value, "R2") if isinstance(value, Real) else op.codes(0)
    if isinstance(value, Real):
        op.require(not value.functions, "input must come from a DequantizeLinear, not a function of it. [R2]")
        op.require(differ(value.meaning), "reals of codes must all differ in float32. [R2]")
    rank, axis = len(x.shape), op.attribute("axis", 0)
    op.require(-rank <= axis < rank, f"axis must be of {x.shape}, not {axis}")
    axis, keepdims = axis % rank, bool(op.attribute("keepdims", 1))
    held, (within,) = sampled(op, x, (axis,))
    last = bool(op.attribute("select_last_index", 0))
    node = _ARGUMENTS[op.name](within, keepdims, last, FORMATS["int64"])
    _emitted(op, node, held, without(x.shape, (axis,), keepdims), "int64", None)
