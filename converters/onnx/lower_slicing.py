"""Slice, Gather and Pad: parts of a tensor, picked places, borders."""

from __future__ import annotations

import numpy as np
from intsim_converters.onnx.lowering import Lowering, lowers
from intsim_converters.onnx.model import Constant
from intsim_converters.onnx.moving import code_name, emit_whole, moved, whole
from intsim_converters.onnx.values import Codes, Entry, Real

from intsim.ops import Gather, Pad, PadMode, Slice

_MODES = {"constant": PadMode.CONSTANT, "reflect": PadMode.REFLECT}


@lowers("Slice")
def lower_slice(op: Lowering) -> None:
    if op.opset < 10:
        op.refuse("must be of operator set 10 or later")
    starts, ends = op.ints(1), op.ints(2)
    axes = op.ints(3) if op.has(3) else tuple(range(len(starts)))
    steps = op.ints(4) if op.has(4) else (1,) * len(starts)
    op.require(
        len(starts) == len(ends) == len(axes) == len(steps), "starts, ends, axes and steps must be as many"
    )
    op.require(0 not in steps, f"steps must not be 0, not {steps}")

    def cut(op: Lowering, x: Codes, name: str | None) -> Codes:
        rank = len(x.shape)
        places = [range(size) for size in x.shape]
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            op.require(-rank <= axis < rank, f"axes must be of {x.shape}, not {axis}")
            size = x.shape[axis % rank]
            places[axis % rank] = range(
                *slice(start, end if end >= -size or step > 0 else None, step).indices(size)
            )
        op.require(all(len(found) for found in places), f"a part of {x.shape} must not be empty")
        shape = tuple(len(found) for found in places)
        lead = int(op.target.batch.batched(x.shape))
        kept = lead == 1 and places[0] == range(x.shape[0])
        used = places[1:] if kept else places
        part = Slice(
            tuple(found[0] for found in used),
            tuple(len(found) for found in used),
            tuple(found.step for found in used),
        )
        if kept:
            return op.emit(part, op.view(x), shape=shape, dtype=x.dtype, name=name)
        return emit_whole(op, part, whole(op, x), shape, x, name)

    moved(op, cut)


@lowers("Gather")
def lower_gather(op: Lowering) -> None:
    """With stored indices."""
    indices = op.constant(1).astype(np.int64)
    op.require(
        op.constant(1).dtype.kind == "i" and indices.size > 0, "indices must be stored integers, and some"
    )
    given = op.attribute("axis", 0)

    def pick(op: Lowering, x: Codes, name: str | None) -> Codes:
        rank = len(x.shape)
        op.require(-rank <= given < rank, f"axis must be of {x.shape}, not {given}")
        axis = given % rank
        size = x.shape[axis]
        inside = bool(((indices >= -size) & (indices < size)).all())
        op.require(inside, f"indices must be of {size} places, not {indices.min()} to {indices.max()}")
        places = np.where(indices < 0, indices + size, indices)
        shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
        lead = int(op.target.batch.batched(x.shape))
        if lead and axis > 0:
            return op.emit(Gather(axis - 1, places), op.view(x), shape=shape, dtype=x.dtype, name=name)
        return emit_whole(op, Gather(axis, places), whole(op, x), shape, x, name)

    moved(op, pick)


@lowers("Pad")
def lower_pad(op: Lowering) -> None:
    """Of codes with a code; of dequantized codes with the code of a real value."""
    mode = op.attribute("mode", "constant")
    op.require(mode in _MODES, f"mode must be one of {', '.join(_MODES)}, not {mode!r}")
    pads = op.attribute("pads", ()) if op.opset < 11 else op.ints(1)
    axes = op.ints(3) if op.has(3) else None
    real = op.value(0)
    if isinstance(real, Entry):
        op.refuse(op.float_reason(0))

    def border(op: Lowering, x: Codes, name: str | None) -> Codes:
        rank = len(x.shape)
        named = tuple(range(rank)) if axes is None else tuple(axis % rank for axis in axes)
        op.require(
            len(pads) == 2 * len(named) and min(pads, default=0) >= 0,
            f"pads must not be negative, not {pads}",
        )
        pairs = [(0, 0)] * rank
        for at, axis in enumerate(named):
            pairs[axis] = (pads[at], pads[at + len(named)])
        shape = tuple(size + sum(pair) for size, pair in zip(x.shape, pairs, strict=True))
        lead = int(op.target.batch.batched(x.shape) and pairs[0] == (0, 0))
        pad = Pad(tuple(pairs[lead:]), _value(op, x, real), _MODES[mode])
        if lead:
            return op.emit(pad, op.view(x), shape=shape, dtype=x.dtype, name=name)
        return emit_whole(op, pad, whole(op, x), shape, x, name)

    if isinstance(real, Real):
        op.require(
            not real.functions and real.meaning.axis is None, "input must have one scale, and no function"
        )
        codes = real.codes if isinstance(real.codes, Codes) else op.constant_codes(real.codes)
        op.bind(Real(border(op, codes, code_name(op, real)), real.meaning))
    else:
        moved(op, border)


def _value(op: Lowering, x: Codes, given: object) -> int:
    """The border's code; a real must be one that a code stands for."""
    found = op.attribute("value", 0.0) if op.opset < 11 else 0
    if op.opset >= 11 and op.has(2):
        constant = op.value(2)
        if isinstance(constant, Real) and isinstance(constant.codes, Constant):
            scale = constant.meaning.scale[0]
            found = (int(constant.codes.values.reshape(())) - int(constant.meaning.zero_point[0])) * scale
        else:
            found = op.constant(2).reshape(()).item()
    if not isinstance(given, Real):
        return int(found)
    meaning = given.meaning
    code = round(float(found) / float(meaning.scale[0])) + int(meaning.zero_point[0])
    back = np.float32(code - int(meaning.zero_point[0])) * meaning.scale[0].astype(np.float32)
    op.require(
        x.format.holds(code, code) and float(back) == float(found),
        f"value must be what a code stands for, not {found}: the runtime computes in float",
    )
    return code
