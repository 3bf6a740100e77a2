"""Two tensors into one, element by element, in floats that are proved to give the steps' codes.

A pair is what hardware does for an addition of two scales: each operand through a requantization of its
own (or none), their sum, difference or product, and a requantization of that.

Rules
-----
L1. The operands' ranges are finite and small: what each operand becomes is looked at for every code.
L2. float32 is used where both operands have at most 256 codes and every pair of codes was evaluated, in
    the form's own arithmetic, to the steps' code: for sums y = a * fa + (b * fb + offset), each product
    and sum fused and rounded once; for products y = ((a + oa) * (b + ob)) * factor + offset, fused.
L3. float64 is used where the nearest integer of y + copysign(na, y), y = a * fa + oa, is the operand after
    its requantization, for every code of a, likewise b; and where the last requantization has a formula
    over the range of their sum, difference or product, which float64 holds exactly (rule F2).
L4. A fused product and sum is evaluated in float64, and refused where that is not exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from intsim.arithmetic import Interval, Requantization
from intsim.formats import IntFormat
from intsim.kernels.formulas import find
from intsim.kernels.staircase import Staircase, codes_of, estimate, falls, staircase
from intsim.record import Array

ADD, SUB, MUL = "add", "sub", "mul"

SUM_SINGLE, PRODUCT_SINGLE, ADD_DOUBLE, SUB_DOUBLE, MUL_DOUBLE = range(5)
"""The forms: rules L2 and L3."""

_DOUBLES = {ADD: ADD_DOUBLE, SUB: SUB_DOUBLE, MUL: MUL_DOUBLE}
_MOST_CODES = 1 << 16
_MOST_SINGLE = 1 << 16  # of a rounded result: its nearest integer is found by a sum of 1.5 * 2**23
_EXACT = 1 << 53
_GRID = 2.0**36  # offsets are multiples of 1 / this, so that sums with them are exact in float64


class Pair(NamedTuple):
    """The parameters of `kernels.pairs`.

    form : one of the forms above
    fa, oa, na, fb, ob, nb : factor, offset and nudge of the operands
    factor, offset, below : of the result, `below` where it is negative
    centre : added to the rounded result
    low, high : limits of the code
    """

    form: int
    fa: float
    oa: float
    na: float
    fb: float
    ob: float
    nb: float
    factor: float
    offset: float
    below: float
    centre: int
    low: int
    high: int


class Operand(NamedTuple):
    """One operand: every code it can be, what its requantization makes of each, and about how."""

    codes: Array
    values: Array
    slope: float
    offset: float


def operand(interval: Interval, rule: Requantization | None) -> Operand | str:
    """An operand of this range, after its requantization; or why it is none (rule L1)."""
    if rule is None:
        codes = np.arange(interval.min, interval.max + 1) if _few(interval) else np.zeros(0, np.int64)
        return Operand(codes, codes, 1.0, 0.0)
    if not _few(interval):
        return f"an operand can be in {interval}, more than {_MOST_CODES} codes"
    reason = falls(rule, interval.hull())
    if reason is not None or rule.channels() > 1:
        return reason or "an operand's requantization is per channel"
    codes = np.arange(interval.min, interval.max + 1)
    slope, offset = estimate(rule, 1)
    return Operand(codes, codes_of(rule, codes), float(slope[0]), float(offset[0]))


def _few(interval: Interval) -> bool:
    return interval.max - interval.min < _MOST_CODES


def pair_of(
    op: str,
    ranges: tuple[Interval, Interval],
    before: tuple[Requantization | None, Requantization | None],
    register: IntFormat,
    rule: Requantization,
) -> tuple[Pair, str] | str:
    """The cheapest form that gives the steps' codes, and the proof; or why there is none.

    Parameters
    ----------
    op : ADD, SUB or MUL
    ranges : of the two inputs
    before : what each goes through first
    register : holds the result of the op; it must not overflow
    rule : what the result goes through
    """
    operands = []
    for interval, own in zip(ranges, before, strict=True):
        made = operand(interval, own)
        if isinstance(made, str):
            return made
        operands.append(made)
    a, b = operands
    met = _met(op, *(_held(o, r) for o, r in zip(operands, ranges, strict=True)))
    if not met.within(register) or max(abs(met.min), abs(met.max)) >= _EXACT:
        return f"results can be in {met}, beyond {register}"
    if rule.channels() > 1:
        return "the requantization is per channel"
    stairs = staircase(rule, met)
    if isinstance(stairs, str):
        return stairs
    single = _single(op, a, b, rule, stairs)
    if single is not None:
        return single, f"float32 equals the steps on all {a.codes.size * b.codes.size} pairs of codes [L2]"
    return _double(op, a, b, stairs)


def _held(operand: Operand, interval: Interval) -> Interval:
    values = operand.values
    return Interval(int(values.min()), int(values.max())) if values.size else interval.hull()


def _met(op: str, a: Interval, b: Interval) -> Interval:
    if op == ADD:
        return Interval(a.min + b.min, a.max + b.max)
    if op == SUB:
        return Interval(a.min - b.max, a.max - b.min)
    ends = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
    return Interval(min(ends), max(ends))


def _single(op: str, a: Operand, b: Operand, rule: Requantization, stairs: Staircase) -> Pair | None:
    """Rule L2."""
    low, high = int(stairs.first[0]), int(stairs.last[0])
    zeros = [
        zero
        for zero in (int(np.rint(stairs.offset[0])), 0)
        if max(abs(low - zero), abs(high - zero)) <= _MOST_SINGLE
    ]
    if not zeros or not (0 < a.codes.size <= 256 and 0 < b.codes.size <= 256):
        return None
    made = _single_product(a, b, stairs) if op == MUL else _single_sum(op, a, b, stairs)
    if made is None:
        return None
    x, y = a.codes[:, None], b.codes[None]
    exact = {ADD: np.add, SUB: np.subtract, MUL: np.multiply}[op](a.values[:, None], b.values[None])
    wanted = codes_of(rule, exact)
    real = exact * made.factor if op == MUL else x * made.fa + y * made.fb
    at_least = np.where(wanted > low, wanted - 0.5 - real, -np.inf).max()
    at_most = np.where(wanted < high, wanted + 0.5 - real, np.inf).min()
    ends = [end for end in (at_least, at_most) if np.isfinite(end)]
    if at_least > at_most:
        return None
    # where float32's own roundings decide a pair, they do so by how large the numbers on the way are
    for total in (sum(ends) / max(1, len(ends)), float(stairs.offset[0])):
        for zero in zeros:
            offset = float(np.float32(np.rint((total - zero) * _GRID) / _GRID))
            tried = made._replace(offset=offset, below=offset, centre=zero, low=low, high=high)
            got = single_codes(tried, x, y)
            if got is not None and (got == wanted).all():
                return tried
    return None


def _single_sum(op: str, a: Operand, b: Operand, stairs: Staircase) -> Pair:
    scale = float(stairs.slope[0])
    sign = -1.0 if op == SUB else 1.0
    fa, fb = (float(np.float32(slope * scale)) for slope in (a.slope, sign * b.slope))
    return Pair(SUM_SINGLE, fa, 0.0, 0.0, fb, 0.0, 0.0, 1.0, 0.0, 0.0, 0, 0, 0)


def _single_product(a: Operand, b: Operand, stairs: Staircase) -> Pair | None:
    """The operands must be codes less a zero point."""
    for part in (a, b):
        if part.slope != 1 or (part.values - part.codes != part.offset).any():
            return None
    factor = float(np.float32(stairs.slope[0]))
    return Pair(PRODUCT_SINGLE, 1.0, a.offset, 0.0, 1.0, b.offset, 0.0, factor, 0.0, 0.0, 0, 0, 0)


def single_codes(pair: Pair, a: Array, b: Array) -> Array | None:
    """What the float32 forms give for codes that broadcast; None where float64 cannot tell (rule L4)."""
    if pair.form == SUM_SINGLE:
        inner = _fused(b.astype(np.float64) * pair.fb, np.float64(pair.offset))
        y = None if inner is None else _fused(a.astype(np.float64) * pair.fa, inner)
    else:
        product = (a.astype(np.float32) + np.float32(pair.oa)) * (b.astype(np.float32) + np.float32(pair.ob))
        y = _fused(product.astype(np.float64) * pair.factor, np.float64(pair.offset))
    if y is None:
        return None
    y = np.minimum(np.maximum(y, pair.low - pair.centre), pair.high - pair.centre)
    return np.asarray(np.rint(y).astype(np.int64) + pair.centre)


def _fused(product: Array, added: Any) -> Array | None:
    """product + added, rounded once to float32; the product is exact."""
    total = product + added
    part = total - product
    if ((product - (total - part)) + (added - part)).any():
        return None
    return np.asarray(total.astype(np.float32).astype(np.float64))


def _double(op: str, a: Operand, b: Operand, stairs: Staircase) -> tuple[Pair, str] | str:
    """Rule L3."""
    lines = [line for line in map(_line, (a, b)) if line is not None]
    if len(lines) < 2:
        return "an operand's requantization is no line in float64"
    formula, found = find(stairs, np.float64, signed=True)
    if not found.all():
        return "no formula equals the last requantization"
    factor, offset, below = (float(row[0]) for row in formula.parameters)
    limits = formula.centre, formula.low, formula.high
    made = Pair(_DOUBLES[op], *lines[0], *lines[1], factor, offset, below, *limits)
    words = f"float64 equals the steps on every code of the operands and all {stairs.values} results [L3]"
    return made, words


def _line(part: Operand) -> tuple[float, float, float] | None:
    """Factor, offset and nudge whose nearest integers are the operand's values, for every code.

    Ties up move the offset; a nudge is what double rounding comes to, whose first rounding brings every
    value nearer to the next one away from zero.
    """
    if not part.codes.size:
        return 1.0, 0.0, 0.0
    real = part.codes * part.slope + part.offset
    low, high = (part.values + half - real for half in (-0.5, 0.5))
    sides = [side for side in (real >= 0, real < 0) if side.any()]
    room = [(low[side].max(), high[side].min()) for side in sides]
    above, below = (sum(room[place]) / 2 for place in (0, -1))
    common = (max(ends[0] for ends in room) + min(ends[1] for ends in room)) / 2
    for offset, nudge in ((0.0, 0.0), (common, 0.0), ((above + below) / 2, (above - below) / 2)):
        y = part.codes * part.slope + (part.offset + offset)
        if nudge >= 0 and (np.rint(y + np.copysign(nudge, y)) == part.values).all():
            return part.slope, float(part.offset + offset), float(nudge)
    return None
