"""From the plain data of a pinned file back to intsim's objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim import arithmetic, formats, ops
from intsim.arithmetic import blocks
from intsim.formats.table import find
from intsim.ops import OPS, Op
from intsim.record import Array


def revive_op(name: str, fields: dict[str, Any]) -> Op:
    """The op that `intsim.testing.plain` wrote."""
    return OPS[name](**{key: revive(value) for key, value in fields.items() if key != "type"})


def revive(value: Any) -> Any:
    """What one field holds. Enums stay names and tuples lists: a record takes them so."""
    if isinstance(value, list):
        return [revive(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value["type"] in ("float32", "float64"):
        return np.array(value["values"], value["type"])
    inside = {key: revive(part) for key, part in value.items() if key != "type"}
    return _record(value["type"])(**inside)


def revive_tensor(tensor: dict[str, Any]) -> tuple[formats.AnyDiscrete | formats.RealFormat, Array]:
    """Format and values of one tensor of a case."""
    known = find(tensor["format"])
    if known is not None:
        return known.format, np.array(tensor["values"], np.int64)  # type: ignore[return-value]
    if "(" in tensor["format"]:  # a format without a name is told by its repr, which is code
        return eval(tensor["format"], vars(formats)), np.array(tensor["values"], np.int64)
    if tensor["format"].startswith("float"):
        real = formats.RealFormat(int(tensor["format"].removeprefix("float")))
        return real, np.array(tensor["values"], real.storage)
    return formats.IntFormat.parse(tensor["format"]), np.array(tensor["values"], np.int64)


def _record(name: str) -> Any:
    """A record inside an op: the arithmetic's and the formats' first, as an op is never inside an op."""
    for room in (arithmetic, blocks, formats, ops):
        if hasattr(room, name):
            return getattr(room, name)
    raise KeyError(name)
