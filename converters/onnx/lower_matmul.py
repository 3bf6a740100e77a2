"""QLinearMatMul, MatMulInteger, com.microsoft QGemm, and MatMul and Gemm between DequantizeLinear and
QuantizeLinear.

Rules (M), cited by the lowerings
---------------------------------
M1. With a constant matrix (K, N) on the right the rows of the input are its last axis. Otherwise both are
    matrices whose leading axes broadcast; a constant one becomes a node.
M2. The input has one scale and one zero point. A constant matrix on the right may have one of each per
    column.
M3. QGemm and Gemm take matrices of two axes, transposed as transB says, a constant on the right, and an int32
    bias for every column, Gemm's by the rules of `fused`; alpha times the scales is the scale of
    the sums. With a bias Gemm's alpha and beta must be 1.
M4. Requantization by the rules of `sums`. MatMulInteger gives the sums.

References
----------
ONNX Runtime 1.31.1: onnxruntime/core/providers/cpu/quantization/quantize_linear_matmul.cc, matmul_integer.cc;
contrib_ops/cpu/quantization/quant_gemm.cc. onnx/reference/ops/op_qlinear_matmul.py.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.fused import bias_of, check_row, dequantized_pair, pending_reason
from intsim_converters.onnx.lower_blocked_products import bind_gemm, bind_matmul
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.sums import accumulator, check_types, ratio, requantization, sum_quantization
from intsim_converters.onnx.values import FORMATS, Blocked, Codes, Meaning, Pending, Shape

from intsim.ops import BatchMatmul, Dense, Op, Requantize, Reshape

Operand = Codes | Constant
_NONE = np.zeros(1, np.int64)


def product(
    op: Lowering, a: Operand, b: Operand, zeros: tuple[int, Array], bias: Array = _NONE
) -> tuple[Op, tuple[str, ...], Shape]:
    """The op that makes the sums, its inputs, and the file's shape of the output (rule M1)."""
    if isinstance(b, Constant) and len(b.shape) == 2 and isinstance(a, Codes):
        depth, columns = b.shape
        op.require(
            len(a.shape) >= 1 and a.shape[-1] == depth, f"shapes {a.shape} and {b.shape} must match. [M1]"
        )
        op.require(b.values.size > 0, f"matrix must have no size 0, not shape {b.shape}. [M1]")
        op.require(zeros[1].size in (1, columns), f"zero points must be one or {columns}. [M2]")
        sums = accumulator(a.dtype, b.dtype)
        dense = Dense(b.values.T, FORMATS[b.dtype], bias.astype(np.int64), zeros[0], zeros[1], sums)
        return dense, (op.view(a),), (*a.shape[:-1], columns)
    op.require(
        not bias.any() and zeros[1].size == 1, "right matrix must be a constant of two axes here. [M2]"
    )
    shapes = [operand.shape for operand in (a, b)]
    op.require(min(len(shape) for shape in shapes) >= 2, f"operands must be matrices, not {shapes}. [M1]")
    rank = max(len(shape) for shape in shapes)
    names = tuple(_matrix(op, operand, rank, i) for i, operand in enumerate((a, b)))
    try:
        lead = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    except ValueError:
        op.refuse(f"leading axes of {shapes[0]} and {shapes[1]} must broadcast. [M1]")
    matmul = BatchMatmul(zeros[0], int(zeros[1].flat[0]), accumulator=accumulator(a.dtype, b.dtype))
    return matmul, names, (*lead, shapes[0][-2], shapes[1][-1])


def _matrix(op: Lowering, operand: Operand, rank: int, i: int) -> str:
    """An operand with its last two axes in its samples."""
    if isinstance(operand, Constant):
        op.require(operand.dtype in FORMATS, f"matrix must hold integers, not {operand.dtype}. [M1]")
        values = operand.values
        if op.strict and values.ndim == rank:
            op.require(values.shape[0] == 1, "a constant must not have the batch; samples must not mix. [M1]")
            values = values[0]
        return op.target.constant(operand, values, operand.dtype)
    op.require(not op.strict or len(operand.shape) == rank >= 3, "samples of a batch must not mix. [M1]")
    name = op.view(operand)
    if len(op.target.batch.sample(operand.shape)) < 2:
        name = op.step(Reshape(operand.shape), name, name=f"whole{i}")
    return name


def _whole(op: Lowering, shape: Shape, name: str, held: Shape, label: str) -> str:
    """A tensor in the shape that the samples of `shape` have."""
    sample = op.target.batch.sample(shape)
    return name if held == sample else op.step(Reshape(sample), name, name=label)


def finish(
    op: Lowering,
    operands: tuple[Operand, Operand],
    meanings: tuple[Meaning, Meaning, Meaning],
    bias: Array = _NONE,
    alpha: float = 1.0,
) -> Codes:
    """The sums, and their requantization."""
    a, b, y = meanings
    check_types(op, a, b, y)
    op.require(a.axis is None, "left matrix must have one scale. [M2]")
    summed, names, shape = product(op, *operands, (int(a.zero_point[0]), b.zero_point), bias)
    op.require(b.scale.size in (1, shape[-1]), f"scales must be one or {shape[-1]}, one per column. [M2]")
    op.require(b.scale.size == 1 or isinstance(summed, Dense), "scales must be one here. [M2]")
    axis = max(len(op.target.batch.sample(shape)) - 1, 0)
    sums = op.step(summed, *names, name="accumulator", quantization=sum_quantization(a, b, axis))
    rule = requantization(op, ratio(op, [a.scale, b.scale], y.scale, alpha), y)
    held = op.target.specs[sums].shape
    sums = _whole(op, shape, sums, held, "sums")
    return op.emit(Requantize(rule), sums, shape=shape, dtype=y.dtype, meaning=y)


def _operand(op: Lowering, i: int) -> Operand:
    """Input i: integers of the network or a constant."""
    value = op.value(i)
    if isinstance(value, Constant):
        op.require(value.dtype in FORMATS, f"input {i} must hold integers, not {value.dtype}")
        return value
    return op.codes(i)


def _constant(op: Lowering, i: int) -> Constant:
    op.constant(i)
    value = op.value(i)
    assert isinstance(value, Constant)
    return value


@lowers("QLinearMatMul")
def lower_qlinear_matmul(op: Lowering) -> None:
    a, b = _operand(op, 0), _operand(op, 3)
    a_meaning = op.meaning(1, 2, a.dtype, len(a.shape) - 2)
    b_meaning = op.meaning(4, 5, b.dtype, len(b.shape) - 1)
    y = op.meaning(6, 7, _constant(op, 7).dtype)
    finish(op, (a, b), (a_meaning, b_meaning, y))


@lowers("MatMulInteger")
def lower_matmul_integer(op: Lowering) -> None:
    a, b = _operand(op, 0), _operand(op, 1)
    zeros = [op.constant(i).astype(np.int64) if op.has(i) else _NONE for i in (2, 3)]
    op.require(zeros[0].size == 1, f"left matrix must have one zero point, not {zeros[0].size}. [M2]")
    summed, names, shape = product(op, a, b, (int(zeros[0].flat[0]), zeros[1].reshape(-1)))
    spec = summed.infer(*(op.target.specs[name] for name in names))[0]
    if spec.shape == op.target.batch.sample(shape):
        op.emit(summed, *names, shape=shape, dtype="int32")
    else:
        sums = op.step(summed, *names, name="accumulator")
        op.emit(Reshape(op.target.batch.sample(shape)), sums, shape=shape, dtype="int32")


@lowers("MatMul")
def lower_matmul(op: Lowering) -> None:
    """Binds what the QuantizeLinear behind it finishes."""
    right = op.value(1)
    if isinstance(right, Blocked):
        bind_matmul(op, right)
        return
    a, b = dequantized_pair(op)
    last = len(b.shape) - 1
    op.require(b.meaning.axis in (None, last), "scales of the right matrix must run along columns. [M2]")

    def finish_matmul(quantize: Lowering, y: Meaning) -> Codes:
        return finish(quantize, (a.codes, b.codes), (a.meaning, b.meaning, y))

    op.bind(Pending(finish_matmul, pending_reason(op)))


@lowers("Gemm")
def lower_gemm(op: Lowering) -> None:
    """Binds what the QuantizeLinear behind it finishes."""
    right = op.value(1)
    if isinstance(right, Blocked):
        bind_gemm(op, right)
        return
    a, b = dequantized_pair(op)
    check_row(op, 2)
    bias = bias_of(op, a.meaning, b.meaning, scaled=False)
    turned = bool(op.attribute("transB", 0))
    op.require(b.meaning.axis in (None, 0 if turned else 1), "scales must run along columns. [M2]")
    factors = op.attribute("alpha", 1.0), op.attribute("beta", 1.0)
    op.require(
        not op.has(2) or factors == (1, 1),
        f"float region: alpha and beta must be 1 where there is a bias, not {factors}: the runtime"
        " computes in"
        " float. [M3]",
    )

    def finish_gemm(quantize: Lowering, y: Meaning) -> Codes:
        return _gemm(op, quantize, (a.codes, b.codes), (a.meaning, b.meaning, y), bias)

    op.bind(Pending(finish_gemm, pending_reason(op)))


def _gemm(
    op: Lowering,
    quantize: Lowering,
    operands: tuple[Operand, Operand],
    meanings: tuple[Meaning, Meaning, Meaning],
    bias: Array,
) -> Codes:
    """Rule M3.

    op : has the attributes
    quantize : has the output
    """
    a, b = operands
    op.require(isinstance(a, Codes) and isinstance(b, Constant), "right matrix must be a constant. [M3]")
    assert isinstance(b, Constant)
    op.require(
        len(a.shape) == len(b.shape) == 2, f"operands must be matrices, not {a.shape}, {b.shape}. [M3]"
    )
    op.require(not op.attribute("transA", 0), "transA must be 0: samples must not mix. [M3]")
    matrix = Constant(b.name, b.dtype, b.values.T if op.attribute("transB", 0) else b.values)
    op.require(bias.size in (1, matrix.shape[1]), f"bias must have {matrix.shape[1]} values. [M3]")
    return finish(quantize, (a, matrix), meanings, bias.reshape(-1), float(op.attribute("alpha", 1.0)))


@lowers("QGemm", domain=MICROSOFT)
def lower_qgemm(op: Lowering) -> None:
    """Rule M3."""
    a, b = op.codes(0), _constant(op, 3)
    turned = bool(op.attribute("transB", 0))
    meant = op.meaning(1, 2, a.dtype), op.meaning(4, 5, b.dtype, 0 if turned else 1)
    op.require(op.has(7), "output must be quantized: y_scale must be given, or the result is float. [M3]")
    y = op.meaning(7, 8, _constant(op, 8).dtype)
    check_row(op, 6)
    bias = op.constant(6) if op.has(6) else np.zeros(1, np.int32)
    op.require(bias.dtype == np.int32, f"bias must be int32, not {bias.dtype}. [M3]")
    _gemm(op, op, (a, b), (*meant, y), bias)
