"""Functions of one dequantized tensor, which become tables, and com.microsoft QLinearSigmoid and
QLinearLeakyRelu.

Rules (T), cited by the lowerings
---------------------------------
T1. A function is float32, element by element; between DequantizeLinear and QuantizeLinear it is a table
    with an entry for every code (rule D3 of `lower_doors`). These are exact in float32, so every runtime
    has the same: Relu, Clip, LeakyRelu, Abs, Neg, Floor, Ceil.
T2. Relu and Clip in front of the first QuantizeLinear limit its codes (D1); behind an operator that a
    QuantizeLinear fuses they must limit nothing (D4). Of integers they are limits of the codes themselves.
T3. Sigmoid in ort is ONNX Runtime's: see `mlas`; in onnx-ref its runtime is asked, see `evaluated`.
    QLinearSigmoid and QLinearLeakyRelu are the same tables.

References
----------
ONNX Runtime 1.31.1: onnxruntime/contrib_ops/cpu/quantization/qlinear_lookup_table.cc, qlinear_activations.cc.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from intsim_converters.onnx.elementwise import any_view, table_of
from intsim_converters.onnx.evaluated import evaluated
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.mlas import logistic
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.values import Codes, Entry, Function, Pending, Real

from intsim.ops import Clamp, Lookup


@lowers("Relu")
def lower_relu(op: Lowering) -> None:
    _limit(op, (0.0, np.inf))


@lowers("Clip")
def lower_clip(op: Lowering) -> None:
    if op.opset < 11:
        limits = (op.attribute("min", -np.inf), op.attribute("max", np.inf))
    else:
        ends = [op.constant(i) if op.has(i) else None for i in (1, 2)]
        op.require(all(end is None or end.size == 1 for end in ends), "limits must be one value each")
        low, high = (None if end is None else float(end.reshape(())) for end in ends)
        limits = (-np.inf if low is None else low, np.inf if high is None else high)
    op.require(limits[0] <= limits[1], f"limits must ascend, not be {limits}")
    _limit(op, limits)


def _limit(op: Lowering, limits: tuple[float, float]) -> None:
    """Rule T2."""
    value = op.value(0)
    if isinstance(value, Entry):
        op.bind(replace(value, limits=(*value.limits, limits)))
    elif isinstance(value, Pending):
        _only_reader(op)
        op.bind(Pending(value.finish, value.reason, (*value.limits, limits)))
    elif isinstance(value, Codes):
        low = int(max(limits[0], value.format.min))
        high = int(min(limits[1], value.format.max))
        name, layout = any_view(value)
        op.emit(Clamp(low, high), name, shape=value.shape, dtype=value.dtype, layout=layout)
    else:
        ends = np.array(limits, np.float32)
        bind_function(op, lambda x: np.minimum(np.maximum(x, ends[0]), ends[1]))


def _only_reader(op: Lowering) -> None:
    readers = op.target.readers(op.output)
    op.require(
        len(readers) == 1 and readers[0].op == "QuantizeLinear" and op.output not in op.target.outputs,
        f"float region: {op.output!r} must be read by one QuantizeLinear only, or {op.name} computes"
        " in float",
    )


def bind_function(op: Lowering, function: Function, i: int = 0) -> None:
    """Rule T1: one more function of input i, which a DequantizeLinear gave."""
    value = op.value(i)
    if not isinstance(value, Real) or isinstance(value.codes, Constant):
        op.refuse(op.float_reason(i) if not isinstance(value, (Constant, Codes)) else "input must be real")
    op.require(value.meaning.axis is None, "input must have one scale. [T1]")
    op.bind(Real(value.codes, value.meaning, (*value.functions, function), (*value.nodes, op.node)))


_EXACT: dict[str, Function] = {"Abs": np.abs, "Neg": np.negative, "Floor": np.floor, "Ceil": np.ceil}


@lowers(*_EXACT)
def lower_exact(op: Lowering) -> None:
    bind_function(op, _EXACT[op.name])


@lowers("LeakyRelu")
def lower_leaky_relu(op: Lowering) -> None:
    bind_function(op, _leaky(op))


def _leaky(op: Lowering) -> Function:
    alpha = np.float32(op.attribute("alpha", 0.01))
    return lambda x: np.where(x >= 0, x, x * alpha)


@lowers("Sigmoid")
def lower_sigmoid(op: Lowering) -> None:
    """Rule T3."""
    bind_function(op, logistic if op.fuses else evaluated(op, (op.node,), op.node.inputs[0]))


@lowers("QLinearSigmoid", "QLinearLeakyRelu", domain=MICROSOFT)
def lower_qlinear_table(op: Lowering) -> None:
    """Rule T3."""
    op.require_own()
    x = op.codes(0)
    op.require(x.dtype in ("int8", "uint8"), f"input must be int8 or uint8, not {x.dtype}")
    y = op.meaning(3, 4, x.dtype)
    function = logistic if op.name == "QLinearSigmoid" else _leaky(op)
    entries: Array = table_of(op, Real(x, op.meaning(1, 2, x.dtype), (function,)), y)
    name, layout = any_view(x)
    lookup = Lookup(entries, x.format, y.format)
    op.emit(lookup, name, shape=x.shape, dtype=x.dtype, layout=layout, meaning=y)
