"""`Result`: what came out of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from intsim.arithmetic import Events
from intsim.record import Array


@dataclass(frozen=True)
class Result:
    """The tensors and counts of one run, or of one chunk of it.

    outputs : network output name -> array, batch axis first, in the storage dtype of its format
    trace : tensor name -> array of the same kind, for every tensor that was asked for
    events : node name -> overflow counts summed over the batch, for every node that accumulates; empty
        unless events were asked for
    batch : how many samples
    """

    outputs: Mapping[str, Array]
    trace: Mapping[str, Array]
    events: Mapping[str, Events]
    batch: int

    @property
    def output(self) -> Array:
        """The one output of a network that has one.

        Raises
        ------
        ValueError
            The network has several.
        """
        if len(self.outputs) != 1:
            raise ValueError(f"outputs must be one, not {', '.join(self.outputs)}")
        return next(iter(self.outputs.values()))
