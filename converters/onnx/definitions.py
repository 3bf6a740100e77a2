"""Nodes as their operators are defined: what no lowering would look at is refused, never skipped.

Rules
-----
H1. The operator sets and the file's format are none newer than the onnx package knows, and an operator set
    is named once.
H2. An operator of ONNX has no more inputs and outputs than its definition, and no attribute that it does not
    define or that is of another type. So it is with ONNX Runtime's own ones (`MICROSOFTS`).
H3. QONNX' own operators take other attributes, as QONNX does; those that it reads are of the type that it
    reads (`QONNXS`).
H4. A node that is one of the file's own functions is refused, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import onnx
from intsim_converters.onnx.model import Constant, Model, Node

from intsim.errors import Finding

MICROSOFTS: Mapping[str, tuple[int | None, Mapping[str, str]]] = {
    "DequantizeLinear": (3, {"axis": "INT"}),
    "MatMulNBits": (
        6,
        dict.fromkeys(("K", "N", "accuracy_level", "bits", "block_size", "weight_prepacked"), "INT"),
    ),
    "NhwcMaxPool": (
        1,
        {
            **dict.fromkeys(("dilations", "kernel_shape", "pads", "strides"), "INTS"),
            "ceil_mode": "INT",
            "auto_pad": "STRING",
        },
    ),
    "QGemm": (9, {"alpha": "FLOAT", "transA": "INT", "transB": "INT"}),
    "QLinearAdd": (8, {}),
    "QLinearAveragePool": (
        5,
        {
            **dict.fromkeys(("ceil_mode", "channels_last", "count_include_pad"), "INT"),
            **dict.fromkeys(("kernel_shape", "pads", "strides"), "INTS"),
            "auto_pad": "STRING",
        },
    ),
    "QLinearConcat": (None, {"axis": "INT"}),
    "QLinearGlobalAveragePool": (5, {"channels_last": "INT"}),
    "QLinearLeakyRelu": (5, {"alpha": "FLOAT"}),
    "QLinearMul": (8, {}),
    "QLinearSigmoid": (5, {}),
    "QLinearSoftmax": (5, {"axis": "INT", "opset": "INT"}),
    "QLinearWhere": (9, {}),
    "QuantizeLinear": (3, {"axis": "INT"}),
}
"""ONNX Runtime's operators that are converted: at most so many inputs, and the types of attributes."""

_QUANT = {"signed": "INT", "narrow": "INT", "rounding_mode": "STRING"}
QONNXS: Mapping[str, Mapping[str, str]] = {
    "Quant": _QUANT,
    "IntQuant": _QUANT,
    "Trunc": _QUANT,
    "BipolarQuant": {},
    "MultiThreshold": {
        "out_dtype": "STRING",
        "out_scale": "FLOAT",
        "out_bias": "FLOAT",
        "data_layout": "STRING",
    },
}
"""QONNX' operators, and the types of the attributes that it reads."""

_TYPES: Mapping[str, tuple[type, type | None]] = {
    "INT": (int, None),
    "FLOAT": (float, None),
    "STRING": (str, None),
    "TENSOR": (Constant, None),
    "INTS": (tuple, int),
    "FLOATS": (tuple, float),
    "STRINGS": (tuple, str),
}
"""ONNX' name of an attribute's type -> Python's, and that of its entries."""


def definition_findings(model: Model, extra: Mapping[str, str] = MappingProxyType({})) -> Iterator[Finding]:
    """What is not written as it is defined (rules H1 to H4).

    extra : attributes that every operator may have, and their types
    """
    newest, version = onnx.defs.onnx_opset_version(), model.opsets.get("", 1)
    if version > newest:
        what = f"must be version {newest} at most, which the onnx package here knows, not {version}"
        yield Finding("model", f"operator set {what}")
    if not 1 <= version <= newest:
        return
    if model.ir_version > onnx.IR_VERSION:
        what = f"must be version {onnx.IR_VERSION} at most, which the onnx package here knows"
        yield Finding("model", f"format {what}, not {model.ir_version}")
    for node in model.graph.nodes:
        if (node.domain, node.op) in model.functions:
            yield Finding(node.where, "is a function of the file; inline it, as with onnx.inliner")
        else:
            yield from _node_findings(node, version, extra)


def _node_findings(node: Node, version: int, extra: Mapping[str, str]) -> Iterator[Finding]:
    found = _definition(node, version)
    if found is None:
        return
    inputs, outputs, attributes, strict = found
    for what, names, most in (("inputs", node.inputs, inputs), ("outputs", node.outputs, outputs)):
        if most is not None and len(names) > most:
            yield Finding(node.where, f"must have at most {most} {what}, not {len(names)}")
    for name, value in node.attributes.items():
        kind = attributes.get(name, extra.get(name))
        if kind is None and strict:
            yield Finding(node.where, f"attribute {name!r} is none that the operator has")
        elif kind is not None and not _is(value, kind):
            yield Finding(node.where, f"attribute {name!r} must be of type {kind}")


def _definition(node: Node, version: int) -> tuple[int | None, int | None, Mapping[str, str], bool] | None:
    """Inputs and outputs at most, the attributes' types, whether there are no others; None: not known."""
    if node.domain == "com.microsoft":
        own = MICROSOFTS.get(node.op)
        return None if own is None else (own[0], 1, own[1], True)
    if node.domain:
        types = QONNXS.get(node.op)
        return None if types is None else (None, None, types, False)
    try:
        schema = onnx.defs.get_schema(node.op, version)
    except onnx.defs.SchemaError:
        return None
    attributes = {name: entry.type.name for name, entry in schema.attributes.items()}
    return schema.max_input, schema.max_output, attributes, True


def _is(value: object, kind: str) -> bool:
    if kind not in _TYPES:
        return True  # graphs and the like: their operators are refused
    whole, part = _TYPES[kind]
    if not isinstance(value, whole):
        return False
    return part is None or all(isinstance(entry, part) for entry in value)  # type: ignore[attr-defined]
