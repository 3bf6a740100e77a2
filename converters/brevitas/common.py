"""Integers of several scales brought to one.

Rules
-----
K1. Scales are fractions, so all are whole multiples of one unit (`common_unit`). Where no multiple has more
    than 16 bits, n - zero times its multiple stands for the same real in that unit, and nothing is rounded.
K2. Other scales differ: quantize with one shared quantizer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from intsim_converters.brevitas.affine import Affine
from intsim_converters.brevitas.carried import Carried
from intsim_converters.brevitas.lowering import Lowering

from intsim.arithmetic import Add, AnyStep, Multiply, Requantization
from intsim.formats import IntFormat
from intsim.ops import Requantize

_MOST_BITS = 16


def common_unit(scales: Iterable[Fraction]) -> Fraction:
    """The largest fraction of which every scale is a whole multiple.

    Examples
    --------
    >>> common_unit([Fraction(3, 4), Fraction(1, 2)])
    Fraction(1, 4)
    """
    given = list(scales)
    below = math.lcm(*(scale.denominator for scale in given))
    return Fraction(math.gcd(*(int(scale * below) for scale in given)), below)


def of_one_scale(op: Lowering, tensors: Sequence[Carried]) -> list[Carried] | None:
    """Rules K1 and K2: tensors with the same affine, zero points apart; None where there is no such scale."""
    zeros = [op.zero_of(x) for x in tensors]
    scales = [x.affine.scales() or () for x in tensors]
    if len(set(scales)) == 1:
        return list(tensors)
    if any(len(entry) > 1 for entry in scales):
        return None
    unit = common_unit(scale for (scale,) in scales)
    factors = [int(scale / unit) for (scale,) in scales]
    if max(factors).bit_length() > _MOST_BITS:
        return None
    parts = zip(tensors, factors, zeros, strict=True)
    return [_multiplied(op, x, factor, zero) for x, factor, zero in parts]


def _multiplied(op: Lowering, x: Carried, factor: int, zero: int) -> Carried:
    """(n - zero) * factor, which stands for the same at the scale over the factor."""
    if factor == 1:
        return x
    ends = [(end - zero) * factor for end in (x.format.min, x.format.max)]
    format = IntFormat.covering(min(ends[0], 0), max(ends[1], 0))
    (scale,) = x.affine.scales() or ()
    first: tuple[AnyStep, ...] = (Add(values=-zero),) if zero else ()
    rule = Requantization((*first, Multiply(multipliers=factor)), format)
    y = x.replace(affine=Affine.scaled([scale / factor]), format=format)
    return y.replace(name=op.add(Requantize(rule), x.name, name=f"{op.where}.{x.name}", like=y))
