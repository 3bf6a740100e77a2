"""Moves of elements within a sample, as torch itself does them.

Rules
-----
M1. A call that moves elements is run by torch on float32 labels, one per element, in the place of its
    tensor; what comes out tells where every element came from. A label 0 is a zero that padding added. It is
    run again on other labels, and must move them alike.
M2. Samples move alike, each within itself.
M3. The move is a reshape, a transpose, a slice, rows and columns by index, or a permutation of channels
    around a depth-to-space, where one of them is it; else a gather of all elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import torch
from intsim_converters.brevitas.carried import Carried, Shape, stored_shape

from intsim.ops import DepthToSpace, Gather, Op, Reshape, ResizeNearest, Slice, SpaceToDepth, Transpose

Array = np.ndarray[Any, Any]
Call = Callable[[Any], Any]
MOST_LABELS = 1 << 24


class NoMoveError(ValueError):
    """A call does more than to move elements within samples."""


def sources(call: Call, shape: Sequence[int]) -> list[Array]:
    """Rules M1 and M2: for each result of a call, of one sample, the element that each place shows.

    Parameters
    ----------
    call : from a tensor to a tensor, or to several
    shape : of the tensor, with the batch

    Returns
    -------
    int64 arrays of the shape of a sample: indices into the flat sample, or -1 for a zero.
    """
    batch, size = shape[0], math.prod(shape[1:])
    if batch * size >= MOST_LABELS:
        raise NoMoveError(f"a batch to be moved must have fewer than {MOST_LABELS} elements")
    labels = np.arange(1, batch * size + 1)
    found = _run(call, labels, shape)
    again = _run(call, labels[::-1], shape)
    if len(again) != len(found):
        raise NoMoveError("must only move elements")
    names = np.concatenate([[0], labels[::-1]])
    for one, other in zip(found, again, strict=True):
        if one.min() < 0 or one.max() > batch * size or not np.array_equal(names[one], other):
            raise NoMoveError("must only move elements")
    return [_of_a_sample(entry, batch, size) for entry in found]


def _run(call: Call, labels: Array, shape: Sequence[int]) -> list[Array]:
    given = torch.from_numpy(labels.astype(np.float32).reshape(tuple(shape)))
    with torch.no_grad():
        result = call(given)
    parts = result if isinstance(result, tuple | list) else (result,)
    arrays = [part.numpy() for part in parts]
    if any((array != np.rint(array)).any() for array in arrays):
        raise NoMoveError("must only move elements")
    return [array.astype(np.int64) for array in arrays]


def _of_a_sample(found: Array, batch: int, size: int) -> Array:
    """Rule M2."""
    start = np.arange(batch).reshape(-1, *[1] * (found.ndim - 1)) * size
    if found.shape[:1] != (batch,):
        raise NoMoveError(f"must keep the batch, not give shape {found.shape} for {batch} samples")
    local = np.where(found > 0, found - 1 - start, -1)
    if (local != local[:1]).any() or local.max() >= size or local.min() < -1:
        raise NoMoveError("must not move elements from one sample to another, nor differently")
    return local[0]


def moving(index: Array, old: Shape) -> list[Op]:
    """Rule M3: the ops from a tensor that Brevitas sees in shape `old` to elements `index` of it, none -1."""
    places = channels_last(np.arange(index.size).reshape(index.shape)).reshape(-1)
    stored = np.empty(math.prod(old), np.int64)
    stored[channels_last(np.arange(stored.size).reshape(old)).reshape(-1)] = np.arange(stored.size)
    wanted = stored[index.reshape(-1)[places]].reshape(stored_shape(index.shape))
    given = np.arange(stored.size).reshape(1, *stored_shape(old))
    for ops in _candidates(wanted, given.shape[1:]):
        if np.array_equal(run(ops, given)[0], wanted):
            return ops
    flat = [Reshape((stored.size,)), Gather(0, wanted.reshape(-1))]
    return [*flat, Reshape(wanted.shape)]


def run(ops: Sequence[Op], value: Array) -> Array:
    """What ops make of an array, the batch first."""
    for op in ops:
        (value,) = op.reference(value)
    return value


def channels_last(array: Array) -> Array:
    """Brevitas' order of a sample to the network's."""
    if array.ndim == 3:
        return array.transpose(1, 2, 0)
    return array.transpose(1, 0)[None] if array.ndim == 2 else array


def _candidates(wanted: Array, old: Shape) -> Iterator[list[Op]]:
    """Ops that could give what is wanted, the plainest first."""
    new = wanted.shape
    if wanted.size == math.prod(old):
        yield [] if new == old else [Reshape(new)]
        for order in permutations(range(len(old))):
            shape = tuple(old[axis] for axis in order)
            yield [Transpose(order), *([] if shape == new else [Reshape(new)])]
        yield from _shuffles(wanted, old)
        for order in permutations(range(len(new))):
            first = tuple(new[order.index(axis)] for axis in range(len(new)))
            for before in permutations(range(len(old))):
                yield [*_transposed(before), Reshape(first), *_transposed(order)]
    if len(new) == len(old):
        yield from _by_axis(wanted, old)


def _transposed(order: Shape) -> list[Op]:
    return [] if order == tuple(range(len(order))) else [Transpose(order)]


def _picked(axis: int, places: Any, size: int) -> list[Op]:
    return [] if np.array_equal(places, np.arange(size)) else [Gather(axis, places)]


def _shuffles(wanted: Array, old: Shape) -> Iterator[list[Op]]:
    """Blocks of channels to places and back, around an order of the channels; and that order alone."""
    new = wanted.shape
    if len(new) != 3 or len(old) != 3:
        return
    if new[:2] == old[:2]:
        yield _picked(2, wanted[0, 0] % old[2], old[2])
    elif new[0] > old[0] and new[0] % old[0] == 0:
        block = new[0] // old[0]
        corner = wanted[:block, :block].reshape(-1)
        if corner.size == old[2]:
            yield [*_picked(2, corner % old[2], old[2]), DepthToSpace(block)]
    elif old[0] % new[0] == 0 and new[0] * new[1] * new[2] == math.prod(old):
        block = old[0] // new[0]
        if old[1] == new[1] * block:
            (deep,) = SpaceToDepth(block).reference(np.arange(math.prod(old)).reshape(1, *old))
            place = {int(entry): c for c, entry in enumerate(deep[0, 0, 0])}
            if all(int(entry) in place for entry in wanted[0, 0]):
                order = [place[int(entry)] for entry in wanted[0, 0]]
                yield [SpaceToDepth(block), *_picked(2, order, new[2])]


def _by_axis(wanted: Array, old: Shape) -> Iterator[list[Op]]:
    """Each axis by indices of its own: a slice where they are in steps, rows and columns, or gathers."""
    axes = range(len(old))
    places = np.unravel_index(wanted, old)
    picked = [places[axis][tuple(slice(None) if a == axis else 0 for a in axes)] for axis in axes]
    steps = [int(entry[1] - entry[0]) if entry.size > 1 else 1 for entry in picked]
    if all(steps):
        begin = tuple(int(entry[0]) for entry in picked)
        straight = [begin[a] + steps[a] * np.arange(picked[a].size) for a in axes]
        if all(np.array_equal(a, b) for a, b in zip(straight, picked, strict=True)):
            yield [Slice(begin, tuple(entry.size for entry in picked), tuple(steps))]
    if len(old) == 3 and np.array_equal(picked[2], np.arange(old[2])):
        yield [ResizeNearest(picked[0], picked[1])]
    yield [node for axis in axes for node in _picked(axis, picked[axis], old[axis])]


def moved(x: Carried, index: Array) -> Carried | None:
    """What elements `index` of a tensor stand for; None where scales do not stay with channels."""
    channel = (index // (math.prod(x.shape) // x.shape[0])).reshape(index.shape[0], -1)
    whole = bool((channel == channel[:, :1]).all())
    if x.affine.channels > 1 and not whole:
        return None
    picked = channel[:, 0].tolist()

    def of(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) == 1 or not whole:
            return (max(values),)
        return tuple(values[c] for c in picked)

    affine = x.affine if x.affine.channels == 1 else x.affine.picked(picked)
    return x.replace(shape=tuple(index.shape), affine=affine, error=of(x.error), reach=of(x.reach))
