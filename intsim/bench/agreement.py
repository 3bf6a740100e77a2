"""Correct first: who stands for a dialect must give all of intsim's integers before any time is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from intsim.bench.peers import Call
from intsim.record import Array

STANDS_FOR = {"litert-ref": "litert-ref", "xnnpack": "litert"}
"""dialect -> the peer whose integers it promises."""


def agrees(dialect: str | None, calls: Mapping[str, Call], own: Call) -> bool | None:
    """Whether the dialect's peer gives intsim's outputs; None if there is nobody to ask."""
    peer = calls.get(STANDS_FOR.get(dialect or "", ""))
    return None if peer is None else same(peer(), own())


def same(wanted: Sequence[Array], found: Sequence[Array]) -> bool:
    """Whether two lists of outputs are equal, output by output, in type and value."""
    return len(wanted) == len(found) and all(
        left.dtype == right.dtype and np.array_equal(left.reshape(-1), right.reshape(-1))
        for left, right in zip(wanted, found, strict=True)
    )
