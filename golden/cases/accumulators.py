"""dense: one sum, and every way to make it: registers, order, trees, tiles, place of bias and zero point."""

from __future__ import annotations

from golden.cases.base import int8, int16, pin, uint8
from intsim.arithmetic import Accumulator, BiasPlace, Overflow, Topology, ZeroPointPlace
from intsim.formats import IntFormat
from intsim.ops import Dense

ONES = [[1, 1, 1, 1]]
UP_AND_DOWN = [100, 100, -100, -90]  # passes 200 on the way to 10


def eight_bits(overflow: Overflow, **more: object) -> Accumulator:
    return Accumulator(IntFormat(8), overflow, **more)  # type: ignore[arg-type]


CASES = (
    pin(
        "both ends of int8 everywhere: the sum of -128 * -128 four times is exactly 2**16",
        Dense(weight=[[-128] * 4, [127] * 4]),
        int8([-128] * 4),
    ),
    pin(
        "transient overflow, wrapping: the sum passes 200 in 8 bits and comes back whole, to 10",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.WRAP)),
        int8(UP_AND_DOWN),
    ),
    pin(
        "transient overflow, saturating: what is cut off at 127 is lost, so the end is -63 and not 10",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.SATURATE)),
        int8(UP_AND_DOWN),
    ),
    pin(
        "transient overflow, trapping: the run stops although the final sum would fit",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.TRAP)),
        int8(UP_AND_DOWN),
    ),
    pin(
        "the same terms in another order never leave 8 bits",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.SATURATE, order=(0, 2, 1, 3))),
        int8(UP_AND_DOWN),
    ),
    pin(
        "persistent overflow: the final sum 508 does not fit; wrapped it is -4",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.WRAP)),
        int8([127] * 4),
    ),
    pin(
        "persistent overflow at both ends, saturating: 127 and -128",
        Dense(weight=[[1, 1, 1, 1], [-1, -1, -1, -1]], accumulator=eight_bits(Overflow.SATURATE)),
        int8([127] * 4),
    ),
    pin(
        "a tree adds neighbours first: (100 + 100) saturates, then (-100 - 90) does, and the end is -1",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.SATURATE, topology=Topology.TREE)),
        int8(UP_AND_DOWN),
    ),
    pin(
        "a tree of five: the odd last term passes up two levels untouched",
        Dense(weight=[[1] * 5], accumulator=eight_bits(Overflow.SATURATE, topology=Topology.TREE)),
        int8([100, 27, -100, -28, 1]),
    ),
    pin(
        "tiles of two summed exactly: 200 enters at once and saturates, -190 enters at once",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.SATURATE, tile=2)),
        int8(UP_AND_DOWN),
    ),
    pin(
        "one tile for all: everything exact inside, saturated once at the end, so nothing is lost",
        Dense(weight=ONES, accumulator=eight_bits(Overflow.SATURATE, tile=4)),
        int8(UP_AND_DOWN),
    ),
    pin(
        "pairs in 16 bits that saturate, as VPMADDUBSW adds them: 255 * 127 twice becomes 32767",
        Dense(
            weight=[[127, 127, -128, -128, 127]],
            accumulator=Accumulator(
                tile=2, inner=Accumulator(IntFormat(16), Overflow.SATURATE), zero_point=ZeroPointPlace.AFTER
            ),
        ),
        uint8([255, 255, 255, 255, 1]),
    ),
    pin(
        "bias first: preloaded 120 makes the first term saturate",
        Dense(weight=[[1, 1]], bias=120, accumulator=eight_bits(Overflow.SATURATE, bias=BiasPlace.FIRST)),
        int8([100, -100]),
    ),
    pin(
        "bias last: the same numbers never leave 8 bits",
        Dense(weight=[[1, 1]], bias=120, accumulator=eight_bits(Overflow.SATURATE)),
        int8([100, -100]),
    ),
    pin(
        "zero point subtracted from every operand: the terms are 0 and 1",
        Dense(weight=[[1, 1]], input_zero_point=-128, accumulator=eight_bits(Overflow.SATURATE)),
        int8([-128, -127]),
    ),
    pin(
        "zero point preloaded as one correction of 256, which itself saturates in 8 bits",
        Dense(
            weight=[[1, 1]],
            input_zero_point=-128,
            accumulator=eight_bits(Overflow.SATURATE, zero_point=ZeroPointPlace.PRELOAD),
        ),
        int8([-128, -127]),
    ),
    pin(
        "zero point corrected after the last term: the raw sum -255 has saturated to -128 before",
        Dense(
            weight=[[1, 1]],
            input_zero_point=-128,
            accumulator=eight_bits(Overflow.SATURATE, zero_point=ZeroPointPlace.AFTER),
        ),
        int8([-128, -127]),
    ),
    pin(
        "both zero points, wrapping: wherever the correction enters, the sum is the same; here it is last",
        Dense(
            weight=[[200, 3, 128]],
            weight_format=IntFormat(8, signed=False),
            weight_zero_point=128,
            input_zero_point=-5,
            bias=-1,
            accumulator=Accumulator(zero_point=ZeroPointPlace.AFTER),
        ),
        int8([-5, 127, -128]),
    ),
    pin(
        "16 x 8 bits into 64: the largest product, and a bias far outside 32 bits",
        Dense(weight=[[-128, -128]], bias=2**47, accumulator=Accumulator(IntFormat(64))),
        int16([-32768, -32768]),
    ),
    pin(
        "an unsigned register wraps below 0: -1 becomes 2**20 - 1",
        Dense(weight=[[-1]], accumulator=Accumulator(IntFormat(20, signed=False))),
        int8([[1], [-1]]),
    ),
    pin(
        "only the last axis is reduced: three rows of two give three rows of one",
        Dense(weight=[[1, 10]]),
        int8([[1, 2], [3, 4], [-5, -6]]),
    ),
)
