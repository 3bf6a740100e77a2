"""Trained modules of Brevitas layers to networks, without a file between.

``convert(module, example_input)`` reads integer weights, biases, scales and zero points from the layers' own
quantizers, and turns every activation quantizer into integer thresholds on the sum before it. A module is no
file, and a saved module is a pickle, which runs code when it is opened; so there is no file door.

What is equal
-------------
Brevitas computes with float32: it multiplies and adds dequantized values, and its quantizers round what
comes. The network here holds the true integer sums. The thresholds are Brevitas' own: its quantizer is run on
float32 numbers until the least one of every code is known, and a sum counts if its exact real, rounded once
to float32, reaches that number (`staircase`). So a code can differ from Brevitas' only where its float sum
went astray from the exact one, across a threshold; or behind a sigmoid, gelu and the like, where torch's own
floats are near the true ones only, and not the same at every place of a tensor (`functions`).

* Equal for every input: where scales are powers of two and sums stay within 24 bits, floats are exact
  (rule U2 of `floats`), behind a quantizer's codes and no batch norm, nor one of those functions.
* Elsewhere `doubts` lists the sums, in the range that the bounds prove, for which Brevitas' rounding could
  decide otherwise. Where it lists none, the codes are equal for every input too.

A module for one more layer: see `lowering`, write ``lower_<family>.py``, and import it here. A call that only
moves elements is named in `lower_movement`; a layer that cannot be converted, in `reasons` with the reason.
"""

from intsim_converters.brevitas import (
    lower_activations,
    lower_arithmetic,
    lower_batch_norm,
    lower_embedding,
    lower_joining,
    lower_layers,
    lower_movement,
    lower_pooling,
)
from intsim_converters.brevitas.convert import convert
from intsim_converters.brevitas.doubts import Doubt, doubts

LOWERED = (
    lower_activations,
    lower_arithmetic,
    lower_batch_norm,
    lower_embedding,
    lower_joining,
    lower_layers,
    lower_movement,
    lower_pooling,
)
"""The modules that register lowerings, by being imported."""

__all__ = ["LOWERED", "Doubt", "convert", "doubts"]
