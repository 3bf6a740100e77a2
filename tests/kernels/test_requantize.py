"""The requantization program against the reference, and its float steps against IEEE arithmetic."""

from fractions import Fraction

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim import plan, run
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
    Table,
    round_shift,
)
from intsim.arithmetic.dialects import DIALECTS
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.kernels import program, stages, steps
from intsim.ops import Requantize
from intsim.testing import Case, network_of
from intsim.testing.strategies import formats, requantizations, tensors

SWEPT = {
    "int32": ["tflite-double", "tflite-neon", "pow2-half-up", "pow2-half-away", "pow2-floor"],
    "int64": [
        "tflite-single",
        "litert-ref-fc",
        "f32-rne-zp-after",
        "f32-rne-zp-before",
        "pow2-even",
        "dyadic-rne",
    ],
}
"""Dialects by the kernel that runs them on sums of 28 bits."""

SHIFTS = [rounding for rounding in Rounding if rounding is not Rounding.STOCHASTIC]


def outcome(network, x, engine, **options):
    try:
        return run(network, x, engine=engine, **options).output.tolist()
    except OverflowTrap as trap:
        return str(trap)


INT32 = IntFormat(32)


def network(rule, shape, format=INT32):
    return network_of(Case(Requantize(requantization=rule), (TensorSpec(shape, format),), ()))


@given(st.data())
def test_drawn_requantizations(data):
    format = data.draw(formats(2, 32))
    channels = data.draw(st.sampled_from([1, 2, 3, 5]))
    rule = data.draw(requantizations(channels, trap=True, input_bits=format.bits))
    made = network(rule, (2, channels), format)
    x = data.draw(tensors(TensorSpec((2, channels), format)))
    expected = outcome(made, x, "reference")
    assert outcome(made, x, "fast", threads=data.draw(st.integers(1, 2))) == expected


def test_a_program_needs_no_more_than_the_kernels_know():
    assert [getattr(steps, name) for name in program.CODES] == list(range(len(program.CODES)))
    assert [getattr(steps, rounding.name) for rounding in program.ROUNDINGS] == list(range(len(SHIFTS)))
    assert list(program.ROUNDINGS) == SHIFTS


def fast(rule, values):
    """The codes of a list of values, by a plan that is checked to be the kernel's."""
    made = plan(network(rule, (1,)))
    assert made.nodes[0].kernel.startswith("requantize")
    return made.run(np.array(values, dtype=object).astype(np.int64)[:, None]).output[:, 0].tolist()


@pytest.mark.parametrize("rounding", SHIFTS)
def test_every_right_shift_of_every_small_value(rounding):
    values = np.arange(-300, 301)
    for bits in range(11):
        rule = Requantization((ShiftRight(bits=bits, rounding=rounding),), IntFormat(32))
        assert fast(rule, values) == round_shift(values, bits, rounding).tolist()


@pytest.mark.parametrize("rounding", SHIFTS)
@pytest.mark.parametrize("bits", [31, 61, 62])
def test_right_shifts_of_large_values(rounding, bits):
    rule = Requantization(
        (Multiply(multipliers=2**30 - 1), ShiftRight(bits=bits, rounding=rounding)), IntFormat(40)
    )
    near = [2**31 - 1, -(2**31), 2**30, -(2**30), 2**30 + 1, -(2**30) - 1, 0, 1, -1]
    expected = [int(round_shift(value * (2**30 - 1), bits, rounding)) for value in near]
    assert fast(rule, near) == expected


def test_values_that_leave_no_room_to_round_are_left_to_the_reference():
    rule = Requantization((ShiftRight(bits=62, rounding=Rounding.HALF_UP),), IntFormat(8))
    made = plan(network(rule, (1,), IntFormat(64)))
    assert made.nodes[0].kernel == "reference int64"
    assert "before a right shift leaves int64 no room to round" in made.nodes[0].reason
    top = np.array([[2**63 - 1], [-(2**63)], [3 * 2**61], [3 * 2**61 - 1]])
    assert made.run(top).output[:, 0].tolist() == [2, -2, 2, 1]
    rule = Requantization((ShiftLeft(bits=40),), IntFormat(8))
    made = plan(network(rule, (1,)))
    assert "beyond int64; " in made.nodes[0].reason
    assert made.run(np.array([[-1], [0], [1]])).output[:, 0].tolist() == [-128, 0, 127]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rounding", SHIFTS)
def test_float_ties_and_their_neighbours(rounding, dtype):
    values = np.arange(-300, 301)
    for factor in (
        0.5,
        0.25,
        0.125,
        np.nextafter(dtype(0.5), dtype(1)),
        np.nextafter(dtype(0.5), dtype(0)),
        -0.5,
    ):
        rule = Requantization((Scale(factors=dtype(factor), rounding=rounding),), INT32)
        exact = [Fraction(float(dtype(value) * dtype(factor))) for value in values.tolist()]
        scaled = [int(value * 2**80) for value in exact]
        assert fast(rule, values) == [round_shift(value, 80, rounding) for value in scaled]


def once(value, bits):
    """A Fraction rounded to the nearest float of a precision, ties to even: what one IEEE operation gives."""
    if value == 0:
        return Fraction(0)
    exponent = 0
    while abs(value) >= 2 ** (exponent + bits):
        exponent += 1
    while abs(value) < 2 ** (exponent + bits - 1):
        exponent -= 1
    return round(value / Fraction(2) ** exponent) * Fraction(2) ** exponent


@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, 24), (np.float64, 53)])
def test_every_operation_is_rounded_on_its_own(dtype, bits):
    """Where the product's rounding decides, a fused multiply-add gives another integer."""
    values = np.concatenate([np.arange(3, 400, 2), [2**31 - 1, -(2**31), 2**24 + 1, -(2**24) - 1]])
    factors = (dtype(0.5) / values.astype(dtype)).astype(dtype)
    before, after = dtype(0.25), dtype(-0.5)
    for use in ({"after": after}, {"before": before, "after": after}, {"before": before}, {}):
        rule = Requantization((Scale(factors=factors, rounding=Rounding.FLOOR, **use),), IntFormat(32))
        expected, fused = [], []
        for value, factor in zip(values.tolist(), factors.tolist(), strict=True):
            start = once(Fraction(value), bits)
            if "before" in use:
                start = once(start + Fraction(float(before)), bits)
            product = start * Fraction(factor)
            last = Fraction(float(after)) if "after" in use else Fraction(0)
            expected.append(once(once(product, bits) + last, bits).__floor__())
            fused.append(once(product + last, bits).__floor__())
        made = plan(network(rule, (values.size,)))
        assert made.nodes[0].kernel == "requantize int64"
        assert made.run(values[None]).output[0].tolist() == expected
        assert expected != fused or use != {"after": after}


def test_no_fused_instruction_is_in_the_code():
    signature = numba.types.void(numba.int64[::1], numba.float32[:, ::1], numba.int64[::1])
    fresh = numba.njit(signature, nogil=True, fastmath=False, error_model="numpy")(steps.scale.py_func)
    (text,) = fresh.inspect_asm().values()
    assert "mul" in text
    assert "fmadd" not in text
    assert "fmla" not in text


@pytest.mark.parametrize(("kernel", "name"), [(k, name) for k, names in SWEPT.items() for name in names])
@pytest.mark.parametrize("format", [IntFormat(8), IntFormat(8, signed=False), IntFormat(16)])
def test_dialects(kernel, name, format):
    rng = np.random.default_rng(5)
    powers = 2.0 ** -np.arange(1, 9)
    ratios = powers if "pow2" in name else np.concatenate([rng.uniform(1e-6, 1, 5), [0.5, 2**-9, 0.999999]])
    rule = DIALECTS[name].requantization(ratios, zero_point=3, format=format)
    for bits in (28, 32):
        top = 2 ** (bits - 1)
        values = np.concatenate([rng.integers(-top, top, (500, 8)), rng.integers(-3000, 3000, (1500, 8))])
        values[0], values[1], values[2] = top - 1, -top, 0
        made = plan(network(rule, (8,), IntFormat(bits)))
        assert made.nodes[0].kernel in (f"requantize {kernel}", *(["requantize int64"] if bits == 32 else []))
        expected = rule.apply(values).tolist()
        assert made.run(values).output.tolist() == expected
        flat = values.ravel().copy()
        assert steps.run_steps(flat, *program.program(rule, Interval(-top, top - 1)).arrays()) == 0
        assert flat.reshape(values.shape).tolist() == expected


def test_a_ratio_above_one_wraps_where_the_runtime_does():
    rule = DIALECTS["tflite-double"].requantization(np.array([3.7, 0.01]), format=IntFormat(16))
    made = plan(network(rule, (2,)))
    assert made.nodes[0].kernel == "requantize int64"
    values = np.array([[2**31 - 1, 5], [-(2**31), -5], [2**29, 2**31 - 1], [-1, 1]])
    assert made.run(values).output.tolist() == rule.apply(values).tolist()


@pytest.mark.parametrize("channels", [1, 3, 255, 256, 257, 600])
def test_channels_meet_their_own_parameters_in_every_row(channels):
    rng = np.random.default_rng(channels)
    rule = Requantization(
        (
            Add(values=rng.integers(-9, 9, channels)),
            Multiply(multipliers=rng.integers(-99, 99, channels)),
            ShiftRight(bits=rng.integers(0, 5, channels), rounding=Rounding.HALF_EVEN),
            Clamp(lo=-rng.integers(0, 200, channels), hi=200),
        ),
        IntFormat(9),
    )
    x = rng.integers(-100, 100, (7, 70_000 // (7 * channels), channels))
    made = network(rule, x.shape[1:], IntFormat(8))
    for threads in (1, 2, 3):
        assert run(made, x, threads=threads).output.tolist() == rule.apply(x).tolist()


INT20 = Interval(-(2**19), 2**19 - 1)


def staged(*steps_, interval=INT20):
    """The arrays of the int32 kernel for steps, or None."""
    rule = Requantization(steps_, IntFormat(8))
    return stages.fixed(program.program(rule, interval), interval)


ADD, LEFT, CLAMP = Add(values=3), ShiftLeft(bits=4), Clamp(lo=-5, hi=90)
RIGHT = ShiftRight(bits=3, rounding=Rounding.HALF_AWAY)
RIGHTS = ShiftRight(bits=[1, 0, 30], rounding=Rounding.HALF_TOWARD_ZERO)
MULTIPLY = Multiply(multipliers=[7, -9, 2**11])


@pytest.mark.parametrize(
    "steps_",
    [
        (),
        (ADD,),
        (ADD, LEFT, MULTIPLY, ShiftRight(bits=9), RIGHTS, ADD, CLAMP),
        (MULTIPLY, ShiftRight(bits=9, rounding=Rounding.CEIL), RIGHT),
        (LEFT, RIGHTS),
        (MULTIPLY, CLAMP),
        (RIGHT, CLAMP, Clamp(lo=-3, hi=200), Clamp(lo=100, hi=101)),
        (CLAMP, Clamp(lo=2**40, hi=2**41)),
        (ADD, ADD),
    ],
)
def test_the_stages_of_the_int32_kernel(steps_):
    assert staged(*steps_) is not None
    rule = Requantization(steps_, IntFormat(8))
    values = np.concatenate([np.arange(-300, 300), [2**19 - 1, -(2**19), 2**18, -(2**18)]])
    x = np.stack([values, values[::-1], values], axis=-1)
    made = plan(network(rule, (3,), IntFormat(20)))
    assert made.nodes[0].kernel == "requantize int32"
    assert made.run(x).output.tolist() == rule.apply(x).tolist()


def test_what_is_more_than_the_stages_or_than_int32():
    even = ShiftRight(bits=3, rounding=Rounding.HALF_EVEN)
    wrap = Add(values=0, into=Register(IntFormat(8), Overflow.WRAP))
    for steps_ in (
        (RIGHT, LEFT),
        (even,),
        (ADD, ADD, ADD),
        (RIGHT, RIGHT, RIGHT),
        (CLAMP, RIGHT),
        (Add(values=[1, 2, 3]),),
        (Clamp(lo=[-1, -2, -3], hi=4),),
        (RIGHTS, RIGHT),
        (wrap,),
        (Multiply(multipliers=2**12),),
        (Add(values=2**31 - 2**19),),
        (Multiply(multipliers=2**40), ShiftRight(bits=40)),
        (ShiftRight(bits=31), ShiftRight(bits=31)),
    ):
        assert staged(*steps_) is None, steps_
    assert staged(Multiply(multipliers=2**11 - 1)) is not None
    assert staged(Add(values=2**31 - 2**20)) is not None


def test_registers_that_nothing_can_overflow_are_left_out():
    narrow = Register(IntFormat(8), Overflow.TRAP)
    steps_ = (ShiftRight(bits=4, into=narrow), Add(values=1, into=narrow))
    assert staged(*steps_, interval=Interval(-2048, 2031)) is not None
    assert staged(*steps_, interval=Interval(-2048, 2032)) is None


def test_registers_between_the_steps():
    rule = Requantization(
        (
            Multiply(multipliers=3, into=Register(IntFormat(8), Overflow.WRAP)),
            ShiftLeft(bits=1, into=Register(IntFormat(7), Overflow.SATURATE)),
            Add(values=1, into=Register(IntFormat(7, signed=False), Overflow.WRAP)),
        ),
        IntFormat(6),
        Overflow.SATURATE,
    )
    values = np.arange(-300, 301)
    assert fast(rule, values) == rule.apply(values).tolist()
    assert fast(Requantization((), IntFormat(64, signed=False), Overflow.WRAP), [-1]) == [2**64 - 1]


def test_a_trap_says_what_the_reference_says():
    rule = Requantization((Add(values=100, into=Register(IntFormat(8), Overflow.TRAP)),), IntFormat(8))
    made = network(rule, (3,))
    x = np.array([[0, 1, 2], [27, 28, 500]])
    message = (
        "node: sample 1: register must hold int8 (-128 to 127), not 128 at (0, 1): 2 of 3 values do not fit"
    )
    assert outcome(made, x, "fast") == outcome(made, x, "reference") == message
    assert outcome(made, x[:1], "fast") == [[100, 101, 102]]


def test_a_table_that_is_too_short_is_refused_when_the_plan_is_made():
    rule = Requantization((Clamp(lo=0, hi=3), Table(entries=[5, 6, 7])), IntFormat(8))
    with pytest.raises(SpecError, match=r"^node: table holds 0 to 2, not"):
        plan(network(rule, (1,)))
