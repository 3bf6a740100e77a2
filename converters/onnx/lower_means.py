"""ReduceMean and ReduceSum between DequantizeLinear and QuantizeLinear, in dialect integer.

Rules (N), cited by the lowering
--------------------------------
N1. The runtime has no integer operator for them and adds up floats, in an order that memory decides. In
    dialect integer ReduceMean is the mean of all codes along the axes by rule P2 of `lower_pooling`, as
    GlobalAveragePool is; ReduceSum is the same, divided by 1.
"""

from __future__ import annotations

import math

from intsim_converters.onnx.floating import check_codes, codes_behind, emit_in_turn
from intsim_converters.onnx.fused import pending_reason
from intsim_converters.onnx.lower_pooling import mean_of_sum
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.reductions import axes_of, sampled, without
from intsim_converters.onnx.sums import accumulator
from intsim_converters.onnx.values import Codes, Layout, Meaning, Pending

from intsim.ops import Op, Requantize, Reshape, Sum


@lowers("ReduceMean", "ReduceSum")
def lower_reduce_mean(op: Lowering) -> None:
    """Rule N1."""
    op.require(
        op.fuses and not op.as_runtime,
        f"float region: {op.name} computes in float in dialect {op.dialect}; --dialect integer adds up codes."
        " [N1]",
    )
    x, meaning = codes_behind(op)
    axes, keepdims = (
        axes_of(op, len(x.shape), 13 if op.name == "ReduceSum" else 18),
        bool(op.attribute("keepdims", 1)),
    )
    op.require(bool(axes), "axes must not be none. [N1]")
    divisor = 1 if op.name == "ReduceSum" else None
    count, to = math.prod(x.shape[axis] for axis in axes), without(x.shape, axes, keepdims)

    def finish(quantize: Lowering, y: Meaning) -> Codes:
        check_codes(quantize, x, meaning, y, carried=True)
        held, within = sampled(quantize, x, axes)
        sums = Sum(within, keepdims=keepdims, accumulator=accumulator(x.dtype, x.dtype))
        (spec,) = sums.infer(op.target.specs[held])
        nodes: list[tuple[str, Op]] = [
            ("accumulator", sums),
            ("mean", Requantize(mean_of_sum(quantize, meaning, y, count, divisor))),
        ]
        sample = op.target.batch.sample(to)
        if spec.shape != sample:
            nodes.append(("shaped", Reshape(sample)))
        return emit_in_turn(quantize, held, nodes, shape=to, layout=Layout.PLAIN, y=y)

    op.bind(Pending(finish, pending_reason(op)))
