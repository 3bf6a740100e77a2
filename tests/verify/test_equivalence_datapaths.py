"""Two accumulators on one node: what is called equal is, on every input; what differs does."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intsim.arithmetic import (
    Accumulator,
    Interval,
    Overflow,
    Requantization,
    ShiftRight,
    Topology,
    ZeroPointPlace,
)
from intsim.errors import SpecError
from intsim.formats import IntFormat
from intsim.network import Datapath, NetworkBuilder
from intsim.network.datapath import Rule
from intsim.ops import BatchMatmul, Conv2d, Dense, Requantize, Sum
from intsim.storage import load
from intsim.testing.plain import plain
from intsim.testing.strategies import accumulators
from intsim.verify import equivalence_datapaths
from intsim.verify.equivalence_datapaths import compare_datapaths
from intsim.verify.equivalence_inputs import fill
from intsim.verify.equivalence_networks import Options, compare_networks
from tests.oracles.arith import Trap, dot

GOLDEN = Path(__file__).parents[2] / "golden" / "digits_cnn" / "network.h5"
INT8 = IntFormat(8)


def network(op, *shapes, format=INT8):
    b = NetworkBuilder()
    b.output(b.add(op, *(b.input(f"x{k}", shape, format) for k, shape in enumerate(shapes)), name="sums"))
    return b.build()


def compared(op, other, *shapes, format=INT8):
    """The node's comparison, `op` under the accumulator that `other` is."""
    a = network(op, *shapes, format=format)
    b = network(op.replace(accumulator=other), *shapes, format=format)
    (found,) = compare_datapaths(a, b)
    return found


def oracle(op, x, accumulator):
    """One sum of a dense layer; None where a register traps."""
    try:
        weight, bias = [int(w) for w in op.weight[0]], int(op.bias)
        zeros = op.input_zero_point, int(op.weight_zero_point)
        return dot(list(x), weight, *zeros, (1, 1, len(weight)), plain(accumulator), bias)
    except Trap:
        return None


@given(st.data())
def test_on_every_input(data):
    taps = data.draw(st.integers(1, 4))
    a, b = (data.draw(accumulators((1, 1, taps), 3, 8, trap=True)) for _ in range(2))
    if data.draw(st.booleans()):
        b = a.replace(
            **data.draw(st.sampled_from([{"format": b.format}, {"order": b.order}, {"bias": b.bias}]))
        )
    op = Dense(
        weight=[data.draw(st.lists(st.integers(-8, 7), min_size=taps, max_size=taps))],
        bias=data.draw(st.integers(-20, 20)),
        input_zero_point=data.draw(st.integers(-2, 1)),
        weight_zero_point=data.draw(st.integers(-1, 1)),
        accumulator=a,
    )
    found = compared(op, b, (taps,), format=IntFormat(2))
    if found.verdict == "equal":
        for x in itertools.product(range(-2, 2), repeat=taps):
            assert oracle(op, x, a) == oracle(op, x, b)
    elif found.verdict == "differs":
        (x,) = found.difference.inputs
        sums = oracle(op, x.tolist(), a), oracle(op, x.tolist(), b)
        assert sums == (found.difference.a, found.difference.b)
        assert sums[0] != sums[1]
        assert found.difference.index == (0,)
    else:
        assert found.why == "1 of 1 channels may overflow, and no input was found that shows it"


WEIGHTS = [[100, -100, 50, 3], [1, 1, 1, 1]]
WIDE, INT16 = Accumulator(), Accumulator(IntFormat(16), Overflow.SATURATE)


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (WIDE, WIDE, "the same accumulator"),
        (WIDE, WIDE.replace(order="chw"), "both keep the same low bits of the exact sum"),
        (WIDE, WIDE.replace(topology=Topology.TREE), "both keep the same low bits of the exact sum"),
        (WIDE, INT16, "both deliver the exact sum: nothing overflows"),
        (Accumulator(IntFormat(9)), Accumulator(IntFormat(9), topology=Topology.TREE), "both keep the same"),
        (
            Accumulator(IntFormat(9), Overflow.SATURATE),
            Accumulator(IntFormat(9), Overflow.SATURATE, order="wch"),
            "both orders are the same for these terms",
        ),
    ],
)
def test_what_is_proved(a, b, why):
    found = compared(Dense(weight=WEIGHTS[1:], accumulator=a), b, (4,))
    assert (found.verdict, found.equal) == ("equal", True)
    assert found.why.startswith(why)


def test_a_register_one_bit_too_narrow():
    """Sums are -32284 to 32231: 16 bits."""
    op = Dense(weight=[[100, -100, 50, 3]], accumulator=WIDE)
    assert compared(op, INT16, (4,)).equal
    found = compared(op, Accumulator(IntFormat(15), Overflow.SATURATE), (4,))
    assert found.verdict == "differs"
    assert abs(found.difference.a) > 2**14 - 1
    assert found.difference.b in (2**14 - 1, -(2**14))


def test_an_order_that_matters():
    """7, 7, -7 into int4: saturating at each step gives 0, another order 7."""
    a = Accumulator(IntFormat(4), Overflow.SATURATE, order=(0, 1, 2))
    b = a.replace(order=(0, 2, 1))
    found = compared(Dense(weight=[[1, 1, 1]], accumulator=a), b, (3,), format=IntFormat(4))
    (x,) = found.difference.inputs
    first, second, third = x.tolist()

    def held(*terms):
        total = 0
        for term in terms:
            total = max(-8, min(7, total + term))
        return total

    assert (found.difference.a, found.difference.b) == (
        held(first, second, third),
        held(first, third, second),
    )
    assert found.difference.a != found.difference.b


def test_an_inner_register_that_wraps_is_not_undone():
    """7-bit tiles into 16 bits against 16 bits alone."""
    tiled = Accumulator(IntFormat(16), tile=2, inner=Accumulator(IntFormat(7)))
    found = compared(Dense(weight=[[1, 1, 1, 1]], accumulator=Accumulator(IntFormat(16))), tiled, (4,))
    assert found.verdict == "differs"
    x = [int(value) for value in found.difference.inputs[0]]
    wrapped = [(x[k] + x[k + 1] + 64) % 128 - 64 for k in (0, 2)]
    assert (found.difference.a, found.difference.b) == (sum(x), sum(wrapped))


def test_a_trap_against_a_wrap():
    trap = Accumulator(IntFormat(8), Overflow.TRAP)
    found = compared(Dense(weight=[[1, 1]], accumulator=trap), Accumulator(IntFormat(8)), (2,))
    assert found.difference.a is None
    assert found.difference.b is not None


def test_a_convolution_of_an_image():
    weight = np.arange(-18, 18).reshape(2, 3, 3, 2)
    op = Conv2d(weight=weight, padding=((1, 1), (1, 1)), input_zero_point=-128)
    found = compared(op, Accumulator(IntFormat(16), Overflow.SATURATE, order="chw"), (5, 4, 2))
    assert found.difference.index[:2] == (2, 2)
    (x,) = found.difference.inputs
    row, column, channel = found.difference.index
    window = x[row - 1 : row + 2, column - 1 : column + 2] + 128
    exact = int((window * weight[channel]).sum())
    assert found.difference.a == exact
    assert not -(2**15) <= exact < 2**15


def test_sums_of_elements_and_of_two_tensors():
    found = compared(Sum(axes=(0,)), Accumulator(IntFormat(9)), (9, 2))
    assert found.verdict == "differs"
    assert found.difference.a == int(found.difference.inputs[0].sum(axis=0)[found.difference.index[-1]])
    op = BatchMatmul(accumulator=Accumulator(zero_point=ZeroPointPlace.AFTER))
    assert compared(op, Accumulator(), (2, 3), (3, 2)).why == "both keep the same low bits of the exact sum"
    found = compared(op, Accumulator(IntFormat(9), Overflow.SATURATE), (2, 3), (3, 2))
    if found.difference is not None:
        x, y = found.difference.inputs
        assert found.difference.a == int((x @ y)[found.difference.index])


def test_a_search_that_finds_nothing_is_not_decided(monkeypatch):
    monkeypatch.setattr(equivalence_datapaths, "candidates", lambda *_: iter(()))
    found = compared(Dense(weight=WEIGHTS), Accumulator(IntFormat(12)), (4,))
    assert (found.verdict, found.equal) == ("not decided", False)
    assert found.why == "1 of 2 channels may overflow, and no input was found that shows it"


def test_what_the_reference_does_not_confirm_is_not_told(monkeypatch):
    monkeypatch.setattr(equivalence_datapaths, "_run", lambda *_: 0)
    found = compared(Dense(weight=WEIGHTS), Accumulator(IntFormat(12)), (4,))
    assert (found.verdict, found.difference) == ("not decided", None)


def test_a_network_under_two_datapaths():
    made = load(GOLDEN)
    narrow = made.with_datapath(Datapath.parse('[[accumulator]]\nnodes = "*"\nformat = "int14"\n'))
    found = {entry.name: entry.verdict for entry in compare_datapaths(made, narrow)}
    assert found.pop("mean/accumulator") == "equal"
    assert set(found.values()) == {"differs"}
    assert [e.name for e in compare_datapaths(made, narrow, Options(only=("b*",)))] == [
        "block/depthwise/accumulator",
        "block/pointwise/accumulator",
        "body/accumulator",
    ]
    with pytest.raises(SpecError, match=r"^network must have nodes that accumulate, not 'stem'$"):
        list(compare_datapaths(made, narrow, Options(only=("stem",))))


def test_inputs_stay_in_their_ranges():
    ends = Interval(np.array([3, -9], dtype=object), np.array([8, -2], dtype=object))
    assert fill((2, 2), ends).tolist() == [[3, -2], [3, -2]]
    assert fill((3,), Interval(-1, 5)).tolist() == [0, 0, 0]


def test_ranges_per_element():
    """Only the last row's sums can leave 8 bits: the others are of small inputs."""
    b = NetworkBuilder()
    x = b.input("x", (3, 2), INT8)
    sums = b.add(Dense(weight=[[1, 1], [1, -1]]), x, name="sums")
    b.output(b.add(Requantize(Requantization((ShiftRight(bits=1),))), sums, name="codes"))
    made = b.build()
    ends = np.array([[-1, -1], [-9, -1], [-128, -128]], dtype=object)
    ranges = {"x": Interval(ends, -ends - 1)}
    found = {}
    for bits in (9, 8):
        saturated = Accumulator(IntFormat(bits), Overflow.SATURATE)
        other = made.with_datapath(Datapath((Rule(("sums",), saturated),)))
        (found[bits],) = compare_datapaths(made, other, Options(ranges=ranges))
    assert found[9].verdict == "equal"
    assert found[8].difference.index[0] == 2
    (x,) = found[8].difference.inputs
    assert ((x >= ends) & (x < -ends)).all()
    (node,) = compare_networks(made, made, Options(ranges=ranges))
    assert [(entry.lo, entry.hi) for entry in node.compared.channels] == [(-256, 254), (-255, 255)]
