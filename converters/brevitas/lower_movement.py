"""Calls that only move elements: their labels are followed (see `moving`).

A zero that padding adds is the integer that stands for 0. The network's real input may be moved before its
quantizer, and samples may have more than three axes between two moves: nodes then move what comes of it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant_tensor import QuantTensor
from intsim_converters.brevitas.carried import Array, Carried, Moved, Real, Shape
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.moving import NoMoveError, moved, moving, sources
from torch import nn

from intsim.ops import Pad

_MODULES = (
    nn.Flatten,
    nn.Unflatten,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.Upsample,
    nn.UpsamplingNearest2d,
    nn.ZeroPad1d,
    nn.ZeroPad2d,
    nn.ConstantPad1d,
    nn.ConstantPad2d,
    nn.ReflectionPad1d,
    nn.ReflectionPad2d,
    nn.ReplicationPad1d,
    nn.ReplicationPad2d,
    nn.CircularPad1d,
    nn.CircularPad2d,
)
_UPSAMPLING = (qnn.QuantUpsample, qnn.QuantUpsamplingNearest2d, qnn.QuantUpsamplingBilinear2d)
_FUNCTIONS = (
    torch.flatten,
    torch.reshape,
    torch.permute,
    torch.transpose,
    torch.swapaxes,
    torch.movedim,
    torch.squeeze,
    torch.unsqueeze,
    torch.chunk,
    torch.split,
    torch.unbind,
    torch.select,
    torch.narrow,
    torch.flip,
    torch.roll,
    torch.repeat_interleave,
    nn.functional.interpolate,
    nn.functional.pad,
    nn.functional.pixel_shuffle,
    nn.functional.pixel_unshuffle,
    nn.functional.channel_shuffle,
)
_METHODS = (
    "flatten",
    "unflatten",
    "reshape",
    "view",
    "permute",
    "transpose",
    "swapaxes",
    "movedim",
    "squeeze",
    "unsqueeze",
    "chunk",
    "split",
    "unbind",
    "select",
    "narrow",
    "flip",
    "roll",
    "repeat",
    "expand",
    "repeat_interleave",
)


@lowers(*_MODULES)
def lower_module(op: Lowering) -> Any:
    return _follow(op, op.module.forward)


@lowers(*_UPSAMPLING)
def lower_upsampling(op: Lowering) -> Any:
    layer = op.module
    op.require(layer.mode == "nearest", f"mode must be nearest, as others compute, not {layer.mode}")
    resize = nn.functional.interpolate
    return _follow(op, partial(resize, size=layer.size, scale_factor=layer.scale_factor, mode=layer.mode))


@lowers(*_FUNCTIONS)
def lower_function(op: Lowering) -> Any:
    return _follow(op, lambda labels: op.target(labels, *op.args[1:], **op.kwargs))


@lowers(*_METHODS)
def lower_method(op: Lowering) -> Any:
    return _follow(op, lambda labels: getattr(labels, op.target)(*op.args[1:], **op.kwargs))


@lowers(operator.getitem)
def lower_item(op: Lowering) -> Any:
    x, item = op.args
    if isinstance(x, tuple):
        part = x[item]
        op.require(isinstance(part, Moved), f"entry {item!r} of several must be one of them")
        return _moved(op, part.source, part.index, op.where)
    if isinstance(op.values[0], QuantTensor):  # a tuple whose first entry is the tensor
        op.require(item == 0, f"entry {item!r} of a quantized tensor is not its integers")
        return x
    return _follow(op, lambda labels: labels[item])


@lowers("contiguous", "detach", "clone", "float")
def lower_same(op: Lowering) -> Any:
    return op.args[0]


def _follow(op: Lowering, call: Callable[[Any], Any]) -> Any:
    """What a move gives: a tensor, or as many as the call gives."""
    x = op.args[0] if op.args else None
    op.require(isinstance(x, Carried | Moved | Real), "input must be a tensor of the network")
    try:
        found = sources(call, op.values[0].shape)
    except NoMoveError as error:
        op.refuse(str(error))
    source = x
    if isinstance(x, Moved):
        source = x.source
        found = [np.where(index >= 0, x.index.reshape(-1)[index], -1) for index in found]
    if isinstance(op.result, tuple | list) and not isinstance(op.result, QuantTensor):
        return tuple(Moved(source, index) for index in found)  # nodes come with the ones that are picked
    (index,) = found
    return _moved(op, source, index, op.where)


def _moved(op: Lowering, source: Carried | Real, index: Array, name: str) -> Any:
    if isinstance(source, Real):
        op.require((index >= 0).all(), "input must be quantized before it is padded")
        return Moved(source, index)
    if _stays(index, source.shape):
        return source
    if not 1 <= index.ndim <= 3:
        op.require(index.ndim > 0, "must give samples of 1 to 3 axes, not one number")
        return Moved(source, index)
    return _nodes(op, source, index, name)


def _stays(index: Array, shape: Shape) -> bool:
    return index.shape == shape and np.array_equal(index.reshape(-1), np.arange(index.size))


def _nodes(op: Lowering, x: Carried, index: Array, name: str) -> Carried:
    inside = index >= 0
    if not inside.all():
        return _padded(op, x, index, inside, name)
    y = moved(x, index)
    if y is None:
        op.refuse(f"scales of channels must stay with them, not go from {x.shape} to {index.shape}")
    return op.chain(moving(index, x.shape), x.name, name, y)


def _padded(op: Lowering, x: Carried, index: Array, inside: Array, name: str) -> Carried:
    """Zeros around what is moved."""
    zero = op.zero_of(x)
    op.require(not x.format.outside(np.array([zero])).any(), f"{x.format} has no 0 to pad with")
    axes = range(inside.ndim)
    ends = [np.flatnonzero(inside.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    op.require(all(end.size for end in ends), "must not give zeros alone")
    box = tuple(slice(int(end[0]), int(end[-1]) + 1) for end in ends)
    op.require(inside[box].all(), "zeros must be around the elements, not among them")
    core = index[box]
    if not _stays(core, x.shape):
        x = _nodes(op, x, core, f"{name}.moved")
    whole = box[0] == slice(0, inside.shape[0])
    op.require(
        whole or x.affine.channels == len(x.error) == len(x.reach) == 1,
        "channels with scales of their own must not be padded",
    )
    around = [(part.start, size - part.stop) for part, size in zip(box, inside.shape, strict=True)]
    if len(around) == 3:
        around = [*around[1:], around[0]]
    elif len(around) == 2:
        around = [(0, 0), around[1], around[0]]
    y = x.replace(shape=tuple(index.shape))
    return op.chain([Pad(tuple(around), zero)], x.name, name, y)
