"""MatMul, Gemm and Conv of 1 x 1 with weights whose scales run in blocks; com.microsoft MatMulNBits.

Rules (K), after those of `lower_blocked`
-----------------------------------------
K4. Constants whose scales run in blocks along the axis that is summed over are weights by the rules of
    `blocked`, in dialect integer.
K5. MatMulNBits reads weights (N, K / block_size, bytes of a block), the first element in the lowest bits, and
    zero points that are packed the same way, 2**(bits - 1) where they are left out. Its input must come from
    a DequantizeLinear with one scale, and a QuantizeLinear must follow.
K6. A bias is a float constant, or dequantized from one of integers. Of Gemm alpha must be positive.
K7. Conv must have one group, stride 1 and no padding.

References
----------
ONNX, docs/Operators.md. ONNX Runtime 1.31.1: docs/ContribOperators.md;
onnxruntime/contrib_ops/cpu/quantization/matmul_nbits.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from intsim_converters.group_scales import Groups
from intsim_converters.onnx.blocked import multiply
from intsim_converters.onnx.fused import check_row, dequantized, pending_reason
from intsim_converters.onnx.lower_blocked import SCALES
from intsim_converters.onnx.lowering import MICROSOFT, Lowering, lowers
from intsim_converters.onnx.model import Array, Constant
from intsim_converters.onnx.values import Blocked, Codes, Layout, Meaning, Pending, Real
from intsim_converters.onnx.windows import read_window
from intsim_converters.packed import unpack

_ONE = Fraction(1)


def _weights(op: Lowering, value: Blocked, turned: Sequence[int], what: str) -> Groups:
    """Weights as rows that are summed over.

    turned : the order of axes that puts outputs first and what is summed over second; others have size 1
    what : the axis that is summed over, for the message
    """
    op.require(op.fuses, f"float region: {op.name} computes in float in dialect {op.dialect}")
    op.require(
        not op.as_runtime,
        "float region: weights with scales in blocks are computed in float by the runtime; --dialect integer"
        " computes the group exactly. [G5]",
    )
    codes = value.codes
    if not isinstance(codes, Constant):
        op.refuse("weights with scales in blocks must be a constant, not computed. [K4]")
    op.require(
        len(codes.shape) == len(turned) and codes.values.size > 0,
        f"weights with scales in blocks must have {len(turned)} axes and no size 0, not shape {codes.shape}."
        " [K4]",
    )
    op.require(value.axis == turned[1], f"blocks must run along {what}, not along axis {value.axis}. [K4]")

    def rows(values: Array) -> Array:
        found = values.transpose(turned)
        return np.ascontiguousarray(found.reshape(found.shape[:2]))

    return Groups(rows(codes.values), rows(value.scale), rows(value.zero_point), value.length)


def _bias(op: Lowering, i: int, factor: Fraction = _ONE) -> list[Fraction]:
    """Input i as exact reals, times a factor (rule K6); none where it is left out."""
    if not op.has(i):
        return []
    check_row(op, i)
    bias = op.value(i)
    if isinstance(bias, Constant) and bias.values.dtype.type in SCALES:
        op.require(np.isfinite(bias.values).all(), "bias must be finite. [K6]")
        return [Fraction(float(entry)) * factor for entry in bias.values.reshape(-1)]
    good = isinstance(bias, Real) and isinstance(bias.codes, Constant) and not bias.functions
    op.require(good, "bias must be a float constant, or dequantized from one of integers. [K6]")
    assert isinstance(bias, Real)
    assert isinstance(bias.codes, Constant)
    codes = bias.codes.values.reshape(-1).astype(object) - bias.meaning.zero_point.astype(object)
    scales = np.broadcast_to(bias.meaning.scale.astype(np.float64), codes.shape)
    return [
        Fraction(int(code)) * Fraction(float(scale)) * factor
        for code, scale in zip(codes, scales, strict=True)
    ]


def _bind(
    op: Lowering,
    x: Real,
    groups: Groups,
    dtype: str,
    bias: list[Fraction],
    factor: Fraction = _ONE,
    in_float32: bool = True,
) -> None:
    """Leave the product of rows to the QuantizeLinear behind it."""
    shape, depth = x.shape, groups.codes.shape[1]
    op.require(
        len(shape) >= 1 and shape[-1] == depth,
        f"input must have {depth} elements on its last axis, not shape {shape}. [K4]",
    )
    whole = (*shape[:-1], len(groups.codes))

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        given = {"bias": bias, "factor": factor, "in_float32": in_float32}
        return multiply(quantize, x, groups, dtype, y, whole, **given)

    op.bind(Pending(finish, pending_reason(op)))


def bind_matmul(op: Lowering, value: Blocked) -> None:
    """MatMul with weights (K, N) in blocks."""
    groups = _weights(op, value, (1, 0), "rows of the right matrix")
    _bind(op, dequantized(op, 0), groups, value.codes.dtype, [])


def bind_gemm(op: Lowering, value: Blocked) -> None:
    """Gemm with weights (K, N), or (N, K) where transB says so, in blocks."""
    turned = (0, 1) if op.attribute("transB", 0) else (1, 0)
    groups, x = _weights(op, value, turned, "what is summed over"), dequantized(op, 0)
    alpha, beta = (float(op.attribute(name, 1.0)) for name in ("alpha", "beta"))
    op.require(0 < alpha < np.inf and np.isfinite(beta), f"alpha must be positive, not {alpha}. [K6]")
    op.require(
        not op.attribute("transA", 0) and len(x.shape) == 2,
        f"left operand must be a matrix and transA 0, not shape {x.shape}. [K4]",
    )
    _bind(op, x, groups, value.codes.dtype, _bias(op, 2, Fraction(beta)), Fraction(alpha))


def bind_convolution(op: Lowering, value: Blocked) -> None:
    """Conv of 1 x 1 with weights (K, C, 1, 1) in blocks of C: rows of an image's pixels (rule K7)."""
    shape = value.codes.shape
    op.require(
        len(shape) in (3, 4) and set(shape[2:]) == {1} and op.attribute("group", 1) == 1,
        f"weights with scales in blocks must be of one group and 1 x 1, not of shape {shape} in"
        f" {op.attribute('group', 1)}. [K7]",
    )
    groups = _weights(op, value, tuple(range(len(shape))), "the input channels")
    x, bias = dequantized(op, 0), _bias(op, 2)
    window = read_window(op, x.shape, tuple(shape[2:]))
    plain = window.stride == (1, 1) and window.padding == ((0, 0), (0, 0))
    op.require(plain, "a convolution with scales in blocks must have stride 1 and no padding. [K7]")
    channels = shape[1]
    op.require(x.shape[1] == channels, f"input must have {channels} channels, not shape {x.shape}. [K7]")
    whole = (x.shape[0], shape[0], *x.shape[2:])

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        return multiply(quantize, x, groups, value.codes.dtype, y, whole, bias=bias, layout=Layout.IMAGE)

    op.bind(Pending(finish, pending_reason(op)))


@lowers("MatMulNBits", domain=MICROSOFT)
def lower_matmul_nbits(op: Lowering) -> None:
    """Rule K5."""
    op.require_own()
    depth, outputs, length = (int(op.attribute(name, 0)) for name in ("K", "N", "block_size"))
    bits = int(op.attribute("bits", 4))
    op.require(bits in (2, 4, 8), f"bits must be 2, 4 or 8, not {bits}. [K5]")
    op.require(
        min(depth, outputs) >= 1 and length >= 16 and not length & (length - 1),
        f"K and N must be at least 1 and block_size a power of two of at least 16, not {depth}, {outputs} and"
        f" {length}. [K5]",
    )
    op.require(not op.has(4), "g_idx must be left out: elements of a group must stand together. [K5]")
    op.require(not op.attribute("weight_prepacked", 0), "weights must not be prepacked for a device. [K5]")
    count = -(-depth // length)
    codes = _packed(op, 1, (outputs, count * length), bits, "weights")[:, :depth]
    zero = np.full((outputs, count), 1 << bits - 1, np.uint8)
    if op.has(3):
        zero = _packed(op, 3, (outputs, count), bits, "zero points")
    scale = op.constant(2)
    op.require(
        scale.dtype in SCALES and scale.size == outputs * count,
        f"scales must be {outputs * count} of float32 or float16, not {scale.size} of {scale.dtype}. [K5]",
    )
    good = bool((np.isfinite(scale) & (scale > 0)).all())
    op.require(good, f"scale {op.node.inputs[2]!r} must be positive and finite. [K5]")
    weights = Constant(op.node.inputs[1], f"uint{bits}", codes)
    scale = scale.reshape(outputs, count)
    value = Blocked(weights, scale, zero.astype(np.int64), 1, length)
    groups, in_float32 = _weights(op, value, (0, 1), "K"), op.attribute("accuracy_level", 0) <= 1
    _bind(op, dequantized(op, 0), groups, weights.dtype, _bias(op, 5), in_float32=in_float32)


def _packed(op: Lowering, i: int, shape: tuple[int, int], bits: int, what: str) -> Array:
    """Input i, rows of elements that are packed row by row."""
    packed, row = op.constant(i), -(-shape[1] * bits // 8)
    op.require(
        packed.dtype == np.uint8 and packed.size == shape[0] * row,
        f"{what} must be {shape[0] * row} bytes of uint8, not {packed.size} of {packed.dtype}. [K5]",
    )
    rows = packed.reshape(shape[0], row)
    if bits < 8:
        rows = unpack(rows.reshape(-1), bits, rows.size * 8 // bits, signed=False).reshape(shape[0], -1)
    return np.ascontiguousarray(rows[:, : shape[1]])
