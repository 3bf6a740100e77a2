"""Doors with scales in blocks, and moves of what they give.

Rules (K), cited by the lowerings
---------------------------------
K1. DequantizeLinear with block_size says what codes mean; scales and zero points have the codes' axes, with
    one entry for every block along `axis`. Nothing is computed for it. Constants are weights by the rules of
    `lower_blocked_products`.
K2. Constants may be transposed; their scales go along.
K3. QuantizeLinear with block_size of what a DequantizeLinear with the same blocks gave is the code itself.
    No other tensor that is computed has scales in blocks: a table or a door would need one per block.

References
----------
ONNX, docs/Operators.md, DequantizeLinear and QuantizeLinear of operator set 21.
"""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.elementwise import copy
from intsim_converters.onnx.folding import moved_constant
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import NUMBERS, Constant
from intsim_converters.onnx.values import FORMATS, Blocked, Codes

SCALES = (np.float16, np.float32)
"""What scales in blocks may be."""


def blocked_value(op: Lowering, codes: Codes | Constant) -> Blocked:
    """What a DequantizeLinear with block_size gives (rule K1)."""
    op.require(
        op.output not in op.target.outputs,
        "float region: what has scales in blocks must be weights, not the graph's output. [K1]",
    )
    op.require(codes.dtype in FORMATS, f"codes must be integers, not {codes.dtype}. [K1]")
    zero = op.value(2) if op.has(2) else None
    return _blocked(op, codes, zero)


def _blocked(op: Lowering, codes: Codes | Constant, zero: object) -> Blocked:
    """Scales and zero points in blocks, looked at (rule K1)."""
    rank, length, axis = len(codes.shape), int(op.attribute("block_size", 0)), int(op.attribute("axis", 1))
    op.require(-rank <= axis < rank, f"axis must be of {codes.shape}, not {axis}. [K1]")
    op.require(length >= 1, f"block_size must be at least 1, not {length}. [K1]")
    axis %= rank
    shape = tuple(-(-size // length) if i == axis else size for i, size in enumerate(codes.shape))
    scale = op.constant(1)
    good = scale.dtype in SCALES and bool((np.isfinite(scale) & (scale > 0)).all())
    op.require(good, f"scale {op.node.inputs[1]!r} must be positive and finite, and float32 or float16. [K1]")
    op.require(
        scale.shape == shape,
        f"scale must be of shape {shape}, one per block of {length} along axis {axis}, not {scale.shape}."
        " [K1]",
    )
    if zero is None:
        return Blocked(codes, scale, np.zeros(shape, np.int64), axis, length)
    op.require(isinstance(zero, Constant), "zero point must be a constant, not computed. [K1]")
    assert isinstance(zero, Constant)
    op.require(
        (zero.dtype, zero.shape) == (codes.dtype, shape),
        f"zero point must be {codes.dtype} of shape {shape}, not {zero.dtype} of shape {zero.shape}. [K1]",
    )
    return Blocked(codes, scale, zero.values.astype(np.int64), axis, length)


def bind_blocked_codes(op: Lowering) -> None:
    """QuantizeLinear with block_size, or of what has scales in blocks (rule K3)."""
    value = op.value(0)
    if isinstance(value, Blocked) and op.attribute("block_size", 0):
        zero, number = op.value(2) if op.has(2) else None, op.attribute("output_dtype", 0)
        dtype = zero.dtype if isinstance(zero, Constant) else NUMBERS.get(number, "uint8")
        if dtype == value.codes.dtype and _blocked(op, value.codes, zero).same(value):
            op.bind(copy(op, value.codes) if isinstance(value.codes, Codes) else value.codes)
            return
    op.refuse(
        "scales must not be in blocks where tensors are computed, unless those in front are the same blocks."
        " [K3]"
    )


def moved_blocks(op: Lowering, value: Blocked) -> Blocked:
    """A move of weights in blocks; Transpose takes their scales along (rule K2)."""
    codes = value.codes
    if not isinstance(codes, Constant) or op.name != "Transpose":
        op.refuse(f"input of {op.name} must have one scale to be moved, not scales in blocks. [K2]")
    found = moved_constant(op.node, {op.node.inputs[0]: codes}, op.opset)
    if found is None:
        op.refuse("Transpose of a dequantized constant is not one that is computed while converting")
    order = tuple(op.attribute("perm", tuple(reversed(range(len(codes.shape))))))
    parts = value.scale.transpose(order), value.zero_point.transpose(order)
    return Blocked(found, *parts, order.index(value.axis), value.length)
