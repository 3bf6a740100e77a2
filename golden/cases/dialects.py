"""The named requantizations: scales as the tool has them, and the sums at which dialects part ways."""

from __future__ import annotations

from golden.cases.ratios import PinnedRatio
from intsim.formats import IntFormat

INT4, INT32 = IntFormat(4), IntFormat(32)
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
EDGES = [INT32_MIN, INT32_MIN + 1, -(2**24) - 1, -129, -1, 0, 1, 128, 2**24 + 1, INT32_MAX]
AROUND_ZERO = list(range(-12, 13))

ANY_SCALE = (
    PinnedRatio(
        "a quarter, sum by sum: ties at every 2 of 4, below and above zero", (0.25,), 1.0, AROUND_ZERO
    ),
    PinnedRatio(
        "three eighths of two scales with an odd zero point: ties, and a product that is rounded twice",
        (0.75, 0.5),
        1.0,
        AROUND_ZERO,
        zero_point=3,
    ),
    PinnedRatio(
        "the ends of int32 with a negative zero point: saturation at both ends", (0.5,), 1.0, EDGES, -128
    ),
    PinnedRatio(
        "scales that no float holds exactly, as a real network has them",
        (0.0235294122248888, 0.00318179023452103),
        0.0470588244497776,
        [-100000, -40213, -1003, -315, 0, 314, 315, 1003, 40213, 100000],
        zero_point=-5,
    ),
    PinnedRatio(
        "one scale per channel: a quarter, just below one, a thousandth",
        ([0.25, 0.99999994, 0.001],),
        1.0,
        [[2, 100, 500], [-2, -100, -500], [6, 127, 1500]],
    ),
)

NEAR_ONE = PinnedRatio(
    "a ratio so near 1 that a 31-bit multiplier of it rounds up to 2**31",
    (1.0 - 2.0**-20, 1.0 + 2.0**-20),
    1.0,
    EDGES,
    format=INT32,
)
LONG_SHIFT = PinnedRatio(
    "a ratio of 2**-32: the longest right shift, 62 bits with the multiplier",
    (2.0**-32,),
    1.0,
    EDGES,
    format=INT32,
)
FLUSHED = PinnedRatio("a ratio of 2**-33: multiplier 0", (2.0**-33,), 1.0, EDGES, format=INT32)
ABOVE_ONE = PinnedRatio(
    "a ratio of 5 on large sums: a tool that shifts left in 32 bits before the product wraps there",
    (5.0,),
    1.0,
    [*AROUND_ZERO, 2**28 - 1, 2**28, -(2**28) - 1, INT32_MAX],
    format=INT32,
)
FIXED = (*ANY_SCALE, NEAR_ONE, LONG_SHIFT, FLUSHED, ABOVE_ONE)

WIDE_SUMS = PinnedRatio(
    "sums of 48 bits, which only a 64-bit accumulator has",
    (2.0**-21,),
    1.0,
    [-(2**47) + 1, -(2**40) - 2**20, -(2**32), 2**32, 2**40 + 2**20, 2**47 - 1],
    format=INT32,
)
NARROW_MULTIPLIER = PinnedRatio(
    "a multiplier above 0x7FFF0000: 16 bits of it would be 0x8000, and are 0x7FFF",
    (0.99999994,),
    1.0,
    [-(2**20), -32768, -1, 0, 1, 16384, 32768, 2**20],
    format=INT32,
)

ODD_TIES = PinnedRatio(
    "halves about an odd zero point: added after the rounding or before it, ties go to other neighbours",
    (0.5,),
    1.0,
    AROUND_ZERO,
    zero_point=-7,
)
BEYOND_FLOAT32 = PinnedRatio(
    "sums that float32 does not hold: rounded to even on the way in, 2**24 + 1 becomes 2**24",
    (1.0,),
    1.0,
    [-(2**24) - 3, -(2**24) - 1, 2**24 - 1, 2**24 + 1, 2**24 + 3, 2**30 + 63, 2**30 + 65],
    format=INT32,
)
INEXACT = PinnedRatio(
    "a tenth: float32 makes a tie of what is none, and 5 goes to 0", (0.1,), 1.0, [5, 15, 25, 35, 45, -5, -15]
)
FLOATS = (*ANY_SCALE, ODD_TIES, BEYOND_FLOAT32, INEXACT)
REAL_BIAS = (
    PinnedRatio(
        "a real bias of a quarter of a step: no tie is left",
        (0.5,),
        1.0,
        AROUND_ZERO,
        zero_point=1,
        bias=0.25,
    ),
    PinnedRatio(
        "a bias that is lost in a large sum, as float32 has 24 bits",
        (2.0**-20,),
        1.0,
        [2**25, 2**25 + 2**19, -(2**25)],
        bias=1.5,
    ),
)

POWERS = (
    PinnedRatio("a half: every odd sum is a tie", (0.5,), 1.0, AROUND_ZERO),
    PinnedRatio(
        "a sixteenth of two scales, and an odd zero point", (0.25, 0.5), 2.0, list(range(-40, 41, 4)), 3
    ),
    PinnedRatio("the ends of int32 by 2**-31", (2.0**-31,), 1.0, EDGES),
    PinnedRatio("a ratio of 1 rounds nothing, and saturates at both ends", (1.0,), 1.0, EDGES, -1),
    PinnedRatio("a ratio of 4 goes to the left", (4.0,), 1.0, [-33, -32, -1, 0, 1, 31, 32]),
    PinnedRatio(
        "a shift per channel: 1, 3 and none",
        ([0.5, 0.125, 1.0],),
        1.0,
        [[3, 4, 5], [-3, -4, -5], [1, 12, -128]],
    ),
)

STAIRS = (
    PinnedRatio(
        "a quarter in 4 bits: 15 thresholds, half way between codes", (0.25,), 1.0, AROUND_ZERO, format=INT4
    ),
    PinnedRatio(
        "scales that no float holds exactly: real thresholds are rounded up to sums",
        (0.1, 0.3),
        0.7,
        [-200, -170, -30, -12, -11, 0, 11, 12, 58, 82, 151, 152, 200],
        zero_point=-1,
        format=INT4,
    ),
    PinnedRatio(
        "a row of thresholds per channel, in unsigned 2 bits",
        ([1.0, 0.125],),
        1.0,
        [[-1, -1], [0, 3], [1, 4], [2, 12], [3, 20], [100, 100]],
        format=IntFormat(2, signed=False),
    ),
    PinnedRatio(
        "one bit: a single threshold, half way between -1 and 0",
        (1.0,),
        2.0**10,
        [INT32_MIN, -513, -512, -511, 0, INT32_MAX],
        format=IntFormat(1),
    ),
)

SHORT = PinnedRatio(
    "a 15-bit multiplier: its ratio is off by up to 2**-16, seen in large sums",
    (0.30000001192092896,),
    1.0,
    [-(2**20), -32768, -12345, 12345, 32768, 2**20],
    format=INT32,
)
FEW_BITS_LEFT = PinnedRatio(
    "a ratio below 2**-40: the shift stays 62 and the multiplier loses bits; no 32-bit sum is seen",
    (2.0**-40 * 1.5,),
    1.0,
    EDGES,
    format=INT32,
)

CASES: dict[str, tuple[PinnedRatio, ...]] = {
    "dyadic-rne": (*ANY_SCALE, ODD_TIES, NEAR_ONE),
    "f32-rne-zp-after": FLOATS,
    "f32-rne-zp-before": FLOATS,
    "fbgemm-float-bias": (*FLOATS, *REAL_BIAS),
    "litert-ref-fc": (*ANY_SCALE, ODD_TIES, INEXACT),
    "multithreshold": STAIRS,
    "pow2-even": POWERS,
    "pow2-floor": POWERS,
    "pow2-half-away": POWERS,
    "pow2-half-up": POWERS,
    "tflite-double": FIXED,
    "tflite-m64": (*ANY_SCALE, WIDE_SUMS, NARROW_MULTIPLIER),
    "tflite-neon": FIXED,
    "tflite-single": FIXED,
    "tosa-scale16": (*ANY_SCALE, SHORT),
    "tosa-scale32": (*ANY_SCALE, NEAR_ONE, ABOVE_ONE, LONG_SHIFT, FEW_BITS_LEFT),
    "tosa-scale32-double": (*ANY_SCALE, NEAR_ONE, ABOVE_ONE, LONG_SHIFT, FEW_BITS_LEFT),
    "xnnpack-rndnu": (*ANY_SCALE, ODD_TIES, ABOVE_ONE),
}
