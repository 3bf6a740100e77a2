"""What operators on dequantized tensors share that a QuantizeLinear makes integer operators: operands and
biases.

Rules (B), cited by the lowerings
---------------------------------
B1. Input and weights are what a DequantizeLinear gave, without functions on it, and the result is read by one
    QuantizeLinear. What is not so the runtime computes in float. See `carried` for moves between.
B2. A bias that is dequantized from int32 is taken as its integers. Conv's has scales that are the input's
    times the weights' but for 1e-6 and a hundredth, else the runtime leaves it in float; Gemm's are not
    looked at.
B3. A float bias becomes integers as the runtime makes them: divided by the float32 product of the input's
    and the weights' scales, half to even.
B4. A matrix product's bias is one row, added to every row of the sums.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/optimizer/qdq_transformer/weight_bias_quantization.cc.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.carried import check_carried
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.values import FORMATS, Codes, Meaning, Pending, Real


def dequantized_pair(op: Lowering) -> tuple[Real, Real]:
    """Inputs 0 and 1 by rule B1."""
    op.require(op.fuses, f"float region: {op.name} computes in float in dialect {op.dialect}")
    return dequantized(op, 0), dequantized(op, 1)


def dequantized(op: Lowering, i: int) -> Real:
    """Input i by rule B1."""
    value = op.value(i)
    if isinstance(value, Pending):
        op.refuse(op.float_reason(i))
    if not isinstance(value, Real) or value.functions:
        name = op.node.inputs[i]
        op.refuse(f"float region: input {name!r} of {op.name} must come from a DequantizeLinear. [B1]")
    op.require(
        value.codes.dtype in FORMATS,
        f"float region: {op.name} of {value.codes.dtype} adds up floats; no integer operator stands for it."
        " [B1]",
    )
    if isinstance(value.codes, Codes):
        check_carried(op, i)
    return value


def bias_of(op: Lowering, x: Meaning, w: Meaning, scaled: bool) -> Array:
    """The integers of input 2, by rules B2 and B3; one 0 where it is left out.

    scaled : whether an integer bias's scales are looked at
    """
    if not op.has(2):
        return np.zeros(1, np.int32)
    bias = op.value(2)
    if isinstance(bias, Constant) and bias.dtype == "float32":
        return _rounded(op, bias.values.reshape(-1), x, w)
    op.require(
        isinstance(bias, Real) and isinstance(bias.codes, Constant) and bias.codes.dtype == "int32",
        "float region: bias must be dequantized from an int32 constant, or be a float32 one. [B2]",
    )
    assert isinstance(bias, Real)
    assert isinstance(bias.codes, Constant)
    if scaled:
        _check_scale(op, bias.meaning.scale, x, w)
    return bias.codes.values


def _rounded(op: Lowering, bias: Array, x: Meaning, w: Meaning) -> Array:
    """Rule B3."""
    scales = x.scale[0] * w.scale
    op.require(
        scales.size in (1, bias.size),
        f"bias must have {scales.size} values, one per scale, not {bias.size}. [B3]",
    )
    whole = np.rint(bias / scales)
    op.require(bool((np.abs(whole) < 2.0**31).all()), "bias must fit int32 at the scale of the sums. [B3]")
    return whole.astype(np.int32)


def check_row(op: Lowering, i: int) -> None:
    """Refuse a bias that is not one row for all rows of the sums: what broadcasts along columns."""
    value = op.value(i) if op.has(i) else None
    if isinstance(value, (Constant, Real)):
        sizes = set(value.shape[:-1])
        op.require(sizes <= {1}, f"bias must be one row, not of shape {value.shape}. [B4]")


def _check_scale(op: Lowering, given: Array, x: Meaning, w: Meaning) -> None:
    """Rule B2."""
    product = x.scale[0].astype(np.float64) * w.scale.astype(np.float64)
    given = given.astype(np.float64)
    near = given.size == product.size and bool((abs(given - product) <= 1e-6 + 0.01 * product).all())
    op.require(
        near,
        f"float region: bias must have the input's scale times the weights', {product[0]:.9g}, not"
        f" {given[0]:.9g}{f' and {given.size - 1} more' * (given.size > 1)}: the runtime computes in"
        " float. [B2]",
    )


def pending_reason(op: Lowering) -> str:
    """What is wrong where no QuantizeLinear finishes an operator, or other nodes read the float too."""
    readers = op.target.readers(op.output)
    if len(readers) > 1 or op.output in op.target.outputs:
        op.refuse(
            f"float region: {op.output!r} must be read by one QuantizeLinear only, not {len(readers)} nodes"
            f"{' and the graph output' * (op.output in op.target.outputs)}"
        )
    return f"{op.name} computes it in float: a QuantizeLinear must follow, which makes it an integer operator"
