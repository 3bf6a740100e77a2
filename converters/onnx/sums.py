"""How sums of products become codes, by dialect.

Rules (S), cited by the lowerings
---------------------------------
S1. Sums have 32 bits, or 64 where the operands have more than 16 bits together, and wrap; the bias is int32
    and is in the sum.
S2. ort: the sum, rounded to float32, times the ratio of scales, half to even; then the zero point, saturated.
    The ratio is formed in float32: input's scale times weights', then divided by the output's.
S3. onnx-ref: the sum times the ratio in float64, plus the zero point, half to even, saturated. The ratio is
    formed in the scales' own type.
S4. ort takes uint8 inputs with uint8 or int8 weights, int8 inputs with int8 weights, and gives the input's
    type. The others take, and give, what has 16 bits at most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.values import FORMATS, Meaning

from intsim.arithmetic import Accumulator, Clamp, Requantization, Rounding, Scale
from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat, Quantization

_MOST = 2.0**30  # of a ratio: beyond, a scaled sum leaves 64 bits

_PAIRS = {("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8")}
_AFTER = DIALECTS["f32-rne-zp-after"]


def accumulator(*dtypes: str) -> Accumulator:
    """Rule S1, by the operands' types."""
    return Accumulator(IntFormat(32 if sum(FORMATS[dtype].bits for dtype in dtypes) <= 16 else 64))


def check_types(op: Lowering, x: Meaning, w: Meaning, y: Meaning | None) -> None:
    """Rule S4."""
    if not op.as_runtime:
        bits = max(entry.format.bits for entry in (x, w, y) if entry is not None)
        op.require(bits <= 16, f"operands and output must have 16 bits at most, not {bits}. [S4]")
        return
    pair = (x.dtype, w.dtype)
    op.require(
        pair in _PAIRS,
        f"input and weights must be uint8 with uint8 or int8, or int8 with int8, not {pair[0]} with"
        f" {pair[1]},"
        " which the runtime computes in float. [S4]",
    )
    op.require(y is None or y.dtype == x.dtype, f"output must be {x.dtype} as the input is. [S4]")


def ratio(op: Lowering, scales: list[Array], output: Array, factor: float = 1.0) -> Array:
    """The product of scales over the output's, as the dialect forms it, in the dialect's floats.

    factor : multiplied in first (alpha of a Gemm)
    """
    kind = np.dtype(np.float32) if op.fuses else np.result_type(*scales, output)
    product: Any = kind.type(factor)
    for scale in scales:
        product = product * scale.astype(kind)
    found = np.atleast_1d(np.asarray(product / output.astype(kind)))
    good = bool((np.isfinite(found) & (np.abs(found) < _MOST)).all())
    op.require(good, f"ratio of scales must be finite and below 2**30, not {found.max()}")
    return found


def requantization(op: Lowering, ratios: Array, y: Meaning) -> Requantization:
    """Rules S2 and S3."""
    op.require(y.axis is None, "output must have one scale")
    op.require(y.dtype in FORMATS, f"output must be integers, not {y.dtype}")
    zero = int(y.zero_point[0])
    if op.fuses:
        return _AFTER.requantization(ratios, zero_point=zero, lo=y.lowest, hi=y.highest, format=y.format)
    scale = Scale(
        factors=ratios.astype(np.float64),
        rounding=Rounding.HALF_EVEN,
        after=np.float64(zero) if zero else None,
    )
    return Requantization((scale, Clamp(lo=y.lowest, hi=y.highest)), y.format)


def sum_quantization(x: Meaning, w: Meaning, axis: int) -> Quantization | None:
    """What sums stand for: the exact product of the input's and the weights' scales.

    axis : of the sums' channels in a sample
    """
    scale = x.scale[0].astype(np.float64) * w.scale.astype(np.float64)
    if not (np.isfinite(scale) & (scale > 0)).all():
        return None
    return Quantization(scale, np.zeros(scale.size, np.int64), axis if scale.size > 1 else None)
