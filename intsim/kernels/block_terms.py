"""Terms of a dot product of blocks, their scales and their alignment: rules K1 to K4, G1 to G4, J1 to J3.

A term is a column of `terms`, int64 (5, places): the integer with its sign, its exponent, the exponent that
it is aligned by, its kind, and its sign where it is not finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.kernels import block_wide as wide
from intsim.kernels.block_float import add_exact, multiply, signed
from intsim.kernels.block_register import put
from intsim.kernels.block_round import (
    AGAIN,
    EMIN,
    FINITE,
    INFINITE,
    NAN,
    NOUGHT,
    ONE,
    cut,
    cut_wide,
    round_wide,
)
from intsim.kernels.block_rule import (
    AFTER,
    ALIGNING,
    DROP_HELD,
    DROP_SUM,
    FACTORS,
    FRACTION,
    HELD_BITS,
    HELD_FLOAT,
    JOINED,
    JOINING,
    LEADING,
    LONGEST,
    NONE,
    SCALE_FLOAT,
    SCALING,
    SINGLE,
    SIZE,
    STEP,
    SUM_BITS,
)
from intsim.kernels.block_wide import at, length, stays_apart
from intsim.kernels.jit import compiled

NOTHING = (NOUGHT,) * 4
"""No register."""

VALUE, EXPONENT, OWN, KIND, SIGN = range(5)
"""Rows of `terms`."""

LOWEST: Any = np.int64(-(1 << 40))
"""The exponent of what has none (rule G3)."""

_NARROW, _WIDEST = 61, 122
"""Bits that sums may have: in int64, and on 128 bits."""


@compiled
def scaled(value: Any, first: Any, second: Any, rule: int) -> Any:
    """Rule K4: a wide value times two finite scales, int64 (3): sign, size and exponent."""
    stays_apart()
    negative, high, low, exponent, kind = value
    if at(rule, SCALING) == 0:
        if first[1] != 1:
            high, low = wide.times(high, low, first[1])
        if second[1] != 1:
            high, low = wide.times(high, low, second[1])
        return negative ^ first[0] ^ second[0], high, low, exponent + first[2] + second[2], kind
    soft = rule + SCALE_FLOAT
    size, exponent, kind = round_wide(negative, high, low, exponent, kind, soft)
    held = (negative, size, exponent, kind)
    p = (first[0], first[1], first[2], FINITE)
    q = (second[0], second[1], second[2], FINITE)
    if at(rule, SCALING) == 1:
        held = multiply(multiply(held, p, soft), q, soft)
    else:
        held = multiply(held, multiply(p, q, soft), soft)
    return held[0], NOUGHT, held[1], held[2], held[3]


@compiled
def sum_of(a: Any, b: Any, first: int, last: int) -> Any:
    """The sum of products of integers from `first` to `last`, where it fits int64."""
    found = np.int64(0)
    for k in range(first, last):
        found += np.int64(a[k]) * np.int64(b[k])
    return found


@compiled
def wide_sum_of(a: Any, b: Any, first: int, last: int) -> Any:
    """As `sum_of`, on 128 bits."""
    high, low = NOUGHT, NOUGHT
    for k in range(first, last):
        high, low = wide.multiply_add(high, low, np.int64(a[k]), np.int64(b[k]))
    return high, low


@compiled
def align(terms: Any, first: int, last: int, held: Any, own: int, rule: int) -> Any:
    """Rule G4 for terms from `first` to `last`, and what a register holds.

    Parameters
    ----------
    held, own : sign, size, exponent and kind, and the exponent that it is aligned by

    Returns
    -------
    sign, high, low, exponent, kind, and the largest exponent
    """
    stays_apart()
    largest, reach, rounding = own, LOWEST, rule + ALIGNING
    for k in range(first, last):
        largest = max(largest, terms[OWN, k])
        reach = max(reach, terms[EXPONENT, k] if terms[OWN, k] > LOWEST else LOWEST)
    kind, infinite = held[3], held[0] if held[3] == INFINITE else -1
    if at(rule, SCALING) and not at(rule, AFTER):
        for k in range(first, last):
            if terms[KIND, k] == INFINITE:
                if infinite >= 0 and infinite != terms[SIGN, k]:
                    kind = max(kind, NAN)
                infinite = terms[SIGN, k]
            kind = max(kind, terms[KIND, k])
    if kind != FINITE:
        return max(infinite, NOUGHT), NOUGHT, NOUGHT, NOUGHT, kind, largest
    if largest == LOWEST:
        return NOUGHT, NOUGHT, NOUGHT, NOUGHT, FINITE, largest
    unit = largest - at(rule, FRACTION)
    reach = max(reach + at(rule, LONGEST), held[2] + length(held[1]) if own > LOWEST else LOWEST) - unit
    reach = max(reach, 1) + length(last - first + 1)
    if reach > _WIDEST:
        return NOUGHT, NOUGHT, NOUGHT, NOUGHT, AGAIN, largest
    if reach <= _NARROW:
        total = _sum_narrow(terms, first, last, unit, rounding)
        if own > LOWEST:
            shift = unit - held[2]
            size = cut(held[0], held[1], max(shift, 0), rounding) << min(max(-shift, 0), 63)
            total += -size if held[0] else size
        sign = ONE if total < 0 else NOUGHT
        return sign, NOUGHT, -total if sign else total, unit, FINITE, largest
    high, low = NOUGHT, NOUGHT
    for k in range(first, last):
        value = terms[VALUE, k]
        if value:
            sign = ONE if value < 0 else NOUGHT
            add_high, add_low = _to_unit(sign, NOUGHT, abs(value), terms[EXPONENT, k] - unit, rounding)
            high, low = wide.add(high, low, add_high, add_low)
    if own > LOWEST:
        add_high, add_low = _to_unit(held[0], NOUGHT, held[1], held[2] - unit, rounding)
        high, low = wide.add(high, low, add_high, add_low)
    sign = 1 if high < 0 else 0
    high, low = signed(high, low, sign)
    return sign, high, low, unit, FINITE, largest


@compiled
def _sum_narrow(terms: Any, first: int, last: int, unit: int, rounding: int) -> Any:
    """The sum of terms in units of 2**unit, each cut by itself."""
    stays_apart()
    total = np.int64(0)
    for k in range(first, last):
        value, shift = terms[VALUE, k], unit - terms[EXPONENT, k]
        sign = 1 if value < 0 else 0
        size = cut(sign, abs(value), max(shift, 0), rounding) << min(max(-shift, 0), 63)
        total += -size if sign else size
    return total


@compiled
def _to_unit(negative: int, high: int, low: int, up: int, rounding: int) -> Any:
    """A size times 2**up, cut, with its sign."""
    if up >= 0:
        high, low = wide.shift_left(high, low, up)
    else:
        high, low = cut_wide(negative, high, low, -up, rounding)
    return signed(high, low, negative)


@compiled
def own_exponent(held: Any, leading: int, soft: int) -> Any:
    """The exponent that a float is aligned by: of its leading bit, or as its format has it (rule G2)."""
    if held[1] == 0 or held[3] != FINITE:
        return LOWEST
    top = held[2] + length(held[1]) - 1
    return top if leading else max(top, at(soft, EMIN))


@compiled
def join(value: Any, largest: int, held: Any, rule: int) -> Any:
    """Rules J1 to J3: what a register holds after the sum of a group, `value`, entered it."""
    stays_apart()
    rounding, soft = rule + JOINING, rule + HELD_FLOAT
    negative, high, low, exponent, kind = value
    own = own_exponent(held, NOUGHT, soft)
    top = max(largest, own)
    sign, size, unit, held_kind = held
    if kind == FINITE and top - largest >= at(rule, DROP_SUM):
        high, low = NOUGHT, NOUGHT
    if held_kind == FINITE and top - own >= at(rule, DROP_HELD):
        size = 0
    if kind == FINITE and at(rule, SUM_BITS) != NONE and exponent < top - at(rule, SUM_BITS):
        high, low = cut_wide(negative, high, low, top - at(rule, SUM_BITS) - exponent, rounding)
        exponent = top - at(rule, SUM_BITS)
    if held_kind == FINITE and at(rule, HELD_BITS) != NONE and unit < top - at(rule, HELD_BITS):
        size = cut(sign, size, top - at(rule, HELD_BITS) - unit, rounding)
        unit = top - at(rule, HELD_BITS)
    return add_exact((sign, size, unit, held_kind), (negative, high, low, exponent, kind), soft, NOUGHT)


@compiled
def fuse(terms: Any, first: int, last: int, place: int, rule: int, state: Any) -> None:
    """A group of terms and the register at `place` of `state` (rule R7)."""
    stays_apart()
    held = (state[0, place], state[1, place], state[2, place], state[3, place])
    soft = rule + HELD_FLOAT
    if at(rule, JOINED):
        sign, high, low, exponent, kind, largest = align(terms, first, last, NOTHING, LOWEST, rule)
        put(state, place, join((sign, high, low, exponent, kind), largest, held, rule))
    else:
        own = own_exponent(held, at(rule, LEADING), soft)
        sign, high, low, exponent, kind, _ = align(terms, first, last, held, own, rule)
        size, exponent, kind = round_wide(sign, high, low, exponent, kind, soft)
        put(state, place, (sign, size, exponent, kind))


@compiled
def fill(
    x: Any, x_exponents: Any, x_scales: Any, y: Any, y_exponents: Any, y_scales: Any, rule: int, terms: Any
) -> None:
    """The terms of a pair, with their scales where these come before the alignment."""
    stays_apart()
    size, index = at(rule, SIZE), NOUGHT
    step = min(at(rule, STEP), size) if at(rule, STEP) else size
    single, above, leading = at(rule, SINGLE), at(rule, FACTORS), at(rule, LEADING)
    before = 1 - at(rule, AFTER)
    exact = before and at(rule, SCALING) == 0
    for block in range(x_scales.shape[0]):
        p, q = x_scales[block], y_scales[block]
        begin, last = block * size, min(block * size + size, x.size)
        factor = p[1] * q[1] * (1 - 2 * (p[0] ^ q[0])) if exact else 1
        more = p[2] + q[2] if before else 0
        raised = more if exact else 0
        first = index
        if single:
            for k in range(begin, last):
                value = np.int64(x[k]) * np.int64(y[k]) * factor
                exponent = np.int64(x_exponents[k]) + y_exponents[k]
                own = exponent + raised + length(abs(value)) - 1 if leading else exponent + more + above
                terms[VALUE, k], terms[EXPONENT, k] = value, exponent + raised
                terms[OWN, k] = own if value != 0 else LOWEST
            index = last
        else:
            exponent = np.int64(x_exponents[0]) + y_exponents[0] + raised
            for k in range(begin, last, step):
                value = sum_of(x, y, k, min(k + step, last)) * factor
                own = exponent + length(abs(value)) - 1 if leading else more + above
                terms[VALUE, index], terms[EXPONENT, index] = value, exponent
                terms[OWN, index] = own if value != 0 else LOWEST
                index += 1
        if before and not exact:
            _scale_terms(terms, first, index, p, q, rule)


@compiled
def _scale_terms(terms: Any, first: int, last: int, p: Any, q: Any, rule: int) -> None:
    """Terms times scales in a float; exponents of operands stay those of the factors."""
    stays_apart()
    for k in range(first, last):
        value, own = terms[VALUE, k], terms[OWN, k]
        sign = ONE if value < 0 else NOUGHT
        sign, _, size, exponent, kind = scaled(
            (sign, NOUGHT, abs(value), terms[EXPONENT, k], FINITE), p, q, rule
        )
        terms[VALUE, k], terms[EXPONENT, k] = -size if sign else size, exponent
        terms[KIND, k], terms[SIGN, k] = kind, sign
        if at(rule, LEADING):
            own = exponent + length(size) - 1
        terms[OWN, k] = own if size != 0 and kind == FINITE else LOWEST
