"""Bounds and sums on which other tools were once wrong."""

import numpy as np
import pytest

from intsim import NetworkBuilder, run
from intsim.arithmetic import Accumulator, Interval
from intsim.formats import IntFormat, TensorSpec
from intsim.ops import BatchMatmul, Dense

ENGINES = ["reference", "exact", "fast"]


def width(interval):
    """Bits of a signed register that holds every value."""
    hull = interval.hull()
    return IntFormat.covering(min(hull.min, -1), hull.max).bits


def dense_bounds(weights, x, bias=0):
    op = Dense(weight=[weights], bias=bias, accumulator=Accumulator(IntFormat(64)))
    return op.bounds((TensorSpec((len(weights),), IntFormat(16)),), (x,))


def test_one_negative_weight():
    """-2 times 6 unsigned bits needs 8 bits; a width from the l1 norm alone says 7."""
    bounds = dense_bounds([-2], Interval.of_format(IntFormat(6, signed=False)))
    assert bounds.final.hull() == Interval(-126, 0)
    assert width(bounds.final) == 8


def test_both_ends_of_two_signed_operands():
    """64 products of int4 by int4 need 14 bits: -8 by -8 is larger than 7 by 7."""
    int4 = IntFormat(4)
    specs = (TensorSpec((1, 64), int4), TensorSpec((64, 1), int4))
    bounds = BatchMatmul().bounds(specs, (Interval.of_format(int4),) * 2)
    assert bounds.outputs[0].hull() == Interval(-3584, 4096)
    assert width(bounds.outputs[0]) == 14


def test_a_range_without_zero():
    """The final sum needs 6 bits, a partial sum 7."""
    bounds = dense_bounds([3, 3, -3, -3], Interval(5, 10))
    assert bounds.final.hull() == Interval(-30, 30)
    assert bounds.reach.hull() == Interval(-60, 60)
    assert (width(bounds.final), width(bounds.reach)) == (6, 7)


@pytest.mark.parametrize(("largest", "bits"), [(2**31 - 1, 32), (2**31, 33), (2**32 - 1, 33), (2**53, 55)])
def test_widths_come_from_integers(largest, bits):
    """A logarithm in floating point says 32 bits for 2**31."""
    bounds = dense_bounds([1], Interval(0, 0), bias=largest)
    assert width(bounds.final) == bits


@pytest.mark.parametrize("engine", ENGINES)
def test_sums_that_float32_cannot_hold(engine):
    """17.6 million and some: float32 carries even integers only there."""
    b = NetworkBuilder()
    x = b.input("x", (5,), IntFormat(16))
    b.output(b.add(Dense(weight=[[127] * 5], bias=2), x))
    values = np.array([[32767, 32767, 32767, 32767, 7515]])
    expected = [138583 * 127 + 2]
    assert expected == [17_600_043]
    assert run(b.build(), values, engine=engine).output.ravel().tolist() == expected
    assert [int(np.float32(value)) for value in expected] != expected


@pytest.mark.parametrize("engine", ENGINES)
def test_eight_bits_wrap_at_every_addition(engine):
    """7,7,7 by 7,7,7 in an 8-bit register is -109, not 147."""
    b = NetworkBuilder()
    x = b.input("x", (3,), IntFormat(4))
    b.output(b.add(Dense(weight=[[7, 7, 7]], accumulator=Accumulator(IntFormat(8))), x))
    assert run(b.build(), np.array([[7, 7, 7]]), engine=engine).output.tolist() == [[-109]]
