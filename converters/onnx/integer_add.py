"""ONNX Runtime's sum of two scaled codes in integers, as hardware makes it: two multipliers, an addition, one
shift.

Rules (H), cited by the lowerings
---------------------------------
H1. The code is (a * fa + b * fb + c) / 2**shift, half to even, saturated, with integers fa, fb and c.
H2. They are ra, rb and fixed of rule F1 in fixed point. Where float32's own roundings (F2) decide a pair of
    codes, they are moved by so little that this pair has its code too.
H3. Every pair of codes is looked at: all have the codes of F2, or there is no such sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from intsim_converters.onnx.fused_add import parameters, scaled_sum
from intsim_converters.onnx.model import Array
from intsim_converters.onnx.values import Meaning

from intsim.arithmetic import Add, Clamp, Multiply, Requantization, Rounding, ShiftRight
from intsim.formats import IntFormat

WIDE = IntFormat(64)
_BITS = 51  # of the largest sum: float64 holds it, which the engine's proofs want
_FINEST = 40
_TURNS = 400
_MORE = 1.2  # of what a correction must be; it meets all sooner


@dataclass(frozen=True)
class IntegerSum:
    """The numbers of rule H1."""

    fa: int
    fb: int
    c: int
    shift: int

    def sums(self, a: Array, b: Array) -> Array:
        """What is shifted."""
        return np.asarray(a * self.fa + b * self.fb + self.c)

    def operand(self, factor: int) -> Requantization:
        """What an operand goes through before the addition."""
        return Requantization((Multiply(multipliers=factor),), WIDE)

    def result(self, y: Meaning) -> Requantization:
        """What the sum goes through."""
        steps = (Add(values=self.c), ShiftRight(bits=self.shift, rounding=Rounding.HALF_EVEN))
        return Requantization((*steps, Clamp(lo=y.lowest, hi=y.highest)), y.format)


def integer_sum(meanings: tuple[Meaning, Meaning, Meaning], swapped: bool) -> IntegerSum | None:
    """The sum in integers, by rules H1 to H3; None where there is none."""
    first, second, y = meanings
    a, b = (np.arange(entry.format.min, entry.format.max + 1) for entry in (first, second))
    a, b = a[:, None], b[None]
    wanted = scaled_sum(a, b, meanings, swapped)
    made = _fixed_point(meanings, swapped)
    if made is None:
        return None
    for candidate in (made, _moved(made, a, b, wanted, y)):
        held = candidate.result(y).apply(candidate.sums(a, b) - candidate.c)
        if (held == wanted).all():
            return candidate
    return None


def _fixed_point(meanings: tuple[Meaning, Meaning, Meaning], swapped: bool) -> IntegerSum | None:
    """Rule H2 without the moves."""
    ra, rb, fixed = (float(value) for value in parameters(meanings, swapped))
    largest = max(abs(entry.format.min) + abs(entry.format.max) for entry in meanings[:2])
    most = largest * (ra + rb) + abs(fixed)
    if not np.isfinite(most):
        return None
    shift = min(_FINEST, _BITS - int(most).bit_length())
    if shift < 1:
        return None
    fa, fb, c = (round(Fraction(value) * 2**shift) for value in (ra, rb, fixed))
    return IntegerSum(fa, fb, c, shift)


def _moved(made: IntegerSum, a: Array, b: Array, wanted: Array, y: Meaning) -> IntegerSum:
    """Rule H2's moves: the pair that is furthest from its code corrects all three numbers, turn by turn."""
    one = float(1 << made.shift)
    sums = made.sums(a, b)
    low = np.where(wanted > y.lowest, (wanted - 0.5) * one - sums + 1, -np.inf)
    high = np.where(wanted < y.highest, (wanted + 0.5) * one - sums - 1, np.inf)
    middles = [(float(codes.min()) + float(codes.max())) / 2 for codes in (a, b)]
    half = a.size / 2
    x = np.stack(
        np.broadcast_arrays((a - middles[0]) / half, (b - middles[1]) / half, np.ones(wanted.shape)), axis=-1
    )
    move = np.zeros(3)
    for _ in range(_TURNS):
        moved = x @ move
        under, over = low - moved, moved - high
        place = np.unravel_index(np.argmax(np.maximum(under, over)), wanted.shape)
        worst = max(under[place], over[place])
        if worst <= 0:
            break
        step = _MORE * (worst + 1) * x[place] / (x[place] @ x[place])
        move += step if under[place] > over[place] else -step
    da, db = (round(part / half) for part in move[:2])
    dc = round(move[2] - (move[0] * middles[0] + move[1] * middles[1]) / half)
    return IntegerSum(made.fa + da, made.fb + db, made.c + dc, made.shift)
