"""From a quantizer's steps to a requantize node: thresholds, or a shift where that is the same function.

Rules
-----
R1. The code is the lowest one and as many more as thresholds are reached. Rows of thresholds per channel,
    one list where all channels have the same.
R2. A right shift takes their place where it is the same function: both never fall, both have the same lowest
    and highest code, and they agree at every threshold and one below it.
R3. Behind a valley (T5 of `staircase`) two nodes count the thresholds of either side, and a third adds them;
    where the input has at most 16 bits and one meaning for all channels, all that is one table.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Format
from intsim_converters.brevitas.floats import is_power_of_two
from intsim_converters.brevitas.quantizers import Quantizer
from intsim_converters.brevitas.staircase import NEVER, FloatSteps, IntegerSteps, same_rows

from intsim.arithmetic import (
    Add,
    Clamp,
    Multiply,
    Requantization,
    Rounding,
    ShiftRight,
    Thresholds,
)
from intsim.formats import Bipolar, IntFormat, Ternary
from intsim.ops import Lookup, Requantize


def requantize(quantizer: Quantizer, floats: FloatSteps, integers: IntegerSteps, sums: Affine) -> Requantize:
    """The node of a quantizer behind sums that stand for reals as `sums` says."""
    rule = _shift(quantizer, floats, integers, sums) or _thresholds(quantizer.format, floats.lowest, integers)
    low_bit = quantizer.format if isinstance(quantizer.format, Bipolar | Ternary) else None
    return Requantize(rule, low_bit)


def valley(floats: FloatSteps, integers: tuple[IntegerSteps, IntegerSteps]) -> tuple[Requantize, Requantize]:
    """Rule R3: the nodes of the rising side and of the falling one, whose outputs are to be added."""
    rising = IntFormat.covering(min(floats.lowest, 0), max(floats.highest, 0))
    falling = IntFormat.covering(0, len(integers[1].at))
    return (
        Requantize(_thresholds(rising, floats.lowest, integers[0])),
        Requantize(_thresholds(falling, 0, integers[1])),
    )


def table(nodes: tuple[Requantize, Requantize], input: IntFormat, format: IntFormat) -> Lookup:
    """Rule R3: the sum of two nodes as one table."""
    codes = np.arange(input.min, input.max + 1)
    entries = sum(node.reference(codes)[0] for node in nodes)
    return Lookup(np.asarray(entries), input, format)


def _thresholds(target: Format, least: int, integers: IntegerSteps) -> Requantization:
    """Rule R1."""
    lowest, format = Add(values=least), _held(target)
    if not integers.at.size:
        return Requantization((Multiply(multipliers=0), lowest), format)
    at, more = integers.at, ()
    if isinstance(target, Bipolar):  # both of its steps are at one place
        at, more = at[1:], (Multiply(multipliers=2),)
    one = same_rows(at, integers.sign)
    sign = integers.sign[:1] if one else integers.sign
    turn = (Multiply(multipliers=sign),) if (sign < 0).any() else ()
    values = at[:, 0] if one else np.ascontiguousarray(at.T)
    return Requantization((*turn, Thresholds(values=values), *more, lowest), format)


def _held(format: Format) -> IntFormat:
    """The integer format of the code before it is written as a bit or a trit."""
    return format if isinstance(format, IntFormat) else IntFormat(2)


def _shift(
    quantizer: Quantizer, floats: FloatSteps, integers: IntegerSteps, sums: Affine
) -> Requantization | None:
    """Rule R2."""
    scales, zeros = sums.scales(), sums.zeros()
    if scales is None or zeros is None or (np.abs(integers.at) >= NEVER).any():
        return None
    size = max(len(scales), len(quantizer.scales))
    wide = [entries * size if len(entries) == 1 else entries for entries in (scales, quantizer.scales)]
    ratios = [a / b for a, b in zip(*wide, strict=True)]
    if not all(is_power_of_two(ratio) and ratio <= 1 for ratio in ratios):
        return None
    if any(zero.denominator != 1 or abs(zero) >= NEVER for zero in zeros):
        return None
    for rounding in (Rounding.HALF_EVEN, Rounding.FLOOR, Rounding.CEIL, Rounding.TOWARD_ZERO):
        rule = _shift_rule(quantizer, floats, ratios, zeros, rounding)
        if _same(rule, floats, integers):
            return rule
    return None


def _shift_rule(
    quantizer: Quantizer,
    floats: FloatSteps,
    ratios: list[Fraction],
    zeros: tuple[Fraction, ...],
    rounding: Rounding,
) -> Requantization:
    bits = _short([ratio.denominator.bit_length() - 1 for ratio in ratios])
    start = _short([-int(zero) for zero in zeros])
    first = (Add(values=start),) if any(start) else ()
    shift = (ShiftRight(bits=bits, rounding=rounding),) if any(bits) else ()
    last = (Add(values=quantizer.zero_point),) if quantizer.zero_point else ()
    limits = Clamp(lo=floats.lowest, hi=floats.highest)
    return Requantization((*first, *shift, *last, limits), _held(quantizer.format))


def _same(rule: Requantization, floats: FloatSteps, integers: IntegerSteps) -> bool:
    codes: Any = np.arange(floats.lowest + 1, floats.highest + 1)[:, None]
    at = integers.at
    return bool((rule.apply(at) == codes).all() and (rule.apply(at - 1) == codes - 1).all())


def _short(values: list[int]) -> list[int]:
    """One value where all are the same."""
    return values[:1] if len(set(values)) == 1 else values
