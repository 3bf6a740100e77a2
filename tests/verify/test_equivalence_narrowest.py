"""The narrowest multiplier: exactly equal, and nothing narrower is, by trying everything."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import (
    Add,
    Clamp,
    Interval,
    Multiply,
    Overflow,
    Register,
    Requantization,
    Rounding,
    Scale,
    ShiftLeft,
    ShiftRight,
    Thresholds,
)
from intsim.arithmetic.dialects import DIALECTS
from intsim.bounds import network_bounds
from intsim.errors import MismatchError, SpecError
from intsim.formats import IntFormat
from intsim.storage import load
from intsim.verify import equivalence_widths
from intsim.verify.equivalence import compare_rules
from intsim.verify.equivalence_inverse import boundary
from intsim.verify.equivalence_narrowest import Narrowest, _Ratios, narrowest, with_multipliers
from intsim.verify.equivalence_networks import Options
from intsim.verify.equivalence_widths import narrowest_of_network
from tests.oracles.arith import round_shift
from tests.verify.codes import maker

DIGITS = Path(__file__).parents[2] / "golden" / "digits_cnn" / "network.h5"
DETERMINISTIC = [rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC]
roundings = st.sampled_from(DETERMINISTIC)
MOST_BITS, MOST_SHIFT = 6, 11


@st.composite
def scalings(draw):
    """Offset, scaling (a product and one or two shifts, or a float), zero point, limits."""
    head = draw(st.sampled_from([(), (Add(values=draw(st.integers(-9, 9))),)]))
    if draw(st.booleans()):
        scaling = (
            Multiply(multipliers=draw(st.integers(0, 63))),
            ShiftRight(bits=draw(st.integers(0, 8)), rounding=draw(roundings)),
        )
        if draw(st.booleans()):
            scaling += (ShiftRight(bits=draw(st.integers(0, 2)), rounding=draw(roundings)),)
    else:
        after = draw(st.none() | st.integers(-3, 3).map(np.float32))
        factor = np.float32(draw(st.integers(1, 63)) / 2 ** draw(st.integers(0, 8)))
        scaling = (Scale(factors=factor, rounding=draw(roundings), after=after),)
    lo = draw(st.integers(-20, 0))
    tail = (Add(values=draw(st.integers(-5, 5))), Clamp(lo=lo, hi=lo + draw(st.integers(0, 40))))
    return Requantization((*head, *scaling, *tail), IntFormat(draw(st.integers(4, 8))))


def tried(rule, lo, hi, rounding, bits):
    """The first (multiplier, shift) below 2**bits that makes every code, by trying all; None if none does."""
    code = maker(rule)
    offset = sum(int(step.values) for step in rule.steps[:1] if isinstance(step, Add))
    scalings = [k for k, step in enumerate(rule.steps) if isinstance(step, (Multiply, ShiftRight, Scale))]
    first, last = scalings[0], scalings[-1]
    own = next(step for step in rule.steps if isinstance(step, (ShiftRight, Scale)))
    zero_point = own.after if isinstance(own, Scale) and own.after is not None else 0
    rest = rule.steps[last + 1 :]
    kept = None
    if rounding is None and last - first == 2:
        kept = rule.steps[last]
    named = (own.rounding if rounding is None else rounding).name.lower()

    def other(value, multiplier, shift):
        held = round_shift((value + offset) * multiplier, shift, named)
        if kept is not None:
            held = round_shift(held, int(kept.bits), kept.rounding.name.lower())
        held += int(zero_point) + int(rest[0].values)
        held = max(int(rest[1].lo), min(int(rest[1].hi), held))
        return max(rule.format.min, min(rule.format.max, held))

    codes = {value: code(value) for value in range(lo, hi + 1)}
    order = sorted(codes, key=lambda value: -abs(value))
    for multiplier in range(2**bits):
        for shift in range(MOST_SHIFT + 1):
            if all(other(value, multiplier, shift) == codes[value] for value in order):
                return multiplier, shift
    return None


@given(scalings(), st.none() | roundings, st.integers(-50, 20), st.integers(0, 60))
def test_nothing_narrower_does(rule, rounding, lo, length):
    interval = Interval(lo, lo + length)
    (found,) = narrowest(rule, interval, rounding)
    if found.multiplier is None:
        assert found.missing == "no multiplier with a shift of at most 62 makes every code"
        assert tried(rule, lo, lo + length, rounding, MOST_BITS) is None
        return
    assert compare_rules(rule, with_multipliers(rule, [found], rounding), interval, enumerate_all=True).equal
    if 0 < found.bits <= MOST_BITS + 1:
        assert tried(rule, lo, lo + length, rounding, found.bits - 1) is None


@pytest.mark.parametrize("rounding", DETERMINISTIC)
def test_where_rounding_to_a_code_begins(rounding):
    """All quarters and eighths from -4 to 4."""
    for code in range(-3, 4):
        end, excluded = boundary(code, rounding)
        for eighths in range(-32, 33):
            reached = round_shift(eighths, 3, rounding.name.lower()) >= code
            assert reached == (eighths > end * 8 or (eighths == end * 8 and not excluded))


def test_of_two_equal_ends_the_one_that_is_left_out_counts():
    """Above 1/4 and below 1/2, whichever is asked first: 3/8."""
    for order in (1, -1):
        ratios = _Ratios()
        for strictly in (False, True)[::order]:
            ratios.at_most(Fraction(1, 2), strictly)
            ratios.at_least(Fraction(1, 4), strictly)
        assert (ratios.above, ratios.below) == (True, True)
        assert ratios.simplest() == (3, 3)


def test_channels_have_their_own():
    rule = DIALECTS["tflite-double"].requantization([0.01, 0.25, 0.003], zero_point=3)
    interval = Interval(np.array([-9000, -7, 0], dtype=object), np.array([9000, 8, 0], dtype=object))
    found = narrowest(rule, interval)
    assert [(entry.lo, entry.hi) for entry in found] == [(-9000, 9000), (-7, 8), (0, 0)]
    assert [(entry.multiplier, entry.shift) for entry in found[1:]] == [(1, 1), (0, 0)]
    assert found[2].bits == 0
    assert compare_rules(rule, with_multipliers(rule, found), interval, enumerate_all=True).equal


def test_one_multiplier_serves_all_ranges_of_a_rule_per_tensor():
    rule = DIALECTS["tflite-single"].requantization(0.0123)
    interval = Interval(np.array([-9000, -20], dtype=object), np.array([10, 9500], dtype=object))
    (found,) = narrowest(rule, interval)
    assert (found.lo, found.hi) == (-9000, 9500)
    assert compare_rules(rule, with_multipliers(rule, [found]), interval, enumerate_all=True).equal
    alone = [narrowest(rule, Interval(*ends))[0] for ends in ((-9000, 10), (-20, 9500))]
    assert found.bits >= max(entry.bits for entry in alone)


def test_double_rounding_has_no_single_equal():
    rule = DIALECTS["tflite-double"].requantization(0.0037)
    (found,) = narrowest(rule, Interval(-100_000, 100_000), Rounding.HALF_UP)
    assert found.missing == "no multiplier with a shift of at most 62 makes every code"
    (found,) = narrowest(rule, Interval(-100_000, 100_000))
    assert found.bits < 31


INTO = Register(IntFormat(8), Overflow.WRAP)
SHIFT = ShiftRight(bits=2)


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((Add(values=1),), "it does not scale"),
        ((Clamp(lo=0, hi=9), SHIFT), "it does more than add before it scales"),
        ((SHIFT, Thresholds(values=[1, 2])), "it does more than add, shift right and clamp after it scales"),
        (
            (Scale(factors=0.5), SHIFT, Scale(factors=0.5)),
            "it does more than add, shift right and clamp after",
        ),
        ((ShiftLeft(bits=1), Scale(factors=0.5)), "it scales by floats more than once, or by integers too"),
        ((Scale(factors=np.float32(0.5), before=np.float32(1)),), "it adds a real bias"),
        ((Scale(factors=np.float32(0.5), after=np.float32(0.5)),), "it adds a fraction before it rounds"),
        (
            (Multiply(multipliers=9, into=INTO), SHIFT),
            "step 0 (Multiply) is given [-900, 900], which int8",
        ),
        ((ShiftRight(bits=2, rounding=Rounding.STOCHASTIC),), "STOCHASTIC rounding draws per element"),
        ((Multiply(multipliers=-1), SHIFT), "no multiplier with a shift of at most 62 makes every code"),
    ],
)
def test_what_has_none(steps, why):
    rule = Requantization(steps)
    (found,) = narrowest(rule, Interval(-100, 100))
    assert found.missing.startswith(why)
    assert found.bits is None
    with pytest.raises(ValueError, match="every channel must have a multiplier"):
        with_multipliers(rule, [found])


def test_registers_after_the_scaling_hold_what_they_get():
    register = Register(IntFormat(5), Overflow.WRAP)
    rule = Requantization((Multiply(multipliers=5), ShiftRight(bits=4), Add(values=1, into=register)))
    (found,) = narrowest(rule, Interval(-40, 40))
    assert (found.multiplier, found.shift) == (5, 4)
    assert compare_rules(rule, with_multipliers(rule, [found]), Interval(-40, 40)).equal


def test_zero_can_be_out_of_reach():
    rule = Requantization((Scale(factors=np.float32(1), after=np.float32(0)), Clamp(lo=1, hi=9)))
    (found,) = narrowest(rule, Interval(0, 3))
    assert found.multiplier is not None
    rule = Requantization((Add(values=-1), ShiftRight(bits=1, rounding=Rounding.CEIL), Clamp(lo=-9, hi=9)))
    assert narrowest(rule, Interval(-5, 5), Rounding.FLOOR)[0].multiplier is None


def test_a_network():
    network = load(DIGITS)
    found = {node.name: node for node in narrowest_of_network(network)}
    ranges = network_bounds(network).tensors
    assert found["stem"].now == 31
    assert found["logits"].now is None
    for name, node in found.items():
        rule = network.node(name).op.requantization
        assert node.channels == narrowest(rule, ranges[network.node(name).inputs[0]])
        assert node.bits == max(entry.bits for entry in node.channels)
        assert node.checked == ("enumeration",) or set(node.checked) == {"enumeration", "same steps"}
    (missing,) = narrowest_of_network(network, Rounding.HALF_UP, Options(only=("body",)))
    assert (missing.bits, missing.checked) == (None, ())
    with pytest.raises(SpecError, match="rounding must not be STOCHASTIC"):
        list(narrowest_of_network(network, Rounding.STOCHASTIC))


def test_a_wrong_multiplier_would_be_noticed(monkeypatch):
    network = load(DIGITS)
    monkeypatch.setattr(equivalence_widths, "narrowest", lambda *_: (Narrowest(0, -9, 9, 1, 9),))
    with pytest.raises(MismatchError, match=r"^logits: the narrowest multiplier makes another code$"):
        list(narrowest_of_network(network, options=Options(only=("logits",))))
