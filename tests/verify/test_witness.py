"""Witnesses: each attains the bound it was made for, and is found wherever a sum can go wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from intsim import Interval, NetworkBuilder, run
from intsim.arithmetic import Accumulator, BiasPlace, Overflow, Topology, ZeroPointPlace
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.ops import BatchMatmul, Conv2d, Dense, DepthwiseConv2d, Sum, TransposeConv2d
from intsim.testing import plain
from intsim.verify.prove import POSSIBLE, PROVED, WITNESSED, prove
from tests.arithmetic.test_register_ranges import drawn_sums
from tests.contract.registry import ORACLES
from tests.oracles import sums

INT4, INT8 = IntFormat(4), IntFormat(8)


def network(op, *shapes, format=INT8):
    b = NetworkBuilder()
    names = [b.input(f"x{i}", shape, format) for i, shape in enumerate(shapes)]
    b.output(b.add(op, *names, name="node"))
    return b.build()


def shown(built, ranges=None):
    """The witnesses of a network of one node, each of them run by the reference and by the oracle."""
    (node,) = prove(built, ranges).nodes
    (op,) = (entry.op for entry in built.nodes)
    for witness in node.witnesses:
        inputs = {entry.name: x[None] for entry, x in zip(built.inputs, witness.inputs, strict=True)}
        output = run(built, inputs, engine="reference").output
        assert int(output[(0, *witness.index)]) == witness.delivered
        shapes = [entry.spec.shape for entry in built.inputs]
        (nested,) = ORACLES[op.name](plain(op), shapes, [x.tolist() for x in witness.inputs])
        assert np.array(nested, dtype=object)[witness.index] == witness.delivered
        unbounded = plain(op.replace(accumulator=Accumulator()))
        unbounded["accumulator"]["format"]["bits"] = 200
        (nested,) = ORACLES[op.name](unbounded, shapes, [x.tolist() for x in witness.inputs])
        assert np.array(nested, dtype=object)[witness.index] == witness.exact
    return node


# --- the ends are attained ---


@pytest.mark.parametrize(("overflow", "held"), [(Overflow.WRAP, 893 - 1024), (Overflow.SATURATE, 511)])
def test_the_witness_attains_the_bound(overflow, held):
    """The input is hi where the weight is positive and lo where it is negative."""
    op = Dense(weight=[[3, -4]], accumulator=Accumulator(IntFormat(10), overflow))
    node = shown(network(op, (2,)))
    (witness,) = node.witnesses
    assert witness.inputs[0].tolist() == [127, -128]
    assert (witness.exact, witness.delivered) == (893, held)
    assert node.registers[0].range.final.max == 893


def test_channels_have_witnesses_of_their_own():
    op = Dense(weight=[[3, -4], [0, 1], [-4, -4]], accumulator=Accumulator(IntFormat(10)))
    node = shown(network(op, (2,)))
    assert node.verdicts == (WITNESSED, PROVED, WITNESSED)
    assert [witness.inputs[0].tolist() for witness in node.witnesses] == [[127, -128], [-128, -128]]


def test_a_sum_on_the_way_is_shown_by_an_input_that_stops_there():
    """7, 7 and then nothing that would bring it back."""
    op = Dense(weight=[[1, 1, -1]], accumulator=Accumulator(INT4, Overflow.SATURATE))
    node = shown(network(op, (3,), format=INT4))
    (witness,) = node.witnesses
    assert witness.exact not in range(-8, 8)
    low = Interval(np.array([0, 0, 6], dtype=object), np.array([5, 5, 7], dtype=object))
    node = shown(network(op, (3,), format=INT4), {"x0": low})
    (witness,) = node.witnesses  # the final sum is -7 to 4: only 5 + 5 does not fit
    assert node.kinds == ("transient",)
    assert witness.inputs[0].tolist() == [5, 5, 6]
    assert (witness.exact, witness.delivered) == (4, 1)


def test_an_inner_register_is_overflown_where_the_outer_one_is_wide():
    rule = Accumulator(IntFormat(16), tile=2, inner=Accumulator(IntFormat(7)))
    node = shown(network(Dense(weight=[[1, 0, 1, 1, -1]], accumulator=rule), (5,)))
    (witness,) = node.witnesses
    assert witness.level == 1
    assert (node.verdict, node.kinds) == (WITNESSED, ("transient",))


UINT4 = IntFormat(4, signed=False)


def test_a_correction_that_turns_the_sign_of_a_weight():
    """Weights 1 and 5 less 4 are -3 and 1: the ends of the sum are not those of the raw products."""
    rule = Accumulator(IntFormat(6), zero_point=ZeroPointPlace.AFTER)
    op = Dense(weight=[[1, 5]], weight_zero_point=4, accumulator=rule)
    (witness,) = shown(network(op, (2,), format=UINT4)).witnesses
    assert witness.inputs[0].tolist() == [15, 0]
    assert (witness.exact, witness.delivered) == (-45, 19)


def test_what_waits_in_the_preload_counts():
    """Every input adds 4 x at once, and what its weight adds later: 240 + 2 x + 13 y + 4 z is the most."""
    rule = Accumulator(
        IntFormat(10), Overflow.SATURATE, bias=BiasPlace.FIRST, zero_point=ZeroPointPlace.PRELOAD
    )
    op = Dense(weight=[[-2, 9, -5]], weight_zero_point=-4, bias=240, accumulator=rule)
    node = shown(network(op, (3,), format=UINT4))
    assert node.kinds == ("transient",)
    assert node.registers[0].range.partial.max == 525
    (witness,) = node.witnesses
    assert witness.inputs[0].tolist() == [15, 15, 15]
    assert (witness.exact, witness.delivered) == (450, 436)


OPS = {
    "conv2d": (
        Conv2d(
            weight=np.resize([5, -3, 7], (2, 3, 2, 2)),
            padding=((1, 1), (0, 1)),
            input_zero_point=3,
            bias=[4, -9],
            accumulator=Accumulator(IntFormat(9), order="cwh"),
        ),
        (3, 3, 2),
    ),
    "grouped": (
        Conv2d(weight=np.resize([5, -3, 7], (4, 2, 1, 1)), groups=2, accumulator=Accumulator(IntFormat(8))),
        (3, 2, 2),
    ),
    "depthwise_conv2d": (
        DepthwiseConv2d(
            weight=np.resize([5, -3, 7, 2], (2, 2, 2, 2)),
            stride=(2, 1),
            accumulator=Accumulator(IntFormat(9), Overflow.SATURATE, topology=Topology.TREE),
        ),
        (4, 3, 2),
    ),
    "transpose_conv2d": (
        TransposeConv2d(
            weight=np.resize([5, -3, 7], (2, 3, 3, 1)),
            output_size=(5, 5),
            stride=(2, 2),
            accumulator=Accumulator(IntFormat(9), tile=4, inner=Accumulator(IntFormat(8))),
        ),
        (2, 2, 1),
    ),
    "dense": (
        Dense(
            weight=[[5, -3, 7]],
            weight_zero_point=2,
            input_zero_point=-5,
            accumulator=Accumulator(IntFormat(9), Overflow.SATURATE, zero_point=ZeroPointPlace.PRELOAD),
        ),
        (2, 3),
    ),
    "sum": (Sum(axes=(0, 1), accumulator=Accumulator(IntFormat(9), Overflow.SATURATE)), (2, 2, 3)),
    "batch_matmul": (
        BatchMatmul(x_zero_point=1, y_zero_point=-2, accumulator=Accumulator(IntFormat(12))),
        (2, 2, 3),
        (2, 3, 2),
    ),
    "transposed": (
        BatchMatmul(
            transpose_x=True,
            transpose_y=True,
            y_zero_point=3,
            accumulator=Accumulator(IntFormat(15), Overflow.SATURATE, zero_point=ZeroPointPlace.AFTER),
        ),
        (3, 2),
        (2, 3),
    ),
}


@pytest.mark.parametrize("name", OPS)
def test_every_kind_of_op_has_witnesses(name):
    op, *shapes = OPS[name]
    node = shown(network(op, *shapes))
    assert node.verdict == WITNESSED
    assert len(node.witnesses) == node.verdicts.count(WITNESSED)


@pytest.mark.parametrize("name", ["conv2d", "depthwise_conv2d", "dense", "sum"])
def test_ranges_per_element_leave_one_place(name):
    """Only the last element of the input can be large; the witness is at a position that sees it."""
    op, shape = OPS[name]
    low, high = np.full(shape, 0, dtype=object), np.full(shape, 0, dtype=object)
    zx = getattr(op, "input_zero_point", 0)
    low[...], high[...] = zx, zx
    high[(-1,) * len(shape)] = 127
    built = network(op.replace(accumulator=Accumulator(IntFormat(7))), shape)
    node = shown(built, {"x0": Interval(low, high)})
    assert node.verdict == WITNESSED
    for witness in node.witnesses:
        assert np.flatnonzero(witness.inputs[0] - zx).tolist() == [np.prod(shape) - 1]


@pytest.mark.parametrize(
    ("op", "place"),
    [
        (BatchMatmul(accumulator=Accumulator(IntFormat(7))), (1, 0, 2)),
        (BatchMatmul(transpose_y=True, accumulator=Accumulator(IntFormat(7))), (1, 0, 2)),
    ],
)
def test_only_one_column_of_a_product_can_be_large(op, place):
    """The second operand is 0 but for one column of the second matrix, or all but one column of both."""
    y_shape = (2, 3, 2) if op.transpose_y else (2, 2, 3)
    built = network(op, (1, 2, 2), y_shape)
    low, high = (np.zeros(y_shape, dtype=object) for _ in range(2))
    high[(1, 2, 1) if op.transpose_y else (1, 1, 2)] = 100
    node = shown(built, {"x1": Interval(low, high)})
    assert node.verdict == WITNESSED
    (witness,) = node.witnesses
    assert witness.index == place
    columns = (Interval(np.array([0, 0, 0], object), np.array([0, 0, 100], object)),)
    if not op.transpose_y:
        node = shown(built, {"x1": columns[0]})
        assert node.witnesses[0].index == (0, 0, 2)


# --- wherever something can go wrong ---


def of_range(case):
    """A `Sum` of `drawn_sums` as a network of one dense layer, and its range."""
    order = tuple(case.accumulator.permutation(case.sizes).tolist())
    op = Dense(
        weight=[list(case.w)],
        bias=case.bias,
        input_zero_point=case.zx,
        weight_zero_point=case.zw,
        accumulator=case.accumulator.replace(order=order),
    )
    low, high = (np.array([pair[end] for pair in case.ranges], dtype=object) for end in (0, 1))
    return network(op, (len(case.w),)), {"x0": Interval(low, high)}


@settings(max_examples=150)
@given(case=drawn_sums(narrow=True))
def test_verdicts_against_every_input(case):
    """Proved: no input is wrong. Witnessed: that input is. Possible: only by luck of SATURATE and TRAP."""
    built, ranges = of_range(case)
    (node,) = prove(built, ranges).nodes
    made = list(case.made())
    wrong = [one for one in made if one.value != one.exact]
    if all(entry.range.exact.all() for entry in node.registers[1:]):
        format = case.accumulator.format
        leaves = any(not format.min <= one.exact <= format.max for one in made)
        expected = "" if node.verdict == PROVED else "persistent" if leaves else "transient"
        assert node.kinds == (expected,)
    if node.verdict == PROVED:
        assert not wrong
    elif node.verdict == WITNESSED:
        (witness,) = node.witnesses
        x = witness.inputs[0].tolist()
        assert all(lo <= value <= hi for value, (lo, hi) in zip(x, case.ranges, strict=True))
        rule = plain(case.accumulator)
        one = sums.make(x, list(case.w), case.zx, case.zw, case.bias, case.sizes, rule)
        assert one.value is None or one.value == witness.delivered
        assert one.exact == witness.exact
        assert wrong
    else:
        assert node.verdict == POSSIBLE
        assert {level.overflow for level in case.accumulator.levels()} != {Overflow.WRAP}


def test_a_trap_stops_its_witness():
    op = Dense(weight=[[1, 1]], accumulator=Accumulator(INT4, Overflow.TRAP))
    built = network(op, (2,), format=INT4)
    (witness,) = prove(built).nodes[0].witnesses
    assert (witness.exact, witness.delivered) == (14, 7)  # what would be held if it saturated
    with pytest.raises(OverflowTrap):
        run(built, witness.inputs[0][None], engine="reference")


def test_a_trap_that_a_saturation_would_have_mended():
    """The one input traps on 10; saturating, 7 less 18 would be -8 again, which is the exact sum."""
    rule = Accumulator(INT4, Overflow.TRAP, bias=BiasPlace.FIRST)
    built = network(Dense(weight=[[-1]], bias=10, accumulator=rule), (1,))
    (node,) = prove(built, {"x0": Interval(18, 18)}).nodes
    assert (node.verdict, node.kinds) == (WITNESSED, ("transient",))
    (witness,) = node.witnesses
    assert (witness.trapped, witness.exact, witness.delivered) == (True, -8, -8)
    with pytest.raises(OverflowTrap):
        run(built, np.array([[18]]), engine="reference")


def test_sums_wider_than_int64():
    """Weights and activations of 32 bits, 3 terms: Python ints all the way."""
    top = 2**31 - 1
    op = Dense(
        weight=[[top, -top - 1, top]],
        weight_format=IntFormat(32),
        accumulator=Accumulator(IntFormat(64), Overflow.SATURATE),
    )
    node = shown(network(op, (3,), format=IntFormat(32)))
    low = -(2**31) * top * 2 - (2**31) * top
    assert node.registers[0].range.final.min == low
    assert node.registers[0].safe["wrap"].tolist() == [65]
    (witness,) = node.witnesses
    assert witness.delivered in (2**63 - 1, -(2**63))


def test_other_elements_are_at_rest():
    """A sample's elements that the sum does not see are the zero point, or the nearest there is."""
    op = Conv2d(weight=[[[[9]]]], input_zero_point=-3, accumulator=Accumulator(INT8))
    (witness,) = shown(network(op, (2, 2, 1))).witnesses
    assert witness.index == (0, 0, 0)
    assert witness.inputs[0].ravel().tolist() == [127, -3, -3, -3]
    (witness,) = shown(network(op, (2, 2, 1)), {"x0": Interval(5, 127)}).witnesses
    assert witness.inputs[0].ravel().tolist() == [127, 5, 5, 5]


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SATURATE])
def test_exhaustively_for_two_weights_of_three_bits(overflow):
    """Every pair of weights, every width: witnessed exactly where one of all inputs is wrong."""
    values = range(-4, 4)
    for w in itertools.product(range(-3, 4), repeat=2):
        for bits in (3, 4, 5):
            rule = Accumulator(IntFormat(bits), overflow)
            op = Dense(weight=[list(w)], weight_format=IntFormat(3), bias=2, accumulator=rule)
            (node,) = prove(network(op, (2,), format=IntFormat(3))).nodes
            made = [
                sums.make(list(x), list(w), 0, 0, 2, (1, 1, 2), plain(rule))
                for x in itertools.product(values, repeat=2)
            ]
            wrong = any(one.value != one.exact for one in made)
            assert node.verdict == (WITNESSED if wrong else PROVED)
