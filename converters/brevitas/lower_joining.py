"""Tensors joined along an axis by torch.cat.

Rules
-----
J1. Integers with one scale and one zero point follow one another; of several formats, in one that holds all.
J2. Other scales are brought to one (`common`). Along channels they may stay what they are: channels then
    have scales of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.common import of_one_scale
from intsim_converters.brevitas.lowering import Lowering, lowers

from intsim.arithmetic import Requantization
from intsim.formats import IntFormat
from intsim.ops import Concat, Requantize

_STORED = {1: (0,), 2: (2, 1), 3: (2, 0, 1)}
"""Rank of a sample -> the network's axis of each of Brevitas'."""


@lowers(torch.cat, torch.concat, torch.concatenate)
def lower_cat(op: Lowering) -> Carried:
    op.require(not set(op.kwargs) - {"dim", "axis"}, f"arguments {sorted(op.kwargs)} are unknown")
    dim = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim", op.kwargs.get("axis", 0))
    return _join(op, op.args[0], dim)


def _join(op: Lowering, given: Sequence[Any], dim: int) -> Carried:
    parts = [op.settled(replace(op, args=(x,)).operand()) for x in given]
    rank = parts[0].rank
    axis = (dim + rank + 1 if dim < 0 else dim) - 1
    op.require(axis >= 0, "samples must not be joined along the batch")
    op.require(all(x.rank == rank for x in parts), "tensors must have as many axes as one another")
    op.require(
        all(x.after == parts[0].after for x in parts), "tensors must be quantized after their activations"
    )
    parts = _alike(op, parts, axis)
    format = _covering(parts)
    names = [_held(op, x, format, f"{op.where}.{i}") for i, x in enumerate(parts)]
    shape = tuple(sum(x.shape[axis] for x in parts) if a == axis else parts[0].shape[a] for a in range(rank))
    y = parts[0].replace(shape=shape, format=format)
    if axis == 0:
        y = y.replace(
            affine=_all_channels(parts),
            error=_channels(parts, [x.error for x in parts]),
            reach=_channels(parts, [x.reach for x in parts]),
        )
    else:
        error, reach = max(max(x.error) for x in parts), max(max(x.reach) for x in parts)
        y = y.replace(error=(error,), reach=(reach,))
    return y.replace(name=op.add(Concat(_STORED[rank][axis]), *names, like=y))


def _alike(op: Lowering, parts: list[Carried], axis: int) -> list[Carried]:
    """Rules J1 and J2."""
    if all(x.affine == parts[0].affine for x in parts):
        return parts
    found = of_one_scale(op, parts) if all(map(_is_whole, parts)) else None
    if found is not None and all(x.affine == found[0].affine for x in found):
        return found
    op.require(
        axis == 0, "tensors must have one scale and zero point; quantize all with one shared quantizer"
    )
    return parts


def _is_whole(x: Carried) -> bool:
    """Whether integers stand for scale * (n - zero), with one scale."""
    zeros = x.affine.zeros()
    return not x.after and zeros is not None and len(zeros) == 1 and zeros[0].denominator == 1


def _all_channels(parts: list[Carried]) -> Affine:
    if all(x.affine == parts[0].affine and x.affine.channels == 1 for x in parts):
        return parts[0].affine
    wide = [x.affine.spread(x.shape[0]) for x in parts]
    return Affine(tuple(e for a in wide for e in a.slope), tuple(e for a in wide for e in a.offset))


def _channels(parts: list[Carried], values: list[tuple[Fraction, ...]]) -> tuple[Fraction, ...]:
    """One for all, or one per channel of all tensors."""
    if len(set(values)) == 1 and len(values[0]) == 1:
        return values[0]
    pairs = zip(parts, values, strict=True)
    return tuple(e for x, own in pairs for e in (own * x.shape[0] if len(own) == 1 else own))


def _covering(parts: list[Carried]) -> Any:
    formats = {x.format for x in parts}
    if len(formats) == 1:
        return parts[0].format
    return IntFormat.covering(min(0, *(f.min for f in formats)), max(f.max for f in formats))


def _held(op: Lowering, x: Carried, format: Any, name: str) -> str:
    """The tensor in a wider format."""
    if x.format == format:
        return x.name
    return op.add(Requantize(Requantization((), format)), x.name, name=name)
