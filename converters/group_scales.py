"""Scales of groups as integers over a common unit, and how far sums over groups reach.

Rules (G)
---------
G1. Scales are floats, hence integers times powers of two, and all are whole multiples m[g] of a common unit,
    the largest that there is. The real product of a row is the unit, times the input's scale, times the sum
    over g of m[g] * D[g], D[g] the sum over a group of (w - z[g]) * (x - zx): a `group_dense` in whole
    numbers, of which nothing is rounded.
G2. The unit is one for all outputs where their sums then fit 64 bits, else one per output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_MOST = (1 << 63) - 1
_MANTISSA = 53


@dataclass(frozen=True, eq=False)
class Groups:
    """A matrix with a scale and a zero point for every `length` elements of a row.

    codes : (N, K)
    scale, zero : (N, G), positive floats and integers
    """

    codes: Array
    scale: Array
    zero: Array
    length: int

    @cached_property
    def magnitudes(self) -> Array:
        """The sum of |w - z| over every group, 1 in place of 0: (N, G)."""
        depth = self.codes.shape[1]
        zeros = np.repeat(self.zero.astype(np.int64), self.length, axis=1)[:, :depth]
        found = np.add.reduceat(np.abs(self.codes - zeros), np.arange(0, depth, self.length), axis=1)
        return np.asarray(np.maximum(found, 1))


@dataclass(frozen=True, eq=False)
class WholeScales:
    """Scales as whole multiples of units (rule G1).

    integers : (N, G), Python ints
    units : one per output
    reach : per output, what no sum exceeds in magnitude
    """

    integers: Array
    units: list[Fraction]
    reach: list[int]

    @property
    def fits(self) -> bool:
        """Whether 64 bits surely hold every sum."""
        return max(self.reach) < _MOST

    def misfit(self) -> str:
        """What is wrong where it does not fit: the output that needs most bits, how many, and why."""
        worst = max(range(len(self.reach)), key=lambda output: self.reach[output])
        bits = self.reach[worst].bit_length() + 1
        ends = [int(entry).bit_length() for entry in (min(self.integers[worst]), max(self.integers[worst]))]
        return (
            f"sums must fit 64 bits, but those of output {worst} may need {bits}: over a common unit its"
            f" scales are integers of {ends[0]} to {ends[1]} bits"
        )


def whole_scales(groups: Groups, largest: int) -> WholeScales:
    """Rules G1 and G2; the caller looks whether they fit.

    largest : the magnitude that no x - zx exceeds
    """
    significand, exponent = np.frexp(groups.scale.astype(np.float64))
    whole = np.ldexp(significand, _MANTISSA).astype(np.int64)
    exponent = exponent.astype(np.int64) - _MANTISSA
    integers, unit = _over_unit(whole, exponent)
    found = _reaching(groups, integers, [unit] * len(whole), largest)
    if found.fits:
        return found
    rows = [_over_unit(*row) for row in zip(whole, exponent, strict=True)]
    return _reaching(groups, np.stack([row for row, _ in rows]), [unit for _, unit in rows], largest)


def _over_unit(whole: Array, exponent: Array) -> tuple[Array, Fraction]:
    """Positive numbers whole * 2**exponent as Python ints, and their unit."""
    least = int(exponent.min())
    integers = whole.astype(object) << (exponent - least).astype(object)
    divisor = math.gcd(*integers.ravel().tolist())
    return integers // divisor, divisor * Fraction(2) ** least


def _reaching(groups: Groups, integers: Array, units: list[Fraction], largest: int) -> WholeScales:
    reach = (integers * groups.magnitudes).sum(axis=1) * largest
    return WholeScales(integers, units, [int(entry) for entry in reach])
