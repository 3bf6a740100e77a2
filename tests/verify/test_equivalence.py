"""Two requantizations on every accumulator: enumeration and bisection against the oracle."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
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
    Slice,
    Table,
    Thresholds,
)
from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat
from intsim.testing.strategies import requantizations
from intsim.verify import equivalence, equivalence_enumerate, equivalence_monotone
from intsim.verify.equivalence import BISECTION, ENUMERATION, SAME, UNDECIDED, compare_rules
from intsim.verify.equivalence_evaluate import Function, no_function, of_channel
from intsim.verify.equivalence_monotone import not_monotone
from tests.verify.codes import expected, expected_of_monotone, maker, told

INT8 = IntFormat(8)


@st.composite
def neighbours(draw, channels=1, trap=True):
    """Two requantizations: drawn apart, or one and the same with a step changed."""
    a = draw(requantizations(channels, trap=trap, input_bits=12))
    if draw(st.integers(0, 2)) == 0:
        return a, draw(requantizations(channels, trap=trap, input_bits=12))
    place = draw(st.integers(0, len(a.steps) - 1))
    step = a.steps[place]
    if isinstance(step, ShiftRight):
        step = step.replace(rounding=draw(st.sampled_from(Rounding)))
    elif isinstance(step, Multiply):
        step = step.replace(multipliers=step.multipliers + draw(st.integers(-2, 2)))
    elif isinstance(step, Scale) and draw(st.booleans()):
        step = step.replace(factors=np.nextafter(step.factors, step.factors.dtype.type(2)))
    else:
        into = Register(IntFormat(draw(st.integers(4, 12))), draw(st.sampled_from(Overflow)))
        step = step.replace(into=into)
    return a, a.replace(steps=(*a.steps[:place], step, *a.steps[place + 1 :]))


def check(found, a, b, lo, hi):
    for entry in found.channels:
        if entry.undecided:
            interval = Interval(lo, hi)
            reasons = [no_function(of_channel(rule, entry.channel), interval) for rule in (a, b)]
            assert entry.undecided in reasons
        else:
            mine, theirs = maker(a, entry.channel), maker(b, entry.channel)
            assert told(entry) == expected(lo, hi, mine, theirs)
            assert (entry.lo, entry.hi, entry.total) == (lo, hi, hi - lo + 1)


@given(st.data())
def test_enumeration(data):
    channels = data.draw(st.sampled_from([1, 3]))
    a, b = data.draw(neighbours(channels))
    lo = data.draw(st.integers(-700, 300))
    hi = lo + data.draw(st.integers(0, 150))
    found = compare_rules(a, b, Interval(lo, hi), enumerate_all=True, threads=data.draw(st.integers(1, 2)))
    assert len(found.channels) == max(a.channels(), b.channels())
    check(found, a, b, lo, hi)


@given(st.data())
def test_bisection_finds_what_enumeration_finds(data):
    a, b = data.draw(neighbours(2, trap=True))
    lo = data.draw(st.integers(-(2**20), 2**20))
    interval = Interval(lo, lo + data.draw(st.integers(0, 3000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equivalence, "AT_ONCE", 0)
        bisected = compare_rules(a, b, interval)
    enumerated = compare_rules(a, b, interval, enumerate_all=True)
    for one, other in zip(bisected.channels, enumerated.channels, strict=True):
        assert replace(one, method="") == replace(other, method="")
        rules = [of_channel(rule, one.channel) for rule in (a, b)]
        if one.method not in (SAME, UNDECIDED):
            proved = not any(not_monotone(rule, interval) for rule in rules)
            assert one.method == (BISECTION if proved else ENUMERATION)


@given(st.data())
def test_what_is_proved_monotone_is(data):
    rule = data.draw(requantizations(1, trap=True, input_bits=12))
    lo = data.draw(st.integers(-3000, 3000))
    interval = Interval(lo, lo + data.draw(st.integers(1, 200)))
    assume(no_function(rule, interval) is None and not_monotone(rule, interval) is None)
    codes = [maker(rule)(value) for value in range(interval.lo, interval.hi + 1)]
    assert codes in (sorted(codes), sorted(codes, reverse=True))


RATIO = 0.0117
PAIRS = {
    "float32 against a 31-bit multiplier": ("f32-rne-zp-after", "tflite-double"),
    "float32 against a 24-bit multiplier": ("f32-rne-zp-after", "xnnpack-rndnu"),
    "31 bits against 15": ("tosa-scale32", "tosa-scale16"),
    "double against single rounding": ("tflite-double", "tflite-single"),
    "zero point before against after": ("f32-rne-zp-before", "f32-rne-zp-after"),
    "one and the same": ("tflite-single", "tosa-scale32"),
}


@pytest.mark.parametrize("names", PAIRS.values(), ids=PAIRS.keys())
def test_dialects(names):
    """Both ways, on a range with ties and with every code."""
    a, b = (DIALECTS[name].requantization([RATIO, 0.125], zero_point=3) for name in names)
    interval = Interval(-14_000, 14_001)
    found = compare_rules(a, b, interval)
    for entry in found.channels:
        mine, theirs = maker(a, entry.channel), maker(b, entry.channel)
        assert told(entry) == expected_of_monotone(-14_000, 14_001, mine, theirs)
    assert found.differing == sum(entry.differing for entry in found.channels)
    assert found.equal == (names[0] == "tflite-single")
    assert found.total == 2 * 28_002


def test_a_31_bit_against_an_8_bit_multiplier():
    wide = Requantization((Multiply(multipliers=1718395243), ShiftRight(bits=39, rounding=Rounding.HALF_UP)))
    short = Requantization((Multiply(multipliers=205), ShiftRight(bits=16, rounding=Rounding.HALF_UP)))
    (entry,) = compare_rules(wide, short, Interval(-50_000, 50_000)).channels
    assert told(entry) == expected(-50_000, 50_000, maker(wide), maker(short))
    assert entry.differing > 0
    (entry,) = compare_rules(wide, short, Interval(-100, 100)).channels
    assert (entry.equal, entry.method) == (True, ENUMERATION)


def single_rounding(multiplier, shift, into=None):
    """A single rounding as a shift that keeps one bit, an addition and another shift: CMSIS-NN's form."""
    return Requantization(
        (
            Multiply(multipliers=multiplier),
            ShiftRight(bits=shift - 1, rounding=Rounding.FLOOR, into=into),
            Add(values=1),
            ShiftRight(bits=1, rounding=Rounding.FLOOR),
            Clamp(lo=-128, hi=127),
        ),
        INT8,
    )


TRUNCATED = Register(IntFormat(32), Overflow.WRAP)


def truncated(value, multiplier, shift, bits=None):
    """The same in Python ints; `bits` of the register between the shifts."""
    held = value * multiplier // 2 ** (shift - 1)
    if bits is not None:
        held = (held + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    return max(-128, min(127, (held + 1) // 2))


@pytest.mark.parametrize(("lo", "hi"), [(2**30 - 500, 2**30 + 500), (-(2**30) - 500, -(2**30) + 500)])
def test_a_33_bit_intermediate_in_32_bits_flips_the_sign(lo, hi):
    """CMSIS-NN, pull request 220."""
    multiplier, shift = 2**31 - 1, 31
    a, b = single_rounding(multiplier, shift), single_rounding(multiplier, shift, TRUNCATED)
    (entry,) = compare_rules(a, b, Interval(lo, hi)).channels
    whole = [truncated(value, multiplier, shift) for value in range(lo, hi + 1)]
    short = [truncated(value, multiplier, shift, 32) for value in range(lo, hi + 1)]
    apart = [k for k, (x, y) in enumerate(zip(whole, short, strict=True)) if x != y]
    assert (entry.differing, entry.first) == (len(apart), lo + apart[0])
    assert {entry.a, entry.b} == {127, -128}
    assert entry.a == whole[apart[0]]
    assert 400 < entry.differing < 600
    wide = single_rounding(multiplier, shift, Register(IntFormat(33), Overflow.WRAP))
    assert compare_rules(a, wide, Interval(lo, hi)).equal
    assert "ShiftRight" in not_monotone(of_channel(b, 0), Interval(lo, hi))


@pytest.mark.sweep
def test_the_truncation_on_all_32_bits():
    """2**32 accumulators; the closed form counts those whose intermediate leaves 32 bits."""
    multiplier, shift = 2**31 - 1, 31
    a, b = single_rounding(multiplier, shift), single_rounding(multiplier, shift, TRUNCATED)
    lo, hi = -(2**31), 2**31 - 1
    (entry,) = compare_rules(a, b, Interval(lo, hi)).channels
    above = -(-(2**31) * 2**30 // multiplier)  # the first whose intermediate is 2**31 or more
    below = (-(2**31) * 2**30 - 1) // multiplier  # the last whose intermediate is below -2**31
    outside = [*range(above, above + 300), *range(hi - 300, hi + 1), *range(lo, lo + 300)]
    outside += [*range(below - 300, below + 1)]
    assert all(truncated(v, multiplier, shift) != truncated(v, multiplier, shift, 32) for v in outside)
    assert (entry.differing, entry.method) == ((hi - above + 1) + (below - lo + 1), ENUMERATION)
    codes = [
        (truncated(v, multiplier, shift), truncated(v, multiplier, shift, 32)) for v in range(lo, lo + 300)
    ]
    at = next(k for k, (x, y) in enumerate(codes) if abs(x - y) == 255)
    assert told(entry)[1:] == (lo, *codes[0], 255, lo + at)


def test_long_ranges_are_bisected_and_enumerated_when_asked(monkeypatch):
    monkeypatch.setattr(equivalence, "AT_ONCE", 1000)
    a, b = (DIALECTS[name].requantization(2.0**-25) for name in ("tflite-double", "tflite-single"))
    interval = Interval(-(2**31), 2**31 - 1)
    (entry,) = compare_rules(a, b, interval).channels
    assert (entry.method, entry.total) == (BISECTION, 2**32)
    assert told(entry) == expected_of_monotone(-(2**31), 2**31 - 1, maker(a), maker(b))
    assert entry.differing > 0
    short = compare_rules(a, b, Interval(0, 1000)), compare_rules(a, b, Interval(0, 999))
    assert [found.methods for found in short] == [(BISECTION,), (ENUMERATION,)]
    assert compare_rules(a, b, Interval(0, 5000), enumerate_all=True).methods == (ENUMERATION,)
    monkeypatch.setattr(equivalence_monotone, "MOST_STRETCHES", 10)
    assert compare_rules(a, b, Interval(0, 2**28)).methods == (ENUMERATION,)


def test_pieces_and_threads_find_the_same(monkeypatch):
    a = DIALECTS["tosa-scale16"].requantization([0.01, 0.02], zero_point=-3)
    b = DIALECTS["f32-rne-zp-after"].requantization([0.0101, 0.02], zero_point=-3)
    interval = Interval(np.array([-7001, -12], dtype=object), np.array([9000, 6500], dtype=object))
    whole = compare_rules(a, b, interval)
    monkeypatch.setattr(equivalence_enumerate, "_PIECE", 1000)
    monkeypatch.setattr(equivalence_enumerate, "_BLOCK", 17)
    monkeypatch.setattr(equivalence_enumerate, "_TURN", 2)
    said = []
    for threads in (1, 2, 3):
        pieces = compare_rules(a, b, interval, threads=threads, progress=lambda *done: said.append(done))
        assert pieces == whole
    assert said[-1] == (whole.total, whole.total)
    assert said == sorted(said[: said.index(said[-1]) + 1]) + said[said.index(said[-1]) + 1 :]
    assert [entry.total for entry in whole.channels] == [16_002, 6_513]
    assert whole.channels[0].differing > 0


def test_traps_are_no_codes():
    trap = Register(IntFormat(4), Overflow.TRAP)
    never = Requantization((Add(values=0),))
    a = Requantization((Add(values=0, into=trap),))
    b = Requantization((Add(values=1, into=trap), Add(values=-1)))
    (entry,) = compare_rules(a, b, Interval(-100, 100)).channels
    assert told(entry) == (2, -9, None, -9, 0, None)
    (entry,) = compare_rules(a, never, Interval(-8, 9)).channels
    assert told(entry) == (2, 8, None, 8, 0, None)
    assert compare_rules(a, never, Interval(-8, 7)).equal
    assert compare_rules(a, a.replace(overflow=Overflow.WRAP), Interval(-100, 100)).equal


def test_values_beyond_int64():
    wide = Requantization(
        (ShiftLeft(bits=40), Multiply(multipliers=2**40), ShiftRight(bits=62)), IntFormat(32)
    )
    (entry,) = compare_rules(
        wide, Requantization((Multiply(multipliers=2**18),), IntFormat(32)), Interval(-9, 99)
    ).channels
    assert (entry.equal, entry.method) == (True, ENUMERATION)
    (entry,) = compare_rules(wide, Requantization((), IntFormat(32)), Interval(-9, 99)).channels
    assert told(entry) == (108, -9, -9 * 2**18, -9, 99 * (2**18 - 1), 99)


def test_codes_of_64_bits_without_sign():
    signed, unsigned = (Requantization((), IntFormat(64, signed), Overflow.WRAP) for signed in (True, False))
    (entry,) = compare_rules(signed, unsigned, Interval(-2, 2)).channels
    assert told(entry) == (2, -2, -2, 2**64 - 2, 2**64, -2)
    far = Requantization((Multiply(multipliers=2**61),), IntFormat(64))
    (entry,) = compare_rules(
        far, Requantization((Multiply(multipliers=-(2**61)),), IntFormat(64)), Interval(-3, 3)
    ).channels
    assert told(entry) == (6, -3, -3 * 2**61, 3 * 2**61, 6 * 2**61, -3)


def test_too_many_for_python_are_not_decided(monkeypatch):
    monkeypatch.setattr(equivalence, "BY_HAND", 100)
    wide = Requantization(
        (ShiftLeft(bits=62), ShiftRight(bits=62, into=Register(IntFormat(7)))), IntFormat(32)
    )
    plain = Requantization((), IntFormat(32))
    (entry,) = compare_rules(wide, plain, Interval(0, 100)).channels
    assert entry.undecided == "int64 does not hold every step, and 101 accumulators are too many for Python"
    assert not entry.equal
    (entry,) = compare_rules(wide, plain, Interval(0, 99)).channels
    assert told(entry)[:4] == (36, 64, -64, 64)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (ShiftRight(bits=3, rounding=Rounding.STOCHASTIC), "STOCHASTIC rounding draws per element"),
        (Table(entries=[1, 2, 3]), "table holds 0 to 2, not [0, 3]"),
        (Scale(factors=np.float32(3e38), after=np.float32(3e38)), "cannot convert float infinity to integer"),
    ],
)
def test_what_is_no_function_is_not_decided(step, why):
    rule = Requantization((step,))
    found = compare_rules(rule, Requantization(()), Interval(0, 3))
    assert (found.undecided, found.equal, found.differing) == (why, False, 0)
    assert compare_rules(rule, rule, Interval(0, 3)).methods == (SAME,)


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (
            (Add(values=1, into=Register(INT8)),),
            "step 0 (Add) is given [-99, 201], which int8 wrap does not hold",
        ),
        ((Table(entries=[3, 1, 2], first=-1),), "step 0 (Table) has entries that rise and fall"),
        ((Slice(hi=3, lo=0),), "step 0 (Slice) drops bits that change"),
        ((ShiftRight(bits=1, rounding=Rounding.STOCHASTIC),), "step 0 (ShiftRight) draws per element"),
    ],
)
def test_what_is_not_monotone(steps, why):
    interval = Interval(-1, 1) if isinstance(steps[0], Table) else Interval(-100, 200)
    assert not_monotone(Requantization(steps), interval) == why


def test_codes_that_wrap_or_trap_are_not_monotone():
    for overflow, name in ((Overflow.WRAP, "wrap"), (Overflow.TRAP, "trap")):
        rule = Requantization((), INT8, overflow)
        assert not_monotone(rule, Interval(-128, 127)) is None
        said = f"the code's register is given [-128, 128], which int8 {name} does not hold"
        assert not_monotone(rule, Interval(-128, 128)) == said


def test_thresholds_per_channel():
    rows = [[-5, 0, 5], [1, 2, 3]]
    a = Requantization((Thresholds(values=rows),))
    b = Requantization((Thresholds(values=[-5, 0, 5]),))
    found = compare_rules(a, b, Interval(-9, 9))
    assert [entry.equal for entry in found.channels] == [True, False]
    assert told(found.channels[1]) == expected(-9, 9, maker(a, 1), maker(b))
    assert found.channels[0].method == SAME


def test_channels_must_agree():
    rule = Requantization((Add(values=[1, 2]),))
    with pytest.raises(ValueError, match="agree on the channels"):
        compare_rules(rule, Requantization((Add(values=[1, 2, 3]),)), Interval(0, 1))


def test_a_function_takes_python_ints_too():
    function = Function(DIALECTS["tflite-double"].requantization(0.01), Interval(-5000, 5000))
    assert function.compiled
    values = np.arange(-5000, 5001)
    assert function(values).codes.tolist() == function(values.astype(object)).codes.tolist()
    assert function(values).codes.tolist() == function.slowly(values).codes.tolist()
