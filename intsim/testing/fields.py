"""Values that are surely not of a field's type, to see them refused."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

import numpy as np

_STRANGER = object()


def impostors(annotation: Any) -> list[Any]:
    """A few values that a field of this type (see `intsim.record`) must refuse."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        arms = [set(map(_key, impostors(arm))) for arm in get_args(annotation)]
        shared = set.intersection(*arms)
        return [wrong for wrong in impostors(get_args(annotation)[0]) if _key(wrong) in shared]
    if get_origin(annotation) is Annotated:
        if get_args(annotation)[1] == "real":
            return [_STRANGER, "no number", [1, 2], np.array([1], np.float16)]
        return [_STRANGER, "no number", [0.5], np.array([1.0]), [True], [2**80]]
    if get_origin(annotation) is tuple:
        return [_STRANGER, 1.5, {1: 2}, *_entries(get_args(annotation))]
    return [_STRANGER, 1.5, *_scalars(annotation)]


def _scalars(annotation: Any) -> list[Any]:
    others: dict[Any, list[Any]] = {
        int: ["1", None, True],
        bool: ["yes", None, 1],
        str: [1, None, True],
        float: ["1", None, True],
        type(None): ["1", True, 1, {1: 2}],
    }
    if annotation is float:
        return others[float]  # 1.5 is one
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ["no such name", None, 1]
    return others.get(annotation, ["1", None, True, 1])


def _entries(arms: tuple[Any, ...]) -> list[Any]:
    """A tuple of a wrong length, or one with an entry of a wrong type."""
    if len(arms) == 2 and arms[1] is Ellipsis:
        return [(wrong,) for wrong in impostors(arms[0])[:2]]
    return [tuple(_STRANGER for _ in arms), (_STRANGER,) * (len(arms) + 1), ()]


def _key(value: Any) -> str:
    return repr(value)
