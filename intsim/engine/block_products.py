"""Lowering of layers over blocks: the kernels of `kernels.block_matmul` do what `block_dot` does.

Rules
-----
B1. Elements and scales are integers times powers of two in the kernels as in the reference; every rounding,
    register and alignment is the accumulator's. There is nothing that a bound must prove.
B2. An accumulator that the kernels have no form for is the reference's.
"""

from __future__ import annotations

import numpy as np

from intsim.engine.lowered import Lowered, Site, Work
from intsim.errors import InputError, OverflowTrap
from intsim.formats import Discrete
from intsim.kernels.block_rule import rule_of
from intsim.ops import BlockDense
from intsim.record import Array


def lower_block_dense(site: Site) -> Lowered | str:
    """The kernels for a block_dense; or why there are none."""
    op: BlockDense = site.op
    rule = rule_of(op.accumulator, op.scaled_as_a_whole)
    if isinstance(rule, str):
        return rule
    storage, shape = site.outputs[0].format.storage, site.outputs[0].shape
    prepared = None

    def call(inputs: tuple[Array, ...], work: Work) -> tuple[Array, ...]:
        nonlocal prepared
        from intsim.kernels.block_matmul import multiply, prepare

        if prepared is None:
            prepared = prepare(op.columns, op.accumulator)
        try:
            product = multiply(prepared, op.rows(*inputs), work.threads)
        except (OverflowTrap, InputError) as error:
            raise error.at(site.node.name) from None
        if op.bias is None and product.codes is not None:
            found = product.codes
        else:
            found = op.finished(product.values())
        return (np.asarray(found).astype(storage, copy=False).reshape(-1, *shape),)

    return Lowered("block product", _reason(op, site.inputs[0].format), call)


def _reason(op: BlockDense, format: object) -> str:
    widths = op.term_bits(format) if isinstance(format, Discrete) else None
    said = "integers in the accumulator's own steps [B1]"
    if widths is None:
        return said
    return f"exact sums of {widths[0]} products need {widths[1]} bits; {said}"
