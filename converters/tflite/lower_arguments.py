"""ARG_MAX and ARG_MIN: the first place of the extreme code. Scales are not looked at; all dialects agree.

Sources: LiteRT tflite/kernels/arg_min_max.cc, internal/reference/arg_min_max.h.
"""

from __future__ import annotations

from intsim_converters.tflite.kernels import require_kernel
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import axis_of, one, operands, yields

from intsim.ops import ArgMax, ArgMin


@lowers("ARG_MAX", options="ArgMaxOptions")
def lower_arg_max(op: Lowering) -> None:
    _argument(op, ArgMax)


@lowers("ARG_MIN", options="ArgMinOptions")
def lower_arg_min(op: Lowering) -> None:
    _argument(op, ArgMin)


def _argument(op: Lowering, kind: type[ArgMax] | type[ArgMin]) -> None:
    x, y = op.input(0), op.output(0)
    require_kernel(op, x, ("int8", "uint8", "int32", "bool"), micro=("int8",))
    op.require(y.dtype in ("int32", "int64"), f"output must be int32 or int64, not {y.dtype}")
    axis = axis_of(op, one(op, 1), x.rank)
    given = operands(op, (0,), keeps_batch=axis > 0)
    node = kind(given.axis(axis), format=y.format)
    yields(op, node, given, (*x.shape[:axis], *x.shape[axis + 1 :]))
