"""Reshapes within a sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from intsim_converters.brevitas.carried import Real
from intsim_converters.brevitas.lowering import Lowering, lowers
from intsim_converters.brevitas.moving import reshaped, reshaping


@lowers(torch.nn.Flatten, torch.flatten, torch.reshape, "flatten", "reshape", "view")
def lower_reshape(op: Lowering) -> Any:
    x = op.args[0]
    shape = tuple(op.result.shape[1:])
    op.require(
        op.result.shape[:1] == op.values[0].shape[:1] and 1 <= len(shape) <= 3,
        f"must keep the batch and give samples of 1 to 3 axes, not shape {tuple(op.result.shape)}",
    )
    if shape == x.shape:
        return x
    if isinstance(x, Real):
        return replace(x, shape=shape)
    carried = op.operand()
    op.require(
        carried.affine.channels == 1 or len(shape) == 1,
        f"scales of channels must stay with them, not go from {x.shape} to {shape}",
    )
    return op.chain(reshaping(carried.shape, shape), carried.name, op.where, reshaped(carried, shape))


@lowers("contiguous", "detach", "clone")
def lower_same(op: Lowering) -> Any:
    return op.args[0]
