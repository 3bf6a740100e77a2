"""What lowerings of operators that move data share: whose axes are counted, and the shape that comes out.

An operator that leaves the batch axis as it is works on samples. One that does not can be converted for
batch 1 only: there a sample is the whole tensor, and its missing leading axis is put back for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intsim_converters.tflite.lowering import Lowering
from intsim_converters.tflite.tensors import TensorView

from intsim.ops import Op, Reshape

Shape = tuple[int, ...]

MOVED = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool")
"""Element types that are moved one by one; LiteRT moves packed ones by whole bytes, and garbles some."""


@dataclass(frozen=True)
class Operands:
    """The names of an operator's operands, and how many leading axes (0 or 1) their samples lack."""

    names: tuple[str, ...]
    lead: int

    def axis(self, axis: int) -> int:
        """An axis of TFLite's, not negative, as an axis of the samples."""
        return axis - self.lead


def operands(op: Lowering, indices: Sequence[int], keeps_batch: bool) -> Operands:
    """The operands of an operator, as samples where that is what it works on, else whole.

    indices : which inputs
    keeps_batch : whether the operator leaves TFLite's first axis as it is
    """
    views = [op.input(i) for i in indices]
    for view in views:
        op.require(view.dtype in MOVED, f"{view.name!r} must be one of {', '.join(MOVED)}, not {view.dtype}")
    if keeps_batch and all(view.batched for view in views):
        return Operands(tuple(op.value(i) for i in indices), 1)
    op.require(
        op.batch == 1,
        f"the batch {op.batch} on the first axis must stay as it is; samples must not mix."
        " Export the model with batch 1",
    )
    return Operands(tuple(_whole(op, i) for i in indices), 0)


def _whole(op: Lowering, i: int) -> str:
    """Input i with all of TFLite's axes in its one sample."""
    view = op.input(i)
    name = op.value(i)
    return op.step(Reshape(view.shape), name, name=f"whole{i}") if view.batched else name


def axis_of(op: Lowering, axis: int, rank: int) -> int:
    """TFLite's axis, negative from the end, as one from 0."""
    op.require(-rank <= axis < rank, f"axis must be {-rank} to {rank - 1}, not {axis}")
    return axis % rank


def yields(op: Lowering, node: Op, operands: Operands, shape: Shape, output: int = 0) -> str:
    """Emit the node that gives an output, and a reshape where its sample is written otherwise.

    shape : what the output's shape must be in the file
    """
    view = op.output(output)
    require_shape(op, view, shape)
    specs = [op.target.specs[name] for name in operands.names]
    (spec,) = node.infer(*specs)
    if spec.shape == view.sample_shape:
        return op.emit(node, *operands.names, output=output)
    moved = op.step(node, *operands.names, name=node.name, output=output)
    return op.emit(Reshape(view.sample_shape), moved, output=output)


def require_shape(op: Lowering, view: TensorView, shape: Shape) -> None:
    """Refuse an output whose shape in the file is not what the operator gives."""
    op.require(view.shape == shape, f"output {view.name!r} must have shape {shape}, not {view.shape}")


def require_same_meaning(op: Lowering, a: TensorView, b: TensorView) -> None:
    """Refuse two tensors that stand for different reals by the same integer, as the runtime does."""
    same = _meaning(a) == _meaning(b)
    op.require(
        same,
        f"{a.name!r} and {b.name!r} must have one scale and zero point, not {_meaning(a)} and {_meaning(b)}",
    )


def _meaning(view: TensorView) -> tuple[float, int]:
    """Scale and zero point as the runtime compares them: 0 and 0 where the file gives none."""
    found = view.tensor.scales
    if found is None or found.scale.size != 1:
        return 0.0, 0
    return float(found.scale[0]), int(found.zero_point[0])


def zero_of(view: TensorView) -> int:
    """The integer that stands for 0: the zero point, or 0 where the file gives no scale."""
    return 0 if view.tensor.scales is None else view.zero_point


def one(op: Lowering, i: int) -> int:
    """The one value of a constant integer input."""
    values = op.ints(i)
    op.require(len(values) == 1, f"input {i} must hold one value, not {len(values)}")
    return values[0]
