"""`SoftFloat`: floating-point arithmetic by integers, with its rounding and its ends stated.

Rules
-----
D1. An operation is exact on sign, significand and exponent, and its result is rounded once, as
    `intsim.arithmetic.encode` rounds (rules E1, E2, E5). There is no float in the path.
D2. NaN has no sign and no payload. Zero times infinity, and infinity minus infinity, are NaN.
D3. A sum that is exactly zero is -0 where both operands are, or where FLOOR rounds it and the operands
    were not both plus zero, as in IEEE 754 section 6.3; else +0.
D4. `tiny` says what becomes of results below the smallest normal value. KEEP: they are subnormal, as the
    format has them. BEFORE: zero, if the exact result is below it (Arm, FPCR.FZ). AFTER: zero, if the result
    is below it once it is rounded as though the exponent had no lower limit (x86, MXCSR.FTZ). A flushed
    result keeps its sign.
D5. `flush_inputs`: subnormal operands count as zeros of their sign (x86, MXCSR.DAZ; Arm, FPCR.FZ).
D6. `overflow` says what becomes of results beyond the largest finite value. IEEE: infinity, unless the
    rounding points inward. INFINITY: infinity, whatever the rounding (MMA-Sim's truncating tensor cores).
    LARGEST: the largest finite value (PTX cvt, .satfinite). TRAP: an error, for the runs that look for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from intsim.arithmetic.blocks.exact_sum import sum_to_round
from intsim.arithmetic.encode import round_to
from intsim.arithmetic.rounding import Rounding
from intsim.arithmetic.units import Beyond, scaled_round
from intsim.errors import OverflowTrap
from intsim.formats.dyadic import Dyadic, Kind, bit_length
from intsim.formats.exact import assemble, multiply
from intsim.formats.minifloat import BFLOAT16, BINARY16, BINARY32, Minifloat, NanCodes, ieee
from intsim.record import Array, Record, field

BINARY24 = ieee(8, 15)
"""Binary32 without its last 8 bits: the 24-bit float of Achronix's MLP and of Intel's AI tensor blocks."""


class Tiny(Enum):
    """What becomes of results below the smallest normal value (rule D4)."""

    KEEP = "subnormal values"
    BEFORE = "zero, where the exact result is below"
    AFTER = "zero, where the result rounded without a lower limit is below"

    def __repr__(self) -> str:
        return f"Tiny.{self.name}"


class FloatOverflow(Enum):
    """What becomes of results beyond the largest finite value (rule D6)."""

    IEEE = "infinity, unless the rounding points inward"
    INFINITY = "infinity, whatever the rounding"
    LARGEST = "the largest finite value"
    TRAP = "an error"

    def __repr__(self) -> str:
        return f"FloatOverflow.{self.name}"


@dataclass(frozen=True, eq=False, repr=False)
class SoftFloat(Record):
    """Arithmetic in a floating-point format (rules D1 to D6).

    Values are `Dyadic`; every method takes arrays of shapes that broadcast, and gives values of the format.

    Examples
    --------
    >>> third = Dyadic.of_integers(11184811, exponent=-25)  # the binary32 nearest to 1/3
    >>> FP32.add(third, third).fractions() == [2 * third.fractions()[0]]
    True
    """

    kind: ClassVar[str] = "soft_float"

    format: Minifloat = field("of operands and results", default=BINARY32)
    rounding: Rounding = field("of every result", default=Rounding.HALF_EVEN)
    tiny: Tiny = field("results below the smallest normal value: keep, before or after", default=Tiny.KEEP)
    flush_inputs: bool = field("whether subnormal operands count as zero", default=False)
    overflow: FloatOverflow = field("results beyond the largest finite value", default=FloatOverflow.IEEE)

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.format.signed or not self.format.exponent_bits or self.format.nan is NanCodes.NONE:
            yield "format", "must have a sign, an exponent and a NaN. [D2]"
        if self.rounding is Rounding.STOCHASTIC:
            yield "rounding", "must not be STOCHASTIC. [D1]"

    def round(self, value: Dyadic) -> Dyadic:
        """Exact values, each rounded to a value of the format (rules D1, D4, D6)."""
        beyond = Beyond.SATURATE if self.overflow is FloatOverflow.LARGEST else Beyond.SPECIAL
        rounded = round_to(self.format, value, self.rounding, beyond)
        if self.overflow is FloatOverflow.LARGEST:  # infinities are no overflow
            rounded = _where(value.finite, rounded, value)
        if self.overflow in (FloatOverflow.INFINITY, FloatOverflow.TRAP):
            over = self._overflows(value)
            if over.any() and self.overflow is FloatOverflow.TRAP:
                raise OverflowTrap(f"float must hold its results, not {value.shown(over)}")
            rounded = _infinite_where(over, rounded)
        if self.tiny is not Tiny.KEEP:
            rounded = _where(~self._is_tiny(value), rounded, _zero_like(rounded))
        return rounded

    def add(self, a: Dyadic, b: Dyadic) -> Dyadic:
        """a + b, rounded once."""
        x, y = self._operand(a), self._operand(b)
        return self.round(self._signed_zero(x, y, sum_to_round(x, y)))

    def multiply(self, a: Dyadic, b: Dyadic) -> Dyadic:
        """a * b, rounded once."""
        return self.round(multiply(self._operand(a), self._operand(b)))

    def add_exact(self, register: Dyadic, value: Dyadic) -> Dyadic:
        """register + value, rounded once, where the value is exact and of no format: a fused addition."""
        x = self._operand(register)
        return self.round(self._signed_zero(x, value, sum_to_round(x, value)))

    def _operand(self, value: Dyadic) -> Dyadic:
        if not self.flush_inputs:
            return value
        small = value.finite & (value.exponent + bit_length(value.significand) - 1 < self.format.emin)
        return _where(~small, value, _zero_like(value))

    def _signed_zero(self, a: Dyadic, b: Dyadic, found: Dyadic) -> Dyadic:
        """Rule D3, where FLOOR rounds."""
        if self.rounding is not Rounding.FLOOR:
            return found
        minus = found.zero & (a.negative | b.negative)
        return Dyadic(found.negative | minus, found.significand, found.exponent, found.kind)

    def _is_tiny(self, value: Dyadic) -> Array:
        small = value.finite & ~value.zero
        leading = value.exponent + bit_length(value.significand) - 1
        if self.tiny is Tiny.AFTER:
            leading = leading + self._carries(value, leading)
        return np.asarray(small & (leading < self.format.emin))

    def _carries(self, value: Dyadic, leading: Array) -> Array:
        """Whether rounding without limits of the exponent leads to the next power of two."""
        units = np.abs(scaled_round(value, leading - self.format.mantissa_bits, self.rounding))
        return np.asarray(units >> (self.format.mantissa_bits + 1) > 0, dtype=bool) & value.finite

    def _overflows(self, value: Dyadic) -> Array:
        largest = self.format.decode(self.format.max_code)
        leading = value.exponent + bit_length(value.significand) - 1
        units = np.abs(scaled_round(value, leading - self.format.mantissa_bits, self.rounding))
        over = (leading > self.format.emax) | (
            (leading == self.format.emax) & np.asarray(units > int(largest.significand), dtype=bool)
        )
        return np.asarray(value.finite & ~value.zero & over)


def _where(condition: Array, a: Dyadic, b: Dyadic) -> Dyadic:
    return Dyadic(
        *(
            np.where(condition, getattr(a, name), getattr(b, name))
            for name in ("negative", "significand", "exponent", "kind")
        )
    )


def _zero_like(value: Dyadic) -> Dyadic:
    none = np.zeros(value.shape, np.int64)
    return Dyadic(value.negative, none, value.exponent, none.astype(np.uint8))


def _infinite_where(condition: Array, value: Dyadic) -> Dyadic:
    infinite = condition | (value.kind == Kind.INFINITE)
    return assemble(value.negative, value.significand, value.exponent, infinite, value.kind == Kind.NAN)


FP32 = SoftFloat(BINARY32)
FP24 = SoftFloat(BINARY24)
FP16 = SoftFloat(BINARY16)
BF16 = SoftFloat(BFLOAT16)
