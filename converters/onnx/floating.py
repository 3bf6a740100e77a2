"""What lowerings of ONNX Runtime's integer operators share that compute in float32 inside: AveragePool's and
Softmax'.

Rules (I), cited by the lowerings
---------------------------------
I1. The runtime has such an operator for 8-bit codes alone, input and output of one type and one scale each,
    in float32. Between other codes it computes in float.
I2. An activation behind it limits the codes, last of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.values import Codes, Layout, Meaning, Shape

from intsim.ops import Clamp, Op

_EIGHT = ("int8", "uint8")

Nodes = Sequence[tuple[str, Op]]
"""Nodes in turn, each with its name behind the output's; the last has the output's."""


def check_codes(op: Lowering, x: Codes, meaning: Meaning, y: Meaning) -> None:
    """Rule I1."""
    op.require(
        x.dtype in _EIGHT and y.dtype == x.dtype,
        f"float region: input and output must both be int8 or uint8, not {x.dtype} and {y.dtype}. [I1]",
    )
    op.require(meaning.axis is None and y.axis is None, "input and output must have one scale. [I1]")
    op.require(
        meaning.scale.dtype == y.scale.dtype == np.float32,
        f"scales must be float32, not {meaning.scale.dtype} and {y.scale.dtype}. [I1]",
    )


def limits_of(y: Meaning) -> Nodes:
    """Rule I2."""
    if (y.lowest, y.highest) == (y.format.min, y.format.max):
        return ()
    return (("limited", Clamp(y.lowest, y.highest)),)


def emit_in_turn(op: Lowering, x: str, nodes: Nodes, *, shape: Shape, layout: Layout, y: Meaning) -> Codes:
    """Add nodes that read one another, the first one `x`; the last yields the output, which means y."""
    *before, (_, last) = nodes
    for name, node in before:
        x = op.step(node, x, name=name)
    return op.emit(last, x, shape=shape, dtype=y.dtype, layout=layout, meaning=y)
