"""`plain`: a record as plain data, for oracles that know nothing of intsim."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any

import numpy as np

from intsim.record import Record


def plain(value: Any) -> Any:
    """A record, or what one of its fields holds, as plain data.

    Returns
    -------
    Record: a dict of its fields, with its class name under "type". Enum: its name in lower case.
    Array of integers: nested lists of Python ints, a bare int for shape (). Array of floats:
    {"type": "float32" or "float64", "values": nested lists}. Tuple: a list. int, bool, str, float and
    None: themselves.

    Examples
    --------
    >>> from intsim.arithmetic import Overflow, Register
    >>> from intsim.formats import IntFormat
    >>> plain(Register(IntFormat(4), Overflow.WRAP))
    {'type': 'Register', 'format': {'type': 'IntFormat', 'bits': 4, 'signed': True}, 'overflow': 'wrap'}
    """
    if isinstance(value, Record):
        fields = {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return {"type": str(value.dtype), "values": value.tolist()}
        return value.tolist()
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]
    return value
