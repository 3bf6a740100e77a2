"""QONNX' data types: what annotations and attributes such as ``accDataType`` say about a tensor's integers.

Rules
-----
1. BIPOLAR, BINARY, TERNARY, INTn and UINTn hold the integers themselves; FIXED<n,i> holds integers of n
    bits in steps of 2**(i - n). FLOAT types say nothing of integers.
2. SCALEDINT<n> says that a scale and n bits are there, not which; it only gives an accumulator its width.

References
----------
QONNX 1.0.0: core/datatype.py (resolve_datatype); core/modelwrapper.py (quantization_annotation, whose key
is ``finn_datatype``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intsim.formats import Bipolar, IntFormat, Ternary

Format = IntFormat | Bipolar | Ternary

_KEY = "finn_datatype"
_MOST = 64


@dataclass(frozen=True)
class DataType:
    """What a name stands for.

    format : of the integers; None: the type is a float's
    step : what an integer of one stands for; None: not said
    """

    format: Format | None
    step: float | None = 1.0


def parse(name: str) -> DataType | None:
    """The data type of a name; None where it is none."""
    named: dict[str, Format] = {
        "BIPOLAR": Bipolar(),
        "TERNARY": Ternary(),
        "BINARY": IntFormat(1, signed=False),
    }
    if name in named:
        return DataType(named[name])
    if name.startswith("FLOAT"):
        return DataType(None, None)
    if found := re.fullmatch(r"(U?)INT([0-9]{1,4})", name):
        bits = int(found[2])
        return DataType(IntFormat(bits, not found[1])) if 1 <= bits <= _MOST else None
    if found := re.fullmatch(r"SCALEDINT<([0-9]{1,4})>", name):
        bits = int(found[1])
        return DataType(IntFormat(bits), None) if 1 <= bits <= _MOST else None
    if found := re.fullmatch(r"FIXED<([0-9]{1,4}), *([0-9]{1,4})>", name):
        bits, whole = int(found[1]), int(found[2])
        good = 1 <= bits <= _MOST and whole < bits
        return DataType(IntFormat(bits), 2.0 ** (whole - bits)) if good else None
    return None


def data_types(message: Any) -> Mapping[str, str]:
    """Tensor -> name of its data type, from an ONNX ModelProto."""
    found = {}
    for entry in message.graph.quantization_annotation:
        for pair in entry.quant_parameter_tensor_names:
            if pair.key == _KEY:  # what is no UTF-8 comes as bytes: a name that no data type has
                found[entry.tensor_name] = str(pair.value)
    return found
