"""The inputs on which two datapaths differ, as a file of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intsim.network import Network
    from intsim.verify.equivalence_datapaths import SumComparison


def write_inputs(path: Path, network: Network, sums: Sequence[SumComparison]) -> None:
    """Write one sample of every differing node's inputs, called "node/input"; no file where none differs."""
    import numpy as np

    from intsim.storage import write_tensors

    specs, arrays = {}, {}
    for entry in sums:
        if entry.difference is None:
            continue
        for name, sample in zip(network.node(entry.name).inputs, entry.difference.inputs, strict=True):
            spec = network.specs[name]
            specs[f"{entry.name}/{name}"] = spec
            arrays[f"{entry.name}/{name}"] = np.asarray(sample)[None].astype(spec.integer.storage)
    if specs:
        with write_tensors(path, specs, 1) as writer:
            writer.append(arrays)
