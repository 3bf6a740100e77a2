"""Activation quantizers: their codes for any float32, by running Brevitas' own module.

Rules
-----
A1. Known are the quantizers whose parts never fall in float32 arithmetic: a division, a sum, a rounding,
    clamps, a sign. What is known of activations is in `functions`.
A2. The scale, zero point and bit width must not depend on the input.
A3. A code is q = round(value / scale + zero_point), and only if (q - zero_point) * scale, in float32, is the
    value that the module gave, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from brevitas.core.function_wrapper import ops_ste
from brevitas.core.quant.binary import BinaryQuant, ClampedBinaryQuant
from brevitas.core.quant.int import RescalingIntQuant
from brevitas.core.quant.int_base import IntQuant
from brevitas.core.quant.ternary import TernaryQuant
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Format
from intsim_converters.brevitas.functions import Form, Function, function_of
from intsim_converters.brevitas.refusals import refuse, require
from intsim_converters.brevitas.staircase import LEAST, FloatSteps, before, float_steps, least_float
from intsim_converters.brevitas.weights import bits_of, fractions, integers_of

from intsim.formats import Bipolar, IntFormat, Ternary

Array = np.ndarray[Any, Any]

_ROUNDINGS = (ops_ste.RoundSte, ops_ste.FloorSte, ops_ste.CeilSte, ops_ste.RoundToZeroSte)


@dataclass(frozen=True)
class Quantizer:
    """An activation quantizer, and the functions before it.

    where : its name
    functions : applied before it, in order
    quantize : Brevitas' module, from reals to (real, scale, zero point, bits)
    rank : of a sample, as the module is given it
    parameters : what the module gave besides the real
    scales : one, or one per channel
    """

    where: str
    functions: tuple[Function, ...]
    quantize: Any
    rank: int
    parameters: tuple[Any, ...]
    format: Format
    scales: tuple[Fraction, ...]
    zero_point: int

    @property
    def channels(self) -> int:
        """How many scales it has; 1: the same for all channels."""
        return len(self.scales)

    @property
    def affine(self) -> Affine:
        """What its codes stand for."""
        return Affine.scaled(self.scales, self.zero_point)

    def codes(self, probes: Array, side: int = 0) -> Array:
        """From float32 probes (points, channels) to codes; functions with slack on a side. Rules A2, A3."""
        with torch.no_grad():
            real = torch.from_numpy(probes.copy()).reshape(*probes.shape, *(1,) * (self.rank - 1))
            for function in self.functions:
                real = function(real, side)
            value, *found = self.quantize(real)
            for old, new in zip(self.parameters, found, strict=True):
                require(torch.equal(old, new), self.where, "scale must not depend on the input. [A2]")
            scale, zero, _ = found
            q = torch.round(value / scale + zero)
            require(torch.equal((q - zero) * scale, value), self.where, "codes must be whole numbers. [A3]")
        return q.reshape(probes.shape).numpy().astype(np.int64)

    def steps(self) -> tuple[FloatSteps, FloatSteps | None]:
        """Rules T1 to T5 of `staircase`: what rises, and what rises the other way below a valley's bottom."""
        forms = [function.form for function in self.functions]
        slack = any(form is not Form.EXACT for form in forms)
        if Form.VALLEY not in forms:
            return float_steps(self.codes, self.channels, slack=slack), None
        above = self._above(forms.index(Form.VALLEY))
        if above(LEAST).all():  # all of it rises
            return float_steps(self.codes, self.channels, slack=True), None
        bottom = least_float(above)
        rising = float_steps(self.codes, self.channels, start=bottom, slack=True)
        falling = float_steps(self._turned, self.channels, start=-before(bottom), slack=True)
        if rising.lowest != falling.lowest:
            raise ValueError("a valley's bottom is where a code's step is; no bits are sure")
        return rising, falling if falling.at.size else None

    def _turned(self, probes: Array, side: int) -> Array:
        return self.codes(-probes, side)

    def _above(self, index: int) -> Callable[[Array], Array]:
        """Whether a valley is given what is at its bottom or above it, for floats at the first function."""

        def above(probes: Array) -> Array:
            real = torch.from_numpy(probes.copy())
            for function in self.functions[:index]:
                real = function(real)
            return np.asarray((real >= self.functions[index].bottom).numpy())

        return above


def activation_of(where: str, proxy: Any) -> Function | None:
    """The activation of a proxy whose quantizer is disabled; None: nothing is applied."""
    fused = proxy.fused_activation_quant_proxy
    return None if fused is None else function_of(where, fused.activation_impl)


def read_quantizer(where: str, proxy: Any, after: tuple[Function, ...], rank: int) -> Quantizer:
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
    own = function_of(where, fused.activation_impl)
    functions = after if own is None else (*after, own)
    inexact = [type(function.call).__name__ for function in functions if function.form is not Form.EXACT]
    require(len(inexact) <= 1, where, f"must have a quantizer between {' and '.join(inexact)}. [F5]")
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
        where,
        functions,
        fused.tensor_quant,
        rank,
        (scale, zero, bits),
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
