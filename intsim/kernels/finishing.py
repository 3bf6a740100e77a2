"""From a requantization to the cheapest epilogue that is proved to equal it.

Rules
-----
N1. A form is used for a block of 16 channels if it is proved for each of them (rule F2). Forms are tried
    from the cheapest on: float32 with one offset, with another one below zero, float64; the forms of one
    epilogue share the integers that they share in `Epilogue`.
N2. One product and one right shift have a formula in float64 by algebra, however many codes there are:
    see `_by_algebra`.
N3. Where blocks are left, and that is not so, the whole epilogue is the stages of `kernels.fixed`, if the
    requantization has no others and int32 holds what it should.
N4. Values are int32; a register narrower than that wraps before the requantization, and then no pivot
    may stand beside the start value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from intsim.arithmetic import (
    Add,
    AnyStep,
    Clamp,
    Interval,
    Multiply,
    Overflow,
    Requantization,
    Rounding,
    ShiftRight,
)
from intsim.formats import IntFormat
from intsim.kernels.epilogue import (
    DOUBLE,
    FIXED,
    LANES,
    SIGNED,
    SINGLE,
    STORE,
    Epilogue,
    padded,
    plain,
)
from intsim.kernels.formulas import Formula, find, jump, literal
from intsim.kernels.program import program, unfit
from intsim.kernels.stages import fixed
from intsim.kernels.staircase import Staircase, staircase
from intsim.record import Array

_INT32 = IntFormat(32)
_NUDGES = {  # what is added to y: ones, and units of 2**-(bits + 1) from zero up and below zero
    Rounding.FLOOR: (-0.5, 1, 1),
    Rounding.CEIL: (0.5, -1, -1),
    Rounding.HALF_UP: (0.0, 1, 1),
    Rounding.HALF_DOWN: (0.0, -1, -1),
    Rounding.HALF_AWAY: (0.0, 1, -1),
    Rounding.HALF_TOWARD_ZERO: (0.0, -1, 1),
}
_WORDS = {SINGLE: "float32", SIGNED: "float32 by sign", DOUBLE: "float64"}


def epilogue_of(
    requantization: Requantization, interval: Interval, channels: int, register: IntFormat = _INT32
) -> tuple[Epilogue, str] | str:
    """The epilogue that requantizes sums of `interval`, and the proof; or why there is none.

    Parameters
    ----------
    requantization : Requantization
    interval : what the register holds, per tensor or per channel; inside int32
    channels : of the sums
    register : the accumulator's
    """
    interval = interval.by_channel()
    if not interval.within(_INT32):
        return f"sums can be in {interval}, beyond int32"
    if register.bits > 32:
        register = _INT32  # what it holds fits, so nothing wraps
    stairs = staircase(requantization, interval)
    made = _by_formula(stairs, channels, register) if isinstance(stairs, Staircase) else stairs
    if isinstance(made, tuple):
        return made
    for way in (_by_algebra, _by_stages):
        other = way(requantization, interval, channels, register)
        if other is not None:
            return other
    return made


def _by_formula(stairs: Staircase, channels: int, register: IntFormat) -> tuple[Epilogue, str] | str:
    """Rule N1."""
    kinds = np.full(padded(channels) // LANES, STORE)
    epilogue = plain(channels, register)._replace(low=int(stairs.first.min()), high=int(stairs.last.max()))
    single = _singles(stairs, channels, register.bits == 32)
    if single is not None:
        kind, formula, blocks = single
        kinds[blocks] = kind
        pivot = np.where(_lanes(kinds == kind), _spread(formula.pivot, channels), 0)
        parameters = np.stack([_spread(row, channels) for row in formula.parameters])
        epilogue = epilogue._replace(
            singles=parameters, start=(-pivot).astype(np.int32), centre=formula.centre
        )
    if (kinds == STORE).any():
        doubles, blocks, zero = _doubles(stairs, channels, kinds == STORE)
        kinds[blocks] = DOUBLE
        epilogue = epilogue._replace(doubles=doubles, zero=zero)
    if (kinds == STORE).any():
        return f"no formula equals the steps in {(kinds == STORE).sum()} of {kinds.size} blocks of channels"
    counts = {word: int((kinds == kind).sum()) for kind, word in _WORDS.items()}
    forms = " and ".join(
        f"{word} in {count} of {kinds.size}" if count < kinds.size else word
        for word, count in counts.items()
        if count
    )
    proof = f"{forms} equals the steps on all {stairs.values} reachable sums [F2]"
    return epilogue._replace(kinds=kinds.astype(np.int64)), proof


def _singles(stairs: Staircase, channels: int, may_pivot: bool) -> tuple[int, Formula, Array] | None:
    """The float32 form that serves the most blocks: its kind, its parameters and the blocks."""
    best: tuple[int, Formula, Array] | None = None
    for kind, attempt in _attempts(stairs, may_pivot):
        formula, found = attempt
        blocks = _blocks(found, channels)
        if blocks.any() and (best is None or blocks.sum() > best[2].sum()):
            best = kind, formula, blocks
        if best is not None and 2 * best[2].sum() > blocks.size:
            break  # another form would have to serve them all
    return best


def _attempts(stairs: Staircase, may_pivot: bool) -> Any:
    if (stairs.slope.astype(np.float32) == stairs.slope).all():
        yield SINGLE, literal(stairs)
    if may_pivot:
        yield SINGLE, jump(stairs, np.float32, pivoted=True)
        yield SINGLE, find(stairs, np.float32, pivoted=True)
    yield SIGNED, find(stairs, np.float32, signed=True)


def _doubles(stairs: Staircase, channels: int, blocks: Array) -> tuple[Array, Array, int]:
    """float64 in some blocks: its parameters, the blocks that it serves, and its zero."""
    chosen = np.arange(1)
    if stairs.lo.size > 1:
        chosen = np.flatnonzero(_lanes(blocks)[:channels])
    some = stairs.of(chosen)
    formula, proved = find(some, np.float64, signed=True)
    if not proved.all():
        other = jump(some, np.float64)
        formula, proved = other if other[1].sum() > proved.sum() else (formula, proved)
    parameters, found = np.zeros((3, stairs.lo.size)), np.zeros(stairs.lo.size, bool)
    parameters[:, chosen], found[chosen] = formula.parameters, proved
    lanes = np.stack([_spread(row, channels) for row in parameters])
    return lanes, blocks & _blocks(found, channels), formula.centre


def _by_algebra(
    requantization: Requantization, interval: Interval, channels: int, register: IntFormat
) -> tuple[Epilogue, str] | None:
    """Rule N2: Multiply, ShiftRight, perhaps Add and Clamp, the last two the same for all channels.

    With |value * multiplier| below 2**52, y = value * (multiplier / 2**bits) is exact in float64, and so
    is y + offset where the offset is a multiple of 2**-(bits + 1). An odd multiple of that is added to
    y, a multiple of 2**-bits, so no tie is left: half a unit of y's last place up or down decides those
    that were. The shift's rounding says which way.
    """
    if len(requantization.steps) < 2:
        return None
    product, shift, *rest = requantization.steps
    tail = _tail(requantization, rest, interval)
    if not isinstance(product, Multiply) or not isinstance(shift, ShiftRight) or tail is None:
        return None
    largest = max(-interval.min, interval.max, 1) * int(product.multipliers.max())
    most = 2**52 if shift.rounding in _NUDGES else 0
    if largest >= most or (product.multipliers < 0).any() or int(shift.bits.max()) > 52:
        return None
    some = shift.bits > 0
    half, up, below = (np.where(some, part, 0.0) for part in _NUDGES[shift.rounding])
    unit = 2.0 ** -(shift.bits + 1.0)
    rows = (product.multipliers * 2.0**-shift.bits, half + up * unit, half + below * unit)
    parameters = np.stack([_spread(np.broadcast_to(row.ravel(), (channels,)), channels) for row in rows])
    zero, low, high = tail
    epilogue = plain(channels, register)._replace(doubles=parameters, zero=zero, low=low, high=high)
    epilogue = epilogue._replace(kinds=np.full_like(epilogue.kinds, DOUBLE))
    size = largest.bit_length()
    return epilogue, f"float64 holds every product, below 2**{size}, and half a unit of its last place [N2]"


def _tail(
    requantization: Requantization, steps: list[AnyStep], interval: Interval
) -> tuple[int, int, int] | None:
    """What is added to all channels, and the limits of the code; None where there is more to it."""
    for step in requantization.steps:
        interval = step.map_interval(interval)
        if step.into is not None and not interval.within(step.into.format):
            return None
    if requantization.overflow is not Overflow.SATURATE and not interval.within(requantization.format):
        return None
    zero, low, high = 0, requantization.format.min, requantization.format.max
    for place, step in enumerate(steps):
        if isinstance(step, Add) and place == 0 and step.values.size == 1:
            zero = int(step.values.ravel()[0])
        elif isinstance(step, Clamp) and step.lo.size == step.hi.size == 1:
            low, high = (
                min(max(end, int(step.lo.ravel()[0])), int(step.hi.ravel()[0])) for end in (low, high)
            )
        else:
            return None
    return (zero, low, high) if max(map(abs, (zero, low, high))) < 2**30 else None


def _by_stages(
    requantization: Requantization, interval: Interval, channels: int, register: IntFormat
) -> tuple[Epilogue, str] | None:
    """Rule N3."""
    if unfit(requantization, interval) is not None:
        return None
    stages = fixed(program(requantization, interval), interval)
    if stages is None:
        return None
    before, bits, below, above, after, low, high = stages.scalars.tolist()
    width = requantization.channels()
    integers = np.stack([_spread(row[:width], channels) for row in stages.integers])
    epilogue = plain(channels, register)
    epilogue = epilogue._replace(
        kinds=np.full_like(epilogue.kinds, FIXED),
        integers=integers,
        before=before,
        bits=bits,
        below=below,
        above=above,
        zero=after,
        low=low,
        high=high,
    )
    return epilogue, "the steps in int32 and an int64 product, which hold every value on the way [P1]"


def _blocks(found: Array, channels: int) -> Array:
    """For each block whether a form is proved for all its channels."""
    lanes = np.ones(padded(channels), bool)
    lanes[:channels] = found
    return np.asarray(lanes.reshape(-1, LANES).all(axis=1))


def _lanes(blocks: Array) -> Array:
    return np.repeat(blocks, LANES)


def _spread(values: Array, channels: int) -> Array:
    """One value per channel, or one for all, up to whole blocks; 0 beyond the channels."""
    lanes = np.zeros(padded(channels), values.dtype)
    lanes[:channels] = values
    return lanes
