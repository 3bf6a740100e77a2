"""`Alignment`: terms brought to the largest exponent among them, cut, and added as integers.

Rules
-----
G1. Every `group` consecutive terms are aligned together, the last group with what there is; 0 stands for all
    terms of a block. Groups end with their block where the scales come after the sum (rule K3), and run on
    over blocks where they come before.
G2. A term's exponent is, with OPERANDS, the sum of its factors' exponents as their formats have them: the
    exponent field less the bias, that of the subnormals for field 0, and 0 for integers. Scales are factors
    where they come before the sum. Several products that were added exactly count as a significand without
    an exponent of their own. With LEADING, the exponent is the place of the term's leading bit.
G3. Terms that are zero have no exponent. (MMA-Sim gives them -126, which differs where all terms are less.)
G4. Every term is cut to a multiple of 2**(largest exponent - fraction_bits) by `rounding`; with `sticky`,
    a term that loses something has its last place set instead: it goes to the odd neighbour. Then the
    integers are added, exactly.

Sources: OPERANDS and TOWARD_ZERO are what MMA-Sim (microsoft/MMA-Sim, arXiv 2511.10909) found in tensor
cores; FLOOR, an arithmetic shift to the right, is in KU Leuven's hybrid MAC (Precision-Scalable_MX,
L2_hybrid.sv); LEADING, with HALF_EVEN or sticky, is a normalising adder's guard, round and sticky, as in
Imperial's MX-for-FPGA (ebby-s/MX-for-FPGA).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from intsim.arithmetic.blocks.exact_sum import add_integers, of_sums
from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import scaled_round
from intsim.formats.dyadic import Dyadic, bit_length
from intsim.record import Array, Record, field

_LOWEST = -(2**40)  # below every exponent: the exponent of zeros (rule G3)


class Anchor(Enum):
    """Where a term's exponent is taken from (rule G2)."""

    OPERANDS = "the exponents of its factors"
    LEADING = "its leading bit"

    def __repr__(self) -> str:
        return f"Anchor.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class Alignment(Record):
    """How the terms of a group are aligned and cut (rules G1 to G4)."""

    kind: ClassVar[str] = "alignment"

    fraction_bits: int = field("bits kept below the largest exponent")
    rounding: Rounding = field("of what is cut off", default=Rounding.TOWARD_ZERO)
    sticky: bool = field("whether what is cut off sets the last place", default=False)
    group: int = field("terms aligned together; 0: those of a block", default=0)
    anchor: Anchor = field("operands or leading", default=Anchor.OPERANDS)

    def check(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.fraction_bits <= 1024:
            yield "fraction_bits", f"must be 0 to 1024, not {self.fraction_bits}. [G4]"
        if self.group < 0:
            yield "group", f"must be 0 or more, not {self.group}. [G1]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [G4]"
        if self.sticky and self.rounding is not Rounding.TOWARD_ZERO:
            yield "rounding", "must be TOWARD_ZERO, the default, where sticky is true. [G4]"

    def exponents(self, terms: Dyadic, factors: Array) -> Array:
        """The exponents of terms (rules G2, G3), given the sums of their factors' exponents."""
        own = factors if self.anchor is Anchor.OPERANDS else leading(terms)
        return np.where(terms.zero | ~terms.finite, _LOWEST, own)

    def sum(self, terms: Dyadic, exponents: Array) -> tuple[Dyadic, Array]:
        """The sums along the last axis, exact after the cut, and the largest exponent of each."""
        largest = exponents.max(axis=-1)
        known = largest > _LOWEST
        unit = np.where(known, largest - self.fraction_bits, 0)
        integers = cut(terms, unit[..., None], self.rounding, self.sticky)
        return of_sums(add_integers(integers), unit, terms), largest


@dataclass(frozen=True, eq=False, repr=False)
class Join(Record):
    """How a group's sum and a register are aligned with each other.

    Rules
    -----
    J1. The exponent of the sum is the largest of its group, that of the register its format's; a register of
        zero, and a group of zeros, have none. The larger of both is the exponent of the join.
    J2. A side whose exponent is below that of the join by its limit or more (`drop_sum`, `drop_register`) is
        left out.
    J3. The sum is cut to a multiple of 2**(exponent - sum_bits), the register to one of
        2**(exponent - register_bits), both by `rounding`; where the bits are absent, nothing is cut off. The
        register's float rounds what both add up to.

    Sources: KU Leuven's hybrid MAC (Precision-Scalable_MX, L2_hybrid.sv, accum_add); AMD CDNA3's matrix
    cores, as MMA-Sim has them (31 and 24 bits, toward minus infinity; drop_register 26 for FP8).
    """

    kind: ClassVar[str] = "join"

    sum_bits: int | None = field("bits of the sum kept below the exponent; absent: all", default=None)
    register_bits: int | None = field("bits of the register kept below it; absent: all", default=None)
    rounding: Rounding = field("of what is cut off", default=Rounding.FLOOR)
    drop_sum: int | None = field("exponents by which a smaller sum is left out", default=None)
    drop_register: int | None = field("exponents by which a smaller register is left out", default=None)

    def check(self) -> Iterator[tuple[str, str]]:
        for name in ("sum_bits", "register_bits", "drop_sum", "drop_register"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1024:
                yield name, f"must be 0 to 1024, not {value}. [J3]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [J3]"

    def sides(
        self, value: Dyadic, largest: Array, register: Dyadic, exponent: Array
    ) -> tuple[Dyadic, Dyadic]:
        """The sum and the register as they are added (rules J1 to J3).

        Parameters
        ----------
        value, largest : the sum, and the largest exponent of its group
        register, exponent : the register, and its format's exponent
        """
        own = np.where(register.zero | ~register.finite, _LOWEST, exponent)
        top = np.maximum(largest, own)
        return (
            self._side(value, largest, top, self.sum_bits, self.drop_sum),
            self._side(register, own, top, self.register_bits, self.drop_register),
        )

    def _side(self, value: Dyadic, exponent: Array, top: Array, bits: int | None, drop: int | None) -> Dyadic:
        if drop is not None:
            keep = ~value.finite | (top - exponent < drop)
            value = Dyadic(
                value.negative & keep, np.where(keep, value.significand, 0), value.exponent, value.kind
            )
        if bits is None:
            return value
        unit = np.where(top > _LOWEST, top - bits, 0)
        integers = cut(value, unit, self.rounding)
        changed = integers != 0
        return Dyadic(
            np.where(value.finite & changed, integers < 0, value.negative),
            np.abs(integers),
            np.where(changed, unit, value.exponent),
            value.kind,
        )


def leading(values: Dyadic) -> Array:
    """The place of the leading bit."""
    return np.asarray(values.exponent + bit_length(values.significand) - 1)


def cut(values: Dyadic, unit: Array, rounding: Rounding, sticky: bool = False) -> Array:
    """Values in units of ``2**unit`` (rule G4); what is not finite counts as 0."""
    if not sticky:
        return scaled_round(values, unit, rounding)
    below, above = (scaled_round(values, unit, way) for way in (Rounding.FLOOR, Rounding.CEIL))
    return np.where(below == above, below, below | 1)
