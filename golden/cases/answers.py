"""The documents that pinned files hold: cases as plain data, with the reference engine's answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from golden.cases.base import Pinned, Tensor
from golden.cases.ratios import PinnedRatio
from intsim.arithmetic.dialects import DIALECTS
from intsim.engine import run
from intsim.errors import OverflowTrap
from intsim.ops import OPS
from intsim.testing import network_of, plain

Plain = dict[str, Any]


def op_document(name: str, cases: Sequence[Pinned]) -> Plain:
    """All cases of one op."""
    return {"op": name, "version": OPS[name].version, "cases": [_op_case(case) for case in cases]}


def _op_case(pinned: Pinned) -> Plain:
    return {
        "special": pinned.special,
        "fields": plain(pinned.op),
        "inputs": [_tensor(tensor) for tensor in pinned.inputs],
        **_answers(pinned),
    }


def _answers(pinned: Pinned) -> Plain:
    """Outputs of the reference engine, and its overflow events where the op has registers that count."""
    case = pinned.case
    network = network_of(case)
    given = {entry.name: x for entry, x in zip(network.inputs, case.inputs, strict=False)}
    if not case.inputs:
        given = {"x0": np.zeros((1, 1), np.int8)}
    try:
        result = run(network, given, engine="reference", events=True)
    except OverflowTrap:
        return {"outputs": "trapped"}
    found: Plain = {
        "outputs": [
            _tensor(Tensor(network.specs[name].format, result.outputs[name][0].tolist()))
            for name in network.outputs
        ]
    }
    for events in result.events.values():
        found["events"] = {"persistent": events.persistent, "transient": events.transient}
    return found


def _tensor(tensor: Tensor) -> Plain:
    return {
        "format": str(tensor.format),
        "shape": list(np.shape(tensor.values)),
        "values": _finite(tensor.values),
    }


def _finite(values: Any) -> Any:
    """JSON has no infinity: such a float is written as text, which reads back as the float."""
    if isinstance(values, list):
        return [_finite(part) for part in values]
    return str(values) if isinstance(values, float) and not math.isfinite(values) else values


def dialect_document(name: str, cases: Sequence[PinnedRatio]) -> Plain:
    """All cases of one dialect of requantization."""
    dialect = DIALECTS[name]
    return {
        "dialect": name,
        "summary": dialect.summary,
        "source": dialect.source,
        "cases": [_dialect_case(name, case) for case in cases],
    }


def _dialect_case(name: str, case: PinnedRatio) -> Plain:
    dialect = DIALECTS[name]
    ratio = dialect.ratio([np.float32(part) for part in case.numerators], np.float32(case.denominator))
    rule = dialect.requantization(ratio, zero_point=case.zero_point, format=case.format, bias=case.bias)
    sums = np.array(case.sums, dtype=object)  # whatever the steps need
    return {
        "special": case.special,
        "scales": {
            "numerators": [plain(np.asarray(part, np.float32)) for part in case.numerators],
            "denominator": plain(np.asarray(case.denominator, np.float32)),
            "ratio": plain(ratio),
        },
        "zero_point": case.zero_point,
        **({} if case.bias is None else {"bias": case.bias}),
        "requantization": plain(rule),
        "sums": case.sums,
        "codes": rule.apply(sums[None])[0].tolist(),
    }
