"""MEAN, SUM, REDUCE_MAX and REDUCE_MIN.

MEAN and SUM are a 32-bit sum of raw codes, and a requantization that takes the zero points off at once
(`reducing`); the others have the same integers in all dialects. In LiteRT 2.3.0 the reference kernel of SUM
reads memory that nobody wrote for int8 and int16, so the dialect litert-ref has it for uint8 only.

Sources: LiteRT tflite/kernels/reduce.cc, internal/reference/reduce.h; tflite-micro
micro/kernels/reduce_common.cc.
"""

from __future__ import annotations

from intsim_converters.tflite.kernels import require_kernel
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import Operands, require_same_meaning, yields
from intsim_converters.tflite.reducing import mean_or_sum, read_reduction

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat
from intsim.ops import Op, ReduceMax, ReduceMin, Requantize, Sum


@lowers("MEAN", options="ReducerOptions")
def lower_mean(op: Lowering) -> None:
    require_kernel(op, op.input(0), ("int8", "uint8", "int16"), micro=("int8", "int16"))
    _sum(op, mean=True)


@lowers("SUM", options="ReducerOptions")
def lower_sum(op: Lowering) -> None:
    x = op.input(0)
    require_kernel(op, x, ("int8", "uint8", "int16"), micro=("int8", "int16"))
    op.require(
        op.dialect != "litert-ref" or x.dtype == "uint8",
        f"SUM of {x.dtype} is undefined in LiteRT's reference kernels, which read memory that nobody wrote;"
        " every other dialect converts it",
    )
    _sum(op, mean=False)


def _sum(op: Lowering, mean: bool) -> None:
    x, y = op.input(0), op.output(0)
    op.require(y.dtype == x.dtype, f"output must be {x.dtype} as the input is, not {y.dtype}")
    points = (x.zero_point, y.zero_point)
    op.require(x.dtype != "int16" or points == (0, 0), f"zero points of int16 must be 0, not {points}")
    reduced = read_reduction(op)
    rule = mean_or_sum(op, reduced.count, mean)
    sums = Sum(reduced.axes, reduced.keepdims, Accumulator(IntFormat(32)))
    name = op.step(sums, *reduced.operands.names, name="accumulator")
    yields(op, Requantize(rule), Operands((name,), reduced.operands.lead), reduced.shape)


@lowers("REDUCE_MAX", options="ReducerOptions")
def lower_reduce_max(op: Lowering) -> None:
    _extreme(op, ReduceMax)


@lowers("REDUCE_MIN", options="ReducerOptions")
def lower_reduce_min(op: Lowering) -> None:
    _extreme(op, ReduceMin)


def _extreme(op: Lowering, kind: type[ReduceMax] | type[ReduceMin]) -> None:
    x, y = op.input(0), op.output(0)
    require_kernel(op, x, ("int8", "uint8", "int16", "int32", "int64"), micro=("int8",))
    op.require(y.dtype == x.dtype, f"output must be {x.dtype} as the input is, not {y.dtype}")
    if x.dtype not in ("int32", "int64"):
        require_same_meaning(op, x, y)
    reduced = read_reduction(op)
    node: Op = kind(reduced.axes, reduced.keepdims)
    yields(op, node, reduced.operands, reduced.shape)
