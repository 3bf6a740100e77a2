"""Proofs against execution: what is proved never fails, what is refused by one bit is shown to fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intsim import Interval, NetworkBuilder, run
from intsim.arithmetic import Accumulator, BiasPlace, Overflow, ZeroPointPlace
from intsim.errors import OverflowTrap, SpecError
from intsim.formats import IntFormat, TensorSpec
from intsim.network.datapath import accumulator_of
from intsim.ops import BatchMatmul, Dense
from intsim.testing import Case, network_of, plain
from intsim.testing.layers import sums_at_work
from intsim.testing.networks import networks
from intsim.testing.ranges import input_ranges, inputs_within, intervals, values_within
from intsim.testing.strategies import accumulators
from intsim.verify.prove import PERSISTENT, POSSIBLE, PROVED, TRANSIENT, WITNESSED, prove
from tests.contract.registry import ORACLES

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
WIDE = IntFormat(60)


def dense(weight, accumulator, bits=8, signed=True, **fields):
    """A network of one dense layer, "sum", with as many inputs as there are weights in a row."""
    b = NetworkBuilder()
    x = b.input("x", (len(weight[0]),), IntFormat(bits, signed))
    b.output(b.add(Dense(weight=weight, accumulator=accumulator, **fields), x, name="sum"))
    return b.build()


def in_registers(op, formats, overflow=None):
    """The op with other formats in its registers, outermost first."""

    def other(accumulator, left):
        inner = None if accumulator.inner is None else other(accumulator.inner, left[1:])
        rule = accumulator.overflow if overflow is None else overflow
        return accumulator.replace(format=left[0], inner=inner, overflow=rule)

    accumulator = accumulator_of(op)
    return op.replace(accumulator=other(accumulator, formats))


def exact_of(case):
    """The case with room in every register."""
    levels = len(accumulator_of(case.op).levels())
    return Case(in_registers(case.op, [WIDE] * levels, Overflow.WRAP), case.specs, case.inputs)


def by_oracle(case):
    """Outputs (batch first) by the oracle; None for a sample that a register trapped."""
    outputs = []
    for index in range(case.batch):
        inputs = [x[index].tolist() for x in case.inputs]
        try:
            (output,) = ORACLES[case.op.name](plain(case.op), [spec.shape for spec in case.specs], inputs)
        except ArithmeticError:
            output = None
        outputs.append(output)
    return outputs


# --- execution never contradicts a proof ---


@settings(max_examples=100, suppress_health_check=SLOW)
@given(data=st.data())
def test_proved_channels_are_exact(data):
    """Any op that accumulates, any registers, any ranges; the oracle executes."""
    case = data.draw(sums_at_work(min_bits=6, max_bits=20, trap=True))
    (spec,) = case.specs
    interval = data.draw(intervals(spec))
    case = Case(case.op, case.specs, (data.draw(values_within(interval, spec)),))
    (node,) = prove(network_of(case), {"x0": interval}, witnesses=False).nodes
    assert len(node.verdicts) == len(node.kinds)
    proved = np.array([verdict == PROVED for verdict in node.verdicts])
    for output, exact in zip(by_oracle(case), by_oracle(exact_of(case)), strict=True):
        if output is None:
            assert not proved.all()
            continue
        same = np.array(output, dtype=object) == np.array(exact, dtype=object)
        channels = same.reshape(-1, same.shape[-1]).all(axis=0)
        assert (channels | ~np.broadcast_to(proved, channels.shape)).all()
        low, high = (
            np.array(end)
            for end in (node.registers[0].range.delivered.lo, node.registers[0].range.delivered.hi)
        )
        assert (np.array(output, dtype=object) >= low).all()
        assert (np.array(output, dtype=object) <= high).all()


@settings(max_examples=40, suppress_health_check=SLOW)
@given(data=st.data())
def test_networks_keep_what_is_proved_of_them(data):
    """Up to 6 layers: every executed value is in its range; a node that is proved delivers exact sums."""
    network = data.draw(networks(trap=True, max_layers=6, min_bits=8, max_bits=24))
    ranges = data.draw(input_ranges(network))
    proof = prove(network, ranges, witnesses=False)
    x = data.draw(inputs_within(network, ranges))
    try:
        trace = run(network, x, engine="reference", trace=["*"]).trace
    except OverflowTrap:
        assert not proof.proved
        return
    for name, values in trace.items():
        assert proof.bounds.tensors[name].contains(values), name
    nodes = {node.name: node for node in network.nodes}
    for node in proof.nodes:
        op, (source,) = nodes[node.node].op, nodes[node.node].inputs
        wide = in_registers(op, [WIDE] * len(node.registers), Overflow.WRAP)
        (exact,) = wide.reference(trace[source].astype(np.int64))
        found = trace[nodes[node.node].outputs[0]]
        assert node.registers[0].range.final.contains(exact) or not _ring_or_exact(node)
        same = (found == exact).reshape(-1, exact.shape[-1]).all(axis=0)
        proved = np.array([verdict == PROVED for verdict in node.verdicts])
        assert (same | ~proved).all(), node.node


def _ring_or_exact(node):
    """Whether `final` is of the exact sums: nothing inside may have changed what enters."""
    return all(entry.range.exact.all() for entry in node.registers[1:])


@settings(max_examples=60, suppress_health_check=SLOW)
@given(data=st.data())
def test_witnesses_are_executed_by_other_hands(data):
    """Rule Q2: every witness, by the reference engine and by the oracle, delivers what it says."""
    case = data.draw(sums_at_work(min_bits=4, max_bits=12))
    (spec,) = case.specs
    interval = data.draw(intervals(spec))
    network = network_of(case)
    (node,) = prove(network, {"x0": interval}).nodes
    for witness in node.witnesses:
        assert node.verdicts[witness.channel] == WITNESSED
        (sample,) = witness.inputs
        assert sample.shape == spec.shape
        assert interval.contains(sample)
        shown = Case(case.op, case.specs, (sample[None].astype(np.int64),))
        (delivered,) = by_oracle(shown)
        (exact,) = by_oracle(exact_of(shown))
        place = witness.index
        assert np.array(delivered, dtype=object)[place] == witness.delivered
        assert np.array(exact, dtype=object)[place] == witness.exact
        assert witness.exact != witness.delivered
        result = run(network, {"x0": sample[None]}, engine="reference").output
        assert int(result[(0, *place)]) == witness.delivered
    assert [w.channel for w in node.witnesses] == [
        channel for channel, verdict in enumerate(node.verdicts) if verdict == WITNESSED
    ]


@st.composite
def products_at_work(draw):
    """A matrix product with ranges for both operands, and values inside them."""
    rows, depth, columns = (draw(st.integers(1, 3)) for _ in range(3))
    op = BatchMatmul(
        x_zero_point=draw(st.integers(-3, 3)),
        y_zero_point=draw(st.integers(-3, 3)),
        accumulator=draw(accumulators((1, 1, depth), 4, 12)),
    )
    specs = TensorSpec((rows, depth), IntFormat(4)), TensorSpec((depth, columns), IntFormat(4))
    ranges = tuple(draw(intervals(spec)) for spec in specs)
    values = tuple(draw(values_within(*pair, 2)) for pair in zip(ranges, specs, strict=True))
    return Case(op, specs, values), ranges


@given(products_at_work())
def test_products_of_two_operands(drawn):
    """Proved products are exact; witnesses are inside both ranges and go wrong as they say."""
    case, ranges = drawn
    network = network_of(case)
    (node,) = prove(network, {"x0": ranges[0], "x1": ranges[1]}).nodes
    for output, exact in zip(by_oracle(case), by_oracle(exact_of(case)), strict=True):
        assert node.verdict != PROVED or output == exact
    for witness in node.witnesses:
        assert all(r.contains(x) for r, x in zip(ranges, witness.inputs, strict=True))
        shown = Case(case.op, case.specs, tuple(x[None].astype(np.int64) for x in witness.inputs))
        ((delivered,), (exact,)) = by_oracle(shown), by_oracle(exact_of(shown))
        assert np.array(delivered, dtype=object)[witness.index] == witness.delivered
        assert np.array(exact, dtype=object)[witness.index] == witness.exact


# --- the smallest safe width ---


@settings(max_examples=60, suppress_health_check=SLOW)
@given(data=st.data(), overflow=st.sampled_from(Overflow))
def test_the_safe_width_is_safe(data, overflow):
    """Every register as narrow as the proof allows, whatever the tiles: all channels are proved."""
    case = data.draw(sums_at_work())
    (spec,) = case.specs
    interval = data.draw(intervals(spec))
    levels = len(accumulator_of(case.op).levels())
    roomy = Case(in_registers(case.op, [WIDE] * levels, overflow), case.specs, case.inputs)
    (node,) = prove(network_of(roomy), {"x0": interval}).nodes
    assert set(node.verdicts) == {PROVED}
    safe = "wrap" if overflow is Overflow.WRAP else "saturate"
    formats = [IntFormat(max(entry.safe[safe])) for entry in node.registers]
    tight = Case(in_registers(roomy.op, formats), case.specs, case.inputs)
    proof = prove(network_of(tight), {"x0": interval})
    assert proof.proved
    assert min(proof.nodes[0].registers[0].headroom) == 0


@settings(max_examples=80, suppress_health_check=SLOW)
@given(data=st.data(), overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]))
def test_one_bit_less_is_witnessed(data, overflow):
    """For one register with a chain, and ranges that hold the zero point, the width is the smallest.

    Wherever zero points enter a register that wraps; in one that saturates, as a part of the terms.
    """
    case = data.draw(sums_at_work())
    (spec,) = case.specs
    whole = Interval.of_format(spec.format)
    accumulator = accumulator_of(case.op)
    place = accumulator.zero_point if overflow is Overflow.WRAP else ZeroPointPlace.SUBTRACT
    chain = Accumulator(WIDE, overflow, accumulator.order, bias=accumulator.bias, zero_point=place)
    op = case.op.replace(accumulator=chain)
    if hasattr(op, "input_zero_point"):
        zx = min(max(op.input_zero_point, whole.min), whole.max)
        op = op.replace(input_zero_point=zx)
    (node,) = prove(network_of(Case(op, case.specs, case.inputs)), {"x0": whole}).nodes
    safe = node.registers[0].safe["wrap" if overflow is Overflow.WRAP else "saturate"]
    bits = max(safe)
    if bits == 1:
        return
    narrow = in_registers(op, [IntFormat(bits - 1)])
    (node,) = prove(network_of(Case(narrow, case.specs, case.inputs)), {"x0": whole}).nodes
    for verdict, kind, needed in zip(node.verdicts, node.kinds, safe, strict=True):
        assert verdict == (WITNESSED if needed == bits else PROVED)
        assert (kind == "") == (verdict == PROVED)
    assert node.verdict == WITNESSED
    assert node.headroom == -1
    assert safe[node.worst()] == bits


# --- by hand ---


def said(network, ranges=None):
    (node,) = prove(network, ranges).nodes
    return node.verdicts, node.kinds, node.headroom


def test_verdicts_are_per_channel():
    weight = [[1, 1], [100, 27], [100, 100]]
    node = prove(dense(weight, Accumulator(IntFormat(15)))).nodes[0]
    assert node.verdicts == (PROVED, PROVED, WITNESSED)
    assert node.kinds == ("", "", PERSISTENT)
    assert node.verdict == WITNESSED
    assert node.registers[0].safe["wrap"].tolist() == [9, 15, 16]
    assert node.registers[0].headroom.tolist() == [6, 0, -1]
    assert (node.headroom, node.worst()) == (-1, 2)
    (witness,) = node.witnesses
    assert (witness.node, witness.channel, witness.index, witness.level) == ("sum", 2, (2,), 0)
    assert (witness.exact, witness.delivered) == (25400, 25400 - 2**15)
    assert witness.inputs[0].tolist() == [127, 127]


def test_a_narrower_input_range_is_enough():
    network = dense([[100, 100]], Accumulator(IntFormat(15)))
    assert said(network) == ((WITNESSED,), (PERSISTENT,), -1)
    assert said(network, {"x": Interval(-81, 81)}) == ((PROVED,), ("",), 0)
    assert said(network, {"x": Interval(-82, 82)}) == ((WITNESSED,), (PERSISTENT,), -1)
    with pytest.raises(SpecError):
        prove(network, {"x": Interval(-129, 0)})


@pytest.mark.parametrize(
    ("overflow", "expected"),
    [
        (Overflow.WRAP, ((PROVED,), ("",), 0)),
        (Overflow.SATURATE, ((WITNESSED,), (TRANSIENT,), -1)),
        (Overflow.TRAP, ((WITNESSED,), (TRANSIENT,), -1)),
    ],
)
def test_only_wrapping_forgives_a_sum_on_the_way(overflow, expected):
    """Activations 5 to 10, weights 3, 3, -3, -3: final -30 to 30, on the way 60."""
    network = dense([[3, 3, -3, -3]], Accumulator(IntFormat(6), overflow))
    assert said(network, {"x": Interval(5, 10)}) == expected
    (node,) = prove(network, {"x": Interval(5, 10)}).nodes
    widths = {name: bits.tolist() for name, bits in node.registers[0].safe.items()}
    assert widths == {"wrap": [6], "saturate": [7], "any order": [7]}


def test_without_looking_for_witnesses_a_wrong_sum_is_possible():
    (node,) = prove(dense([[100, 100]], Accumulator(IntFormat(8))), witnesses=False).nodes
    assert (node.verdict, node.witnesses) == (POSSIBLE, ())


def test_no_input_breaks_what_is_not_proved():
    """10 is held at 7, and 7 less 18 at -8: right by luck, for the one input there is."""
    rule = Accumulator(IntFormat(4), Overflow.SATURATE, bias=BiasPlace.FIRST)
    network = dense([[-1]], rule, bias=10)
    assert said(network, {"x": Interval(18, 18)}) == ((POSSIBLE,), (TRANSIENT,), -1)


def test_a_correction_that_comes_last_asks_for_a_bit_more():
    """Raw products of unsigned codes reach 15 * 8; less 8 * 15 they are -120 to 120."""
    safe = {}
    for place in ZeroPointPlace:
        rule = Accumulator(IntFormat(8), Overflow.SATURATE, zero_point=place)
        network = dense([[15]], rule, bits=4, signed=False, input_zero_point=8)
        (node,) = prove(network).nodes
        safe[place.name] = node.registers[0].safe["saturate"].tolist()
    assert safe == {"SUBTRACT": [8], "PRELOAD": [8], "AFTER": [9]}


def test_unsigned_registers():
    positive = dense([[1, 2]], Accumulator(IntFormat(6, signed=False)), bits=4, signed=False)
    assert said(positive) == ((PROVED,), ("",), 0)
    mixed = dense([[1, -2]], Accumulator(IntFormat(6, signed=False)), bits=4, signed=False)
    (node,) = prove(mixed).nodes
    assert (node.verdict, node.headroom, node.worst()) == (WITNESSED, None, 0)
    assert node.registers[0].needed.tolist() == [None]


@pytest.mark.parametrize(("weight", "low", "high"), [([1, 2], 0, 45), ([-1, -2], -45, 0)])
def test_sums_of_one_sign(weight, low, high):
    """They leave their register on one side only."""
    network = dense([weight], Accumulator(IntFormat(6)), bits=4, signed=False)
    assert said(network) == ((WITNESSED,), (PERSISTENT,), -1)
    (node,) = prove(network).nodes
    assert node.registers[0].range.final.hull() == Interval(low, high)
    assert node.witnesses[0].exact == low + high


def test_a_network_without_accumulators_is_proved():
    b = NetworkBuilder()
    b.output(b.input("x", (1,), IntFormat(8)))
    proof = prove(b.build())
    assert proof.proved
    assert proof.nodes == ()


def test_the_later_layer_rests_on_the_earlier_one():
    """The second register is proved by what the first can deliver, not by its format."""
    b = NetworkBuilder()
    x = b.input("x", (2,), IntFormat(4))
    first = b.add(Dense(weight=[[1, -1], [2, 1]], accumulator=Accumulator(IntFormat(16))), x, name="one")
    b.output(b.add(Dense(weight=[[1, 1]], accumulator=Accumulator(IntFormat(7))), first, name="two"))
    proof = prove(b.build())
    assert [node.verdict for node in proof.nodes] == [PROVED, PROVED]
    assert proof.nodes[1].registers[0].range.final.hull() == Interval(-39, 36)
    assert dict(proof.ranges) == {"x": Interval(-8, 7)}
