"""Oracles of the ops that move data: for every place of an output, the place that it is read from.

An output is built coordinate by coordinate from nested lists; nothing is reshaped, stacked or sliced.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

Place = tuple[int, ...]


def _read(nested: Any, place: Place) -> Any:
    for index in place:
        nested = nested[index]
    return nested


def _build(shape: Place, value: Callable[[Place], int]) -> Any:
    def part(place: Place) -> Any:
        if len(place) == len(shape):
            return value(place)
        return [part((*place, index)) for index in range(shape[len(place)])]

    return part(())


def _shape(nested: Any) -> Place:
    shape = []
    while isinstance(nested, list):
        shape.append(len(nested))
        nested = nested[0]
    return tuple(shape)


def _constant(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    return [fields["values"]]


def _concat(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    axis = fields["axis"]
    origin = [(k, i) for k, shape in enumerate(shapes) for i in range(shape[axis])]

    def value(place: Place) -> int:
        k, i = origin[place[axis]]
        return _read(inputs[k], (*place[:axis], i, *place[axis + 1 :]))

    return [_build((*shapes[0][:axis], len(origin), *shapes[0][axis + 1 :]), value)]


def _split(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    axis = fields["axis"]
    outputs, start = [], 0
    for size in fields["sizes"]:
        shape = (*shapes[0][:axis], size, *shapes[0][axis + 1 :])
        outputs.append(_build(shape, _shifted(inputs[0], axis, start)))
        start += size
    return outputs


def _shifted(x: Any, axis: int, start: int) -> Callable[[Place], int]:
    return lambda place: _read(x, (*place[:axis], place[axis] + start, *place[axis + 1 :]))


def _mirrored(index: int, size: int, mode: str) -> int:
    """The place inside that a place of a mirrored border shows."""
    edge = 1 if mode == "symmetric" else 0
    if index < 0:
        return -index - edge
    if index >= size:
        return 2 * (size - 1) - index + edge
    return index


def _pad(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    before = [pair[0] for pair in fields["padding"]]
    grown = tuple(size + sum(pair) for size, pair in zip(shapes[0], fields["padding"], strict=True))

    def value(place: Place) -> int:
        source = [index - skipped for index, skipped in zip(place, before, strict=True)]
        if fields["mode"] != "constant":
            limits = zip(source, shapes[0], strict=True)
            source = [_mirrored(index, size, fields["mode"]) for index, size in limits]
        elif not all(0 <= index < size for index, size in zip(source, shapes[0], strict=True)):
            return int(fields["value"])
        return _read(inputs[0], tuple(source))

    return [_build(grown, value)]


def _slice(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    def value(place: Place) -> int:
        rule = zip(fields["begin"], place, fields["stride"], strict=True)
        return _read(inputs[0], tuple(begin + index * stride for begin, index, stride in rule))

    return [_build(tuple(fields["size"]), value)]


def _gather(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    axis = fields["axis"]
    indices = inputs[1] if fields["indices"] is None else fields["indices"]
    picked = _shape(indices)

    def value(place: Place) -> int:
        chosen = _read(indices, place[axis : axis + len(picked)])
        return _read(inputs[0], (*place[:axis], chosen, *place[axis + len(picked) :]))

    return [_build((*shapes[0][:axis], *picked, *shapes[0][axis + 1 :]), value)]


def _reshape(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    elements = [_read(inputs[0], place) for place in product(*map(range, shapes[0]))]
    places = {place: k for k, place in enumerate(product(*map(range, fields["shape"])))}
    return [_build(tuple(fields["shape"]), lambda place: elements[places[place]])]


def _transpose(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    order = fields["permutation"]

    def value(place: Place) -> int:
        source = dict(zip(order, place, strict=True))
        return _read(inputs[0], tuple(source[axis] for axis in range(len(order))))

    return [_build(tuple(shapes[0][axis] for axis in order), value)]


def _pack(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    axis = fields["axis"]
    shape = (*shapes[0][:axis], len(inputs), *shapes[0][axis:])
    return [_build(shape, lambda place: _read(inputs[place[axis]], place[:axis] + place[axis + 1 :]))]


def _unpack(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    axis = fields["axis"]
    left = (*shapes[0][:axis], *shapes[0][axis + 1 :])

    def at(k: int) -> Callable[[Place], int]:
        return lambda place: _read(inputs[0], (*place[:axis], k, *place[axis:]))

    return [_build(left, at(k)) for k in range(shapes[0][axis])]


def _space_to_depth(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    block = fields["block"]
    high, wide, deep = shapes[0]

    def value(place: Place) -> int:
        i, j, channel = place
        cell, c = divmod(channel, deep)
        di, dj = divmod(cell, block)
        return _read(inputs[0], (i * block + di, j * block + dj, c))

    return [_build((high // block, wide // block, deep * block * block), value)]


def _depth_to_space(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    block = fields["block"]
    high, wide, deep = shapes[0]
    left = deep // (block * block)

    def value(place: Place) -> int:
        (i, di), (j, dj) = divmod(place[0], block), divmod(place[1], block)
        return _read(inputs[0], (i, j, (di * block + dj) * left + place[2]))

    return [_build((high * block, wide * block, left), value)]


def _embedding_lookup(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    rank = len(shapes[0])

    def value(place: Place) -> int:
        return _read(fields["table"], (_read(inputs[0], place[:rank]), *place[rank:]))

    return [_build((*shapes[0], *_shape(fields["table"])[1:]), value)]


def _tile(fields: dict[str, Any], shapes: list[Place], inputs: list[Any]) -> list[Any]:
    grown = tuple(size * times for size, times in zip(shapes[0], fields["multiples"], strict=True))

    def value(place: Place) -> int:
        return _read(inputs[0], tuple(i % size for i, size in zip(place, shapes[0], strict=True)))

    return [_build(grown, value)]


ORACLES = {
    "concat": _concat,
    "constant": _constant,
    "depth_to_space": _depth_to_space,
    "embedding_lookup": _embedding_lookup,
    "gather": _gather,
    "pack": _pack,
    "pad": _pad,
    "reshape": _reshape,
    "slice": _slice,
    "space_to_depth": _space_to_depth,
    "split": _split,
    "tile": _tile,
    "transpose": _transpose,
    "unpack": _unpack,
}
