"""Oracles of the ops that stand between the layers: add, clamp, requantize."""

from __future__ import annotations

import itertools
from typing import Any

from tests.oracles.arith import flat, nest, requantize, shape_of, write


def _entry(nested: Any, place: tuple[int, ...]) -> int:
    """The element that broadcasts to a place; axes are matched from the last."""
    shape = shape_of(nested)
    for index, size in zip(place[len(place) - len(shape) :], shape, strict=True):
        nested = nested[index if size > 1 else 0]
    return nested


def _add(fields: dict[str, Any], shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    shape = tuple(map(max, *padded)) if rank else ()
    places = itertools.product(*map(range, shape))
    sums = [write(sum(_entry(x, place) for x in inputs), fields["register"]) for place in places]
    return [nest(sums, shape)]


def _clamp(fields: dict[str, Any], shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    limited = [sorted((fields["lo"], value, fields["hi"]))[1] for value in flat(inputs[0])]
    return [nest(limited, tuple(shapes[0]))]


def _requantize(fields: dict[str, Any], shapes: list[tuple[int, ...]], inputs: list[Any]) -> list[Any]:
    return [requantize(inputs[0], fields["requantization"])]


ORACLES = {"add": _add, "clamp": _clamp, "requantize": _requantize}
