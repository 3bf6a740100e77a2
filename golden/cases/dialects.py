"""The named requantizations: scales as the tool has them, and the sums at which dialects part ways."""

from __future__ import annotations

from golden.cases.ratios import PinnedRatio
from intsim.formats import IntFormat

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
EDGES = [INT32_MIN, INT32_MIN + 1, -(2**24) - 1, -129, -1, 0, 1, 128, 2**24 + 1, INT32_MAX]
AROUND_ZERO = list(range(-12, 13))


def common() -> list[PinnedRatio]:
    """What every dialect with free scales must say."""
    return [
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
    ]


FIXED = [
    PinnedRatio("the smallest ratio that is not flushed to 0", (2.0**-32,), 1.0, EDGES, format=IntFormat(32)),
    PinnedRatio("a ratio below that: multiplier 0", (2.0**-33,), 1.0, EDGES, format=IntFormat(32)),
    PinnedRatio(
        "a ratio so near 1 that its multiplier rounds up to 2**31: 2**30 and a left shift instead",
        (1.0 - 2.0**-20, 1.0 + 2.0**-20),
        1.0,
        EDGES,
        format=IntFormat(32),
    ),
]
ABOVE_ONE = PinnedRatio(
    "a ratio of 5: a left shift of 3 in 32 bits, which wraps for large sums",
    (5.0,),
    1.0,
    [*AROUND_ZERO, 2**28 - 1, 2**28, -(2**28) - 1, INT32_MAX],
    format=IntFormat(32),
)

CASES: dict[str, list[PinnedRatio]] = {
    "litert-ref-fc": common(),
    "tflite-double": [*common(), *FIXED, ABOVE_ONE],
    "tflite-m64": common(),
    "tflite-neon": [*common(), *FIXED, ABOVE_ONE],
    "tflite-single": [*common(), *FIXED, ABOVE_ONE],
}
