"""How a layer's sums are made: the widths that accumulator-aware training promises.

Rules
-----
P1. An A2Q or A2Q+ layer trained for P bits gets a two's complement register of P bits that wraps: the
    promise is that it never has to.
P2. The promise is about the products. A bias of such a layer, and of one with a width from `accumulators`,
    stays out of the register: it is added behind it.
P3. AXE leaves no trace in the layer: its widths and tiles come from `accumulators`. It cuts a convolution's
    products into tiles in the order channel, row, column (order "chw").
P4. Elsewhere sums and integer biases are in 32 bits that wrap, as most hardware has them.
"""

from __future__ import annotations

from typing import Any

from brevitas.core.scaling import AccumulatorAwareParameterPreScaling
from intsim_converters.brevitas.lowering import Lowering
from intsim_converters.brevitas.weights import bits_of

from intsim.arithmetic import Accumulator
from intsim.formats import IntFormat


def promised_accumulator(op: Lowering) -> Accumulator | None:
    """Rules P1 and P3; None: nothing was promised."""
    given = op.promised(op.where)
    trained = trained_width(op.where, op.module)
    if given is not None:
        return given
    return None if trained is None else Accumulator(IntFormat(trained))


def trained_width(where: str, layer: Any) -> int | None:
    """P of rule P1; None for layers that were trained without."""
    for part in layer.weight_quant.modules():
        if isinstance(part, AccumulatorAwareParameterPreScaling):
            return bits_of(where, part.accumulator_bit_width())
    return None
