"""What registers can meet, against every input there is, one by one.

The ranges are held against `tests.oracles.sums`, which makes each sum in Python ints and writes down every
value that enters a register.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim.arithmetic import Accumulator, BiasPlace, Interval, Overflow, Topology, ZeroPointPlace
from intsim.arithmetic.register_ranges import register_ranges
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import BatchMatmul
from intsim.ops.dot import dot_terms
from intsim.testing import plain
from intsim.testing.strategies import accumulators
from tests.oracles import sums

SHAPES = [(1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 1, 3), (3, 1, 1), (2, 1, 2), (1, 2, 2), (1, 1, 4)]
WIDE = IntFormat(60)


@dataclass(frozen=True)
class Sum:
    """One channel: weights, the range of every tap, zero points, bias, and how it is summed."""

    w: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    zx: int
    zw: int
    bias: int
    sizes: tuple[int, int, int]
    accumulator: Accumulator

    def proved(self, accumulator=None):
        lo, hi = (np.array([[pair[end] for pair in self.ranges]], dtype=object) for end in (0, 1))
        accumulator = accumulator or self.accumulator
        weights, zw, bias = np.array([self.w]), np.array([self.zw]), np.array([self.bias])
        terms = dot_terms(weights, Interval(lo, hi), self.zx, zw, bias, accumulator, self.sizes)
        return register_ranges(terms, accumulator)

    def made(self, accumulator=None):
        """The sum of every input."""
        rule = plain(accumulator or self.accumulator)
        for x in itertools.product(*(range(lo, hi + 1) for lo, hi in self.ranges)):
            yield sums.make(list(x), list(self.w), self.zx, self.zw, self.bias, self.sizes, rule)


@st.composite
def drawn_sums(draw, narrow=False):
    sizes = draw(st.sampled_from(SHAPES))
    taps = int(np.prod(sizes))
    widest = 3 if taps < 4 else 2
    ranges = []
    for _ in range(taps):
        lo = draw(st.integers(-7, 7))
        ranges.append((lo, lo + draw(st.integers(0, widest))))
    if draw(st.booleans()):  # one range for all taps, as inputs mostly have
        ranges = [ranges[0]] * taps
    return Sum(
        tuple(draw(st.lists(st.integers(-5, 5), min_size=taps, max_size=taps))),
        tuple(ranges),
        draw(st.integers(-4, 4)),
        draw(st.sampled_from([0, 0, 1, -3, 4])),
        draw(st.integers(-30, 30)),
        sizes,
        draw(accumulators(sizes, *((2, 9) if narrow else (4, 40)), trap=True)),
    )


def rewritten(accumulator, **fields):
    """The same additions in other registers, on every level."""
    inner = None if accumulator.inner is None else rewritten(accumulator.inner, **fields)
    return accumulator.replace(inner=inner, **fields)


def hull(values):
    """From the smallest to the largest."""
    values = list(values)
    return min(values), max(values)


def ends(interval):
    """Of a range of one channel."""
    return interval.hull().min, interval.hull().max


@settings(max_examples=150)
@given(case=drawn_sums(), overflow=st.sampled_from(Overflow))
def test_with_room_every_range_is_met_to_its_ends(case, overflow):
    """Rules Z1 and Z2: nothing overflows, so `final` and `partial` are hulls of what is executed."""
    wide = rewritten(case.accumulator, format=WIDE, overflow=overflow)
    made = list(case.made(wide))
    for found in case.proved(wide):
        levels = [one.levels[found.level] for one in made]
        written = hull(value for level in levels for value in level.written)
        last = hull(value for level in levels for value in level.last)
        assert ends(found.final) == last
        assert ends(found.partial) == written
        assert ends(found.delivered) == last
        assert ends(found.any_order)[0] <= written[0] <= written[1] <= ends(found.any_order)[1]
        assert found.exact.tolist() == [True]
    assert all(one.value == one.exact for one in made)


@settings(max_examples=60)
@given(case=drawn_sums())
def test_any_order_is_met_by_some_order(case):
    """Rule Z6, for one register with a chain: the hull over all permutations, no wider."""
    chain = Accumulator(WIDE, bias=case.accumulator.bias, zero_point=case.accumulator.zero_point)
    met = []
    for order in itertools.permutations(range(len(case.w))):
        made = list(case.made(chain.replace(order=order)))
        met += hull(value for one in made for value in one.levels[0].written)
    for order in ("hwc", tuple(range(len(case.w)))):
        (found,) = case.proved(chain.replace(order=order))
        assert ends(found.any_order) == hull(met)


@settings(max_examples=40)
@given(case=drawn_sums(), data=st.data())
def test_any_order_holds_for_every_order(case, data):
    """Rule Z6, whatever the tiles and trees."""
    wide = rewritten(case.accumulator, format=WIDE)
    found = case.proved(wide)
    order = tuple(data.draw(st.permutations(range(len(case.w)))))
    for one in case.made(wide.replace(order=order)):
        for level, claimed in zip(one.levels, found, strict=True):
            low, high = ends(claimed.any_order)
            assert low <= min(level.written) <= max(level.written) <= high


def check_narrow(case):
    """Rules Z3 to Z5: what the ranges say of registers that overflow, against every input."""
    found = case.proved()
    made = list(case.made())
    for one in made:
        intact = True  # what enters this level is exact: nothing inside it overflowed
        for claimed, level in reversed(list(zip(found, one.levels, strict=True))):
            low, high = ends(claimed.partial)
            assert all(low <= value <= high for value in level.running), (claimed, level)
            low, high = ends(claimed.final)
            ring = claimed.register.overflow is Overflow.WRAP
            if intact or not ring:  # else `final` is of the exact sums, which entered changed
                assert all(low <= value <= high for value in level.last), (claimed, level)
            format = claimed.register.format
            intact = intact and all(format.min <= value <= format.max for value in level.running)
        if one.value is not None:
            low, high = ends(found[0].delivered)
            assert low <= one.value <= high
        if found[0].exact.all():
            assert one.value == one.exact, (case, one)
    return found, made


@settings(max_examples=300)
@given(case=drawn_sums(narrow=True))
def test_what_is_claimed_of_narrow_registers_holds(case):
    check_narrow(case)


def every_datapath(taps):
    """Every way to make a sum of so many terms in registers of 3 and 4 bits, one tile deep."""
    formats, twice = (IntFormat(3), IntFormat(4)), (Overflow.WRAP, Overflow.SATURATE)
    inners = [None]
    for format, overflow, topology in itertools.product(formats, twice, Topology):
        inners.append(Accumulator(format, overflow, topology=topology))
    tiles = [(None, None), *itertools.product(range(1, taps + 1), inners)]
    outer = itertools.product(formats, Overflow, Topology, BiasPlace, ZeroPointPlace)
    for format, overflow, topology, bias, zero_point in outer:
        for tile, inner in tiles:
            yield Accumulator(
                format, overflow, "hwc", topology, tile, inner, bias=bias, zero_point=zero_point
            )


@pytest.mark.parametrize(
    ("w", "ranges", "zeros"),
    [
        ((1, -2, 2), [(-1, 1), (0, 1), (1, 2)], {"zx": 1, "bias": 1}),
        ((2, 1, -1), [(0, 1)] * 3, {"zw": 1, "zx": -1, "bias": -2}),
    ],
)
def test_every_datapath(w, ranges, zeros):
    proved = 0
    for accumulator in every_datapath(len(w)):
        found, _ = check_narrow(by_hand(w, ranges, accumulator, **zeros))
        proved += bool(found[0].exact.all())
    assert 0 < proved < 2016


@settings(max_examples=100)
@given(case=drawn_sums(narrow=True))
def test_one_register_that_is_not_exact_has_an_input_that_shows_it(case):
    """For one register the proof is tight: where it refuses, some input comes out wrong or traps.

    But for SATURATE: two saturations can make up for each other, as the test by hand below shows.
    """
    alone = case.accumulator.replace(tile=None, inner=None)
    found, made = check_narrow(
        Sum(case.w, case.ranges, case.zx, case.zw, case.bias, case.sizes, alone),
    )
    wrong = any(one.value != one.exact for one in made)
    if alone.overflow is not Overflow.SATURATE:
        assert wrong == (not found[0].exact.all())


@settings(max_examples=100)
@given(case=drawn_sums(narrow=True))
def test_exact_inner_registers_hand_on_exact_sums(case):
    """`exact` of an inner level: what every tile delivers is what it was given, summed."""
    found = case.proved()
    for one in case.made():
        for claimed, level in zip(found[1:], one.levels[1:], strict=True):
            if claimed.exact.all() and claimed.level == len(found) - 1 and one.value is not None:
                format = claimed.register.format
                assert all(format.min <= value <= format.max for value in level.last)


@dataclass(frozen=True)
class Product:
    """One matrix product of a row by a column, both operands known by their ranges."""

    x: tuple[int, int]
    y: tuple[int, int]
    zx: int
    zy: int
    taps: int
    accumulator: Accumulator


@st.composite
def products(draw, narrow=False):
    taps = draw(st.integers(1, 3))
    lows = draw(st.integers(-6, 6)), draw(st.integers(-6, 6))
    widths = st.integers(0, 2 if taps < 3 else 1)
    x, y = ((low, low + draw(widths)) for low in lows)
    accumulator = draw(accumulators((1, 1, taps), *((2, 8) if narrow else (4, 40)), trap=True))
    zeros = draw(st.integers(-3, 3)), draw(st.integers(-3, 3))
    if not narrow:
        accumulator = rewritten(accumulator, format=WIDE)
    return Product(x, y, *zeros, taps, accumulator)


@settings(max_examples=80)
@given(case=products() | products(narrow=True))
def test_products_of_two_ranges(case):
    """Both operands vary: the same claims, and with room the same tightness."""
    op = BatchMatmul(x_zero_point=case.zx, y_zero_point=case.zy, accumulator=case.accumulator)
    int8 = IntFormat(8)
    specs = TensorSpec((1, case.taps), int8), TensorSpec((case.taps, 1), int8)
    found = op.bounds(specs, (Interval(*case.x), Interval(*case.y))).registers
    rule = plain(case.accumulator)
    xs, ys = (list(range(lo, hi + 1)) for lo, hi in (case.x, case.y))
    made = [
        sums.make(list(x), list(y), case.zx, case.zy, 0, (1, 1, case.taps), rule)
        for x in itertools.product(xs, repeat=case.taps)
        for y in itertools.product(ys, repeat=case.taps)
    ]
    for claimed in found:
        levels = [one.levels[claimed.level] for one in made]
        if not any(level.written for level in levels):
            continue  # an inner register stopped every sum before it came here
        running = hull(value for level in levels for value in level.running)
        assert ends(claimed.partial)[0] <= running[0] <= running[1] <= ends(claimed.partial)[1]
        if case.accumulator.format == WIDE:
            assert ends(claimed.partial) == running
            assert ends(claimed.final) == hull(value for level in levels for value in level.last)
    low, high = ends(found[0].delivered)
    for one in made:
        assert one.value is None or low <= one.value <= high
        if found[0].exact.all():
            assert one.value == one.exact


# --- rings ---


@settings(max_examples=100)
@given(case=drawn_sums(narrow=True), data=st.data())
def test_wrapping_is_free_of_order(case, data):
    """In a ring of registers, none narrower inside, any order gives the exact sum wrapped once."""
    bits = case.accumulator.format.bits
    depth = len(case.accumulator.levels())
    widths = sorted(data.draw(st.lists(st.integers(bits, 12), min_size=depth, max_size=depth)))
    widths[0] = bits

    def ring(accumulator, left):
        inner = None if accumulator.inner is None else ring(accumulator.inner, left[1:])
        return accumulator.replace(inner=inner, format=IntFormat(left[0]), overflow=Overflow.WRAP)

    accumulator = ring(case.accumulator, widths)
    order = tuple(data.draw(st.permutations(range(len(case.w)))))
    half = 2 ** (bits - 1)
    expected = [(one.exact + half) % (2 * half) - half for one in case.made(accumulator)]
    for chosen in (accumulator, accumulator.replace(order=order)):
        found, made = check_narrow(
            Sum(case.w, case.ranges, case.zx, case.zw, case.bias, case.sizes, chosen),
        )
        assert [one.value for one in made] == expected
        low, high = hull(one.exact for one in made)
        assert ends(found[0].final) == (low, high)
        assert found[0].exact.tolist() == [-half <= low and high < half]


@settings(max_examples=100)
@given(case=drawn_sums(narrow=True))
def test_saturating_differs_from_wrapping_only_after_a_sum_that_does_not_fit(case):
    alone = rewritten(case.accumulator, overflow=Overflow.WRAP, format=case.accumulator.format)
    saturating = rewritten(alone, overflow=Overflow.SATURATE)
    low, high = alone.format.min, alone.format.max
    for one, other in zip(case.made(alone), case.made(saturating), strict=True):
        left = any(not low <= value <= high for level in other.levels for value in level.running)
        assert left or one.value == other.value == one.exact


# --- by hand ---


def by_hand(w, ranges, accumulator, **given_fields):
    fields = {"zx": 0, "zw": 0, "bias": 0} | given_fields
    return Sum(
        tuple(w),
        tuple(ranges),
        fields["zx"],
        fields["zw"],
        fields["bias"],
        (1, 1, len(w)),
        accumulator,
    )


def said(found):
    return [(ends(one.final), ends(one.partial), one.exact.tolist()) for one in found]


def test_a_range_without_zero():
    """The final sum needs 6 bits; a sum on the way 7 in this order, and 7 with the two kinds in turn."""
    case = by_hand((3, 3, -3, -3), [(5, 10)] * 4, Accumulator(IntFormat(6)))
    assert said(case.proved()) == [((-30, 30), (-30, 60), [True])]
    turns = case.accumulator.replace(order=(0, 2, 1, 3), overflow=Overflow.SATURATE)
    assert said(case.proved(turns)) == [((-30, 30), (-30, 45), [False])]
    assert ends(case.proved()[0].any_order) == (-60, 60)


def test_an_inner_register_of_other_width_is_not_forgiven():
    """100 and -60 in tiles of 7 bits: the exact 40 fits the outer 16, yet what comes is not 40."""
    alone = by_hand((1, 1), [(100, 100), (-60, -60)], Accumulator(IntFormat(7)))
    assert said(alone.proved()) == [((40, 40), (0, 100), [True])]
    tiles = Accumulator(IntFormat(16), tile=1, inner=Accumulator(IntFormat(7)))
    found = alone.proved(tiles)
    assert said(found) == [((-124, 3), (-124, 63), [False]), ((-60, 100), (-60, 100), [False])]
    assert [one.value for one in alone.made(tiles)] == [-88]


@pytest.mark.parametrize("place", ZeroPointPlace)
@pytest.mark.parametrize("bias", BiasPlace)
def test_where_zero_points_enter(place, bias):
    """Raw products 0 to 3 * 15, less 3 * 8, and a bias of 5."""
    rule = Accumulator(IntFormat(32), zero_point=place, bias=bias)
    case = by_hand((3,), [(0, 15)], rule, zx=8, bias=5)
    expected = {
        (ZeroPointPlace.SUBTRACT, BiasPlace.FIRST): (-19, 26),
        (ZeroPointPlace.SUBTRACT, BiasPlace.LAST): (-24, 26),
        (ZeroPointPlace.PRELOAD, BiasPlace.FIRST): (-19, 26),
        (ZeroPointPlace.PRELOAD, BiasPlace.LAST): (-24, 26),
        (ZeroPointPlace.AFTER, BiasPlace.FIRST): (-19, 50),
        (ZeroPointPlace.AFTER, BiasPlace.LAST): (-24, 45),
    }
    assert said(case.proved()) == [((-19, 26), expected[place, bias], [True])]


def test_a_tile_that_is_exact_keeps_its_part_of_the_correction():
    """x + 2 y less x and y, preloaded: y's tile may wrap, x's may not, and x less x stays nothing."""
    inner = Accumulator(IntFormat(8, signed=False))
    rule = Accumulator(IntFormat(16), tile=1, inner=inner, zero_point=ZeroPointPlace.PRELOAD)
    found = by_hand((1, 2), [(0, 255)] * 2, rule, zw=1).proved()
    assert said(found) == [((-255, 255), (-510, 255), [False]), ((0, 510), (0, 510), [False])]


def test_a_tree_meets_its_leaves_and_its_pairs():
    rule = Accumulator(IntFormat(8), topology=Topology.TREE, bias=BiasPlace.FIRST)
    case = by_hand((1, 1, 1), [(1, 2), (3, 4), (-9, 5)], rule, bias=100)
    # leaves -9 to 5, the first pair 4 to 6, the root -5 to 11, and with the bias 95 to 111
    assert said(case.proved()) == [((95, 111), (-9, 111), [True])]


def test_two_saturations_that_make_up_for_each_other():
    """10 is held at 7, 7 less 18 at -8, which is the exact sum, the only one there is; proved it is not."""
    rule = Accumulator(IntFormat(4), Overflow.SATURATE, bias=BiasPlace.FIRST)
    case = by_hand((-1,), [(18, 18)], rule, bias=10)
    assert said(case.proved()) == [((-8, -8), (-8, 10), [False])]
    assert [(one.value, one.exact) for one in case.made()] == [(-8, -8)]
