"""Integer weights and biases, straight from the quantizers of a layer.

Rules
-----
W1. A weight is q = round(value / scale + zero_point), and only if (q - zero_point) * scale, in float32, is
    the value bit for bit.
W2. One bit is Bipolar; two narrow signed bits are Ternary; else the format has the quantizer's bits and sign.
W3. A bias whose scale is the float32 product of the input's and the weights' scales is an integer of the
    sum. Any other is a real, added to what the sum stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from brevitas.proxy.parameter_quant import (
    BiasQuantProxyFromInjector,
    DecoupledWeightQuantProxyFromInjector,
    DecoupledWeightQuantWithInputProxyFromInjector,
    WeightQuantProxyFromInjector,
)
from brevitas.quant_tensor import IntQuantTensor
from intsim_converters.brevitas.carried import Format
from intsim_converters.brevitas.refusals import refuse, require

from intsim.formats import Bipolar, IntFormat, Ternary

Array = np.ndarray[Any, Any]

_WEIGHTS = (
    WeightQuantProxyFromInjector,
    DecoupledWeightQuantProxyFromInjector,
    DecoupledWeightQuantWithInputProxyFromInjector,
)


@dataclass(frozen=True)
class Weights:
    """The weights of a layer (rules W1 and W2).

    codes : int64, in torch's order, output channels first
    scales : one, or one per output channel
    zero_point : int64, one or one per output channel
    """

    codes: Array
    format: Format
    scales: tuple[Fraction, ...]
    zero_point: Array


@dataclass(frozen=True)
class Bias:
    """A bias (rule W3): integers of the sum, or reals; one per output channel."""

    integers: tuple[int, ...] | None
    reals: tuple[Fraction, ...] | None


def read_weights(where: str, layer: Any, quant_input: Any) -> Weights:
    """Rules W1 and W2."""
    proxy = layer.weight_quant
    require(
        type(proxy) in _WEIGHTS and proxy.is_quant_enabled,
        where,
        f"weights must have an integer quantizer, not {type(proxy).__name__}"
        f"{'' if proxy.is_quant_enabled else ', disabled'}",
    )
    quant = layer.quant_weight(quant_input)
    require(isinstance(quant, IntQuantTensor), where, f"weights must be integers, not {type(quant).__name__}")
    codes = codes_of(where, "weights", quant)
    if layer.output_channel_dim == 1:
        codes = _outputs_first(codes, layer.groups)
    channels = codes.shape[0]
    format = format_of(where, quant, bool(proxy.is_narrow_range))
    outside = format.outside(codes)
    require(not outside.any(), where, f"weights must be in {format}, not {codes[outside][:1].tolist()}")
    zero = integers_of(where, "weight zero point", quant.zero_point).reshape(-1)
    for name, size in (("scales", quant.scale.numel()), ("zero points", zero.size)):
        require(size in (1, channels), where, f"weight {name} must be 1 or {channels}, not {size}")
    return Weights(codes, format, fractions(quant.scale), zero)


def _outputs_first(codes: Array, groups: int) -> Array:
    """From (C, K / groups, ...) of a transposed convolution to (K, C / groups, ...)."""
    deep, wide, *kernel = codes.shape
    parts = codes.reshape(groups, deep // groups, wide, *kernel).swapaxes(1, 2)
    return parts.reshape(groups * wide, deep // groups, *kernel)


def read_bias(where: str, layer: Any, quant_input: Any, weights: Weights) -> Bias | None:
    """Rule W3."""
    if layer.bias is None:
        return None
    proxy = layer.bias_quant
    if not proxy.is_quant_enabled:
        return Bias(None, fractions(layer.bias))
    require(
        type(proxy) is BiasQuantProxyFromInjector, where, f"bias quantizer {type(proxy).__name__} is unknown"
    )
    quant_weight = layer.quant_weight(quant_input)
    quant = proxy(layer.bias, quant_input, quant_weight)
    require(isinstance(quant, IntQuantTensor), where, f"bias must be integers, not {type(quant).__name__}")
    codes = codes_of(where, "bias", quant)
    zero = integers_of(where, "bias zero point", quant.zero_point)
    known = isinstance(quant_input, IntQuantTensor) and quant_input.scale.numel() == 1
    if known and not zero.any():
        product = (quant_input.scale.reshape(-1) * quant_weight.scale.reshape(-1)).expand(quant.value.shape)
        if torch.equal(product, quant.scale.reshape(-1).expand(quant.value.shape)):
            return Bias(tuple(int(code) for code in codes), None)
    return Bias(None, fractions(quant.value))


def real_bias(where: str, layer: Any) -> tuple[Fraction, ...]:
    """A bias as reals, whatever its quantizer; () without."""
    bias = layer.bias
    if bias is None:
        return ()
    quant = layer.bias_quant(bias, None, None) if layer.bias_quant.is_quant_enabled else bias
    if isinstance(quant, IntQuantTensor):
        codes_of(where, "bias", quant)
        return fractions(quant.value)
    return fractions(quant)


def codes_of(where: str, what: str, quant: Any) -> Array:
    """Rule W1."""
    q = torch.round(quant.value / quant.scale + quant.zero_point)
    again = (q - quant.zero_point) * quant.scale
    require(
        torch.equal(again, quant.value) and bool(torch.isfinite(q).all()),
        where,
        f"{what} must be integers times their scale, bit for bit",
    )
    return q.detach().numpy().astype(np.int64)


def format_of(where: str, quant: Any, narrow: bool) -> Format:
    """Rule W2."""
    bits = bits_of(where, quant.bit_width)
    if bits == 1:
        require(quant.signed, where, "one bit must be signed: -1 and 1")
        return Bipolar()
    if bits == 2 and narrow and quant.signed:
        return Ternary()
    return IntFormat(bits, quant.signed)


def bits_of(where: str, bit_width: Any) -> int:
    """A bit width that is one whole number."""
    widths = set(bit_width.reshape(-1).tolist())
    if len(widths) != 1 or not next(iter(widths)).is_integer() or not 1 <= next(iter(widths)) <= 32:
        refuse(where, f"bit width must be one whole number from 1 to 32, not {sorted(widths)[:3]}")
    return int(widths.pop())


def integers_of(where: str, what: str, values: Any) -> Array:
    """A tensor of floats that are whole numbers, as int64."""
    array = values.detach().numpy().astype(np.float64)
    require(
        bool((array == np.rint(array)).all()), where, f"{what} must be a whole number, not {array.flat[0]}"
    )
    return array.astype(np.int64)


def fractions(values: Any) -> tuple[Fraction, ...]:
    """The exact values of a float32 tensor, flat."""
    return tuple(Fraction(value) for value in values.detach().reshape(-1).tolist())
