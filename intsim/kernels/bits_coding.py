"""What a number is as bits, and the counts that make products of two such numbers.

Rules
-----
L1. A number is a constant plus a factor for each of some bits of its two's complement. Of +1 and -1 it is 1
    less twice the sign; everything else has no constant.
L2. The product of rows x and w is, with constants a and b and counts of bits in K terms,
    a*b*K + a * sum(f_w * bits of w) + b * sum(f_x * bits of x) + sum(f_x * f_w * bits in both).
    The first two are the same in every row, and are part of the start values.
L3. Four products of signs take one pass: +1, -1 with the same: K less twice the bits that differ. With
    -1, 0, 1: the nonzero ones less twice those of them whose signs differ. -1, 0, 1 with the same: SIGNS.
L4. What is outside an image adds nothing: its terms have the value that the zero point takes off. Where
    +1 and -1 have no bits for it, they are coded as -1, 0, 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.kernels.isa.counters import Count
from intsim.record import Array

WIDEST = 8
"""Bits of a code that planes are made of: the input's codes are bytes."""


@dataclass(frozen=True)
class Coding:
    """Rule L1.

    planes, factors : which bits, and what each of them adds
    constant : what is there without bits
    low, high : what it can hold
    """

    planes: tuple[int, ...]
    factors: tuple[int, ...]
    constant: int
    low: int
    high: int

    def holds(self, value: int) -> bool:
        """Whether it has bits for a value."""
        return self.low <= value <= self.high and (self is not BIPOLAR or value != 0)


BIPOLAR = Coding((1,), (-2,), 1, -1, 1)
TERNARY = Coding((0, 1), (1, -2), 0, -1, 1)


def whole(low: int, high: int) -> Coding | None:
    """The coding of all integers from `low` to `high`; None beyond `WIDEST` bits.

    Examples
    --------
    >>> whole(0, 3).factors, whole(-4, 1).factors, whole(-1, 1) is TERNARY
    ((1, 2), (1, 2, -4), True)
    """
    if (low, high) == (-1, 1):
        return TERNARY
    signed = int(low < 0)
    bits = max(1, max(high, ~low).bit_length() + signed)
    if bits > WIDEST:
        return None
    factors = [1 << plane for plane in range(bits)]
    if signed:
        factors[-1] *= -1
    ends = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return Coding(tuple(range(bits)), tuple(factors), 0, *ends)


def of_values(values: Array) -> Coding | None:
    """The coding of weights: of +1 and -1 alone, or of all integers between their ends."""
    low, high = int(values.min()), int(values.max())
    if low >= -1 and high <= 1 and np.all(values != 0):
        return BIPOLAR
    return whole(low, high)


@dataclass(frozen=True)
class Passes:
    """How a product is counted (rule N1 of `kernels.bits`).

    count : what is counted in every pass
    sets : the planes of every set of the weights
    passes : (first plane of x, set, factor) of each
    ends : what each plane of x adds for every bit that is set
    """

    count: Count
    sets: tuple[tuple[int, ...], ...]
    passes: tuple[tuple[int, int, int], ...]
    ends: tuple[int, ...]

    @property
    def cost(self) -> int:
        """Steps of vectors for each word: those that count two vectors take twice as many."""
        return len(self.passes) * (2 if self.count is Count.SIGNS else 1)


def passes_of(x: Coding, w: Coding) -> Passes:
    """Rules L2 and L3."""
    none = (0,) * len(x.planes)
    if x is BIPOLAR and w is BIPOLAR:
        return Passes(Count.DIFFER, (w.planes,), ((0, 0, -2),), none)
    if x is BIPOLAR and w is TERNARY:
        return Passes(Count.DIFFER_IN_W, (w.planes,), ((0, 0, -2),), none)
    if x is TERNARY and w is BIPOLAR:
        return Passes(Count.DIFFER_IN_X, (w.planes,), ((0, 0, -2),), (1, 0))
    if x is TERNARY and w is TERNARY:
        return Passes(Count.SIGNS, (w.planes,), ((0, 0, 1),), none)
    passes = tuple((i, j, f * g) for i, f in enumerate(x.factors) for j, g in enumerate(w.factors))
    ends = tuple(w.constant * factor for factor in x.factors)
    return Passes(Count.BOTH, tuple((plane,) for plane in w.planes), passes, ends)


def constants(x: Coding, w: Coding, weights: Array) -> Array:
    """What every sum holds that depends on the channel alone.

    Parameters
    ----------
    weights : int64 (channels, terms)

    Returns
    -------
    int64 (channels)
    """
    if x is BIPOLAR and w is TERNARY:
        return np.asarray(np.count_nonzero(weights, axis=1))
    if x is BIPOLAR and w is BIPOLAR:
        return np.full(weights.shape[0], weights.shape[1])
    return np.asarray(x.constant * weights.sum(axis=1))
