"""MatMul, Gemm and XnorPopcountMatMul with constant weights.

Rules
-----
M1. Rows of the computed operand are its last axis; the constant is a matrix on the right.
M2. Gemm: alpha, beta and transA are 1, 1 and 0; the bias has one value per column, or one.
M3. XnorPopcountMatMul counts where bits agree: over {0, 1} it is the product with -1 and 1 in place of the
    weights' 0 and 1, plus how many zeros a column has.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.qonnx.affine import affine, one_scale
from intsim_converters.qonnx.lowering import CUSTOM, QonnxLowering, lowers
from intsim_converters.qonnx.parameters import Array, one
from intsim_converters.qonnx.sums import finish, matrix, read_bias, weight_format
from intsim_converters.qonnx.values import Carried, Fixed

from intsim.formats import Bipolar
from intsim.ops import Dense


@lowers("MatMul")
def lower_matmul(op: QonnxLowering) -> None:
    op.require(
        not isinstance(op.given(0), Fixed), "left matrix must be computed, the right one constant. [M1]"
    )
    x, w = affine(op, op.carried(0)), op.fixed(1, "weights")
    _dense(op, x, w, None)


@lowers("Gemm")
def lower_gemm(op: QonnxLowering) -> None:
    x, w = affine(op, op.carried(0)), op.fixed(1, "weights")
    factors = op.attribute("alpha", 1.0), op.attribute("beta", 1.0), op.attribute("transA", 0)
    op.require(factors == (1, 1, 0), f"alpha, beta and transA must be 1, 1 and 0, not {factors}. [M2]")
    if op.attribute("transB", 0):
        w = w.moved(np.transpose)
    _dense(op, x, w, read_bias(op, 2, w.shape[-1]))


@lowers("XnorPopcountMatMul", domain=CUSTOM)
def lower_xnor(op: QonnxLowering) -> None:
    x, w = affine(op, op.carried(0)), op.fixed(1, "weights")
    bits = (x.format.min, x.format.max) == (0, 1) and one_scale(op, x, "input") == (1.0, 0)
    plain = bool((w.slope == 1).all() and not w.zero.any() and np.isin(w.codes, (0, 1)).all())
    op.require(bits and plain, "operands must be BINARY, 0 and 1. [M3]")
    signs = Fixed(w.name, 2 * w.codes - 1, Bipolar(), one(1, 2, np.float64), one(0, 2, np.int64))
    zeros = np.count_nonzero(w.codes == 0, axis=0).astype(np.float32)
    _dense(op, x, signs, zeros)


def _dense(op: QonnxLowering, x: Carried, w: Fixed, bias: Array | Fixed | None) -> None:
    op.require(
        len(w.shape) == 2 and len(x.shape) >= 1 and x.shape[-1] == w.shape[0],
        f"matrices must fit, not {x.shape} and {w.shape}. [M1]",
    )
    _, zero = one_scale(op, x, "input")
    whole = len(x.shape) - op.target.batch.batched(x.shape) >= 1
    op.require(whole, f"input must have an axis besides the batch, not shape {x.shape}. [M1]")
    weights = matrix(op, w, 1)
    node = Dense(
        weight=weights.codes,
        input_zero_point=zero,
        weight_zero_point=weights.zero,
        **weight_format(op, w),
    )
    shape = (*x.shape[:-1], w.shape[1])
    finish(op, node, x, weights, shape, len(shape) - 1, bias, inside=True)
