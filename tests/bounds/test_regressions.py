"""Bounds and sums on which other tools were once wrong."""

import numpy as np
import pytest

from intsim import NetworkBuilder, network_bounds, run
from intsim.arithmetic import Accumulator, Interval, Overflow
from intsim.bounds.closed_forms import a2q_plus
from intsim.bounds.layers import channels_of
from intsim.formats import IntFormat, TensorSpec
from intsim.formats.width import width as width_of
from intsim.ops import BatchMatmul, Dense
from intsim.verify.prove import PROVED, WITNESSED, prove

ENGINES = ["reference", "exact", "fast"]


def width(interval):
    """Bits of a signed register that holds every value."""
    hull = interval.hull()
    return IntFormat.covering(min(hull.min, -1), hull.max).bits


def dense_bounds(weights, x, bias=0):
    op = Dense(weight=[weights], bias=bias, accumulator=Accumulator(IntFormat(64)))
    return op.bounds((TensorSpec((len(weights),), IntFormat(16)),), (x,))


def network(accumulator, weight, format, **fields):
    b = NetworkBuilder()
    x = b.input("x", (len(weight),), format)
    b.output(b.add(Dense(weight=[weight], accumulator=accumulator, **fields), x, name="sum"))
    return b.build()


def verdicts(weight, format, overflow, widths, ranges=None):
    """Of one sum in registers of these widths."""
    found = []
    for bits in widths:
        proof = prove(network(Accumulator(IntFormat(bits), overflow), weight, format), ranges)
        found.append(proof.nodes[0].verdict)
    return found


def test_one_negative_weight():
    """-2 times 6 unsigned bits needs 8 bits; a width from the l1 norm alone says 7."""
    uint6 = IntFormat(6, signed=False)
    bounds = dense_bounds([-2], Interval.of_format(uint6))
    assert bounds.final.hull() == Interval(-126, 0)
    assert width(bounds.final) == 8
    for overflow in Overflow:
        assert verdicts([-2], uint6, overflow, (7, 8)) == [WITNESSED, PROVED]
    layer = channels_of(Dense(weight=[[-2]]), [Interval.of_format(uint6)])
    assert a2q_plus(layer).widest is None  # the form that says 7 is for weights that sum to 0


def test_both_ends_of_two_signed_operands():
    """64 products of int4 by int4 need 14 bits: -8 by -8 is larger than 7 by 7."""
    int4 = IntFormat(4)
    specs = (TensorSpec((1, 64), int4), TensorSpec((64, 1), int4))
    bounds = BatchMatmul().bounds(specs, (Interval.of_format(int4),) * 2)
    assert bounds.outputs[0].hull() == Interval(-3584, 4096)
    assert width(bounds.outputs[0]) == 14
    for bits, verdict in ((13, WITNESSED), (14, PROVED)):
        b = NetworkBuilder()
        x, y = b.input("x", (1, 64), int4), b.input("y", (64, 1), int4)
        b.output(b.add(BatchMatmul(accumulator=Accumulator(IntFormat(bits))), x, y))
        (node,) = prove(b.build()).nodes
        assert node.verdict == verdict
        assert [w.exact for w in node.witnesses] == ([4096] if verdict == WITNESSED else [])


def test_a_range_without_zero():
    """The final sum needs 6 bits, a partial sum 7."""
    bounds = dense_bounds([3, 3, -3, -3], Interval(5, 10))
    assert bounds.final.hull() == Interval(-30, 30)
    assert bounds.reach.hull() == Interval(-60, 60)
    assert (width(bounds.final), width(bounds.reach)) == (6, 7)
    (register,) = bounds.registers
    assert (register.final.hull(), register.partial.hull()) == (Interval(-30, 30), Interval(-30, 60))
    here = {"x": Interval(5, 10)}
    weight, int5 = [3, 3, -3, -3], IntFormat(5)
    assert verdicts(weight, int5, Overflow.WRAP, (5, 6), here) == [WITNESSED, PROVED]
    assert verdicts(weight, int5, Overflow.SATURATE, (6, 7), here) == [WITNESSED, PROVED]
    assert verdicts(weight, int5, Overflow.TRAP, (6, 7), here) == [WITNESSED, PROVED]


@pytest.mark.parametrize(("largest", "bits"), [(2**31 - 1, 32), (2**31, 33), (2**32 - 1, 33), (2**53, 55)])
def test_widths_come_from_integers(largest, bits):
    """A logarithm in floating point says 32 bits for 2**31."""
    bounds = dense_bounds([1], Interval(0, 0), bias=largest)
    assert width(bounds.final) == bits
    assert width_of(0, largest) == bits
    zero = {"x": Interval(0, 0)}
    for register, verdict in ((bits - 1, WITNESSED), (bits, PROVED)):
        built = network(Accumulator(IntFormat(register)), [1], IntFormat(8), bias=largest)
        assert prove(built, zero).nodes[0].verdict == verdict


@pytest.mark.parametrize("bits", range(1, 200))
def test_widths_next_to_powers_of_two(bits):
    """The last integer that fits and the first that does not, up to 200 bits."""
    top = 2 ** (bits - 1)
    assert width_of(-top, top - 1) == bits
    assert (width_of(0, top), width_of(-top - 1, 0)) == (bits + 1, bits + 1)
    assert width_of(0, 2**bits - 1, signed=False) == bits
    assert width_of(0, 2**bits, signed=False) == bits + 1
    assert width_of(-1, top, signed=False) is None


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


@pytest.mark.parametrize("engine", ENGINES)
def test_an_inner_wrap_is_not_undone_by_the_outer_register(engine):
    """Tiles of 7 bits that hold 100 and then -60: -88, though 40 fits the outer 16 bits, and 7."""
    tiles = Accumulator(IntFormat(16), tile=1, inner=Accumulator(IntFormat(7)))
    built = network(tiles, [1, 1], IntFormat(8))
    assert run(built, np.array([[100, -60]]), engine=engine).output.tolist() == [[-88]]
    here = {"x": Interval(np.array([0, -60], dtype=object), np.array([100, -60], dtype=object))}
    found = network_bounds(built, here).nodes["sum"]
    assert found.final.hull() == Interval(-60, 40)
    (node,) = prove(built, here).nodes
    assert (node.verdict, node.kinds) == (WITNESSED, ("transient",))
    alone = network(Accumulator(IntFormat(7)), [1, 1], IntFormat(8))
    assert run(alone, np.array([[100, -60]]), engine=engine).output.tolist() == [[40]]
    assert prove(alone, here).proved
    outer = network(tiles.replace(format=IntFormat(7)), [1, 1], IntFormat(8))
    assert prove(outer, here).proved  # the same bits outside as inside: a ring again


@pytest.mark.parametrize("engine", ENGINES)
def test_saturating_each_step_is_not_saturating_once(engine):
    """7, 7, -7 in 4 bits: 0 by steps, 7 at the end."""
    int4 = IntFormat(4)
    steps = Accumulator(int4, Overflow.SATURATE)
    once = Accumulator(int4, Overflow.SATURATE, tile=3)
    values = np.array([[7, 7, -7]])
    assert run(network(steps, [1, 1, 1], int4), values, engine=engine).output.tolist() == [[0]]
    assert run(network(once, [1, 1, 1], int4), values, engine=engine).output.tolist() == [[7]]
    here = {"x": Interval(np.array([7, 7, -8], dtype=object), np.array([7, 7, -7], dtype=object))}
    assert [prove(network(rule, [1, 1, 1], int4), here).proved for rule in (steps, once)] == [False, True]
