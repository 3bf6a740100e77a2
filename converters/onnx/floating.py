"""What lowerings of operators share that are float32 inside, in ONNX Runtime too: averages and softmax.

Rules (I), cited by the lowerings
---------------------------------
I1. The runtime has such an operator for 8-bit codes alone, input and output of one type and one scale each,
    in float32. Between other codes it computes in float; dialect integer carries averages over to codes of
    16 bits at most.
I2. An activation behind it limits the codes, last of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from intsim_converters.onnx.fused import dequantized
from intsim_converters.onnx.lowering import Lowering
from intsim_converters.onnx.values import Codes, Layout, Meaning, Shape

from intsim.ops import Clamp, Op

_EIGHT = ("int8", "uint8")

_MOST_BITS = 16

Nodes = Sequence[tuple[str, Op]]
"""Nodes in turn, each with its name behind the output's; the last has the output's."""


def codes_behind(op: Lowering) -> tuple[Codes, Meaning]:
    """Input 0 of an operator on reals, by rules B1 and Q1: codes, and what they mean."""
    real = dequantized(op, 0)
    if not isinstance(real.codes, Codes):
        op.refuse(f"input of {op.name} must be computed, not a constant")
    return real.codes, real.meaning


def check_codes(op: Lowering, x: Codes, meaning: Meaning, y: Meaning, carried: bool = False) -> None:
    """Rule I1.

    carried : whether the operator is carried over to other codes
    """
    if carried and not op.as_runtime:
        bits = max(x.format.bits, y.format.bits)
        op.require(bits <= _MOST_BITS, f"codes must have {_MOST_BITS} bits at most, not {bits}. [I1]")
    else:
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
