"""Reshape, Flatten, Squeeze, Unsqueeze, Transpose, DepthToSpace, Pad, Concat.

Rules
-----
V1. A movement of what integers stand for moves the integers and every parameter that goes with them.
V2. What leaves the elements' order is no node until something reads the tensor in its new shape.
V3. Samples of a batch do not mix: the first axis stays.
V4. A border's real is a code of the input. Inputs of a Concat have the same kinds of steps behind them;
    narrower formats are widened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from intsim_converters.onnx.values import Codes, Layout
from intsim_converters.onnx.windows import image_size
from intsim_converters.qonnx.affine import affine
from intsim_converters.qonnx.chain import Step
from intsim_converters.qonnx.lowering import QonnxLowering, lowers
from intsim_converters.qonnx.moving import movement
from intsim_converters.qonnx.parameters import Array, compact
from intsim_converters.qonnx.values import Carried, Entry, Fixed

from intsim.arithmetic import Requantization
from intsim.formats import IntFormat
from intsim.ops import Concat, DepthToSpace, Pad, Requantize, Reshape, Transpose


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace")
def lower_movement(op: QonnxLowering) -> None:
    value = op.given(0)
    if isinstance(value, Entry):
        shape, _, same = movement(op, value.now)
        op.require(same, f"float input {value.name!r} must be quantized before it is moved")
        _check_batch(op, shape)
        op.bind(replace(value, now=shape))
        return
    if isinstance(value, Fixed):
        _, move, _ = movement(op, value.shape)
        op.bind(value.moved(move))
        return
    x = op.carried(0)
    shape, move, same = movement(op, x.shape)
    _check_batch(op, shape)
    if same:
        op.bind(x.moved(shape, move))
        return
    codes = _transposed(op, x) if op.name == "Transpose" else _spread(op, x, shape)
    op.bind(x.moved(shape, move, codes))


def _check_batch(op: QonnxLowering, shape: tuple[int, ...]) -> None:
    """Rule V3, where the batch has a symbol for its size."""
    if op.name != "Reshape" or not op.target.batch.symbol:
        return
    first = op.ints(1)[:1]
    good = first in ((0,), (-1,)) and shape[:1] == (1,)
    op.require(good, f"shape must keep the batch on its first axis, by 0 or -1, not {first}. [V3]")


def _transposed(op: QonnxLowering, x: Carried) -> Codes:
    rank = len(x.shape)
    order = tuple(op.attribute("perm", tuple(reversed(range(rank)))))
    codes = op.settled(x)
    lead = op.target.batch.batched(x.shape)
    op.require(
        not lead or order[0] == 0, f"perm must leave the first axis, which is the batch, not {order}. [V3]"
    )
    shape = tuple(x.shape[axis] for axis in order)
    if order == (0, 2, 3, 1) and lead:  # what the file moves is how images are held
        return Codes(codes.name, shape, "", {Layout.PLAIN: op.view(codes, Layout.IMAGE)})
    if order == (0, 3, 1, 2) and lead and Layout.PLAIN in codes.views:
        return Codes(codes.name, shape, "", {Layout.IMAGE: codes.views[Layout.PLAIN]})
    sample = tuple(axis - lead for axis in order[lead:])
    return op.produce(Transpose(sample), op.view(codes), shape=shape, layout=Layout.PLAIN)


def _spread(op: QonnxLowering, x: Carried, shape: tuple[int, ...]) -> Codes:
    """Channels into blocks of places; CRD has a block's places last among the channels."""
    height, width = image_size(op, x.shape)
    block, channels = int(op.attribute("blocksize")), x.shape[1]
    name = op.view(op.settled(x), Layout.IMAGE)
    if op.attribute("mode", "DCR") == "CRD":
        cut = op.step(Reshape((height, width, channels // block**2, block**2)), name, name="blocks")
        turned = op.step(Transpose((0, 1, 3, 2)), cut, name="places first")
        name = op.step(Reshape((height, width, channels)), turned, name="channels")
    return op.produce(DepthToSpace(block), name, shape=shape, layout=Layout.IMAGE)


@lowers("Pad")
def lower_pad(op: QonnxLowering) -> None:
    """Constant borders; images keep their layout."""
    x = affine(op, op.carried(0))
    mode = op.attribute("mode", "constant")
    op.require(mode == "constant", f"mode must be constant, not {mode!r}")
    pads = op.ints(1) if op.has(1) else tuple(op.attribute("pads", ()))
    rank = len(x.shape)
    op.require(
        not op.has(3) and len(pads) == 2 * rank and min(pads) >= 0,
        f"pads must be {2 * rank} numbers, not {pads}",
    )
    real = float(op.reals(2, "value").reshape(-1)[0]) if op.has(2) else float(op.attribute("value", 0.0))
    codes_of = np.unique(real / x.slope + x.zero)
    op.require(
        codes_of.size == 1 and float(codes_of[0]).is_integer(),
        f"border {real} must be one code of the input. [V4]",
    )
    pairs = list(zip(pads[:rank], pads[rank:], strict=True))
    lead = op.target.batch.batched(x.shape)
    op.require(not lead or pairs[0] == (0, 0), "the batch must not be padded. [V3]")
    codes = op.settled(x)
    shape = tuple(size + sum(pair) for size, pair in zip(x.shape, pairs, strict=True))
    pairs = pairs[lead:]
    layout = Layout.IMAGE if Layout.IMAGE in codes.views and len(pairs) == 3 else Layout.PLAIN
    if layout is Layout.IMAGE:
        pairs = [*pairs[1:], pairs[0]]
    node = Pad(tuple(pairs), int(codes_of[0]))
    made = op.produce(node, op.view(codes, layout), shape=shape, layout=layout)
    uneven = [
        axis
        for axis in range(rank)
        if any(p.shape[axis] > 1 for p in x.parameters) and shape[axis] != x.shape[axis]
    ]
    op.require(not uneven, f"scales must be one along the padded axes {uneven}")
    op.bind(replace(x, codes=made, shape=shape))


@lowers("Concat")
def lower_concat(op: QonnxLowering) -> None:
    """Rule V4."""
    parts = [op.carried(i) for i in range(len(op.node.inputs))]
    rank = len(parts[0].shape)
    axis = op.attribute("axis", 1)
    good = all(len(part.shape) == rank for part in parts) and -rank <= axis < rank
    op.require(good, f"inputs must have one rank, which axis {axis} is of")
    axis %= rank
    first = parts[0]
    kinds = {tuple(step.kind for step in part.steps) for part in parts}
    op.require(len(kinds) == 1, "inputs must have the same float steps behind them, or quantizers. [V4]")
    place = op.axis(axis, first.shape)
    settled = [op.settled(part) for part in parts]
    image = all(Layout.IMAGE in codes.views for codes in settled)
    layout = Layout.IMAGE if image and rank == 4 else Layout.PLAIN
    if layout is Layout.IMAGE:
        place = (2, 0, 1)[place]
    names = _widened(op, parts, [op.view(codes, layout) for codes in settled])
    shape = tuple(sum(part.shape[a] for part in parts) if a == axis else first.shape[a] for a in range(rank))
    codes = op.produce(Concat(place), *names, shape=shape, layout=layout)

    steps = []
    for k, step in enumerate(first.steps):
        given = [part.steps[k].parameters for part in parts]
        joined = tuple(_along(parts, axis, entries) for entries in zip(*given, strict=True))
        steps.append(Step(step.kind, joined))
    own = ([part.slope for part in parts], [part.zero for part in parts], [part.error for part in parts])
    slope, zero, error = (_along(parts, axis, entries) for entries in own)
    format = op.target.specs[codes.views[layout]].integer
    op.bind(Carried(codes, shape, format, slope, zero, error, tuple(steps)))


def _along(parts: list[Carried], axis: int, arrays: Sequence[Array]) -> Array:
    """Parameters of several tensors, one after another along an axis."""
    sizes = [max(array.shape[a] for array in arrays) for a in range(arrays[0].ndim)]
    wide = []
    for part, array in zip(parts, arrays, strict=True):
        sizes[axis] = part.shape[axis]
        wide.append(np.broadcast_to(array, sizes))
    return compact(np.concatenate(wide, axis))


def _widened(op: QonnxLowering, parts: list[Carried], names: list[str]) -> list[str]:
    """The same integers in one format."""
    if all(part.format == parts[0].format for part in parts):
        return names
    low, high = min(part.format.min for part in parts), max(part.format.max for part in parts)
    rule = Requantization((), IntFormat.covering(low, high))
    return [
        name if part.format == rule.format else op.step(Requantize(rule), name, name=f"wide_{k}")
        for k, (part, name) in enumerate(zip(parts, names, strict=True))
    ]
