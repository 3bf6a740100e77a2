"""Activation quantizers: their codes for any float32, by running Brevitas' own module.

Rules
-----
A1. Known are the quantizers and activations whose parts never fall in float32 arithmetic: a division, a sum,
    a rounding, clamps, a sign; relu and hardtanh. Sigmoid and the like are refused, as their float code
    need not be monotone.
A2. The scale, zero point and bit width must not depend on the input.
A3. A code is q = round(value / scale + zero_point), and only if (q - zero_point) * scale, in float32, is the
    value that the module gave, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch
from brevitas.core.function_wrapper import misc, ops_ste
from brevitas.core.quant.binary import BinaryQuant, ClampedBinaryQuant
from brevitas.core.quant.int import RescalingIntQuant
from brevitas.core.quant.int_base import IntQuant
from brevitas.core.quant.ternary import TernaryQuant
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import FloatFunction, Format
from intsim_converters.brevitas.refusals import refuse, require
from intsim_converters.brevitas.weights import bits_of, fractions, integers_of

from intsim.formats import Bipolar, IntFormat, Ternary

Array = np.ndarray[Any, Any]

_ROUNDINGS = (ops_ste.RoundSte, ops_ste.FloorSte, ops_ste.CeilSte, ops_ste.RoundToZeroSte)
_IDENTITIES = (torch.nn.Identity, misc.Identity)
_NEVER_FALL = (*_IDENTITIES, torch.nn.ReLU, torch.nn.ReLU6, torch.nn.Hardtanh)


@dataclass(frozen=True)
class Quantizer:
    """An activation quantizer.

    codes : from float32 probes (points, channels) to codes
    channels : how many scales it has; 1: the same for all channels
    """

    codes: Callable[[Array], Array]
    channels: int
    format: Format
    scales: tuple[Fraction, ...]
    zero_point: int

    @property
    def affine(self) -> Affine:
        """What its codes stand for."""
        return Affine.scaled(self.scales, self.zero_point)


def activation_of(where: str, proxy: Any) -> FloatFunction | None:
    """The activation of a proxy whose quantizer is disabled; None: nothing is applied."""
    fused = proxy.fused_activation_quant_proxy
    if fused is None or isinstance(fused.activation_impl, _IDENTITIES):
        return None
    return known_activation(where, fused.activation_impl)


def known_activation(where: str, module: Any) -> FloatFunction:
    """Rule A1, for an activation."""
    if type(module) not in _NEVER_FALL:
        refuse(where, f"activation must be relu, relu6 or hardtanh, not {type(module).__name__}. [A1]")
    function: FloatFunction = module
    return function


def read_quantizer(where: str, proxy: Any, after: tuple[FloatFunction, ...], rank: int) -> Quantizer:
    """The quantizer of an activation proxy.

    Parameters
    ----------
    proxy : enabled
    after : what is applied before it
    rank : of a sample, as probes have it
    """
    require(
        type(proxy) is ActQuantProxyFromInjector, where, f"quantizer {type(proxy).__name__} is unknown. [A1]"
    )
    fused = proxy.fused_activation_quant_proxy
    known_activation(where, fused.activation_impl)
    _check_parts(where, fused.tensor_quant)
    *_, scale, zero, bits = fused(torch.zeros((1,) * (rank + 1)))
    zeros = set(integers_of(where, "zero point", zero).reshape(-1).tolist())
    require(len(zeros) == 1, where, "zero point must be the same for all channels")
    require(
        scale.numel() == 1 or tuple(scale.shape) == (1, scale.numel(), *(1,) * (rank - 1)),
        where,
        f"scales must be one, or one per channel, not of shape {tuple(scale.shape)}",
    )
    return Quantizer(
        partial(_codes, where, fused, after, rank, (scale, zero, bits)),
        scale.numel(),
        _format(where, proxy, fused.tensor_quant, bits_of(where, bits)),
        fractions(scale),
        zeros.pop(),
    )


def _check_parts(where: str, quant: Any) -> None:
    """Rule A1, for a quantizer."""
    if type(quant) in (BinaryQuant, ClampedBinaryQuant, TernaryQuant):
        return
    if type(quant) is not RescalingIntQuant or type(quant.int_quant) is not IntQuant:
        refuse(where, f"quantizer must be of integers, not {type(quant).__name__}. [A1]")
    rounding = quant.int_quant.float_to_int_impl
    require(type(rounding) in _ROUNDINGS, where, f"rounding {type(rounding).__name__} is unknown. [A1]")


def _format(where: str, proxy: Any, quant: Any, bits: int) -> Format:
    if bits == 1:
        require(not isinstance(quant, RescalingIntQuant), where, "one bit must be a sign, -1 and 1")
        return Bipolar()
    narrow = isinstance(quant, TernaryQuant) or bool(quant.int_quant.narrow_range)
    signed = isinstance(quant, TernaryQuant) or bool(quant.int_quant.signed)
    return Ternary() if bits == 2 and narrow and signed else IntFormat(bits, signed)


def _codes(
    where: str, fused: Any, after: tuple[FloatFunction, ...], rank: int, known: tuple[Any, ...], probes: Array
) -> Array:
    """Rules A2 and A3."""
    with torch.no_grad():
        real = torch.from_numpy(probes.copy()).reshape(*probes.shape, *(1,) * (rank - 1))
        for function in after:
            real = function(real)
        value, *found = fused(real)
        for old, new in zip(known, found, strict=True):
            require(torch.equal(old, new), where, "scale must not depend on the input. [A2]")
        scale, zero, _ = found
        q = torch.round(value / scale + zero)
        require(torch.equal((q - zero) * scale, value), where, "codes must be whole numbers. [A3]")
    return q.reshape(probes.shape).numpy().astype(np.int64)
