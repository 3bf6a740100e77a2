"""Witnesses of sums over groups: made, run, and found wherever an input is wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from intsim import Interval, network_bounds
from intsim.arithmetic import Accumulator, Overflow, Requantization, ShiftRight, ZeroPointPlace
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.ops import GroupDense, GroupScales
from intsim.testing import network_of
from intsim.verify.prove import PROVED, WITNESSED, prove
from intsim.verify.witness import without_trap
from tests.contract.registry import CASES
from tests.verify.test_witness import network, shown

INT3, INT8 = IntFormat(3), IntFormat(8)
OVERFLOWS = st.sampled_from([Overflow.WRAP, Overflow.SATURATE])
some = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def op_of(rule, **fields):
    return GroupDense(
        **{"weight": [[3, 4, 1]], "scale": [[10, 200]], "group": 2, "accumulator": rule, **fields}
    )


@pytest.mark.parametrize(("overflow", "held"), [(Overflow.WRAP, -3096), (Overflow.SATURATE, 32767)])
def test_the_outer_register(overflow, held):
    """127 * (7 * 10 + 200) = 34290; the zero points of the groups turn signs."""
    op = op_of(Accumulator(IntFormat(16), overflow))
    node = shown(network(op, (3,)))
    (witness,) = node.witnesses
    low = -128 * 270
    assert (node.registers[0].range.final.min, node.registers[0].range.final.max) == (low, 34290)
    assert witness.level == 0
    expected = {34290: 34290 - 65536, low: low + 65536} if overflow is Overflow.WRAP else {34290: held}
    assert expected[witness.exact] == witness.delivered
    turned = op_of(Accumulator(IntFormat(15), overflow), zero=[[7, 0]])
    (witness,) = shown(network(turned, (3,))).witnesses
    assert witness.inputs[0].tolist() in ([-128, -128, 127], [127, 127, -128])


def test_the_register_of_one_group():
    """Only the second of three groups can leave 9 bits; the others are at rest, at the zero point."""
    inner = Accumulator(IntFormat(9), Overflow.SATURATE)
    rule = Accumulator(IntFormat(32), tile=2, inner=inner)
    op = GroupDense([[1, 0, 2, 1, 0, 1]], [[5, 7, 9]], 2, input_zero_point=3, accumulator=rule)
    node = shown(network(op, (6,)))
    (witness,) = node.witnesses
    assert witness.level == 1
    shown_ends = {
        (3, 3, 127, 127, 3, 3): (7 * 124 * 3, 7 * 255),
        (3, 3, -128, -128, 3, 3): (7 * -131 * 3, 7 * -256),
    }
    assert shown_ends[tuple(witness.inputs[0].tolist())] == (witness.exact, witness.delivered)


@pytest.mark.parametrize("place", ZeroPointPlace)
def test_zero_points_in_a_groups_register(place):
    inner = Accumulator(IntFormat(8), Overflow.SATURATE)
    rule = Accumulator(IntFormat(32), tile=2, inner=inner, zero_point=place)
    op = op_of(rule, zero=[[2, 5]], input_zero_point=-3, bias=11)
    node = shown(network(op, (3,)))
    assert node.verdicts == (WITNESSED,)


def test_scales_that_come_in():
    """The second input is at an end of its range; what scales are made of is cut to 4 bits."""
    cut = Requantization((ShiftRight(bits=4),), IntFormat(4, signed=False))
    for product in (None, cut):
        op = op_of(Accumulator(IntFormat(12)), scale_product=product)
        node = shown(network(op, (3,), (2,), format=INT8))
        (witness,) = node.witnesses
        assert set(witness.inputs[1].tolist()) in ({127}, {-128})
    narrow = {"x1": Interval(0, 1)}
    assert prove(network(op_of(Accumulator(IntFormat(20))), (3,), (2,)), narrow).proved


def test_scales_of_weights():
    op = op_of(Accumulator(IntFormat(12)), scales=GroupScales.WEIGHT, offset=[[3, 1]], zero=[[1, 0]])
    (witness,) = shown(network(op, (3,))).witnesses
    assert witness.inputs[0].tolist() in ([127] * 3, [-128] * 3)
    wide = op_of(
        Accumulator(IntFormat(12)),
        weight=[[2**40] * 3],
        weight_format=IntFormat(42),
        scale=[[2**30, 1]],
        scale_format=IntFormat(31, signed=False),
        scales=GroupScales.WEIGHT,
    )
    assert shown(network(wide, (3,))).verdicts == ("possible",)


def test_rows_channels_and_ranges_of_their_own():
    """Only the last row's last element can be large, and only the second output reads it."""
    op = op_of(Accumulator(IntFormat(10)), weight=[[3, 4, 0], [0, 0, 9]], scale=[[1, 1], [1, 3]])
    high = np.zeros((2, 3), dtype=object)
    high[1, 2] = 100
    node = shown(network(op, (2, 3)), {"x0": Interval(np.zeros((2, 3), dtype=object), high)})
    assert node.verdicts == (PROVED, WITNESSED)
    (witness,) = node.witnesses
    assert (witness.index, witness.exact) == ((1, 1), 2700)


def test_a_trap_stops_its_witness():
    op = op_of(Accumulator(IntFormat(12), Overflow.TRAP))
    (node,) = prove(network(op, (3,))).nodes
    (witness,) = node.witnesses
    assert witness.trapped
    with pytest.raises(OverflowTrap):
        op.reference(witness.inputs[0][None].astype(object))


def test_sums_wider_than_int64():
    wide = IntFormat(40, signed=False)
    op = op_of(
        Accumulator(IntFormat(64), Overflow.SATURATE), scale=[[2**39, 2**39]], scale_format=wide,
    )  # fmt: skip
    node = shown(network(op, (3,), format=IntFormat(32)))
    (witness,) = node.witnesses
    assert witness.delivered in (2**63 - 1, -(2**63))


def test_many_channels():
    """More than are worked on at once; every one has a witness of its own."""
    rng = np.random.default_rng(0)
    weight, scale = rng.integers(1, 16, (150, 40)), rng.integers(1, 255, (150, 3))
    op = GroupDense(weight, scale, 16, accumulator=Accumulator(IntFormat(16)))
    node = shown(network(op, (40,)))
    assert node.verdicts == (WITNESSED,) * 150
    assert [witness.channel for witness in node.witnesses] == list(range(150))


@some
@given(data=st.data())
def test_drawn_layers(data):
    """Every witness is run; what is proved, the drawn inputs do not break."""
    case = data.draw(CASES["group_dense"])
    built, op = network_of(case), case.op
    assume(network_bounds(built).nodes["node"].partial.within(IntFormat(62)))
    (node,) = prove(built).nodes
    exact = op.replace(accumulator=Accumulator(IntFormat(64)))
    quiet = op.replace(accumulator=without_trap(op.accumulator))
    for witness in node.witnesses:
        x = [entry[None].astype(object) for entry in witness.inputs]
        place = (0, *witness.index)
        numbers = exact.reference(*x)[0][place], quiet.reference(*x)[0][place]
        assert numbers == (witness.exact, witness.delivered)
        assert witness.trapped or numbers[0] != numbers[1]
        if witness.trapped:
            with pytest.raises(OverflowTrap):
                op.reference(*x)
    assert [index for index, verdict in enumerate(node.verdicts) if verdict == WITNESSED] == [
        witness.channel for witness in node.witnesses
    ]
    x = [entry.astype(object) for entry in case.inputs]
    (held,), (wanted,) = quiet.reference(*x), exact.reference(*x)
    for channel in np.unique(np.nonzero(held != wanted)[-1]).tolist():
        assert node.verdicts[channel] != PROVED


@st.composite
def small(draw):
    """Three or four weights in groups of two, 3-bit inputs, registers of few bits that wrap or saturate."""
    depth = draw(st.integers(1, 4))
    groups = -(-depth // 2)
    cells = st.integers(0, 3)
    inner = None
    if draw(st.booleans()):
        inner = Accumulator(IntFormat(draw(st.integers(3, 6))), draw(OVERFLOWS))
    rule = Accumulator(
        IntFormat(draw(st.integers(4, 8))),
        draw(OVERFLOWS),
        tile=2,
        inner=inner,
        zero_point=draw(st.sampled_from(ZeroPointPlace)),
    )
    return GroupDense(
        [draw(st.lists(cells, min_size=depth, max_size=depth))],
        [draw(st.lists(cells, min_size=groups, max_size=groups))],
        2,
        [draw(st.lists(cells, min_size=groups, max_size=groups))],
        bias=draw(st.integers(-4, 4)),
        input_zero_point=draw(st.integers(-2, 2)),
        accumulator=rule,
    )


@some
@given(op=small())
def test_verdicts_against_every_input(op):
    """Proved: no input is wrong. Witnessed: that input is. Possible: only where a saturation mends."""
    depth = op.weight.shape[1]
    x = np.array(list(itertools.product(range(-4, 4), repeat=depth)))
    held, exact = (
        entry.reference(x)[0] for entry in (op, op.replace(accumulator=Accumulator(IntFormat(64))))
    )
    node = shown(network(op, (depth,), format=INT3))
    wrong = bool((held != exact).any())
    if node.verdict == PROVED:
        assert not wrong
    elif node.verdict == WITNESSED:
        assert wrong
    else:
        levels = {level.overflow for level in op.accumulator.levels()}
        assert not wrong or levels != {Overflow.WRAP}
