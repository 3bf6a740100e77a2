"""Correct first: who stands for a dialect must give all of intsim's integers before any time is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from intsim.bench.case import Case
from intsim.bench.peers import PEERS, Absent, Call
from intsim.record import Array

STANDS_FOR = {"litert-ref": "litert-ref", "xnnpack": "litert", "ort": "onnxruntime"}
"""dialect -> the peer whose integers it promises."""


def agrees(case: Case, calls: Mapping[str, Call], own: Call, inputs: Sequence[Array]) -> bool | None:
    """Whether the dialect's peer gives intsim's outputs; None if there is nobody to ask.

    A peer that does not take part, because it would take too long or nobody wants its time, is asked for
    the first sample.
    """
    peer = STANDS_FOR.get(case.dialect or "")
    if peer is None:
        return None
    if peer in calls:
        return same(calls[peer](), own())
    try:
        first = PEERS[peer](case, [values[:1] for values in inputs], 1)
    except Absent:
        return None
    return same(first(), [values[:1] for values in own()])


def same(wanted: Sequence[Array], found: Sequence[Array]) -> bool:
    """Whether two lists of outputs are equal, output by output, in type and value."""
    return len(wanted) == len(found) and all(
        left.dtype == right.dtype and np.array_equal(left.reshape(-1), right.reshape(-1))
        for left, right in zip(wanted, found, strict=True)
    )
