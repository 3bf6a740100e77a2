"""The hand-chosen cases: one file per family, gathered by op and by dialect."""

from __future__ import annotations

from golden.cases import (
    accumulators,
    blocks,
    convolution,
    dialects,
    doors,
    elementwise,
    groups,
    movement,
    other_sums,
    pooling,
    requantization,
    rows,
)
from golden.cases.base import Pinned
from golden.cases.ratios import PinnedRatio

_FAMILIES = (
    accumulators,
    blocks,
    convolution,
    doors,
    elementwise,
    groups,
    movement,
    other_sums,
    pooling,
    requantization,
    rows,
)


def _by_op() -> dict[str, list[Pinned]]:
    found: dict[str, list[Pinned]] = {}
    for family in _FAMILIES:
        for case in family.CASES:
            found.setdefault(case.op.name, []).append(case)
    return dict(sorted(found.items()))


OP_CASES: dict[str, list[Pinned]] = _by_op()
"""Op name -> its cases."""

DIALECT_CASES: dict[str, tuple[PinnedRatio, ...]] = dict(sorted(dialects.CASES.items()))
"""Dialect name -> its cases."""
