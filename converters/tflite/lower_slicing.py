"""SLICE, STRIDED_SLICE, REVERSE_V2, GATHER and EMBEDDING_LOOKUP: parts of a tensor, by place or by index.

Sources: LiteRT 2.3.0, tflite/kernels/{slice,strided_slice,reverse,gather,embedding_lookup}.cc.
"""

from __future__ import annotations

from intsim_converters.tflite.lowering import Lowering, lowers
from intsim_converters.tflite.moving import MOVED, Operands, axis_of, operands, yields
from intsim_converters.tflite.tensors import TensorView

from intsim.ops import EmbeddingLookup, Gather, Slice

Run = tuple[int, int, int]
"""Along one axis: the first place, how many, and the step between them."""


@lowers("SLICE")
def lower_slice(op: Lowering) -> None:
    x = op.input(0)
    begin, size = op.ints(1), op.ints(2)
    fits = len(begin) == len(size) == x.rank
    op.require(fits, f"begin and size must have {x.rank} entries, not {begin} and {size}")
    runs = [
        (first, extent - first if count == -1 else count, 1)
        for first, count, extent in zip(begin, size, x.shape, strict=True)
    ]
    _slice(op, runs, tuple(count for _, count, _ in runs))


@lowers("REVERSE_V2")
def lower_reverse(op: Lowering) -> None:
    """Axes backwards."""
    x = op.input(0)
    axes = {axis_of(op, axis, x.rank) for axis in op.ints(1)}
    runs = [
        (extent - 1, extent, -1) if axis in axes else (0, extent, 1) for axis, extent in enumerate(x.shape)
    ]
    _slice(op, runs, x.shape)


@lowers("STRIDED_SLICE", options="StridedSliceOptions")
def lower_strided_slice(op: Lowering) -> None:
    """Slices as Python's, with masks for open ends, single places, an ellipsis and new axes."""
    x = op.input(0)
    kinds = _entry_kinds(op)
    open_axes = x.rank - sum(kind in ("run", "place") for kind in kinds)
    op.require(open_axes >= 0, f"begin must have at most {x.rank} entries for axes, not more")
    if "ellipsis" in kinds:  # the runtime lets it swallow the next entry
        op.require(open_axes > 0, "ellipsis must stand for at least one axis")
    else:
        kinds.append("ellipsis")
    runs: list[Run] = []
    shape: list[int] = []
    for i, kind in enumerate(kinds):
        if kind == "ellipsis":
            rest = x.shape[len(runs) : len(runs) + open_axes]
            runs += [(0, extent, 1) for extent in rest]
            shape += rest
        elif kind == "new axis":
            shape.append(1)
        elif kind == "place":
            runs.append(_place(op, i, x.shape[len(runs)]))
        else:
            runs.append(_run(op, i, x.shape[len(runs)]))
            shape.append(runs[-1][1])
    _slice(op, runs, tuple(shape))


def _entry_kinds(op: Lowering) -> list[str]:
    """What each entry of begin stands for: a run of an axis, one place of it, an ellipsis, a new axis."""
    masks = op.options
    begin, end, stride = op.ints(1), op.ints(2), op.ints(3)
    equal = len(begin) == len(end) == len(stride)
    op.require(equal, f"begin, end and strides must have one length, not {begin}, {end}, {stride}")
    op.require(not masks.get("offset"), "offset must be false; the runtime does not check such ends")
    op.require(0 not in stride, f"strides must not be 0, not {stride}")
    kinds = []
    for i in range(len(begin)):
        ellipsis, new, place = (
            mask >> i & 1 for mask in (masks.ellipsis_mask, masks.new_axis_mask, masks.shrink_axis_mask)
        )
        op.require(ellipsis + new + place < 2, f"masks must not say two things of entry {i}")
        kinds.append("ellipsis" if ellipsis else "new axis" if new else "place" if place else "run")
    op.require(kinds.count("ellipsis") < 2, "ellipsis_mask must name one entry, not several")
    return kinds


def _place(op: Lowering, i: int, extent: int) -> Run:
    """One place of an axis, which then has no axis in the result."""
    begin, stride = op.ints(1)[i], op.ints(3)[i]
    op.require(stride > 0 and not op.options.begin_mask >> i & 1, f"entry {i} must be one plain place")
    op.require(
        -extent <= begin < extent, f"begin must be {-extent} to {extent - 1}, not {begin} at entry {i}"
    )
    return begin % extent, 1, 1


def _run(op: Lowering, i: int, extent: int) -> Run:
    begin, end, stride = op.ints(1)[i], op.ints(2)[i], op.ints(3)[i]
    first = None if op.options.begin_mask >> i & 1 else begin
    last = None if op.options.end_mask >> i & 1 else end
    places = range(extent)[first:last:stride]
    op.require(len(places) > 0, f"the part of axis size {extent} must not be empty at entry {i}")
    return places[0], len(places), stride


def _slice(op: Lowering, runs: list[Run], shape: tuple[int, ...]) -> None:
    """Emit the slice of input 0; `shape`: the result's, without the axes that are left out of it."""
    x = op.input(0)
    untouched = (0, x.shape[0], 1) if x.rank else None
    given = operands(op, [0], keeps_batch=runs[:1] == [untouched])
    kept = runs[given.lead :]
    rule = Slice(
        tuple(first for first, _, _ in kept),
        tuple(count for _, count, _ in kept),
        tuple(step if count > 1 else 1 for _, count, step in kept),
    )
    yields(op, rule, given, shape)


@lowers("GATHER", options="GatherOptions")
def lower_gather(op: Lowering) -> None:
    x, indices = op.input(0), op.input(1)
    op.require(indices.dtype in ("int32", "int64", "int16"), f"indices must be integers, not {indices.dtype}")
    axis = axis_of(op, op.options.axis, x.rank)
    shared = op.options.get("batch_dims", 0)
    op.require(
        shared in (0, 1) and shared <= axis, f"batch_dims must be 0 or 1 and at most axis, not {shared}"
    )
    shape = (*x.shape[:axis], *indices.shape[shared:], *x.shape[axis + 1 :])
    if shared:
        _gather_by_sample(op, axis, shape)
    elif indices.is_constant:
        given = operands(op, [0], keeps_batch=axis > 0)
        yields(op, Gather(given.axis(axis), indices.data), given, shape)
    elif x.is_constant and axis == 0:
        _look_up(op, x, 1, shape)
    else:
        given = operands(op, [0, 1], keeps_batch=False)
        yields(op, Gather(axis), given, shape)


def _gather_by_sample(op: Lowering, axis: int, shape: tuple[int, ...]) -> None:
    """batch_dims 1: row k of the indices picks from row k of the input."""
    x, indices = op.input(0), op.input(1)
    op.require(
        x.batched and indices.batched and axis > 0,
        f"batch_dims 1 needs the batch {op.batch} first in both inputs, not {x.shape} and {indices.shape}",
    )
    given = operands(op, [0, 1], keeps_batch=True)
    if not indices.is_constant:
        yields(op, Gather(axis - 1), given, shape)
        return
    stored = Gather(axis - 1, indices.data.reshape(indices.sample_shape))
    yields(op, stored, Operands(given.names[:1], 1), shape)


@lowers("EMBEDDING_LOOKUP")
def lower_embedding_lookup(op: Lowering) -> None:
    table = op.input(1)
    op.require(op.input(0).rank == 1, f"indices must have one axis, not shape {op.input(0).shape}")
    op.require(table.is_constant, f"table {table.name!r} must be a constant, not computed")
    _look_up(op, table, 0, (*op.input(0).shape, *table.shape[1:]))


def _look_up(op: Lowering, table: TensorView, i: int, shape: tuple[int, ...]) -> None:
    """Rows of a constant by the indices that input i is; a sample's rows depend on its indices alone."""
    op.require(table.dtype in MOVED, f"{table.name!r} must be one of {', '.join(MOVED)}, not {table.dtype}")
    given = Operands((op.value(i),), int(op.input(i).batched))
    yields(op, EmbeddingLookup(table.codes, table.format), given, shape)
