"""Functions of one dequantized tensor that ONNX Runtime computes in float32, between DequantizeLinear and
QuantizeLinear.

Rules (X), cited by the lowerings
---------------------------------
X1. A function is a table with an entry for every code (rules T1 and D3).
X2. What is IEEE's sum, product, quotient or root in every runtime is computed here: HardSigmoid and HardSwish
    (product, then sum, both rounded), ThresholdedRelu, Sqrt, Reciprocal, Sign, Round, PRelu. So it is in ort
    and integer; onnx-ref asks its runtime.
X3. Others are run in the runtime itself, by the rules of `evaluated`.
X4. PRelu's slope is one constant, or one per channel of 8-bit codes: a table of pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from intsim_converters.onnx.elementwise import quantized
from intsim_converters.onnx.evaluated import evaluated
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lower_tables import bind_function
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.pair_tables import emit_real_pair
from intsim_converters.onnx.values import Codes, Function, Meaning, Pending, Real

_ZERO, _ONE = np.float32(0), np.float32(1)

RUN = (
    "Celu", "Elu", "Erf", "Exp", "Gelu", "Log", "Mish", "Pow", "Selu", "Softplus", "Softsign", "Tanh",
)  # fmt: skip
"""Operators that the runtime is asked for (rule X3)."""


@lowers(*RUN)
def lower_run(op: Lowering) -> None:
    for i in range(1, len(op.node.inputs)):
        op.constant(i)
    bind_function(op, evaluated(op, (op.node,), op.node.inputs[0]))


def _hard_sigmoid(alpha: float, beta: float) -> Function:
    def function(x: Array) -> Array:
        return np.minimum(np.maximum(np.float32(alpha) * x + np.float32(beta), _ZERO), _ONE)

    return function


def _hard_swish(op: Lowering) -> Function:
    inner = _hard_sigmoid(float(_ONE / np.float32(6)), 0.5)
    return lambda x: x * inner(x)


def _thresholded(op: Lowering) -> Function:
    alpha = np.float32(op.attribute("alpha", 1.0))
    return lambda x: np.where(x > alpha, x, _ZERO)


_IEEE: dict[str, Callable[[Lowering], Function]] = {
    "HardSigmoid": lambda op: _hard_sigmoid(op.attribute("alpha", 0.2), op.attribute("beta", 0.5)),
    "HardSwish": _hard_swish,
    "ThresholdedRelu": _thresholded,
    "Sqrt": lambda op: np.sqrt,
    "Reciprocal": lambda op: lambda x: _ONE / x,
    "Sign": lambda op: np.sign,
    "Round": lambda op: np.rint,
}


@lowers(*_IEEE)
def lower_ieee(op: Lowering) -> None:
    """Rule X2."""
    if op.fuses:
        bind_function(op, _IEEE[op.name](op))
    else:
        lower_run(op)


@lowers("PRelu")
def lower_prelu(op: Lowering) -> None:
    """Rules X2 and X4."""
    slope = op.value(1)
    if not isinstance(slope, Constant) or slope.dtype != "float32":
        op.refuse("slope must be a float32 constant. [X4]")
    if slope.values.size == 1:
        bind_function(op, lambda x: _prelu(x, slope.values.reshape(())))
        return
    x = op.value(0)
    if not isinstance(x, Real) or isinstance(x.codes, Constant) or x.meaning.axis is not None:
        op.refuse(op.float_reason(0) if not isinstance(x, (Constant, Codes)) else "input must be real")

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        op.require(y.axis is None, "output must have one scale. [X4]")
        return emit_real_pair(quantize, (x, slope), y, lambda a, b: quantized(quantize, _prelu(a, b), y))

    op.bind(Pending(finish, pending_reason(op)))


def _prelu(x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x)
