"""The steps that are shown lead to the integers of the references."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intsim.arithmetic import (
    Accumulator,
    BiasPlace,
    Events,
    Multiply,
    Overflow,
    Register,
    Requantization,
    Rounding,
    ShiftRight,
    Thresholds,
    Topology,
)
from intsim.engine import run
from intsim.errors import OverflowTrap
from intsim.formats import IntFormat
from intsim.network import NetworkBuilder
from intsim.ops import OPS, Clamp, Conv2d, Dense, GroupDense, MaxPool2d, Requantize
from intsim.testing import Case, network_of
from intsim.verify.explain import ELEMENTWISE, explain
from intsim.verify.stepping import Addition, additions
from intsim.verify.terms import Terms, terms_of
from tests.contract.registry import CASES

IN_FLOATS = {"block_dense"}  # its sums are not made in registers of integers
SUMMING = sorted({name for name, op in OPS.items() if "accumulator" in op.__dataclass_fields__} - IN_FLOATS)
some = settings(max_examples=12, suppress_health_check=list(HealthCheck))


def outcome(case):
    """The reference's one output in Python ints; None where it traps."""
    try:
        (result,) = case.op.reference(*(x.astype(object) for x in case.inputs))
    except OverflowTrap:
        return None
    return result


def place_in(data, array):
    return tuple(data.draw(st.integers(0, size - 1)) for size in array.shape)


@pytest.mark.parametrize("name", SUMMING)
@some
@given(data=st.data())
def test_additions_lead_to_the_sum(name, data):
    case = data.draw(CASES[name])
    result = outcome(case)
    if result is None:
        return
    index = place_in(data, result)
    terms = terms_of(case.op, [x[index[0]] for x in case.inputs], index[1:])
    steps = list(additions(terms))
    assert steps[-1].register == result[index]
    assert [step.level for step in steps][-1] == 0
    for place, value in zip(terms.places, terms.x, strict=True):
        assert value == (terms.zx if place is None else case.inputs[0][(index[0], *place)])


@pytest.mark.parametrize("name", SUMMING)
@some
@given(data=st.data())
def test_overflows_are_those_that_are_counted(name, data):
    """A step is marked where an event is counted: the first that leaves a register is the same for both."""
    case = data.draw(CASES[name])
    events = Events.none(case.op.accumulator)
    try:
        (result,) = case.op.reference(*[x.astype(object) for x in case.inputs], events=events)
    except OverflowTrap:
        return
    marked = 0
    for index in np.ndindex(result.shape):
        terms = terms_of(case.op, [x[index[0]] for x in case.inputs], index[1:])
        marked += sum(step.overflow for step in additions(terms))
    assert bool(marked) == bool(events.total)


@some
@given(data=st.data())
def test_requantizations_lead_to_the_code(data):
    case = data.draw(CASES["requantize"])
    network = network_of(case)
    result = outcome(case)
    if result is None:
        return
    index = place_in(data, result)
    found = explain(network, "node", index, {"x0": case.inputs[0]})
    assert found.missing == ""
    assert found.value == result[index]
    assert found.sections[0].rows[0] == ("sum", int(case.inputs[0][index]))
    assert found.sections[0].rows[-1][1] == result[index]


def test_the_steps_of_a_chain():
    """By hand: a bias of 3 preloaded, products 100, 100, -60 into 8 bits that saturate."""
    terms = Terms(
        Accumulator(IntFormat(8), Overflow.SATURATE, bias=BiasPlace.FIRST),
        (1, 1, 3),
        ((0,), (1,), None),
        (10, 20, -6),
        (10, 5, 10),
        bias=3,
    )
    assert list(additions(terms)) == [
        Addition(0, "start", None, 3, 3, overflow=False),
        Addition(0, "term", 0, 100, 103, overflow=False),
        Addition(0, "term", 1, 100, 127, overflow=True),
        Addition(0, "term", 2, -60, 67, overflow=False),
    ]


def test_the_steps_of_tiles():
    """Two terms at a time into 6 bits that wrap, their sums into 7 that saturate."""
    inner = Accumulator(IntFormat(6))
    terms = Terms(
        Accumulator(IntFormat(7), Overflow.SATURATE, tile=2, inner=inner),
        (1, 1, 3),
        ((0,),) * 3,
        (20, 20, 25),
        (1, 1, 1),
    )
    assert list(additions(terms)) == [
        Addition(0, "start", None, 0, 0, overflow=False),
        Addition(1, "start", None, 0, 0, overflow=False),
        Addition(1, "term", 0, 20, 20, overflow=False),
        Addition(1, "term", 1, 20, -24, overflow=True),
        Addition(0, "tile", None, -24, -24, overflow=False),
        Addition(1, "start", None, 0, 0, overflow=False),
        Addition(1, "term", 2, 25, 25, overflow=False),
        Addition(0, "tile", None, 25, 1, overflow=False),
        Addition(0, "bias", None, 0, 1, overflow=False),
    ]


def test_the_steps_of_a_tree():
    terms = Terms(
        Accumulator(IntFormat(6), topology=Topology.TREE, bias=BiasPlace.FIRST),
        (1, 1, 3),
        ((0,),) * 3,
        (20, 20, 5),
        (1, 1, 1),
        bias=2,
    )
    assert list(additions(terms)) == [
        Addition(0, "term", 0, 20, 20, overflow=False),
        Addition(0, "term", 1, 20, 20, overflow=False),
        Addition(0, "term", 2, 5, 5, overflow=False),
        Addition(0, "pair", None, 20, -24, overflow=True),
        Addition(0, "pair", None, 5, -19, overflow=False),
        Addition(0, "start", None, 2, -17, overflow=False),
    ]


def grouped(inner):
    """Weights 3 5 and 7 less 1 and 4, in two groups times 10 and 2, and a bias of 6."""
    rule = Accumulator(IntFormat(10), tile=2, inner=inner)
    op = GroupDense([[3, 5, 7]], [[10, 2]], 2, [[1, 4]], bias=6, input_zero_point=1, accumulator=rule)
    n = NetworkBuilder()
    n.output(n.add(op, n.input("x", (3,), IntFormat(8)), name="y"))
    return n.build()


def test_the_steps_of_groups():
    """3 * 2 - 3 * 4 = -6, times 10; 8 * 3 = 24 saturates in 5 bits, 15, times 2; and the bias."""
    built = grouped(Accumulator(IntFormat(5), Overflow.SATURATE))
    x = np.array([[4, -2, 9]])
    terms = terms_of(built.nodes[0].op, [x[0]], (0,))
    assert [terms.slope(place) for place in range(3)] == [20, 40, 6]
    assert list(additions(terms)) == [
        Addition(0, "start", None, 0, 0, overflow=False),
        Addition(1, "start", None, 0, 0, overflow=False),
        Addition(1, "term", 0, 6, 6, overflow=False),
        Addition(1, "term", 1, -12, -6, overflow=False),
        Addition(0, "group 0 * 10", None, -60, -60, overflow=False),
        Addition(1, "start", None, 0, 0, overflow=False),
        Addition(1, "term", 2, 24, 15, overflow=True),
        Addition(0, "group 1 * 2", None, 30, -30, overflow=False),
        Addition(0, "bias", None, 6, -24, overflow=False),
    ]
    found = explain(built, "y", (0, 0), {"x": x})
    assert found.value == int(run(built, x).outputs["y"][0, 0]) == -24
    (section,) = found.sections
    assert section.title == (
        "y at (0,): group_dense of x, by int10 wrap, inside it int5 saturate; zero points x 1 (subtracted)"
        "; groups of 2, each times its scale"
    )
    assert section.rows[2] == ("term", 1, "(0,)", 4, "3 - 1", 6, 6, "")
    assert section.rows[4] == ("group 0 * 10", 0, "", "", "", -60, -60, "")


def test_the_steps_of_groups_that_are_exact():
    terms = terms_of(grouped(None).nodes[0].op, [np.array([4, -2, 9])], (0,))
    assert [(step.level, step.what, step.register) for step in additions(terms)] == [
        (0, "start", 0),
        (1, "term", 6),
        (1, "term", -6),
        (0, "group 0 * 10", -60),
        (1, "term", 24),
        (0, "group 1 * 2", -12),
        (0, "bias", -6),
    ]


def network():
    n = NetworkBuilder()
    x = n.input("x", (2, 2, 1), IntFormat(8))
    sums = n.add(Conv2d(weight=np.full((1, 2, 2, 1), 3), padding=((0, 1), (0, 1)), bias=5), x, name="c/acc")
    codes = n.add(Requantize(Requantization((ShiftRight(bits=2),))), sums, name="c")
    relu = n.add(Clamp(lo=0, hi=9), codes, name="relu")
    pool = n.add(MaxPool2d(kernel=(2, 2), stride=(1, 1), padding=((0, 0), (0, 0))), relu, name="pool")
    n.output(n.add(Dense(weight=[[2]]), pool, name="d"))
    return n.build()


X = np.arange(8).reshape(2, 2, 2, 1)


def test_a_requantization_and_the_sum_before_it():
    found = explain(network(), "c", (1, 0, 1, 0), {"x": X})
    assert [section.title for section in found.sections] == [
        "c at (0, 1, 0): requantize of c/acc",
        "c/acc at (0, 1, 0): conv2d of x, by int32 wrap",
    ]
    assert found.sections[0].rows == (
        ("sum", 41),
        ("ShiftRight(bits=2, rounding=floor, seed=0)", 10),
        ("into int8 saturate", 10),
    )
    assert found.sections[1].header[2:7] == ("input at", "x", "w", "enters", "register")
    assert [row[2:7] for row in found.sections[1].rows] == [
        ("", "", "", 0, 0),
        ("(0, 1, 0)", 5, 3, 15, 15),
        ("outside", 0, 3, 0, 15),
        ("(1, 1, 0)", 7, 3, 21, 36),
        ("outside", 0, 3, 0, 36),
        ("", "", "", 5, 41),
    ]
    assert found.value == 10


def test_registers_between_the_steps():
    """By hand: 100 times 3 wraps into 8 bits, 44; two more places to the right, rounded away, 11."""
    steps = (
        Multiply(multipliers=[2, 3], into=Register(IntFormat(8))),
        ShiftRight(bits=2, rounding=Rounding.AWAY_FROM_ZERO),
        Thresholds(values=[1, 5, 11]),
    )
    n = NetworkBuilder()
    n.output(
        n.add(Requantize(Requantization(steps, IntFormat(4))), n.input("x", (2,), IntFormat(8)), name="y")
    )
    found = explain(n.build(), "y", (0, 1), {"x": np.array([[100, 100]])})
    assert found.sections[0].rows == (
        ("sum", 100),
        ("Multiply(multipliers=3)", 300),
        ("into int8 wrap", 44),
        ("ShiftRight(bits=2, rounding=away_from_zero, seed=0)", 11),
        ("Thresholds(values=<3 values>, compare=at_least)", 3),
        ("into int4 saturate", 3),
    )
    assert found.value == 3


def test_what_was_recorded_is_taken_as_it_is():
    """Only the node's own input is known, and it is not what the network would give."""
    found = explain(network(), "c", (0, 0, 0, 0), {"c/acc": np.full((1, 2, 2, 1), 400)})
    assert found.value == 100
    assert len(found.sections) == 1


def test_an_op_element_by_element():
    found = explain(network(), "relu", (1, 0, 1, 0), {"x": X})
    assert found.sections[0].title == "relu at (0, 1, 0): clamp of c"
    assert found.sections[0].rows == (("c", 10, "int8[2, 2, 1]"),)


@pytest.mark.parametrize(
    ("tensor", "known", "said"),
    [
        ("x", {"x": X}, "x is an input of the network"),
        ("y", {"x": X}, "y is not in the network"),
        ("c", {"relu": X}, "c is made of c/acc, which the file does not hold"),
        ("pool", {"x": X}, "pool is made by max_pool2d, which is not shown step by step"),
    ],
)
def test_what_cannot_be_explained(tensor, known, said):
    found = explain(network(), tensor, (0, 0, 0, 0), known)
    assert found.missing == said
    assert found.sections == ()


def test_elementwise_ops_exist():
    assert set(OPS) >= ELEMENTWISE


@pytest.mark.parametrize("name", sorted(ELEMENTWISE - {"quantize", "dequantize"}))
@some
@given(data=st.data())
def test_elementwise_ops_work_element_by_element(name, data):
    """Another input elsewhere changes nothing here."""
    case = data.draw(CASES[name])
    specs = [spec.shape for spec in case.specs]
    result = outcome(case)
    if result is None or any(shape != result.shape[1:] for shape in specs):
        return
    index = place_in(data, result)
    others = [np.roll(x, 1) for x in case.inputs]
    for other, x in zip(others, case.inputs, strict=True):
        other[index] = x[index]
    other = outcome(Case(case.op, case.specs, tuple(others)))
    assert other is None or other[index] == result[index]
