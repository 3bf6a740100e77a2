"""What leaves the network: integers that have a scale, with their integer bias in the sum."""

from __future__ import annotations

from typing import Any

from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.lowering import annotation
from intsim_converters.brevitas.refusals import refuse, require

from intsim.arithmetic import Add, Requantization
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import Requantize


def lower_output(builder: NetworkBuilder, where: str, x: Any) -> None:
    """Declare a tensor as an output.

    A sum whose bias was kept out of its register gets it now, in a wider one. A sum with a real bias is
    refused: its integers alone would not be the layer's answer.
    """
    if not isinstance(x, Carried):
        refuse(where, "output must be quantized")
    zeros = x.affine.zeros()
    require(
        not x.after and zeros is not None and all(zero.denominator == 1 for zero in zeros),
        x.name,
        "output must be integers times a scale: give the layer a bias_quant (Int32Bias), no bias, or a"
        " quantizer behind it",
    )
    bias = [-int(zero) for zero in zeros]
    if len(set(bias)) == 1:
        builder.output(x.name)
        return
    held = IntFormat.covering(min(x.format.min + min(bias), -1), x.format.max + max(bias))
    y = x.replace(name=builder.fresh(f"{x.name}.bias"), affine=_without(x))
    rule = Requantization((Add(values=bias),), held)
    builder.output(builder.add(Requantize(rule), x.name, name=y.name, quantization=annotation(y)))


def _without(x: Carried) -> Any:
    """The same scales with 0 standing for 0."""
    return type(x.affine).scaled(x.affine.scales() or ())
