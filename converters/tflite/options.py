"""Operators' options, read generically: every number and enumeration of the table, under its own name."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from intsim_converters.tflite.flat import CheckedTable, Damage
from intsim_converters.tflite.model import Options


def enum_names(enum: type) -> dict[int, str]:
    """Number -> name, for an enumeration of the schema."""
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_ENUMS = {
    "fusedActivationFunction": enum_names(schema.ActivationFunctionType),
    "padding": enum_names(schema.Padding),
    "mode": enum_names(schema.MirrorPadMode),
    "weightsFormat": enum_names(schema.FullyConnectedOptionsWeightsFormat),
    "kernelType": enum_names(schema.LSTMKernelType),
    "reduceFunction": enum_names(schema.ReduceWindowFunction),
} | dict.fromkeys(
    ("quantizedBiasType", "inDataType", "outDataType", "outputType", "outType", "idxOutType"),
    enum_names(schema.TensorType),
)

_UNIONS = (
    ("BuiltinOptions", enum_names(schema.BuiltinOptions)),
    ("BuiltinOptions2", enum_names(schema.BuiltinOptions2)),
)


def read_options(operator: Any) -> Options:
    """The options of an operator's table; empty where the file has none."""
    for field, tables in _UNIONS:
        number = getattr(operator, f"{field}Type")()
        if number == 0:
            continue
        if number not in tables:
            raise Damage(f"an operator's options table must be one of the schema's, not number {number}")
        union = getattr(operator, field)()
        if union is None:
            return Options()
        return _read_table(tables[number], union.Pos, operator._tab.budget)
    return Options()


def _read_table(table: str, position: int, budget: Any) -> Options:
    accessor = getattr(schema, table)()
    accessor._tab = CheckedTable(budget, position)
    return Options(table, {snake: _value(accessor, field) for field, snake in _fields(table)})


@functools.cache
def _fields(table: str) -> tuple[tuple[str, str], ...]:
    """The fields of a table that hold numbers: the schema's name, and in snake_case."""
    accessor = getattr(schema, table)
    fields = []
    for field in vars(getattr(schema, f"{table}T")()):
        method = field[0].upper() + field[1:]
        holds_objects = hasattr(accessor, f"{method}Length") and not hasattr(accessor, f"{method}AsNumpy")
        if not holds_objects:
            fields.append((field, re.sub(r"(?<!^)([A-Z])", r"_\1", field).lower()))
    return tuple(fields)


def _value(accessor: Any, field: str) -> Any:
    method = field[0].upper() + field[1:]
    if hasattr(accessor, f"{method}AsNumpy"):
        if getattr(accessor, f"{method}IsNone")():
            return None
        return tuple(np.asarray(getattr(accessor, f"{method}AsNumpy")()).tolist())
    value = getattr(accessor, method)()
    names = _ENUMS.get(field)
    if names is None or not isinstance(value, int):
        return value if isinstance(value, (int, float, bool)) else None
    if value not in names:
        raise Damage(f"{accessor.__class__.__name__}.{field} must be one of the schema's, not {value}")
    return names[value]
