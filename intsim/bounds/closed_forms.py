"""The literature's closed forms for an accumulator's width, beside which the exact one is seen.

Rules
-----
F1. All are for one channel: weights q of M bits without their zero point, K of them; operands without their
    zero point, of N bits (sigma = 1 if signed, else 0), N the fewest that hold them; the bias counts as one
    more term, |bias|.
F2. data-type: K * 2**(N - sigma) * 2**(M - 1) <= 2**(P-1) - 1. Knows no weight.
F3. a2q: ||q||_1 * 2**(N - sigma) <= 2**(P-1) - 1 (Hoelder).
F4. a2q+: ||q||_1 * (2**N - 1) / 2 <= 2**(P-1) - 1, and only where the weights of the channel sum to 0: then
    the positive and the negative ones cannot both meet their worst operand. Refused elsewhere, because there
    it is too small.
F5. axe: with tiles of T terms, hi * p + lo * n and lo * p + hi * n of every tile are within
    +-(2**(P_I - 1) - 1), p and n its sums of positive and of negative weights; the outer register takes
    ceil(log2(ceil(K / T))) bits more. Refused where the operand's range does not hold 0.
F6. P comes from integer bit lengths: 2**(P-1) - 1 >= X means P = 1 + bit_length(X).

References
----------
A2Q: Colbert, Pappalardo, Petri-Koenig, ICCV 2023, arXiv:2308.13504. A2Q+: Colbert et al., ICML 2024,
arXiv:2401.10432. AXE: Colbert et al., arXiv:2409.17092; Brevitas 0.13.4, axe.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Interval
from intsim.formats.width import width
from intsim.record import Array


@dataclass(frozen=True)
class Channels:
    """The sums of one layer, as the closed forms see them.

    weight : (channels, terms), without the zero point
    weight_bits : of the weight's format, widened by the zero point where there is one
    operand : range of the other operand, without its zero point
    bias : (channels,)
    """

    weight: Array
    weight_bits: int
    operand: Interval
    bias: Array


@dataclass(frozen=True)
class ClosedForm:
    """What one closed form says of a layer.

    name : of the form
    bits : per channel, object array of ints; None where it is refused
    refused : why the form says nothing, if no channel meets its precondition
    inner : AXE's inner width per channel, where there are tiles
    """

    name: str
    bits: Array
    refused: str = ""
    inner: Array | None = None

    @property
    def widest(self) -> int | None:
        """The width that serves every channel; None unless the form holds for all."""
        return None if any(bits is None for bits in self.bits) else max(self.bits)


def closed_forms(layer: Channels, tile: int | None = None) -> tuple[ClosedForm, ...]:
    """What every form says (rules F1 to F6).

    Parameters
    ----------
    layer : Channels
    tile : terms in one of AXE's tiles; all of them where absent
    """
    return data_type(layer), a2q(layer), a2q_plus(layer), axe(layer, tile)


def data_type(layer: Channels) -> ClosedForm:
    """Rule F2."""
    terms = layer.weight.shape[1]
    largest = terms * _magnitude(layer.operand) * 2 ** (layer.weight_bits - 1)
    return ClosedForm("data-type", _registers([largest + bias for bias in _biases(layer)]))


def a2q(layer: Channels) -> ClosedForm:
    """Rule F3."""
    scale = _magnitude(layer.operand)
    norms = np.abs(layer.weight.astype(object)).sum(axis=1)
    return ClosedForm(
        "a2q", _registers([norm * scale + bias for norm, bias in zip(norms, _biases(layer), strict=True)])
    )


def a2q_plus(layer: Channels) -> ClosedForm:
    """Rule F4."""
    weight = layer.weight.astype(object)
    span = 2 ** _operand_bits(layer.operand) - 1
    bits = np.empty(len(weight), dtype=object)
    for channel, (row, bias) in enumerate(zip(weight, _biases(layer), strict=True)):
        if row.sum() == 0:
            bits[channel] = _bits(span * int(np.abs(row).sum()) // 2 + bias)
    centred = sum(entry is not None for entry in bits)
    said = f"weights must sum to 0 in each channel; they do in {centred} of {len(bits)}. [F4]"
    return ClosedForm("a2q+", bits, "" if centred == len(bits) else said)


def axe(layer: Channels, tile: int | None = None) -> ClosedForm:
    """Rule F5."""
    channels, terms = layer.weight.shape
    lo, hi = layer.operand.min, layer.operand.max
    if not lo <= 0 <= hi:
        none = np.full(channels, None, dtype=object)
        return ClosedForm("axe", none, f"operand must be able to be 0, not in {layer.operand}. [F5]")
    tile = terms if tile is None else min(tile, terms)
    starts = np.arange(0, terms, tile)
    weight = layer.weight.astype(object)
    positive = np.add.reduceat(np.maximum(weight, 0), starts, axis=1)
    negative = np.add.reduceat(np.minimum(weight, 0), starts, axis=1)
    most = np.maximum(hi * positive + lo * negative, -(lo * positive + hi * negative)).max(axis=1)
    if len(starts) == 1:
        return ClosedForm("axe", _registers([a + b for a, b in zip(most, _biases(layer), strict=True)]))
    inner = _registers(list(most))
    more = (len(starts) - 1).bit_length()
    outer = [(2 ** (bits - 1) - 1) * 2**more + bias for bits, bias in zip(inner, _biases(layer), strict=True)]
    return ClosedForm("axe", _registers(outer), inner=inner)


def _operand_bits(operand: Interval) -> int:
    """N: the fewest bits, signed only where it must be."""
    signed = operand.min < 0
    bits = width(operand.min, operand.max, signed)
    return bits or 1


def _magnitude(operand: Interval) -> int:
    """2**(N - sigma)."""
    bits = _operand_bits(operand)
    return int(2 ** (bits - 1 if operand.min < 0 else bits))


def _biases(layer: Channels) -> list[int]:
    return [abs(int(bias)) for bias in layer.bias]


def _bits(largest: int) -> int:
    """Rule F6."""
    return 1 + int(largest).bit_length()


def _registers(largest: list[int]) -> Array:
    bits = np.empty(len(largest), dtype=object)
    bits[:] = [_bits(value) for value in largest]
    return bits
