"""Brevitas' truncation of a sum to fewer bits, run on every sum that there can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.lowering import Lowering
from intsim_converters.brevitas.weights import bits_of, fractions, integers_of

from intsim.arithmetic import Add, Clamp, Requantization, Rounding, ShiftRight, Thresholds
from intsim.formats import IntFormat

_MOST_SUMS = 1 << 22


def truncation(op: Lowering, sums: Carried, average: Any, proxy: Any) -> tuple[Requantization, Affine]:
    """The rule of a truncating quantizer behind a window's sums, and what its codes stand for.

    Parameters
    ----------
    sums : integers from zero point 0
    average : the IntQuantTensor that Brevitas hands to the quantizer
    proxy : the quantizer
    """
    low, high = sums.format.min, sums.format.max
    op.require(high - low < _MOST_SUMS, f"sums must be fewer than {_MOST_SUMS}, not {low} to {high}")
    op.require(
        average.scale.numel() == 1 and not average.zero_point.any(), "must have one scale and zero point 0"
    )
    n = np.arange(low, high + 1)
    with torch.no_grad():
        probes = torch.from_numpy(n.astype(np.float32)) * average.scale
        value, scale, zero, bits = proxy.tensor_quant(
            probes, average.scale, average.zero_point, average.bit_width, average.signed
        )
        q = torch.round(value / scale + zero)
        op.require(torch.equal((q - zero) * scale, value), "codes must be whole numbers times their scale")
    op.require(not integers_of(op.where, "zero point", zero).any(), "zero point must be 0")
    codes = q.numpy().astype(np.int64)
    op.require(bool((np.diff(codes) >= 0).all()), "codes must not fall as the sum grows")
    format = IntFormat(bits_of(op.where, bits), bool(average.signed))
    return _rule(n, codes, format), Affine.scaled(fractions(scale))


def _rule(n: Any, codes: Any, format: IntFormat) -> Requantization:
    """A shift where it gives all the codes, else thresholds."""
    lowest, highest = int(codes[0]), int(codes[-1])
    for bits in range(31):
        for rounding in (Rounding.HALF_EVEN, Rounding.FLOOR, Rounding.CEIL, Rounding.TOWARD_ZERO):
            rule = Requantization(
                (ShiftRight(bits=bits, rounding=rounding), Clamp(lo=lowest, hi=highest)), format
            )
            if np.array_equal(rule.apply(n), codes):
                return rule
    at = n[np.searchsorted(codes, np.arange(lowest + 1, highest + 1))]
    return Requantization((Thresholds(values=at), Add(values=lowest)), format)
