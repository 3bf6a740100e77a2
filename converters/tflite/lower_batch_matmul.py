"""BATCH_MATMUL of two quantized tensors, either of which may be a constant.

LiteRT multiplies the scales in float32, TensorFlow Lite Micro in float64. With the default resolver XNNPACK
takes int8 whose second operand has zero point 0; the rest has the reference kernels' integers.

Sources: LiteRT tflite/kernels/batch_matmul.cc, internal/reference/batch_matmul.h; tflite-micro
micro/kernels/batch_matmul.cc.
"""

from __future__ import annotations

from intsim_converters.tflite.kernels import require_kernel, xnnpack_reads
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import Operands, operands, yields

from intsim.arithmetic import Accumulator, Requantization
from intsim.arithmetic.dialects import DIALECTS, ratio_float32_product, ratio_float64
from intsim.formats import IntFormat
from intsim.ops import BatchMatmul, Requantize


@lowers("BATCH_MATMUL", options="BatchMatMulOptions")
def lower_batch_matmul(op: Lowering) -> None:
    x, y, z = op.input(0), op.input(1), op.output(0)
    require_kernel(op, x, ("int8", "int16"))
    for view in (y, z):
        op.require(view.dtype == x.dtype, f"{view.name!r} must be {x.dtype} as the others, not {view.dtype}")
    points = [view.zero_point for view in (x, y, z)]
    op.require(x.dtype != "int16" or not any(points), f"zero points of int16 must be 0, not {points}")
    wide = x.dtype == "int16"
    product = BatchMatmul(
        x_zero_point=x.zero_point,
        y_zero_point=y.zero_point,
        transpose_x=bool(op.options.adj_x),
        transpose_y=bool(op.options.adj_y),
        accumulator=Accumulator(IntFormat(64 if wide else 32)),
    )
    given = _matrices(op)
    sums = Operands((op.step(product, *given.names, name="accumulator"),), given.lead)
    yields(op, Requantize(_requantization(op, wide)), sums, z.shape)


def _matrices(op: Lowering) -> Operands:
    """The operands' names. A matrix without other axes has no batch; its rows are not samples."""
    x, y, z = op.input(0), op.input(1), op.output(0)
    op.require(min(x.rank, y.rank) >= 2, f"operands must be matrices, not {x.shape} and {y.shape}")
    if z.rank == 2 or min(x.rank, y.rank) == 2:
        return operands(op, (0, 1), keeps_batch=False)
    for view in (x, y):
        each = op.batch > 1 and view.is_constant and view.rank == z.rank and view.shape[0] != 1
        op.require(
            not each, f"constant {view.name!r} must have size 1 on its first axis; samples must not mix"
        )
    return Operands(op.operands(), int(z.batched))


def _requantization(op: Lowering, wide: bool) -> Requantization:
    x, y, z = op.input(0), op.input(1), op.output(0)
    op.require(z.scale > 0, "output's scale must be positive")
    form = ratio_float64 if op.dialect == "tflm" else ratio_float32_product
    ratio = form([x.scale, y.scale], z.scale)
    depth = x.shape[-2 if op.options.adj_x else -1]
    reach = depth
    for view in (x, y):
        reach *= max(view.format.max - view.zero_point, view.zero_point - view.format.min)
    op.require(not wide or reach < 2**47, f"sums must stay below 2**47, not reach {reach}")
    scaled = reach * float(ratio[0])
    op.require(
        scaled < 2**31 - 2**16,
        f"scaled sums must fit 32 bits, not reach {scaled:.4g}: the runtime's result is undefined there",
    )
    if wide:
        dialect = DIALECTS["tflite-m64"]
    elif op.dialect == "xnnpack" and xnnpack_reads(x, z) and y.zero_point == 0:
        dialect = DIALECTS["f32-rne-zp-after"]
        ratio = dialect.ratio([x.scale, y.scale], z.scale)
    else:
        dialect = op.fixed_point
    return dialect.requantization(ratio, zero_point=z.zero_point, format=z.format)
