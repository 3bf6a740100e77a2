"""Steps of several nodes give what the nodes give, and stay apart where somebody looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intsim import NetworkBuilder, plan, run
from intsim.arithmetic import (
    Accumulator,
    Multiply,
    Overflow,
    Register,
    Requantization,
    Rounding,
    ShiftLeft,
    ShiftRight,
)
from intsim.arithmetic import Add as AddStep
from intsim.arithmetic.dialects import DIALECTS
from intsim.formats import IntFormat
from intsim.ops import Add, Clamp, Conv2d, Dense, DepthwiseConv2d, Lookup, Mul, Requantize, Sub, Sum
from intsim.testing.networks import inputs, networks

INT8, UINT8 = IntFormat(8), IntFormat(8, signed=False)


def requantize(rng, dialect, channels, zero=0):
    ratios = 2.0 ** rng.uniform(-11, -6, channels)
    return Requantize(requantization=DIALECTS[dialect].requantization(ratios, zero_point=zero))


def operand(rng, zero):
    steps = (
        AddStep(values=-zero),
        ShiftLeft(bits=20),
        *DIALECTS["tflite-double"].steps(rng.uniform(0.2, 1, 1)),
    )
    return Requantize(requantization=Requantization(steps, IntFormat(32)))


def residual(rng, dialect="tflite-double", channels=8, accumulator=Accumulator()):  # noqa: B008 - frozen
    """conv, depthwise, both added, a table, a sum over the image, dense: all that becomes one step."""
    b = NetworkBuilder()
    x = b.input("x", (5, 6, 3), INT8)
    weight = rng.integers(-127, 128, (channels, 3, 3, 3))
    op = Conv2d(
        weight=weight,
        bias=rng.integers(-3000, 3000, channels),
        input_zero_point=-3,
        padding=((1, 1), (1, 1)),
        accumulator=accumulator,
    )
    first = b.add(op, x, name="conv/sums")
    first = b.add(requantize(rng, dialect, channels, zero=-128), first, name="conv")
    op = DepthwiseConv2d(
        weight=rng.integers(-127, 128, (channels, 1, 3, 3)),
        input_zero_point=-128,
        padding=((1, 1), (1, 1)),
        accumulator=accumulator,
    )
    second = b.add(op, first, name="depthwise/sums")
    second = b.add(requantize(rng, dialect, channels, zero=4), second, name="depthwise")
    left, right = (
        b.add(operand(rng, zero), tensor, name=f"add/{side}")
        for side, tensor, zero in (("lhs", first, -128), ("rhs", second, 4))
    )
    both = b.add(Add(), left, right, name="add/sums")
    rule = DIALECTS["tflite-double"].requantization(rng.uniform(0.3, 1.4) * 2.0**-20, zero_point=7)
    both = b.add(Requantize(requantization=rule), both, name="add")
    table = b.add(Lookup(entries=rng.permutation(256) - 128), both, name="table")
    pooled = b.add(Sum(axes=(0, 1)), table, name="pool/sums")
    pooled = b.add(requantize(rng, "tflite-single", 1), pooled, name="pool")
    sums = b.add(Dense(weight=rng.integers(-127, 128, (10, channels))), pooled, name="dense/sums")
    codes = b.add(requantize(rng, "litert-ref-fc", 1, zero=-9), sums, name="dense")
    codes = b.add(Clamp(lo=-100, hi=90), codes, name="clamp")
    b.output(b.add(Lookup(entries=rng.permutation(256) - 128), codes, name="last"))
    return b.build()


def words(made):
    return [[node.name for node in step.nodes] for step in made.steps]


def test_what_becomes_one_step():
    made = plan(residual(np.random.default_rng(0)))
    assert words(made) == [
        ["conv/sums", "conv"],
        ["depthwise/sums", "depthwise"],
        ["add/lhs", "add/rhs", "add/sums", "add"],
        ["table"],
        ["pool/sums", "pool"],
        ["dense/sums", "dense", "clamp", "last"],
    ]
    assert [step.kernel.split(" ")[0] for step in made.steps][:2] == ["conv2d", "depthwise_conv2d"]
    assert "equals the steps on all" in made.steps[0].reason
    assert made.steps[2].kernel.startswith("requantize + requantize + add ")
    assert made.steps[-1].kernel.endswith(" + requantize + clamp + lookup")
    assert len(made.nodes) == 15
    assert [step.freed for step in made.steps[:3]] == [("x",), (), ("conv", "depthwise")]


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**31),
    dialect=st.sampled_from(["tflite-double", "tflite-single", "tflite-neon", "f32-rne-zp-after"]),
    channels=st.sampled_from([1, 3, 8, 16, 20]),
    batch=st.integers(1, 5),
    data=st.data(),
)
def test_steps_give_what_the_nodes_give(seed, dialect, channels, batch, data):
    rng = np.random.default_rng(seed)
    network = residual(rng, dialect, channels)
    x = rng.integers(-128, 128, (batch, 5, 6, 3)).astype(np.int8)
    made = plan(network)
    expected = run(network, x, engine="reference", trace=["*"])
    assert np.array_equal(made.run(x).output, expected.output)
    names = data.draw(st.lists(st.sampled_from(sorted(network.specs)), max_size=3, unique=True))
    found = made.run(x, trace=names, chunk=data.draw(st.integers(1, 5)), threads=data.draw(st.integers(1, 2)))
    assert np.array_equal(found.output, expected.output)
    assert set(found.trace) == set(names)
    for name in names:
        assert np.array_equal(found.trace[name], expected.trace[name])
        assert found.trace[name].dtype == expected.trace[name].dtype


@settings(deadline=None, max_examples=10)
@given(st.data())
def test_drawn_networks_that_nobody_traces(data):
    network = data.draw(networks(trap=False))
    given_inputs = data.draw(inputs(network))
    events = data.draw(st.booleans())
    found = run(network, given_inputs, events=events)
    expected = run(network, given_inputs, engine="reference", events=events)
    assert {name: values.tolist() for name, values in found.outputs.items()} == {
        name: values.tolist() for name, values in expected.outputs.items()
    }
    assert found.events == expected.events


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("conv/sums", [["conv/sums"], ["conv"]]),
        ("dense", [["dense/sums", "dense"], ["clamp"], ["last"]]),
        ("clamp", [["dense/sums", "dense", "clamp"], ["last"]]),
        ("add/lhs", [["add/lhs"], ["add/rhs", "add/sums", "add"]]),
        ("last", []),
        ("x", []),
    ],
)
def test_a_trace_takes_steps_apart(name, apart):
    made = plan(residual(np.random.default_rng(0)))
    steps = [[node.name for node in step.nodes] for step in made.steps_for([name])]
    assert all(nodes in steps for nodes in apart)
    if not apart:
        assert steps == words(made)
        assert made.steps_for([name]) is made.steps
    assert words(made) == words(plan(made.network))


def test_outputs_and_tensors_with_two_readers_are_seen():
    b = NetworkBuilder()
    x = b.input("x", (4,), INT8)
    sums = b.add(Dense(weight=np.ones((3, 4), int)), x, name="sums")
    rule = Requantize(requantization=Requantization((ShiftRight(bits=2),), INT8))
    a, c = (b.add(rule, sums, name=name) for name in "ac")
    b.output(b.add(Clamp(lo=0, hi=9), a, name="d"), a, c)
    made = plan(b.build())
    assert words(made) == [["sums"], ["a"], ["c"], ["d"]]
    assert made.run([[1, 2, 3, 4]]).outputs["d"].tolist() == [[2, 2, 2]]


def test_a_tensor_that_a_node_reads_twice_is_one_reader_too_many():
    b = NetworkBuilder()
    x = b.input("x", (4,), INT8)
    wide = b.add(operand(np.random.default_rng(0), 3), x, name="wide")
    sums = b.add(Add(), wide, wide, name="sums")
    b.output(b.add(requantize(np.random.default_rng(0), "tflite-double", 1), sums, name="y"))
    made = plan(b.build())
    assert words(made)[0] == ["wide"]
    x = np.arange(-8, 8).reshape(4, 4)
    assert np.array_equal(made.run(x).output, run(made.network, x, engine="reference").output)


@pytest.mark.parametrize("engine", ["reference", "exact", "crosscheck"])
def test_other_engines_take_every_node_by_itself(engine):
    made = plan(residual(np.random.default_rng(0)), engine=engine)
    assert words(made) == [[node.name] for node in made.network.nodes]


@pytest.mark.parametrize("overflow", list(Overflow))
def test_what_could_overflow_and_show_stays_apart(overflow):
    rng = np.random.default_rng(1)
    network = residual(rng, accumulator=Accumulator(IntFormat(16), overflow))
    made = plan(network)
    fused = overflow is Overflow.WRAP  # modulo 2**16 in any order
    assert (["conv/sums", "conv"] in words(made)) == fused
    assert ["conv/sums", "conv"] not in words(plan(network, events=True))
    if overflow is not Overflow.TRAP:
        x = rng.integers(-128, 128, (3, 5, 6, 3)).astype(np.int8)
        expected = run(network, x, engine="reference", events=True)
        assert np.array_equal(made.run(x).output, expected.output)
        counted = run(network, x, events=True)
        assert counted.events == expected.events
        assert np.array_equal(counted.output, expected.output)


@pytest.mark.parametrize("op", [Add, Sub, Mul])
@pytest.mark.parametrize("format", [INT8, UINT8, IntFormat(16)])
def test_two_tensors_without_a_requantize_before(op, format):
    b = NetworkBuilder()
    x, y = (b.input(name, (3, 5), format) for name in "xy")
    value = b.add(op(register=Register(IntFormat(40))), x, y, name="value")
    steps = Multiply(multipliers=1234567), ShiftRight(bits=36 if op is Mul else 22, rounding=Rounding.HALF_UP)
    b.output(b.add(Requantize(requantization=Requantization(steps, INT8)), value, name="z"))
    network = b.build()
    rng = np.random.default_rng(2)
    given_inputs = {name: rng.integers(format.min, format.max + 1, (40, 3, 5)) for name in "xy"}
    made = plan(network)
    assert words(made) == [["value", "z"]]
    expected = run(network, given_inputs, engine="reference")
    assert np.array_equal(made.run(given_inputs).output, expected.output)


@pytest.mark.parametrize("traced", [(), ("lhs",), ("rhs",), ("lhs", "rhs")])
@pytest.mark.parametrize("op", [Add, Sub])
def test_operands_keep_their_order(op, traced):
    """Whichever of them is requantized inside the step."""
    rng = np.random.default_rng(3)
    b = NetworkBuilder()
    x, y = b.input("x", (4,), INT8), b.input("y", (4,), INT8)
    left, right = b.add(operand(rng, 3), x, name="lhs"), b.add(operand(rng, -5), y, name="rhs")
    value = b.add(op(), left, right, name="value")
    rule = DIALECTS["tflite-double"].requantization(2.0**-20, zero_point=7)
    b.output(b.add(Requantize(requantization=rule), value, name="z"))
    network = b.build()
    given_inputs = {name: rng.integers(-128, 128, (50, 4)) for name in "xy"}
    expected = run(network, given_inputs, engine="reference")
    made = plan(network)
    assert len(made.steps_for(traced)) == 1 + len(traced)
    assert np.array_equal(made.run(given_inputs, trace=traced).output, expected.output)


@pytest.mark.parametrize("op", [Add, Sub, Mul])
@pytest.mark.parametrize("shapes", [((3, 5), (5,)), ((1, 5), (3, 5)), ((4, 1, 5), (3, 1)), ((), (2,))])
def test_other_shapes_are_spread(op, shapes):
    b = NetworkBuilder()
    x, y = (b.input(name, shape, INT8) for name, shape in zip("xy", shapes, strict=True))
    value = b.add(op(), x, y, name="value")
    rule = DIALECTS["tflite-double"].requantization(0.3 if op is not Mul else 0.01, zero_point=7)
    b.output(b.add(Requantize(requantization=rule), value, name="z"))
    network, rng = b.build(), np.random.default_rng(0)
    given_inputs = {
        name: rng.integers(-128, 128, (9, *shape)) for name, shape in zip("xy", shapes, strict=True)
    }
    made = plan(network)
    assert words(made) == [["value", "z"]]
    expected = run(network, given_inputs, engine="reference")
    assert np.array_equal(made.run(given_inputs).output, expected.output)
    assert made.run({name: x[:0] for name, x in given_inputs.items()}).output.shape[0] == 0


def test_a_sum_of_everything_has_one_channel():
    """A sample of shape () is fused like a channel of its own."""
    b = NetworkBuilder()
    x = b.input("x", (5,), IntFormat(8))
    total = b.add(Sum(axes=(0,)), x, name="total")
    b.output(b.add(Requantize(Requantization((ShiftRight(bits=3),))), total, name="code"))
    network = b.build()
    values = np.array([[100, 27, -3, 0, 1], [-128] * 5])
    found = plan(network).run(values).output
    assert found.shape == (2,)
    assert found.tolist() == [125 >> 3, max(-640 >> 3, -128)]


@pytest.mark.parametrize(("bits", "words"), [(32, 3), (33, 2)])
def test_codes_of_more_than_32_bits_are_no_end_of_a_sum(bits, words):
    """What makes them of an 8-bit code is a step of its own."""
    rng, b = np.random.default_rng(0), NetworkBuilder()
    sums = b.add(Dense(rng.integers(-128, 128, (16, 20))), b.input("x", (20,), INT8), name="sums")
    codes = b.add(requantize(rng, "tflite-double", 16), sums, name="codes")
    wide = Requantization((Multiply(multipliers=(1 << 24) - 1),), IntFormat(bits))
    b.output(b.add(Requantize(wide), codes, name="wide"))
    network, x = b.build(), rng.integers(-128, 128, (7, 20))
    assert len(plan(network).steps[0].nodes) == words
    assert run(network, x).output.tolist() == run(network, x, engine="reference").output.tolist()
