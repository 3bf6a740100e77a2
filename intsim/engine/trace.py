"""Which tensors a trace holds."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from intsim.errors import Finding, InputError
from intsim.network import Network


def select(network: Network, patterns: Sequence[str]) -> tuple[str, ...]:
    """The tensors that patterns name, in the order in which they are made.

    Raises
    ------
    InputError
        A pattern names none.
    """
    if isinstance(patterns, str):
        patterns = (patterns,)
    chosen: set[str] = set()
    findings = []
    for pattern in patterns:
        names = [name for name in network.specs if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not names:
            findings.append(Finding("trace", f"pattern must name a tensor of the network, not {pattern!r}"))
        chosen.update(names)
    if findings:
        raise InputError(findings)
    return tuple(name for name in network.specs if name in chosen)
