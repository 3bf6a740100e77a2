"""CONCATENATION, PACK, UNPACK, SPLIT and SPLIT_V: several tensors to one, and one to several.

Sources: LiteRT 2.3.0, tflite/kernels/{concatenation,pack,unpack,split,split_v}.cc and
internal/reference/concatenation.h (ConcatenationWithScaling).
"""

from __future__ import annotations

import numpy as np
from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import Operands, axis_of, one, operands, require_same_meaning, yields
from intsim_converters.tflite.tensors import TensorView

from intsim.arithmetic import Add, Clamp, Requantization, Rounding, Scale
from intsim.formats import IntFormat
from intsim.ops import Concat, Pack, Requantize, Slice, Split, Unpack

_UINT8 = IntFormat(8, signed=False)


@lowers("CONCATENATION", options="ConcatenationOptions")
def lower_concatenation(op: Lowering) -> None:
    activation = op.options.fused_activation_function
    op.require(activation == "NONE", f"fused activation must be NONE, not {activation}")
    views, y = op.inputs, op.output(0)
    axis = axis_of(op, op.options.axis, y.rank)
    for view in views:
        op.require(view.rank == y.rank, f"{view.name!r} must have {y.rank} axes, not {view.rank}")
    given = operands(op, range(len(views)), keeps_batch=axis > 0)
    names = []
    for i, (view, name) in enumerate(zip(views, given.names, strict=True)):
        if view.dtype == "int8":
            require_same_meaning(op, view, y)
        names.append(_rescaled(op, view, name, i) if view.dtype == "uint8" else name)
    total = sum(view.shape[axis] for view in views)
    shape = (*views[0].shape[:axis], total, *views[0].shape[axis + 1 :])
    yields(op, Concat(given.axis(axis)), Operands(tuple(names), given.lead), shape)


def _rescaled(op: Lowering, x: TensorView, name: str, i: int) -> str:
    """A uint8 operand at the output's scale: float32 throughout, the output's zero point after rounding."""
    y = op.output(0)
    if x.tensor.scales is None or (x.scale == y.scale and x.zero_point == y.zero_point):
        return name
    op.require(y.scale > 0, f"output's scale must be positive, not {y.scale}")
    factor = np.float32(x.scale * (np.float32(1) / y.scale))
    after = np.float32(np.float32(-x.zero_point) * factor)
    op.require(
        factor < 2**22, f"ratio of {x.name!r}'s scale to the output's must be below 2**22, not {factor}"
    )
    steps = (
        Scale(factors=factor, rounding=Rounding.HALF_AWAY, after=after),
        Add(values=y.zero_point),
        Clamp(lo=_UINT8.min, hi=_UINT8.max),
    )
    return op.step(Requantize(Requantization(steps, _UINT8)), name, name=f"rescaled{i}")


@lowers("PACK", options="PackOptions")
def lower_pack(op: Lowering) -> None:
    views, y = op.inputs, op.output(0)
    op.require(
        op.options.values_count == len(views),
        f"values_count must be {len(views)}, the number of inputs, not {op.options.values_count}",
    )
    for view in views:
        require_same_meaning(op, view, y)
    axis = axis_of(op, op.options.axis, views[0].rank + 1)
    given = operands(op, range(len(views)), keeps_batch=axis > 0)
    shape = (*views[0].shape[:axis], len(views), *views[0].shape[axis:])
    yields(op, Pack(given.axis(axis)), given, shape)


@lowers("UNPACK", options="UnpackOptions")
def lower_unpack(op: Lowering) -> None:
    x = op.input(0)
    axis = axis_of(op, op.options.axis, x.rank)
    for y in op.outputs:
        require_same_meaning(op, x, y)
    given = operands(op, [0], keeps_batch=axis > 0)
    left = (*x.shape[:axis], *x.shape[axis + 1 :])
    count = x.shape[axis]
    op.require(len(op.outputs) == count, f"must have {count} outputs, not {len(op.outputs)}")
    if all(y.sample_shape == left[given.lead :] for y in op.outputs):
        op.emit_many(Unpack(given.axis(axis)), *given.names)
        return
    _parts(op, x, given, axis, [1] * count, [left] * count)


@lowers("SPLIT", options="SplitOptions")
def lower_split(op: Lowering) -> None:
    """Equal parts; the axis is the first input."""
    count = op.options.num_splits
    x = op.input(1)
    axis = axis_of(op, one(op, 0), x.rank)
    op.require(
        count > 0 and x.shape[axis] % count == 0,
        f"num_splits must divide {x.shape[axis]}, axis {axis} of {x.shape}, not {count}",
    )
    _split(op, 1, axis, [x.shape[axis] // count] * count)


@lowers("SPLIT_V", options="SplitVOptions")
def lower_split_v(op: Lowering) -> None:
    """Parts of given sizes, one of which may be left to be found (-1)."""
    x = op.input(0)
    axis = axis_of(op, one(op, 2), x.rank)
    sizes = list(op.ints(1))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - (sum(sizes) + 1)
    op.require(
        op.options.num_splits == len(sizes), f"num_splits must be {len(sizes)}, not {op.options.num_splits}"
    )
    _split(op, 0, axis, sizes)


def _split(op: Lowering, i: int, axis: int, sizes: list[int]) -> None:
    x = op.input(i)
    given = operands(op, [i], keeps_batch=axis > 0)
    rule = Split(given.axis(axis), tuple(sizes))
    rule.infer(*(op.target.specs[name] for name in given.names))
    op.require(len(op.outputs) == len(sizes), f"must have {len(sizes)} outputs, not {len(op.outputs)}")
    shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
    if all(y.sample_shape == shape[given.lead :] for y, shape in zip(op.outputs, shapes, strict=True)):
        op.emit_many(rule, *given.names)
        return
    _parts(op, x, given, axis, sizes, shapes)


def _parts(
    op: Lowering, x: TensorView, given: Operands, axis: int, sizes: list[int], shapes: list[tuple[int, ...]]
) -> None:
    """Consecutive parts along an axis, each by a node of its own, as some need a reshape."""
    begin = 0
    for output, (size, shape) in enumerate(zip(sizes, shapes, strict=True)):
        starts = [0] * x.rank
        extents = list(x.shape)
        starts[axis], extents[axis] = begin, size
        part = Slice(tuple(starts[given.lead :]), tuple(extents[given.lead :]))
        yields(op, part, given, shape, output)
        begin += size
