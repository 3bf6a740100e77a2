"""Lowering of add, sub and mul between requantizations (rules L1 to L4 of `kernels.pairing`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intsim.arithmetic import Interval, Requantization
from intsim.engine.following import with_clamps
from intsim.engine.lowered import Begin, Lowered, Work, launched, ready
from intsim.formats import TensorSpec
from intsim.kernels.launch import Launch
from intsim.kernels.pairing import pair_of
from intsim.kernels.scratch import aligned
from intsim.network import Node
from intsim.ops import Add, Mul, Op, Sub
from intsim.ops.base import align
from intsim.record import Array

PAIRS: tuple[type[Op], ...] = (Add, Sub, Mul)
"""Ops of two tensors that have a kernel between requantizations."""

_LEAST = 1 << 15  # elements below which a thread costs more than it gives


def lower_pair(
    node: Node,
    before: tuple[Requantization | None, Requantization | None],
    inputs: tuple[TensorSpec, TensorSpec],
    ranges: tuple[Interval, Interval],
    after: Sequence[Node],
    output: TensorSpec,
) -> Lowered | str:
    """A kernel for an op of two tensors, the requantizations before it, and one after it; or why not.

    Parameters
    ----------
    node : the op
    before : what each input goes through first
    inputs, ranges : what the inputs are, and what they can be
    after : a requantize, and clamps
    output : of the last node
    """
    register = node.op.register.format  # type: ignore[attr-defined]
    if any(spec.format.storage.itemsize > 4 for spec in (*inputs, output)) or output.integer.bits > 31:
        return "formats of more than 32 bits"
    if any(spec.integer.max >= 2**31 for spec in inputs):
        return "an operand is uint32"
    rule, rest = with_clamps(after[0].op.rule, after[1:])  # type: ignore[attr-defined]
    if rest:
        return f"{rest[0].op.name} after it"
    made = pair_of(node.op.name, ranges, before, register, rule)
    if isinstance(made, str):
        return made
    pair, proof = made
    form = "float32" if proof.startswith("float32") else "float64"

    def begin(inputs: tuple[Array, ...], out: Array) -> Launch:
        from intsim.kernels.pairs import combine

        left, right, flat = (x.reshape(-1) for x in (inputs[0], inputs[-1], out))
        return Launch(combine, (left, right, pair), (flat,), flat.size, _LEAST)

    kernel = f"{node.op.name} {form}"
    if inputs[0].shape == inputs[1].shape:
        return launched(kernel, proof, output, begin)
    return _spread(kernel, proof, inputs, output, begin)


def _spread(
    kernel: str, proof: str, inputs: tuple[TensorSpec, TensorSpec], output: TensorSpec, begin: Begin
) -> Lowered:
    """A launch on operands that are brought to one shape first."""
    workspace = sum(output.size * spec.format.storage.itemsize for spec in inputs)

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        shape = (inputs[0].shape[0], *output.shape)
        out = aligned(shape, output.format.storage)
        if out.size:
            whole = tuple([ready(np.broadcast_to(x, shape)) for x in align(inputs[0], inputs[-1])])
            begin(whole, out).run(work.threads)
        return (out,)

    return Lowered(
        kernel, f"{proof}; shapes {inputs[0].shape} and {inputs[1].shape} are spread", call, workspace
    )
