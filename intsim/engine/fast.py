"""The fast engine: for each node the kernel that is proved exact there, else the reference."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from intsim.engine.block_products import lower_block_dense
from intsim.engine.doors import lower_dequantize, lower_quantize
from intsim.engine.group_products import lower_group_dense
from intsim.engine.lowered import Lowered, Site
from intsim.engine.matmul import lower_matmul
from intsim.engine.moves import MOVES, lower_move
from intsim.engine.pooling import lower_float_pool, lower_pool, lower_sum
from intsim.engine.reference import lower_reference
from intsim.engine.requantizing import lower_requantize
from intsim.engine.softmaxing import lower_softmax
from intsim.engine.sums import lower_products
from intsim.engine.tabling import lower_table
from intsim.ops import (
    AvgPool2d,
    BatchMatmul,
    BlockDense,
    Clamp,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dequantize,
    FloatAvgPool2d,
    GroupDense,
    HardSwish,
    LeakyRelu,
    Lookup,
    MaxPool2d,
    Mean,
    Op,
    Quantize,
    Requantize,
    Softmax,
    Sum,
    TransposeConv2d,
)

Rule = Callable[[Site], Lowered | str]
"""Gives a kernel that is exact at a site, or says why there is none."""

RULES: dict[type[Op], Rule] = {
    AvgPool2d: lower_pool,
    BatchMatmul: lower_matmul,
    BlockDense: lower_block_dense,
    Clamp: lower_table,
    Conv2d: lower_products,
    Dense: lower_products,
    DepthwiseConv2d: lower_products,
    Dequantize: lower_dequantize,
    FloatAvgPool2d: lower_float_pool,
    GroupDense: partial(lower_group_dense, lower_dense=lower_products),
    HardSwish: lower_table,
    LeakyRelu: lower_table,
    Lookup: lower_table,
    MaxPool2d: lower_pool,
    Mean: lower_pool,
    Quantize: lower_quantize,
    Requantize: lower_requantize,
    Softmax: lower_softmax,
    Sum: lower_sum,
    TransposeConv2d: lower_products,
    **dict.fromkeys(MOVES, lower_move),
}
"""The rule of every op that has kernels."""


def lower(site: Site) -> Lowered:
    """The fastest kernel that is exact at this site."""
    rule = RULES.get(type(site.op))
    chosen: Lowered | str = f"no kernel for {site.op.name}"
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        chosen = "NUMBA_DISABLE_JIT is set"
    elif rule is not None:
        chosen = rule(site)
    if isinstance(chosen, Lowered):
        return chosen
    reference = lower_reference(site)
    return replace(reference, reason=f"{chosen}; {reference.reason}")
