"""`Case`: one network with the peers' files of it, and the inputs that all of them are given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from intsim.formats import Discrete
from intsim.network import Network
from intsim.network.costs import macs
from intsim.record import Array


@dataclass(frozen=True, eq=False)
class Case:
    """One network.

    name : how the tables call it
    network : intsim's
    tflite, onnx : files of the same network, for LiteRT and for ONNX Runtime; None where there is none
    """

    name: str
    network: Network
    tflite: Path | None = None
    onnx: Path | None = None

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return sum(macs(self.network, node) for node in self.network.nodes)

    @property
    def dialect(self) -> str | None:
        """The dialect that the network's converter noted in its source, if it did."""
        found = re.search(r"dialect ([\w-]+)", self.network.source)
        return found[1] if found else None

    def inputs(self, batch: int, seed: int = 0) -> list[Array]:
        """Random inputs, the same for the same seed: integers over the whole format, reals in [-1, 1)."""
        rng = np.random.default_rng(seed)
        made: list[Array] = []
        for entry in self.network.inputs:
            shape, format = (batch, *entry.spec.shape), entry.spec.format
            if isinstance(format, Discrete):
                made.append(rng.integers(format.min, format.max, shape, format.storage, endpoint=True))
            else:
                made.append(rng.uniform(-1, 1, shape).astype(format.storage))
        return made
