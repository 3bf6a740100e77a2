"""A `BlockAccumulator` as the kernels take it: integers; or why the reference must be asked.

Rules
-----
A1. Floats of the kernels have a sign, a minus zero, subnormals, a mantissa of 1 to 52 bits; one whose results
    become infinite has an infinity. Words have at most 120 bits.
A2. What an exact register holds is rounded by `output`: without it, it is of no width.
A3. Codes of results have at most 62 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intsim.arithmetic import Overflow, Rounding, Topology
from intsim.arithmetic.blocks import (
    FP32,
    Anchor,
    BlockAccumulator,
    FixedRegister,
    FloatOverflow,
    FloatRegister,
    Kulisch,
    ScaleOrder,
    ScalePlace,
    SoftFloat,
    Tiny,
)
from intsim.formats.minifloat import Minifloat
from intsim.record import Array

Integers = tuple[int, ...]

(
    STEP,
    ALIGNED,
    FRACTION,
    GROUP,
    LEADING,
    AFTER,
    SCALING,
    REGISTER,
    ENTERING,
    TREE,
    PARTS,
    INTERLEAVED,
    AS_TERM,
    JOINED,
    SUM_BITS,
    HELD_BITS,
    DROP_SUM,
    DROP_HELD,
    BITS,
    PLACES,
    OVERFLOW,
    OUTPUT,
    OUTER,
    SIZE,
    SINGLE,
    WIDE,
    LONGEST,
    FACTORS,
    LIMBS_FROM,
    TRAPPING,
    TERMS,
    COUNT,
) = range(32)
"""Places of `Rule.fields`, and before SIZE what an accumulator says: products of a term (0: a block's);
whether there is an alignment, its fraction bits, its group (0: a block's terms), whether its exponents are
those of leading bits; whether scales come after it; 0 for exact scaling, 1 for sum first, 2 for scales
first; EXACT, WORD or FLOAT; whether values are rounded as they enter; whether sums are added in pairs;
registers, and whether they take turns; whether the register is a term of alignments, or joined to their sums;
the bits of both sides (NONE: all), and the exponents by which they are left out (NONE: never); bits of a
word, those below its point, WRAPS, SATURATES or TRAPS; whether the result is rounded, and whether it is
multiplied by scales of the whole.
Then what depends on the rows: elements of a block; whether a term is one product of significands; whether
sums need 128 bits; bits of the longest term; what a term's own exponent is above that of its integer; the
exponent of the last place of an exact register; whether there are traps; how many terms there are, and
how many values enter the register."""

ALIGNING, JOINING, WORD_CUT = (place << 3 for place in (32, 40, 48))
SCALE_FLOAT, ENTER_FLOAT, HELD_FLOAT, OUTPUT_FLOAT, OUTER_FLOAT = (
    (56 + 19 * place) << 3 for place in range(5)
)
CODES = (56 + 19 * 5) << 3
"""Where roundings, floats and codes begin in `Rule.array`, in bytes."""

EXACT, WORD, FLOAT = range(3)
WRAPS, SATURATES, TRAPS = range(3)
NONE = 1 << 20

_MOST_BITS, _MOST_CODE = 120, 62

_ROUNDINGS: dict[Rounding, Integers] = {
    Rounding.FLOOR: (0, 0, 1, 0, 0, 0, 0, 0),
    Rounding.CEIL: (0, 1, 0, 0, 0, 0, 0, 0),
    Rounding.TOWARD_ZERO: (0, 0, 0, 0, 0, 0, 0, 0),
    Rounding.AWAY_FROM_ZERO: (0, 1, 1, 0, 0, 0, 0, 0),
    Rounding.HALF_UP: (1, 0, 0, 1, 0, 0, 0, 0),
    Rounding.HALF_DOWN: (1, 0, 0, 0, 1, 0, 0, 0),
    Rounding.HALF_AWAY: (1, 0, 0, 1, 1, 0, 0, 0),
    Rounding.HALF_TOWARD_ZERO: (1, 0, 0, 0, 0, 0, 0, 0),
    Rounding.HALF_EVEN: (1, 0, 0, 0, 0, 1, 0, 0),
    Rounding.HALF_ODD: (1, 0, 0, 0, 0, 0, 1, 0),
}
_STICKY: Integers = (0, 0, 0, 0, 0, 0, 0, 1)

_FINITE, _INFINITE, _NAN, _AGAIN = range(4)  # of `kernels.block_round`, said again: a plan needs no numba


@dataclass(frozen=True)
class Rule:
    """An accumulator as integers.

    fields : places above
    cuts : roundings of the alignment, of the join and of the word; places of `kernels.block_round`
    floats : of scaling, of what enters, the register, the output, and of outer scales
    result : the format of the results; None for a word
    """

    fields: Integers
    cuts: tuple[Integers, Integers, Integers]
    floats: tuple[Integers, Integers, Integers, Integers, Integers]
    result: Minifloat | None

    def array(self, layout: Integers = (0,) * 9) -> Array:
        """All of it for the kernels, int64.

        layout : the places of `fields` from SIZE on
        """
        codes = codes_of(self.result) if self.result is not None else (0, 0, 0)
        parts = (self.fields[:SIZE], layout, *self.cuts, *self.floats, codes)
        return np.array([value for part in parts for value in part], np.int64)


def rule_of(accumulator: BlockAccumulator, outer: bool) -> Rule | str:
    """The rule of an accumulator; or why there is none.

    outer : whether an operand has scales of the whole
    """
    register, output = accumulator.register, accumulator.output
    scaled = accumulator.outer if outer else None
    arithmetic = accumulator.scale_arithmetic.float if accumulator.scale_arithmetic else None
    is_float = isinstance(register, FloatRegister)
    entering = register.entering if isinstance(register, FloatRegister) else None
    held = register.float if isinstance(register, FloatRegister) else None
    if output is None and isinstance(register, Kulisch):
        return "an exact register without an output has no width [A2]"
    if output is None and scaled is not None and not is_float:
        return "scales of the whole multiply a word [A2]"
    if isinstance(register, FixedRegister) and register.bits > _MOST_BITS:
        return f"words of more than {_MOST_BITS} bits [A1]"
    softs = (arithmetic, entering, held, output, scaled)
    floats = tuple(soft_float(soft or FP32) for soft in softs)
    for soft in floats:
        if isinstance(soft, str):
            return soft
    last = scaled or output or held
    if last is not None and last.format.bits > _MOST_CODE:
        return f"results of more than {_MOST_CODE} bits [A3]"
    alignment = accumulator.alignment
    join = register.join if isinstance(register, FloatRegister) else None
    return Rule(
        _fields(accumulator, scaled is not None),
        (
            cut_of(alignment.rounding, alignment.sticky) if alignment else _STICKY,
            cut_of(join.rounding) if join else _STICKY,
            cut_of(register.rounding) if isinstance(register, FixedRegister) else _STICKY,
        ),
        floats,  # type: ignore[arg-type]
        last.format if last else None,
    )


def cut_of(rounding: Rounding, sticky: bool = False) -> Integers:
    """A rounding by places of `kernels.block_round`."""
    return _STICKY if sticky else _ROUNDINGS[rounding]


def soft_float(soft: SoftFloat) -> Integers | str:
    """A float by places of `kernels.block_round`; or why there is none."""
    format, rounding, overflow = soft.format, soft.rounding, soft.overflow
    if not (format.signed_zero and format.subnormals and 1 <= format.mantissa_bits <= 52):
        return "a float without minus zero, subnormals or mantissa [A1]"
    if overflow is FloatOverflow.INFINITY and not format.infinities:
        return "a float whose results become an infinity that it has not [A1]"
    ieee = overflow is FloatOverflow.IEEE
    special = _INFINITE if format.infinities else _NAN
    largest = format.decode(format.max_code)
    beyond = {
        FloatOverflow.IEEE: special,
        FloatOverflow.INFINITY: _INFINITE,
        FloatOverflow.LARGEST: _FINITE,
        FloatOverflow.TRAP: _AGAIN,
    }[overflow]
    of_infinity = special
    if overflow is FloatOverflow.LARGEST and not format.infinities:
        of_infinity = _AGAIN
    return (
        *_ROUNDINGS[rounding],
        format.mantissa_bits,
        format.emin,
        int(largest.exponent),
        int(largest.significand),
        beyond,
        int(ieee and rounding in (Rounding.TOWARD_ZERO, Rounding.FLOOR)),
        int(ieee and rounding in (Rounding.TOWARD_ZERO, Rounding.CEIL)),
        of_infinity,
        {Tiny.KEEP: 0, Tiny.BEFORE: 1, Tiny.AFTER: 2}[soft.tiny],
        int(soft.flush_inputs),
        int(rounding is Rounding.FLOOR),
    )


def codes_of(format: Minifloat) -> Integers:
    """The codes of infinity and NaN, and the bit of the sign."""
    infinity = format.infinity_code if format.infinity_code is not None else format.nan_code
    return int(infinity or 0), int(format.nan_code or 0), 1 << (format.bits - 1)


def _fields(accumulator: BlockAccumulator, outer: bool) -> Integers:
    alignment, arithmetic, register = (
        accumulator.alignment,
        accumulator.scale_arithmetic,
        accumulator.register,
    )
    scaling = 0
    if arithmetic is not None:
        scaling = 1 if arithmetic.order is ScaleOrder.SUM_FIRST else 2
    fields = [0] * (COUNT + 1)
    fields[STEP], fields[SCALING] = accumulator.exact, scaling
    fields[AFTER] = int(accumulator.scales is ScalePlace.SUM)
    fields[OUTPUT], fields[OUTER] = int(accumulator.output is not None), int(outer)
    if alignment is not None:
        fields[ALIGNED], fields[FRACTION] = 1, alignment.fraction_bits
        fields[GROUP], fields[LEADING] = alignment.group, int(alignment.anchor is Anchor.LEADING)
    if isinstance(register, FixedRegister):
        fields[REGISTER], fields[BITS], fields[PLACES] = WORD, register.bits, register.fraction_bits
        order = (Overflow.WRAP, Overflow.SATURATE, Overflow.TRAP)
        fields[OVERFLOW] = order.index(register.overflow)
    elif isinstance(register, FloatRegister):
        fields[REGISTER], fields[ENTERING] = FLOAT, int(register.entering is not None)
        fields[TREE], fields[PARTS] = int(register.topology is Topology.TREE), register.parts
        fields[INTERLEAVED], fields[AS_TERM] = int(register.interleaved), int(register.aligned)
        join = register.join
        if join is not None:
            fields[JOINED] = 1
            bits = (join.sum_bits, join.register_bits, join.drop_sum, join.drop_register)
            fields[SUM_BITS : DROP_HELD + 1] = [NONE if value is None else value for value in bits]
    return tuple(fields)
